# SPDX-License-Identifier: GPL-3.0-or-later
"""Clocks of two systems and of the controller on one axis."""

from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._host.clocks import (
    UNKNOWN_OFFSET_NS,
    ClockLog,
    CounterReader,
    CycleClock,
    find_cycle_clock,
    zero_from_perf_page,
)
from ansible_collections.fleet.kexec.plugins.module_utils._host.last_stop import StopStamp
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.axis import (
    CONTROLLER,
    MONOTONIC,
    Moment,
    Now,
    Offset,
    TimeAxis,
    distance_error_ns,
)
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.gathering import read_now

# Of a Debian 13 guest under TCG: its clock is 131 ms behind the one it began with, and was calibrated twice.
CLOCK = CycleClock(18446744066422816574, 827188077, 31)
LOG = ClockLog(2612098508, 2704202437, -131262478, 2594003000, 2596098000, 2681379000)
NOW = Now(1795550074000000000, 47931861093, CLOCK.cycles(48_000_000_000))


def test_the_beginning_of_a_kernel_is_where_its_clock_says() -> None:
    zero = zero_from_perf_page(CLOCK, LOG)
    assert NOW.cycles is not None
    age_ns = (NOW.cycles - zero.cycles) * 1e9 / CLOCK.hz
    moment = TimeAxis(NOW, CLOCK, LOG, None, None).zero()
    assert moment.at_ns == pytest.approx(NOW.realtime_ns - age_ns, abs=1000)
    assert moment.error_ns == pytest.approx(zero.error_ns, abs=1000)


def test_a_time_of_the_log_counts_from_there_once_both_are_calibrated() -> None:
    axis = TimeAxis(NOW, CLOCK, LOG, None, None)
    # Seven seconds in the log are 7.131 s of the clock that began at zero, and the first 2.7 s of these were 2 ms longer.
    distance_ns = axis.log(7_000_000_000).at_ns - axis.zero().at_ns
    assert distance_ns == pytest.approx(7_131_262_478 - 2_681_379_000 * 2_095_000 // 2_596_098_000, abs=5000)


def test_without_a_conversion_the_other_clock_has_to_do() -> None:
    axis = TimeAxis(NOW, None, LOG, None, None)
    zero = axis.zero()
    assert (zero.clock, zero.at_ns) == (MONOTONIC, NOW.realtime_ns - NOW.monotonic_ns - (2704202437 - 2612098508))
    assert axis.monotonic(0).at_ns == NOW.realtime_ns - NOW.monotonic_ns
    blind = TimeAxis(NOW, None, ClockLog(), None, None).zero()
    assert blind.error_ns == UNKNOWN_OFFSET_NS
    assert abs(blind.at_ns - zero.at_ns) < blind.error_ns


def test_a_counter_that_cannot_be_read_is_none() -> None:
    assert not TimeAxis(Now(0, 0, None), CLOCK, LOG, None, None).runs_by_cycles


def test_the_controllers_moments_take_its_measurement() -> None:
    axis = TimeAxis(NOW, CLOCK, LOG, Offset(10**9, 7), Offset(2 * 10**9, 5))
    seen = axis.controller(NOW.realtime_ns - 12 * 10**9)
    assert seen is not None
    assert (seen.at_ns, seen.clock) == (NOW.realtime_ns - 10 * 10**9, CONTROLLER)
    assert seen.clock_error_ns == 5 + 5_000_000, "500 ppm of the ten seconds"
    assert axis.utc_ns(seen) == NOW.realtime_ns - 12 * 10**9
    old = axis.old_by_realtime(StopStamp(NOW.realtime_ns - 21 * 10**9, 3, None))
    assert old is not None and old.at_ns == NOW.realtime_ns - 20 * 10**9
    assert (old.error_ns, old.clock_error_ns) == (3, 12 + 10_000_000)
    assert TimeAxis(NOW, CLOCK, LOG, None, None).controller(0) is None


def test_errors_of_clocks_count_only_between_clocks() -> None:
    first, last = Moment(0, 1, CONTROLLER, 100), Moment(0, 2, CONTROLLER, 100)
    assert distance_error_ns(first, last) == 3
    assert distance_error_ns(first, Moment(0, 2, MONOTONIC, 50)) == 153


def test_this_machine_now() -> None:
    """Two moments of this boot, a TSC in between."""
    before, after = read_now(), read_now()
    assert 0 < after.monotonic_ns - before.monotonic_ns < 10**10
    clock = find_cycle_clock()
    if before.cycles is None or clock is None:
        pytest.skip("no clock by the TSC here")
    axis = TimeAxis(after, clock, ClockLog(), None, None)
    assert axis.cycles(before.cycles).at_ns == pytest.approx(before.realtime_ns, abs=10**6)
    assert CounterReader().read_cycles() > before.cycles
