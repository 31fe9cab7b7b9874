# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts of the models' fleets: the real conductor and host runs in virtual time, watched from outside."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Event

from ..plugins.plugin_utils._rollout.worlds import HOOKS, World
from ..plugins.plugin_utils.machines import difference
from ..plugins.plugin_utils.simulated import Host
from .fleet import Fleet, Record


class Observed(World):
    """A fleet whose machines are looked at with each record of the journal.

    :ivar seen: the records.
    """

    def __init__(self, fleet: Fleet, **others: Any) -> None:
        super().__init__(*fleet.hosts, hooks=HOOKS, **{**fleet.options(), **others})
        self.fleet = fleet
        self.only = fleet.only
        self.reboot_timeout_s = 60.0
        self.domains = {**{name: {"rack": rack} for name, rack in fleet.racks.items()}}
        self.seen: list[Record] = []
        self._began = self.now
        for bystander in fleet.bystanders:
            machine = Host(bystander.name)
            machine.down_at, machine.up_at = self.now + bystander.down_at_s, self.now + bystander.up_at_s
            self.bystanders[bystander.name] = machine
            self.domains[bystander.name] = {"rack": bystander.rack}
            if bystander.down_at_s <= 0:
                self.down_at_start.append(bystander.name)
        for name, host in self.hosts.items():
            self._befall(host, fleet.fates[name])

    def _befall(self, host: Host, fate: str) -> None:
        host.needs = [] if fate == "needless" else [reason("PENDING_KERNEL", "a newer kernel").as_dict()]
        if fate == "foreign":
            host.boots = "foreign"
        elif fate == "degraded":
            host.machine.differs = {1: [difference("CPU_LOST", "3")]}
        elif fate == "lost":
            host.comes_back = False
        elif fate == "undrainable":
            host.answers["drain"] = (1, "no")
        elif fate == "unhealthy":
            host.answers["undrain"] = (1, "no")
        elif fate == "locked":
            host.stage_error = {"code": "LOCKDOWN", "msg": "locked down"}

    def down_for_s(self) -> dict[str, float]:
        """Machines that do not answer, with how long they have not."""
        now = asyncio.get_running_loop().time()
        machines = {**self.hosts, **self.bystanders}
        return {name: now - max(host.down_at, self._began) for name, host in machines.items() if not host.up}

    async def commit(self, batch: Sequence[Event]) -> None:
        written = len(self.disk)
        try:
            await super().commit(batch)
        finally:
            with contextlib.suppress(RuntimeError):
                self._look(written)

    def _look(self, written: int) -> None:
        down = self.down_for_s()
        at_s = asyncio.get_running_loop().time() - self._began
        for each in self.disk[written:]:
            words = [str(each.get(name) or "") for name in ("event", "host", "debt")]
            self.seen.append(Record(at_s, words[0], words[1], down, words[2], bool(each.get("unavailable"))))

    def resume(self, fleet: Fleet, **others: Any) -> None:
        """Resume the run with other limits."""
        self.options = fleet.options()
        self.statuses, self.stopped = {}, None
        self.conduct(resume=True, **others)

    def drained(self, name: str) -> bool:
        """Whether the load balancer has a host as drained."""
        last = [line for line in self.hosts[name].log if line in ("run lb drain", "run lb undrain")][-1:]
        return last == ["run lb drain"]
