# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Analyse a reboot: what would have shortened its outage, and by how much.

Pure: everything comes in as values. C(docs/shorter-outages.md) says how each gain is calculated.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, Tuple

from .._timeline.timeline import BootReading
from . import kernel, starting, stopping
from .case import BootEvidence, Case
from .finding import Finding, OutagePhases, present

_ANALYSES: Tuple[Callable[[Case], Iterator[Finding]], ...] = (
    stopping.slow_stops,
    stopping.device_shutdown,
    kernel.serial_console,
    kernel.smp_bringup,
    kernel.delay_calibration,
    kernel.initrd_unpacking,
    kernel.slow_initcalls,
    kernel.root_device,
    kernel.silent_waits,
    starting.initrd_units,
    starting.device_timeouts,
    starting.slow_starts,
    starting.network,
    starting.sshd_late,
)


def analyse(reading: BootReading, evidence: BootEvidence, timeline: Dict[str, Any]) -> Dict[str, Any]:
    """Build the fields C(findings), C(gain_ms) and C(chains) of a timeline, and add to its C(notes) what evidence is missing.

    C(gain_ms) is what all findings together would save: time that several of them would save counts once.
    """
    outage = OutagePhases.of(timeline)
    if outage is None:
        return {"findings": [], "gain_ms": 0.0, "chains": {}}
    case = Case(reading, evidence, timeline, outage)
    findings, gain_ms = present((finding for each in _ANALYSES for finding in each(case)), outage)
    notes = [*timeline.get("notes", ()), *kernel.unpacking_unknown(case)]
    return {"findings": findings, "gain_ms": gain_ms, "chains": starting.chains_of(case), "notes": notes}
