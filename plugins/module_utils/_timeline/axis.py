# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time axis of a timeline, and how clocks of old system, new system and controller map onto it.

The axis counts nanoseconds since 1970, as the host's clock has them at the time of reading. It runs by the cycle counter if the
kernel's clock does: through the kexec, and unaffected by later changes to the host's clock. Otherwise it runs by CLOCK_MONOTONIC
and covers this boot only; the controller, which measured the host's clock in both boots, then places the old system.

The error between two moments depends on whether they are from the same clock, so each keeps the name of its clock, and that
clock's error on the axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .._host.clocks import UNKNOWN_OFFSET_NS, ClockLog, CycleClock
from .._host.last_stop import StopStamp

CYCLES = "cycles"
MONOTONIC = "monotonic"
OLD_REALTIME = "old realtime"
CONTROLLER = "controller"

# Clocks are steered by no more than this (MAXFREQ, linux/timex.h). A kernel knows the counter's frequency better.
_STEERING_PPM = 500
_CALIBRATION_PPM = 100
# Error of times in the kernel log.
_LOG_ERROR_NS = 1000


@dataclass(frozen=True)
class Now:
    """One moment of this boot, on all of its clocks; cycles is None if the counter can't be read."""

    realtime_ns: int
    monotonic_ns: int
    cycles: Optional[int]


@dataclass(frozen=True)
class Offset:
    """Host clock minus controller clock, as the controller measured it."""

    offset_ns: int
    error_ns: int


@dataclass(frozen=True)
class Moment:
    """Position on the axis.

    :ivar error_ns: error relative to moments of the same clock.
    :ivar clock: clock that it was read on.
    :ivar clock_error_ns: additional error relative to moments of other clocks.
    """

    at_ns: int
    error_ns: int
    clock: str
    clock_error_ns: int


def distance_error_ns(first: Moment, last: Moment) -> int:
    """Error of the time between two moments."""
    error_ns = first.error_ns + last.error_ns
    if first.clock != last.clock:
        error_ns += first.clock_error_ns + last.clock_error_ns
    rate_ppm = _CALIBRATION_PPM if first.clock == last.clock == CYCLES else _STEERING_PPM
    return error_ns + abs(last.at_ns - first.at_ns) * rate_ppm // 10**6


class TimeAxis:
    """Place clock readings on the axis.

    :param clock: cycle clock of the running kernel; None if it has no reliable one.
    :param log: clock calibration according to the kernel log.
    :param before: offset measured before the reboot.
    :param after: offset measured in this boot.
    """

    def __init__(
        self, now: Now, clock: Optional[CycleClock], log: ClockLog, before: Optional[Offset], after: Optional[Offset]
    ) -> None:
        self._now = now
        self._clock = clock if now.cycles is not None else None
        self._log = log
        self._before = before
        self._after = after

    @property
    def runs_by_cycles(self) -> bool:
        """Whether the axis extends into the system before a kexec."""
        return self._clock is not None

    def cycles(self, cycles: int, error_ns: int = 0) -> Moment:
        """Place a reading of the cycle counter.

        :raises ValueError: the axis does not run by the counter.
        """
        clock, now_cycles = self._clock, self._now.cycles
        if clock is None or now_cycles is None:
            raise ValueError("there is no conversion of cycles")
        age_ns = clock.local_clock_ns(now_cycles) - clock.local_clock_ns(cycles)
        return Moment(self._now.realtime_ns - age_ns, error_ns, CYCLES, 0)

    def log(self, log_ns: int) -> Moment:
        """Place a time of this boot's kernel log."""
        return self._of_sched_clock(log_ns - (self._log.offset_ns or 0), _LOG_ERROR_NS)

    def zero(self) -> Moment:
        """Place the zero of this kernel's clock."""
        return self._of_sched_clock(0, 0)

    def _of_sched_clock(self, at_ns: int, error_ns: int) -> Moment:
        log, clock = self._log, self._clock
        if clock is None:
            # The log's "Marking stable" line gives the offset between the zero of CLOCK_MONOTONIC and the other clock's.
            if log.gtod_ns is None or log.raw_ns is None:
                return self.monotonic(at_ns, error_ns + UNKNOWN_OFFSET_NS)
            return self.monotonic(at_ns + log.gtod_ns - log.raw_ns, error_ns)
        cycles = clock.cycles(at_ns + (log.offset_ns or 0))
        error_ns += UNKNOWN_OFFSET_NS if log.offset_ns is None else 0
        # Until the second calibration, the clock ran at the rate of the first.
        left_ns = max(0, (log.refined_at_ns or 0) - at_ns)
        if left_ns and log.refined_hz and log.detected_hz:
            cycles += left_ns * (log.refined_hz - log.detected_hz) // 10**9
            error_ns += left_ns * 1000 // log.refined_hz
        else:
            error_ns += left_ns * _STEERING_PPM // 10**6
        return self.cycles(cycles, error_ns)

    def monotonic(self, monotonic_ns: int, error_ns: int = 0) -> Moment:
        """Place a reading of this boot's CLOCK_MONOTONIC."""
        age_ns = self._now.monotonic_ns - monotonic_ns
        steered_ns = abs(age_ns) * _STEERING_PPM // 10**6 if self.runs_by_cycles else 0
        return Moment(self._now.realtime_ns - age_ns, error_ns, MONOTONIC, steered_ns)

    def controller(self, utc_ns: int, error_ns: int = 0) -> Optional[Moment]:
        """Place a time of the controller's clock; None unless the controller measured this boot's."""
        if self._after is None:
            return None
        at_ns = utc_ns + self._after.offset_ns
        steered_ns = abs(self._now.realtime_ns - at_ns) * _STEERING_PPM // 10**6
        return Moment(at_ns, error_ns, CONTROLLER, self._after.error_ns + steered_ns)

    def utc_ns(self, moment: Moment) -> int:
        """Convert to the controller's clock, or to the host's if the controller is not known to have measured it."""
        return moment.at_ns - (self._after.offset_ns if self._after else 0)

    def old_by_cycles(self, stamp: StopStamp, old_clock: CycleClock) -> Optional[Moment]:
        """Place a stamp of the system before a kexec by its kernel's cycle clock; None if either kernel has none."""
        if not self.runs_by_cycles or stamp.log_ns is None:
            return None
        return self.cycles(old_clock.cycles(stamp.log_ns), _LOG_ERROR_NS)

    def old_by_realtime(self, stamp: StopStamp) -> Optional[Moment]:
        """Place a stamp of the previous system by its real-time clock; None unless the controller measured that in both boots."""
        if self._before is None or self._after is None:
            return None
        at_ns = stamp.realtime_ns - self._before.offset_ns + self._after.offset_ns
        steered_ns = abs(self._now.realtime_ns - at_ns) * _STEERING_PPM // 10**6
        clock_error_ns = self._before.error_ns + self._after.error_ns + steered_ns
        return Moment(at_ns, stamp.realtime_error_ns, OLD_REALTIME, clock_error_ns)
