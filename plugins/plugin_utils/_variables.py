# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of variables that users set for roles and playbooks.

Ansible takes a misspelt variable for one that nobody uses. Here, a name that begins with a reserved prefix has to be known.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ._errors import RolloutError
from ._text import clipped

#: Variables of the playbooks, and of all roles.
COMMON_PREFIX = "fleet_kexec_"
COMMON = frozenset({"fleet_kexec_become", "fleet_kexec_hosts", "fleet_kexec_policy"})

ROLLING_ROLE = "fleet.kexec.rolling_reboot"
_ROLLING_PREFIX = "rolling_reboot_"
# Set by the role itself.
_ROLLING_RESULT = "rolling_reboot_result"

# Similarity, without the prefix, from which a name counts as a misspelling: C(sate) and C(state) have 0.89, C(packages) and
# C(packages_extra) 0.73.
_LIKE = 0.75


@dataclass(frozen=True)
class VariableNames:
    """Variables that users may set.

    :ivar prefix: beginning of the names that are reserved, in addition to :data:`COMMON_PREFIX`.
    :ivar known: all names that begin with it and mean something.
    :ivar shared: whether other roles may use the prefix, too, so that only a name like a known one is an error.
    """

    prefix: str
    known: Collection[str]
    shared: bool = False

    def check(self, names: Iterable[str]) -> list[str]:
        """Refuse unknown names, and return a sentence for each that may belong to someone else.

        :raises RolloutError: C(VARIABLE_UNKNOWN).
        """
        unknown = sorted(
            name
            for name in names
            if (name.startswith(self.prefix) and name not in self.known)
            or (name.startswith(COMMON_PREFIX) and name not in COMMON)
        )
        refused: list[str] = []
        strange: list[str] = []
        for name in unknown:
            common = name.startswith(COMMON_PREFIX)
            like = _like(name, COMMON_PREFIX, COMMON) if common else _like(name, self.prefix, self.known)
            said = "%s means nothing here%s" % (clipped(name), ", but %s does" % like if like else "")
            (strange if self.shared and not common and not like else refused).append(said)
        if refused:
            raise RolloutError("VARIABLE_UNKNOWN", ", and ".join(refused))
        return strange


def rolling_variables(task_vars: Mapping[str, Any], load: Callable[[str], Any]) -> VariableNames | None:
    """Variables of the role rolling_reboot; None for a task outside of it.

    :param task_vars: those of the task, with C(ansible_role_name) and C(role_path) if it is part of a role.
    :param load: reads a YAML file.
    """
    if task_vars.get("ansible_role_name") != ROLLING_ROLE:
        return None
    specs = load(str(Path(task_vars["role_path"]) / "meta/argument_specs.yml"))
    known = frozenset(specs["argument_specs"]["main"]["options"])
    return VariableNames(_ROLLING_PREFIX, known | {_ROLLING_RESULT})


def _like(name: str, prefix: str, known: Collection[str]) -> str | None:
    bare = [each.removeprefix(prefix) for each in sorted(known)]
    found = get_close_matches(name.removeprefix(prefix).lower(), bare, n=1, cutoff=_LIKE)
    return prefix + found[0] if found else None
