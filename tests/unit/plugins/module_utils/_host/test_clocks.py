# SPDX-License-Identifier: GPL-3.0-or-later
"""The cycle counter, the kernel's clock on it, and where that clock began."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.tsc import TSC
from ansible_collections.fleet.kexec.plugins.module_utils._host.clocks import (
    BOOTTIME,
    PERF_PAGE,
    ClockLog,
    CounterReader,
    CycleClock,
    Stamp,
    parse_clock_log,
    parse_perf_page,
    read_clock_zero,
    read_cycle_clock,
    read_kernel_log,
    tightest_stamp,
    zero_from_boottime,
    zero_from_perf_page,
)
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles

# A Debian 13 guest under TCG that counts instructions, booted via kexec.
KMSG = """\
6,0,0,-,caller=T0;tsc: Fast TSC calibration using PIT
6,1,0,-,caller=T0;tsc: Detected 999.970 MHz processor
6,98,170673,-,caller=T0;NR_IRQS: 524544, nr_irqs: 256, preallocated irqs: 16
6,560,2275323,-,caller=T10;tsc: Refined TSC clocksource calibration: 1000.000 MHz
 SUBSYSTEM=platform
6,590,2621237,-,caller=T1;sched_clock: Marking stable (2628002791, -8989022)->(2400872065, 218141704)
"""
LOG = ClockLog(2628002791, 2400872065, 218141704, 999970000, 1000000000, 2275323000)
CLOCK = CycleClock(18446743867336755316, 1 << 31, 31)
STAMP = Stamp(228152741792, 1795379805708194964, 21788934557, 6710)
#: The TSC, by a trace with trace_clock=x86-tsc, just after the NR_IRQS line was made.
NR_IRQS_CYCLES = 206761676727
NR_IRQS_NS = 170673000

# The first 128 bytes of the page of a guest's event.
PERF_BYTES = bytes.fromhex(
    "000000000000000002000000000000000000000000000000000000000000000000000000000000001a00000000000000"
    "00001f0000000080e0e26fd8f7e0ffff55b25571ffffffff6000000000000000" + 48 * "00"
)


def test_the_log() -> None:
    assert parse_clock_log(KMSG.splitlines(), TSC) == LOG


def test_a_log_without_a_counter() -> None:
    assert parse_clock_log(KMSG.splitlines(), None) == ClockLog(LOG.gtod_ns, LOG.raw_ns, LOG.offset_ns)


def test_a_log_that_begins_too_late() -> None:
    assert parse_clock_log(["6,900,9000000,-;systemd[1]: Hello."], TSC) == ClockLog()


def test_a_tsc_that_is_not_the_clock_of_the_processor() -> None:
    log = parse_clock_log(["6,1,0,-;tsc: Detected 3400.000 MHz processor", "6,2,0,-;tsc: Detected 3399.906 MHz TSC"], TSC)
    assert log.detected_hz == 3399906000


def test_the_log_of_a_fixture_tree(tmp_path: Path) -> None:
    assert list(read_kernel_log(HostFiles(str(tmp_path)))) == []
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/kmsg").write_text(KMSG)
    assert parse_clock_log(read_kernel_log(HostFiles(str(tmp_path))), TSC) == LOG


def test_the_perf_page() -> None:
    clock = parse_perf_page(PERF_BYTES)
    assert clock == CycleClock(18446744071316025941, 1 << 31, 31)
    assert clock.hz == 1e9


def test_a_perf_page_without_the_zero() -> None:
    page = bytearray(PERF_BYTES)
    page[40] &= ~(1 << 4)
    assert parse_perf_page(bytes(page)) is None
    assert parse_perf_page(struct.pack("<40xQ32x", 1 << 4)) is None


def test_conversion_and_back() -> None:
    for cycles in (0, 10**6, 228152741792, 10**15):
        assert CLOCK.cycles(CLOCK.local_clock_ns(cycles)) == cycles
    # A factor of 4 ns for 10 cycles, with more bits than the conversion needs.
    clock = CycleClock(5, (4 << 24) // 10 + 1, 24)
    assert clock.local_clock_ns(10**9) == pytest.approx(4 * 10**8, rel=1e-6)
    assert clock.cycles(clock.local_clock_ns(10**9)) == pytest.approx(10**9, abs=3)


def test_clock_zero_by_the_perf_page() -> None:
    zero = zero_from_perf_page(CLOCK, LOG)
    assert (zero.source, zero.hz, zero.error_ns) == (PERF_PAGE, 1e9, 2275)
    # The line was timed on the kernel's clock and then traced on the TSC. The wrong sign of the
    # offset would be 436 ms off, that of the refinement 136 us.
    assert LOG.detected_hz is not None
    assert 0 < NR_IRQS_CYCLES - zero.cycles - NR_IRQS_NS * LOG.detected_hz // 10**9 < 5000


def test_clock_zero_by_an_incomplete_log() -> None:
    without_offset = zero_from_perf_page(CLOCK, ClockLog())
    assert without_offset.error_ns == 300_000_000
    assert abs(without_offset.cycles - zero_from_perf_page(CLOCK, LOG).cycles) < 300_000_000
    without_first = zero_from_perf_page(CLOCK, ClockLog(1, 1, LOG.offset_ns, None, 10**9, 2 * 10**9))
    assert without_first.error_ns == 1_000_000
    assert zero_from_perf_page(CLOCK, ClockLog(1, 1, LOG.offset_ns)).error_ns == 0


def test_clock_zero_by_boottime() -> None:
    assert LOG.refined_hz is not None
    zero = zero_from_boottime(STAMP, LOG.refined_hz, LOG)
    assert zero.source == BOOTTIME
    assert zero.error_ns == 10_894_467
    # On a guest that nobody steers the two ways differ by less than the error they own up to.
    assert abs(zero.cycles - zero_from_perf_page(CLOCK, LOG).cycles) < 100_000
    assert zero_from_boottime(STAMP, LOG.refined_hz, ClockLog()).error_ns == 310_894_467


def test_the_tightest_stamp_wins() -> None:
    tries = iter([(0, 1, 2, 900), (1000, 3, 4, 1100), *[(2000, 5, 6, 2500)] * 6])
    assert tightest_stamp(lambda: next(tries)) == Stamp(1050, 3, 4, 100)


def test_this_machine(tmp_path: Path) -> None:
    try:
        counter = CounterReader()
    except OSError as error:
        pytest.skip(str(error))
    first, second = counter.stamp(), counter.stamp()
    assert 0 < first.cycles < second.cycles
    assert first.boottime_ns < second.boottime_ns
    assert first.width_cycles > 0
    # Slower than any processor that has a TSC, faster than any there is.
    assert 1e8 < (second.cycles - first.cycles) * 1e9 / (second.boottime_ns - first.boottime_ns) < 1e10
    try:
        clock = read_cycle_clock()
    except OSError as error:
        pytest.skip(str(error))
    zero = read_clock_zero(HostFiles(str(tmp_path)), first)
    if clock is None:
        assert zero is None
    else:
        assert zero is not None and zero.cycles < first.cycles
