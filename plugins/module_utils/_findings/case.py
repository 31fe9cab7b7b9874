# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Case to be analysed: readings of a host, its timeline, and the places of its clocks on the timeline's axis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from .._host.boot_setup import BootSetup
from .._host.last_stop import BEGAN
from .._host.systemd_times import StartJob
from .._timeline.axis import TimeAxis
from .._timeline.timeline import BootReading
from .finding import OutagePhases
from .spans import Span


@dataclass(frozen=True)
class BootEvidence:
    """Readings that only findings need.

    :ivar probe_unit: unit of the probed service; empty if there is none, or it can't be told.
    :ivar starts: starts of units according to this boot's journal.
    """

    setup: BootSetup = field(default_factory=BootSetup)
    starts: List[StartJob] = field(default_factory=list)
    probe_unit: str = ""


class Case:
    """A reboot to be analysed; positions are milliseconds on the axis of its timeline."""

    def __init__(self, reading: BootReading, evidence: BootEvidence, timeline: Dict[str, Any], outage: OutagePhases) -> None:
        self.reading = reading
        self.evidence = evidence
        self.timeline = timeline
        self.outage = outage
        self._axis = TimeAxis(reading.now, reading.clock, reading.clock_log, None, None)
        self._zero_ms = self._place_zero()

    @property
    def setup(self) -> BootSetup:
        return self.evidence.setup

    def _place_zero(self) -> float:
        """Place the zero of the kernel's clock; at the end of the outage, so that nothing lies in it, if that is unknown."""
        # The phase begins there.
        kernel, userspace = self.outage.phase("kernel"), self.outage.phase("userspace")
        if kernel is not None:
            return kernel.start_ms
        # After a soft reboot, whose kernel began long before.
        began_us = self.reading.manager.userspace_us
        if userspace is not None and began_us is not None:
            return userspace.start_ms - (self._axis.monotonic(began_us * 1000).at_ns - self._axis.zero().at_ns) / 1e6
        return self.outage.span.end_ms

    def log_ms(self, at_us: float) -> float:
        """Place a time of the kernel's log."""
        return self._zero_ms + (self._axis.log(round(at_us * 1000)).at_ns - self._axis.zero().at_ns) / 1e6

    def monotonic_ms(self, at_us: int) -> float:
        """Place a time of the new system's CLOCK_MONOTONIC."""
        return self._zero_ms + (self._axis.monotonic(at_us * 1000).at_ns - self._axis.zero().at_ns) / 1e6

    def old_ms(self, realtime_us: int) -> Optional[float]:
        """Place a time of the old system's real-time clock; None if its stop is not on the timeline."""
        stop, phase = self.reading.last_stop, self.outage.phase("stop_units")
        began = stop.stamps.get(BEGAN) if stop else None
        return phase.start_ms + realtime_us / 1e3 - began.realtime_ns / 1e6 if phase and began else None

    def phases(self, *names: str) -> List[Span]:
        return [span for name, span in self.outage.phases if name in names]
