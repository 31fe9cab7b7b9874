# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluate C(crashkernel=) arguments by the kernel's own rules.

Source: C(parse_crashkernel) and what it calls in kernel/crash_reserve.c. Stricter than the kernel where that would accept
garbage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from .sizes import MIB, format_size, round_up, take_size

NAME = "crashkernel"

HIGH = "high"
LOW = "low"
CMA = "cma"
_SUFFIXES = (HIGH, LOW, CMA)

# The kernel rounds memory up to this unit, to count what firmware keeps for itself.
_RAM_UNIT_BYTES = 128 * MIB
# DEFAULT_CRASH_KERNEL_LOW_SIZE of x86, arch/x86/include/asm/crash_reserve.h, with a swiotlb of the usual size.
_DEFAULT_LOW_BYTES = 256 * MIB


@dataclass(frozen=True)
class Range:
    """Memory sizes of machines, and the size to reserve on those; the end is exclusive, None for no end."""

    start_bytes: int
    end_bytes: Optional[int]
    size_bytes: int

    def holds(self, ram_bytes: int) -> bool:
        return self.start_bytes <= ram_bytes and (self.end_bytes is None or ram_bytes < self.end_bytes)


@dataclass(frozen=True)
class CrashKernel:
    """One C(crashkernel=) value.

    :ivar size_bytes: None if C(ranges) give it.
    :ivar suffix: C(high), C(low), C(cma), or empty.
    :ivar offset_bytes: address to reserve at; None if the kernel may choose.
    """

    size_bytes: Optional[int]
    ranges: Tuple[Range, ...] = ()
    suffix: str = ""
    offset_bytes: Optional[int] = None

    def size_on(self, ram_bytes: int) -> int:
        """Size for a machine with this much memory; 0 if no range covers it.

        :raises ValueError: the kernel stops before it gets to the range that does.
        """
        if self.size_bytes is not None:
            return self.size_bytes
        rounded = round_up(ram_bytes, _RAM_UNIT_BYTES)
        for range_ in self.ranges:
            if range_.holds(rounded):
                return range_.size_bytes
            if range_.size_bytes >= rounded:
                raise ValueError("the kernel stops at %s, which is all of its memory" % format_size(range_.size_bytes))
        return 0


def parse_crashkernel(value: str) -> CrashKernel:
    """Parse one value.

    :raises ValueError: it is invalid; the message says why.
    """
    return _parse_ranges(value) if ":" in value else _parse_size(value)


def _parse_size(value: str) -> CrashKernel:
    size, at = take_size(value)
    if at == len(value):
        return CrashKernel(size)
    if value[at] == "@":
        offset, at = take_size(value, at + 1)
        if at == len(value):
            return CrashKernel(size, offset_bytes=offset)
    elif value[at] == "," and value[at + 1 :] in _SUFFIXES:
        return CrashKernel(size, suffix=value[at + 1 :])
    raise ValueError("%r can't follow a size; @offset, ,high, ,low and ,cma can" % value[at:])


def _parse_ranges(value: str) -> CrashKernel:
    listed, separator, offset_text = value.partition("@")
    ranges: List[Range] = []
    for text in listed.split(","):
        start, at = take_size(text)
        if text[at : at + 1] != "-":
            raise ValueError("%r is not a range (start-[end]:size)" % text)
        end: Optional[int] = None
        if text[at + 1 : at + 2] != ":":
            end, at = take_size(text, at + 1)
            if end <= start:
                raise ValueError("the range %r ends before it begins" % text)
        else:
            at += 1
        if text[at : at + 1] != ":":
            raise ValueError("%r is not a range (start-[end]:size)" % text)
        size, at = take_size(text, at + 1)
        if at != len(text):
            raise ValueError("%r can't follow a range" % text[at:])
        ranges.append(Range(start, end, size))
    offset: Optional[int] = None
    if separator:
        offset, at = take_size(offset_text)
        if at != len(offset_text):
            raise ValueError("%r can't follow an offset" % offset_text[at:])
    return CrashKernel(None, tuple(ranges), "", offset)


@dataclass(frozen=True)
class CrashReservation:
    """Memory that the kernel reserves for all C(crashkernel=) values of a command line.

    :ivar size_bytes: area for the crash kernel.
    :ivar low_bytes: additional area below 4 GiB.
    :ivar cma_bytes: additional area in CMA (since 6.17).
    """

    size_bytes: int = 0
    low_bytes: int = 0
    cma_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """Memory that nothing else can use, as C(/sys/kernel/kexec_crash_size) reports it since Linux 6.5."""
        return self.size_bytes + self.low_bytes


def resolve_crashkernel(values: Sequence[str], ram_bytes: int) -> CrashReservation:
    """Compute what a machine reserves: the last value of each kind counts.

    :raises ValueError: a value is invalid, or the values do not go together.
    """
    last = {parsed.suffix: parsed for parsed in map(parse_crashkernel, values)}
    cma = last[CMA].size_on(ram_bytes) if CMA in last else 0
    if "" in last:
        return CrashReservation(last[""].size_on(ram_bytes), 0, cma)
    if HIGH not in last:
        if last:
            raise ValueError("%s and %s take a plain size or %s" % (LOW, CMA, HIGH))
        return CrashReservation()
    high = last[HIGH].size_on(ram_bytes)
    low = last[LOW].size_on(ram_bytes) if LOW in last else _DEFAULT_LOW_BYTES
    return CrashReservation(high, low, cma)
