# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines behind the names of an inventory, known by the boots that they run."""

from __future__ import annotations

from .._journal.run_state import RunState
from .._reboot.errors import RebootError


class Identities:
    """Names of the machines of one rollout; a machine has one name in it, that which was prepared first.

    :param before: state of the run that is resumed: a machine that was rebooted then is not rebooted again by another name.
    """

    def __init__(self, before: RunState | None = None) -> None:
        self._names: dict[str, str] = {}
        for state in before.hosts.values() if before is not None else ():
            for boot_id in (state.boot_id, state.boot_id_after):
                if boot_id:
                    self._names.setdefault(boot_id, state.host)

    def claim(self, name: str, boot_id: str) -> None:
        """Take in that a host runs this boot.

        :raises RebootError: C(HOST_DUPLICATE): so does another one, which means that both are one machine.
        """
        other = self._names.setdefault(boot_id, name)
        if other != name:
            raise RebootError("HOST_DUPLICATE", "this is the machine that the inventory also has as %s" % other)
