# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each risk of a kexec leads to.

The safe answer is the default. A host's own is in C([policy]) of
C(/etc/fleet-kexec.conf), and what a task says goes before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Mapping, Sequence

from .._host.files import HostFiles
from .._paths import CONFIG_FILE
from .._reasons import Reason
from .config import POLICY, read_section, with_section
from .errors import KexecError

BLOCK = "block"
WARN = "warn"
ALLOW = "allow"
EFFECTS = (BLOCK, WARN, ALLOW)

DEFAULTS: Dict[str, str] = {
    "CLOUD_RISK": BLOCK,
    "COLD_BOOT_PENDING": BLOCK,
    "CONSOLE_SLOW": WARN,
    "CONTAINERS_RUNNING": WARN,
    "DRIVER_RISK": BLOCK,
    "GUESTS_RUNNING": WARN,
    "MANY_KEXECS": WARN,
    "NO_WATCHDOG": WARN,
    "RESERVATION_NOT_MADE": WARN,
    "RESERVATION_PENDING": WARN,
    "SRIOV_IN_USE": BLOCK,
    "TPM_BOUND_DISK": BLOCK,
    "VFIO_IN_USE": BLOCK,
    "XEN_DOM0": BLOCK,
}
# Codes that a policy may block; see verdict.HOST_CODES for what is simply not possible.
RISK_CODES = frozenset(DEFAULTS)

_HEADER = """\
# What risks of a kexec lead to on this host, wherever a task does not say.
# Values: CODE = block|warn|allow.
"""


@dataclass(frozen=True)
class Policy:
    """Effects by code.

    :ivar effects: C(block), C(warn) or C(allow) for every code that is a risk.
    """

    effects: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULTS))

    def override(self, wanted: Mapping[str, Any], origin: str) -> Policy:
        """This policy with what is wanted otherwise.

        :param origin: what to call it in messages.
        :raises KexecError: C(POLICY_INVALID).
        """
        for code, effect in wanted.items():
            if code not in DEFAULTS:
                known = ", ".join(sorted(DEFAULTS))
                raise KexecError("POLICY_INVALID", "%s has %s, which is no risk; known risks are %s" % (origin, code, known))
            if effect not in EFFECTS:
                raise KexecError("POLICY_INVALID", "%s has %s: %s; it can be %s" % (origin, code, effect, ", ".join(EFFECTS)))
        return replace(self, effects={**self.effects, **wanted})


@dataclass(frozen=True)
class Judgement:
    """Risks by what they lead to; those that are allowed are in neither.

    :ivar blocked: a kexec is out of the question for these.
    :ivar warned: to be told of.
    """

    blocked: List[Reason] = field(default_factory=list)
    warned: List[Reason] = field(default_factory=list)


def judge(risks: Sequence[Reason], policy: Policy) -> Judgement:
    """Sort risks by their effect."""
    return Judgement(
        blocked=[risk for risk in risks if policy.effects[risk.code] == BLOCK],
        warned=[risk for risk in risks if policy.effects[risk.code] == WARN],
    )


def render_policy(effects: Mapping[str, str], existing: str = "") -> str:
    """The text of C(/etc/fleet-kexec.conf) for a host's own policy; without effects it has none.

    :param existing: its text so far, of which the other sections stay.
    :raises KexecError: C(POLICY_INVALID).
    """
    Policy().override(effects, "policy")
    return with_section(existing, POLICY, _HEADER, effects)


def read_policy(files: HostFiles) -> Policy:
    """The host's own policy.

    :raises KexecError: C(CONFIG_INVALID) or C(POLICY_INVALID).
    """
    section = read_section(files, POLICY)
    return Policy().override({code.upper(): effect for code, effect in section.items()}, "[%s] of %s" % (POLICY, CONFIG_FILE))
