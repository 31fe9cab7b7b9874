# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's clocks, related to the one clock that a kexec leaves alone: the processor's cycle counter.

The counter keeps running while one kernel hands over to the next. Stamps of the old system and times that the new kernel counts
from its own start can be subtracted once the new kernel's clock zero is known as a counter value.

Clock zero is where C(sched_clock()) reads 0: early in C(setup_arch()), as soon as the counter's frequency is known. Kernel log
times count from there.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import re
import struct
import time
from dataclasses import dataclass
from typing import Callable, Iterable, Optional, Tuple

from .._arch.architectures import own_architecture
from .._arch.interface import CycleCounter
from .._native import NativeCode
from .files import HostFiles

PERF_PAGE = "perf_page"
BOOTTIME = "boottime"

# linux/perf_event.h: struct perf_event_attr, first published size, and struct perf_event_mmap_page.
_ATTR_SIZE = 64
_PERF_TYPE_SOFTWARE = 1
_PERF_COUNT_SW_DUMMY = 9
_PERF_FLAG_FD_CLOEXEC = 8
_DISABLED_EXCLUDE_KERNEL_EXCLUDE_HV = 1 << 0 | 1 << 5 | 1 << 6
_PAGE_LOCK = struct.Struct("<8xI")
_PAGE_CLOCK = struct.Struct("<40xQ2xHIQQ")
_PAGE_BYTES = 80
_CAP_USER_TIME_ZERO = 1 << 4
# An update of the page takes nanoseconds.
_PAGE_TRIES = 100

_STAMP_TRIES = 8

# printk's limit for one record of /dev/kmsg, and more records than a log holds.
_KMSG_RECORD_BYTES = 8192
_KMSG_RECORDS = 200_000

# Largest error of CLOCK_BOOTTIME seen in the first seconds, before the counter becomes its source: -30 ms on kvm-clock, 240 ms
# in a virtual machine under TCG, which gets too many timer ticks.
UNKNOWN_OFFSET_NS = 300_000_000
# The kernel steers its clocks by this at most (MAXFREQ, linux/timex.h); a first calibration is hardly worse.
_STEERING_PPM = 500
# The log gives frequencies in kHz.
_LOG_RESOLUTION_HZ = 1000


@dataclass(frozen=True)
class Stamp:
    """One moment on several clocks, exact to half of C(width_cycles): the cycles that reading all of them took."""

    cycles: int
    realtime_ns: int
    boottime_ns: int
    width_cycles: int


@dataclass(frozen=True)
class CycleClock:
    """The kernel's conversion of cycles to C(local_clock()): C(zero_ns + (cycles * mult >> shift)), modulo 2^64.

    Fields of struct perf_event_mmap_page (linux/perf_event.h). Valid until the kernel recalibrates, which it does once, a
    second or two after its start.
    """

    zero_ns: int
    mult: int
    shift: int

    @property
    def hz(self) -> float:
        return 1e9 * (1 << self.shift) / self.mult

    def local_clock_ns(self, cycles: int) -> int:
        """Kernel clock at a counter value; negative before clock zero."""
        return _signed64(self.zero_ns + (cycles * self.mult >> self.shift))

    def cycles(self, local_clock_ns: int) -> int:
        return ((local_clock_ns - _signed64(self.zero_ns)) << self.shift) // self.mult


@dataclass(frozen=True)
class ClockLog:
    """Clock lines of the kernel log; None for each line that is missing.

    :ivar gtod_ns: CLOCK_MONOTONIC at the tick before C(sched_clock: Marking stable).
    :ivar raw_ns: C(sched_clock()) at that tick.
    :ivar offset_ns: how far C(local_clock()) has been ahead of C(sched_clock()) since.
    :ivar detected_hz: counter frequency as first calibrated.
    :ivar refined_hz: counter frequency as calibrated later, at C(refined_at_ns).
    """

    gtod_ns: Optional[int] = None
    raw_ns: Optional[int] = None
    offset_ns: Optional[int] = None
    detected_hz: Optional[int] = None
    refined_hz: Optional[int] = None
    refined_at_ns: Optional[int] = None


@dataclass(frozen=True)
class ClockZero:
    """Clock zero of the running kernel on the cycle counter, derived from C(perf_page) or C(boottime)."""

    cycles: int
    hz: float
    error_ns: int
    source: str


def _signed64(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def parse_clock_log(records: Iterable[str], counter: Optional[CycleCounter]) -> ClockLog:
    """Extract the clock lines from C(/dev/kmsg).

    :param records: C(PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;MESSAGE) each (Documentation/ABI/testing/dev-kmsg).
    :param counter: recognises its calibration messages; None to skip them.
    """
    stable: Tuple[Optional[int], ...] = (None, None, None)
    detected_hz = refined_hz = refined_at_ns = None
    for record in records:
        prefix, _separator, message = record.partition(";")
        # kernel/sched/clock.c: (tick_gtod, __gtod_offset)->(tick_raw, __sched_clock_offset), and
        # __sched_clock_offset = tick_gtod + __gtod_offset - tick_raw.
        found = re.match(r"sched_clock: Marking stable \((-?\d+), (-?\d+)\)->\((-?\d+), (-?\d+)\)", message)
        if found:
            stable = (int(found.group(1)), int(found.group(3)), int(found.group(4)))
        calibration = counter.parse_calibration(message) if counter else None
        if calibration and calibration.refined:
            refined_hz = calibration.hz
            refined_at_ns = int(prefix.split(",")[2]) * 1000
        elif calibration and (detected_hz is None or calibration.exact):
            detected_hz = calibration.hz
    return ClockLog(stable[0], stable[1], stable[2], detected_hz, refined_hz, refined_at_ns)


def zero_from_perf_page(clock: CycleClock, log: ClockLog) -> ClockZero:
    """Derive clock zero from the kernel's own conversion.

    C(local_clock()) is C(sched_clock()) plus the offset in the log's "Marking stable" line. C(sched_clock()) ran at the
    detected rate until the calibration was refined; the page only has the refined one.
    """
    zero_cycles = clock.cycles(log.offset_ns or 0)
    error_ns = UNKNOWN_OFFSET_NS if log.offset_ns is None else 0
    if log.refined_at_ns and log.refined_hz:
        if log.detected_hz:
            zero_cycles += log.refined_at_ns * (log.refined_hz - log.detected_hz) // 10**9
            # Both rates are rounded.
            error_ns += log.refined_at_ns * _LOG_RESOLUTION_HZ // log.refined_hz
        else:
            error_ns += log.refined_at_ns * _STEERING_PPM // 10**6
    return ClockZero(zero_cycles, clock.hz, error_ns, PERF_PAGE)


def zero_from_boottime(stamp: Stamp, hz: int, log: ClockLog) -> ClockZero:
    """Derive clock zero without the kernel's conversion (kvm-clock, an unstable counter).

    The kernel sets CLOCK_MONOTONIC and CLOCK_BOOTTIME to start at clock zero (kernel/time/timekeeping.c,
    C(read_persistent_wall_and_boot_offset())), but not CLOCK_MONOTONIC_RAW. The log's "Marking stable" line gives both clocks
    at one tick, and so how far they missed it. The error grows with the uptime: read it early.
    """
    since_zero_ns = stamp.boottime_ns
    error_ns = since_zero_ns * _STEERING_PPM // 10**6
    if log.gtod_ns is None or log.raw_ns is None:
        error_ns += UNKNOWN_OFFSET_NS
    else:
        since_zero_ns += log.raw_ns - log.gtod_ns
    return ClockZero(stamp.cycles - since_zero_ns * hz // 10**9, float(hz), error_ns, BOOTTIME)


def parse_perf_page(page: bytes) -> Optional[CycleClock]:
    """Extract the conversion from a struct perf_event_mmap_page; None if the kernel offers none."""
    capabilities, shift, mult, _offset, zero_ns = _PAGE_CLOCK.unpack_from(page)
    return CycleClock(zero_ns, mult, shift) if capabilities & _CAP_USER_TIME_ZERO and mult else None


def tightest_stamp(read: Callable[[], Tuple[int, int, int, int]]) -> Stamp:
    """Take several stamps and keep the narrowest, as the one least disturbed by interrupts.

    :param read: reads the counter, CLOCK_REALTIME, CLOCK_BOOTTIME and the counter again.
    """
    tries = [read() for _try in range(_STAMP_TRIES)]
    before, realtime_ns, boottime_ns, after = min(tries, key=lambda found: found[3] - found[0])
    return Stamp((before + after) // 2, realtime_ns, boottime_ns, after - before)


class CounterReader:
    """Reader of this machine's cycle counter; OSError if this process can't read one or can't get executable memory."""

    def __init__(self) -> None:
        self._code = NativeCode(_own_counter().code)
        self._read = self._code.function(0, ctypes.c_uint64)

    def read_cycles(self) -> int:
        return int(self._read())

    def stamp(self) -> Stamp:
        """Read the counter and the system's clocks at one moment."""
        return tightest_stamp(
            lambda: (
                self.read_cycles(),
                time.clock_gettime_ns(time.CLOCK_REALTIME),
                time.clock_gettime_ns(time.CLOCK_BOOTTIME),
                self.read_cycles(),
            )
        )


def _own_counter() -> CycleCounter:
    counter = own_architecture().counter
    if counter is None:
        raise OSError(errno.ENOSYS, "this process has no cycle counter that keeps running across a kexec")
    return counter


def read_cycle_clock() -> Optional[CycleClock]:
    """Read the running kernel's cycle conversion from the page of a dummy perf event.

    :returns: None if the kernel's clock is not the counter (kvm-clock), or not reliably so.
    :raises OSError: perf events don't exist or are denied to this user.
    """
    perf_event_open = _own_counter().perf_event_open
    attributes = ctypes.create_string_buffer(_ATTR_SIZE)
    struct.pack_into("<IIQ", attributes, 0, _PERF_TYPE_SOFTWARE, _ATTR_SIZE, _PERF_COUNT_SW_DUMMY)
    struct.pack_into("<Q", attributes, 40, _DISABLED_EXCLUDE_KERNEL_EXCLUDE_HV)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    # This process, on any CPU, in no group.
    arguments = [ctypes.c_long(number) for number in (0, -1, -1, _PERF_FLAG_FD_CLOEXEC)]
    descriptor = libc.syscall(ctypes.c_long(perf_event_open), attributes, *arguments)
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, "perf_event_open: " + os.strerror(number))
    try:
        with mmap.mmap(descriptor, mmap.PAGESIZE, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ) as page:
            return parse_perf_page(_consistent(lambda: page[:_PAGE_BYTES]))
    finally:
        os.close(descriptor)


def find_cycle_clock() -> Optional[CycleClock]:
    """Read the cycle conversion as :func:`read_cycle_clock` does, but return None on errors too."""
    try:
        return read_cycle_clock()
    except OSError:
        return None


def _consistent(read: Callable[[], bytes]) -> bytes:
    # The lock is odd while the kernel writes, and changes with every write.
    for _try in range(_PAGE_TRIES):
        page = read()
        (lock,) = _PAGE_LOCK.unpack_from(page)
        if lock % 2 == 0 and _PAGE_LOCK.unpack_from(read()) == (lock,):
            return page
    raise OSError(errno.EAGAIN, "the perf page does not settle")


def read_kernel_log(files: HostFiles) -> Iterable[str]:
    """Yield the records of C(/dev/kmsg), oldest first; nothing if it can't be read."""
    try:
        descriptor = os.open(files.path("/dev/kmsg"), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        for _record in range(_KMSG_RECORDS):
            try:
                record = os.read(descriptor, _KMSG_RECORD_BYTES)
            except BlockingIOError:
                return
            except BrokenPipeError:
                # Overwritten before it was read: the next read returns the oldest record left.
                continue
            except OSError:
                return
            if not record:
                return
            yield from record.decode("utf-8", "replace").rstrip("\n").split("\n")
    finally:
        os.close(descriptor)


def read_clock_zero(files: HostFiles, stamp: Stamp) -> Optional[ClockZero]:
    """Find the running kernel's clock zero, given a stamp taken just now; None without a perf page and a frequency in the log."""
    log = parse_clock_log(read_kernel_log(files), own_architecture().counter)
    clock = find_cycle_clock()
    if clock is not None:
        return zero_from_perf_page(clock, log)
    hz = log.refined_hz or log.detected_hz
    return zero_from_boottime(stamp, hz, log) if hz else None
