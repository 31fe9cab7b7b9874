# SPDX-License-Identifier: GPL-3.0-or-later
"""A reboot that findings are sought in: milliseconds of the new system's clocks are those of the timeline, less ten seconds.

The old system stops from 0 to 8 s and jumps until 10 s, when the new kernel's clock begins. The kernel ends at 12 s, the initrd
at 15 s, the network is set up at 17 s, has an address at 19 s, and sshd answers at 21 s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._findings.analysis import analyse
from ansible_collections.fleet.kexec.plugins.module_utils._findings.case import BootEvidence
from ansible_collections.fleet.kexec.plugins.module_utils._host.addresses import FirstAddress
from ansible_collections.fleet.kexec.plugins.module_utils._host.boot_log import BootLog, KernelMessage
from ansible_collections.fleet.kexec.plugins.module_utils._host.boot_setup import BootSetup
from ansible_collections.fleet.kexec.plugins.module_utils._host.clocks import ClockLog
from ansible_collections.fleet.kexec.plugins.module_utils._host.last_stop import LastStop, StopStamp
from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId
from ansible_collections.fleet.kexec.plugins.module_utils._host.systemd_times import ManagerTimes, StartJob, UnitStop, UnitTimes
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.axis import Now
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.timeline import BootReading

S = 10**9
BEGAN_S = 1_795_000_000

PHASES = {
    "stop_units": (0, 8000),
    "jump": (8000, 10000),
    "kernel": (10000, 12000),
    "initrd": (12000, 15000),
    "userspace": (15000, 17000),
    "network": (17000, 19000),
    "ssh": (19000, 21000),
}


def timeline(
    phases: Mapping[str, tuple[float, float]] | None = None, shutdown_ms: float = 0.0, outage: Any = None
) -> dict[str, Any]:
    entries: list[dict[str, Any]] = [
        {"name": name, "start_ms": float(start), "duration_ms": float(end - start), "error_ms": 0.0, "within": None}
        for name, (start, end) in (PHASES if phases is None else phases).items()
    ]
    if shutdown_ms:
        inner = {"name": "shutdown", "start_ms": 8000.0, "duration_ms": shutdown_ms, "error_ms": 0.0, "within": "jump"}
        entries.append(inner)
    return {"phases": entries, "outage": outage}


READING = BootReading(
    system=SystemId("new"),
    release="6.1.0-1-amd64",
    path="kexec",
    token="ab" * 8,
    now=Now(BEGAN_S * S + 60 * S, 60 * S, None),
    counter="TSC",
    clock=None,
    clock_log=ClockLog(gtod_ns=0, raw_ns=0, offset_ns=0),
    boot_log=BootLog("/init", 2 * S),
    manager=ManagerTimes(userspace_us=5_000_000, finish_us=40_000_000),
    last_stop=LastStop("ab" * 8, SystemId("old"), "6.1", None, {"began": StopStamp(BEGAN_S * S, 0, None)}),
)


def stop(unit: str, begin_ms: int, end_ms: int, **more: Any) -> UnitStop:
    """Stop of the old system, in milliseconds of the timeline."""
    return UnitStop(unit, (end_ms - begin_ms) * 1000, BEGAN_S * 10**6 + begin_ms * 1000, **more)


def unit(name: str, begin_ms: int, end_ms: int, *after: str) -> UnitTimes:
    """Start of a unit of the new system, in milliseconds of the timeline."""
    return UnitTimes(name, (begin_ms - 10000) * 1000, (end_ms - 10000) * 1000, None, after)


def job(name: str, begin_ms: int | None, end_ms: int, result: str = "done") -> StartJob:
    return StartJob(name, None if begin_ms is None else (begin_ms - 10000) * 1000, (end_ms - 10000) * 1000, result)


def message(at_ms: float, text: str, level: int = 6, sequence: int = 1) -> KernelMessage:
    return KernelMessage(sequence, level, round((at_ms - 10000) * 1000), text)


def address(at_ms: int, leased: bool = False, interface: str = "eth0") -> FirstAddress:
    return FirstAddress((at_ms - 10000) * 10**6, 0, leased, interface)


def found(
    reading: BootReading = READING,
    setup: BootSetup | None = None,
    starts: Sequence[StartJob] = (),
    phases: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Findings by code; readings may be given by name."""
    shape = {name: more.pop(name) for name in ("shutdown_ms", "outage") if name in more}
    evidence = BootEvidence(setup or BootSetup(), list(starts))
    made = analyse(replace(reading, **more), evidence, phases or timeline(**shape))
    return {**{each["code"]: each for each in made["findings"]}, "total": made["gain_ms"], "chains": made["chains"]}


def codes(result: dict[str, Any]) -> set[str]:
    return set(result) - {"total", "chains"}
