# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""One rollout of simulated hosts, in this process, and what it took.

Everything is what M(fleet.kexec.rolling_reboot) runs, from its options to its result: plan, forecast, scheduler,
conductor, hosts, prober, the journal and the lock on disk. Only inventory and connections are not there: a session
answers at once, and asks the shared memory of the simulated hosts what their commands would have said.

Reads a job as JSON from standard input and writes the figures to standard output.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import os
import resource
import socket
import sys
import time
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.trigger import TRIGGER
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.plain import PlainView
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot import scripts
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.request import RebootRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.arguments import CONNECTIONS, rolling_argument_spec
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.controller import Controller
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.fleet import PlayFleet
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.run import Probers, Rolling
from ansible_collections.fleet.kexec.plugins.plugin_utils._text import ASCII
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import Session, SessionLost
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.shared_options import SharedOptions
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.sshd import Sshd
from ansible_collections.fleet.kexec.tests.bench.simulated_fleet import (
    BANNER,
    Control,
    State,
    address_of,
    index_of,
    name_of,
    port_of,
)
from ansible_collections.fleet.kexec.tests.host_facts import whole_facts

TOKEN = "ab" * 8
STAGED = {
    "kernel": "/boot/vmlinuz-2",
    "initrd": "/boot/initrd.img-2",
    "release": "2",
    "cmdline": "ro",
    "loader": "kexec_load",
    "token": TOKEN,
}
# As large as a real one.
TIMELINE = {
    "boot_id": "",
    "phases": [
        {"name": name, "start": "2026-11-24T19:00:00.123Z", "start_ms": 0.0, "duration_ms": 1.0, "error_ms": 0.5, "source": "TSC"}
        for name in ("drain", "stage", "stop_units", "jump", "stub", "kernel", "initrd", "userspace", "network", "ssh", "healthy")
    ],
    "units": {way: [{"unit": "unit%d.service" % each, "duration_ms": 1.0} for each in range(10)] for way in ("stop", "start")},
}
MODEL = "Example Inc. Server 9"
MACHINE = {"changed": False, "compared": True, "model": MODEL, "settled_ms": 40, "differences": []}
BOOTLOADER_GRUB, BOOTLOADER_KEXEC = 114, 0xD0


class SimulatedSession(Session):
    """A session with a simulated host.

    :param down_s: how long its reboot lasts.
    """

    def __init__(self, index: int, state: State, control: Control, port: int, down_s: float) -> None:
        self._index = index
        self._state = state
        self._control = control
        self._port = port
        self._down_s = down_s

    async def run(self, script: str, args: Sequence[str], become: bool, timeout_s: float) -> CommandResult:
        if not self._state.up(self._index):
            raise SessionLost("down")
        if script == TRIGGER:
            self._control.reboot(self._index, float(args[2]), self._down_s)
            return CommandResult(0, "", "")
        if script == scripts.CLOCK:
            return CommandResult(0, "clock=%d\nclock=%d\n" % (time.time_ns(), time.time_ns()), "")
        if script != scripts.STATE:
            return CommandResult(0, "", "")
        boots = self._state.boots(self._index)
        if boots:
            self._state.asked(self._index)
        lines = [
            "boot_id=" + self._state.boot_id(self._index),
            "release=%d" % (1 + boots),
            "bootloader_type=%d" % (BOOTLOADER_KEXEC if boots else BOOTLOADER_GRUB),
            "panic_s=0",
            "panic_on_oops=0",
            "timer=inactive",
            "trigger=inactive",
            "system=running",
            "preparing=b false",
            "cmdline=ro" + (" fleet_kexec.token=" + TOKEN if boots else ""),
        ]
        return CommandResult(0, "\n".join(lines), "")

    async def module(self, name: str, args: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        if not self._state.up(self._index):
            raise SessionLost("down")
        if name == "fleet.kexec.stage":
            return {"changed": True, "staged": dict(STAGED), "notes": [], "predicted_ms": None}
        if name == "fleet.kexec.timeline":
            return {"changed": True, "timeline": dict(TIMELINE, boot_id=self._state.boot_id(self._index))}
        if name == "fleet.kexec.machine":
            # Of both states: each is read for what it is asked for.
            return dict(MACHINE, machine={"boot_id": self._state.boot_id(self._index), "soft_reboots": 0, "model": MODEL})
        facts = whole_facts(
            boot={"boot_id": self._state.boot_id(self._index)}, kernel={"release": "1"}, verdict={"release": None}
        )
        return {"ansible_facts": {"fleet_kexec": facts}}

    async def sshd(self) -> Sshd | None:
        return Sshd((socket.AF_INET, (address_of(self._index), self._port)), BANNER)

    async def leave(self) -> None:
        """There is no connection."""

    def restore(self) -> None:
        """There is no connection."""


class SimulatedPlay:
    """What is asked of an inventory; see :class:`PlayHosts`."""

    def __init__(self) -> None:
        self._templar = Templar(loader=DataLoader(), variables={})

    def variables(self, name: str) -> dict[str, Any]:
        """Nothing but a connection."""
        return {"ansible_connection": "ssh", "ansible_facts": {}}

    def shared_options(self, per_host: Container[str]) -> SharedOptions:
        """The task has no templates."""
        return SharedOptions({}, {}, per_host, self._templar)

    def groups(self, name: str) -> frozenset[str]:
        """All hosts are in one."""
        return frozenset({"all"})

    def members(self, groups: Sequence[str]) -> list[str]:
        """No limit asks for any."""
        return []

    def templar(self, variables: dict[str, Any]) -> Templar:
        """There is nothing to template."""
        return self._templar


class SimulatedFleet(PlayFleet):
    """Hosts with sessions that are simulated."""

    def simulate(self, directory: Path, down_s: Sequence[float]) -> None:
        """:param down_s: of each host."""
        self._state = State(directory)
        self._control = Control(directory)
        self._port = port_of(directory)
        self._down_s = down_s

    def session(self, name: str, *, urgent: bool = True) -> Session:
        """See :meth:`PlayFleet.session`."""
        index = index_of(name)
        return SimulatedSession(index, self._state, self._control, self._port, self._down_s[index])

    def _controller_session(self) -> Session:
        # No hook runs there.
        return self.session(name_of(0))


class SimulatedRolling(Rolling):
    """A rollout of simulated hosts."""

    def __init__(self, job: Mapping[str, Any], **arguments: Any) -> None:
        super().__init__(hosts=SimulatedPlay(), **arguments)  # type: ignore[arg-type]  # simulated
        self._job = job

    def fleet(self, probers: Probers, request: RebootRequest, before: RunState | None = None) -> PlayFleet:
        """See :meth:`Rolling.fleet`."""
        fleet = SimulatedFleet(
            SimulatedPlay(),  # type: ignore[arg-type]  # simulated
            {},
            prober=probers.hosts,
            service_prober=probers.services,
            request=request,
            fallback="none",
            connect_timeout_s=None,
            connections=CONNECTIONS,
            own_boot_id="controller",
            random=self._controller.random,
            progress=self._controller.progress,
            interrupt=self._interrupt,
        )
        fleet.simulate(Path(self._job["fleet"]), self._job["down_s"])
        return fleet


def rolling(job: Mapping[str, Any]) -> SimulatedRolling:
    """The rollout of a job."""
    # Kept open until the process ends.
    log = Path(job["directory"], "log").open("w", encoding="utf-8")  # noqa: SIM115

    state = State(Path(job["fleet"]))

    def say(line: str) -> None:
        print(line, file=log)

    def progress(host: str, text: str) -> None:
        if text == "sshd answers":
            state.noticed(index_of(host))

    options = {name: spec.get("default") for name, spec in rolling_argument_spec().items()}
    options.update(window=job["window"], method="kexec", run_directory=job["directory"])
    return SimulatedRolling(
        job,
        options=options,
        raw={},
        names=[name_of(index) for index in range(len(job["down_s"]))],
        unavailable=[],
        request=RebootRequest("kexec", 3600.0, "", "measured"),
        controller=Controller(
            warn=lambda text: None,
            name="bench",
            own_boot_id="controller",
            random=lambda count: os.urandom(count).hex(),
            say=say,
            progress=progress,
            columns=80,
            glyphs=ASCII,
            view=lambda state, predictions: PlainView(log.write, state, predictions=predictions),
        ),
    )


def peak_rss_bytes() -> int:
    """Of this process since it was started (proc(5), VmHWM)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmHWM")


def main() -> int:
    job = json.load(sys.stdin)
    if job["descriptors"]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (job["descriptors"], job["descriptors"]))
    # The lock, too, is on the job's disk.
    os.environ["XDG_STATE_HOME"] = job["directory"]
    profile = cProfile.Profile() if job.get("profile") else None
    before = resource.getrusage(resource.RUSAGE_SELF)
    rss_before_bytes = peak_rss_bytes()
    began = time.monotonic()
    if profile:
        profile.enable()
    result = asyncio.run(rolling(job).run())
    if profile:
        profile.disable()
        profile.dump_stats(job["profile"])
    wall_s = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    json.dump(
        {
            "counts": result["counts"],
            "stopped": result["stopped"],
            "wall_s": wall_s,
            "user_s": after.ru_utime - before.ru_utime,
            "system_s": after.ru_stime - before.ru_stime,
            "peak_rss_bytes": peak_rss_bytes(),
            "rss_before_bytes": rss_before_bytes,
        },
        sys.stdout,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
