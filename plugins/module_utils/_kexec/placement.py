# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Place kernel and initrd in the memory reserved for a crash kernel, where they need not be copied (pure).

C(kexec_load) with C(KEXEC_ON_CRASH) puts every segment where it is to lie, and the kernel lets nothing else into that memory.
A normal kexec then only starts a trampoline that jumps there. See docs/placement.md.
"""

from __future__ import annotations

from typing import List, Optional, Tuple

from .._arch.architectures import architecture_of
from .._arch.interface import ResidentPlaces
from .._cmdline import values_of
from .._host.crash_area import Area, CrashArea
from .._host.facts import HostFacts
from .._reasons import Reason, reason
from .candidate import Candidate
from .preferences import CRC32C, FAST, KEXEC_LOAD

PAGE_BYTES = 4096

#: Image, loader and integrity check that an image in the reservation has to have.
RESERVABLE = (FAST, KEXEC_LOAD, CRC32C)

_FOUR_GIB = 4 << 30
# Loading an image, unloading it, and kdump loading its own again, which may take several attempts.
_LOADS_NEEDED = 2
_LOADS_OF_KDUMP = 3
# What the kernel itself puts between the segments: code, notes, and page tables that map all memory.
_OWN_BYTES = 64 << 10
_OWN_BYTES_PER_GIB = PAGE_BYTES

# Before it reserves, the next kernel has taken memory for itself, from the top down.
_EARLY_BYTES = 32 << 20


def pages(size_bytes: int) -> int:
    """Round up to whole pages."""
    return _up(size_bytes, PAGE_BYTES)


def _up(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment


def places_in(area: Area, kernel_bytes: int, initrd_bytes: int, alignment: int, spare_bytes: int = 0) -> Optional[ResidentPlaces]:
    """Place a kernel, its initrd behind it, and then the page that a panic enters; None without room.

    :param kernel_bytes: all the memory that the kernel takes.
    :param spare_bytes: memory to leave to the running kernel behind all of it.
    """
    kernel_at = _up(area.begin, alignment)
    initrd_at = kernel_at + pages(kernel_bytes)
    entry_at = initrd_at + pages(initrd_bytes)
    return ResidentPlaces(kernel_at, initrd_at, entry_at) if entry_at + PAGE_BYTES + spare_bytes <= area.end else None


def places_of(facts: HostFacts, candidate: Candidate) -> Optional[ResidentPlaces]:
    """Places for a candidate's fast image on this host; None if it has none, or without room."""
    fast, fast_format = candidate.fast, candidate.architecture.fast
    if facts.crash is None or fast is None or fast_format is None:
        return None
    kernel_bytes = max(fast.kernel_bytes, fast.memory_bytes)
    initrd_bytes = candidate.initrd_bytes_of(FAST)
    return places_in(facts.crash.area, kernel_bytes, initrd_bytes, fast_format.alignment_bytes, _spare_bytes(facts.crash))


def _spare_bytes(crash: CrashArea) -> int:
    end = max((ram.end for ram in crash.ram), default=0)
    return _OWN_BYTES + _OWN_BYTES_PER_GIB * -(-end // (1 << 30))


def needed_bytes(kernel_bytes: int, initrd_bytes: int) -> int:
    """Size that a reservation needs for an image, whose kernel takes C(kernel_bytes) of memory."""
    return pages(kernel_bytes) + pages(initrd_bytes) + PAGE_BYTES


def has_room_for_next(crash: CrashArea, taken: Area, alignment: int) -> bool:
    """Whether the next kernel finds memory for a reservation like this one while it lies in C(taken).

    It looks on the same side of 4 GiB, as reserve_crashkernel() does (kernel/crash_reserve.c).
    """
    size_bytes = crash.area.size_bytes
    above = crash.area.begin >= _FOUR_GIB
    for ram in crash.ram:
        for free in _without(ram, taken):
            begin = max(free.begin, _FOUR_GIB) if above else free.begin
            end = free.end if above else min(free.end, _FOUR_GIB)
            if _up(begin, alignment) + size_bytes + _EARLY_BYTES <= end:
                return True
    return False


def _without(area: Area, taken: Area) -> List[Area]:
    """What is left of an area without a part that is taken."""
    if taken.end <= area.begin or taken.begin >= area.end:
        return [area]
    return [left for left in (Area(area.begin, taken.begin), Area(taken.end, area.end)) if left.size_bytes > 0]


def placement_obstacle(facts: HostFacts, candidate: Candidate, way: Tuple[str, str, str], may_displace: bool) -> Optional[Reason]:
    """Find out why an image can't lie in the reservation; None if it can.

    :param way: image, loader and integrity.
    :param may_displace: whether a crash image of somebody else may be replaced.
    """
    if way != RESERVABLE:
        return reason("PLACEMENT_UNAVAILABLE", "only a fast image loaded by kexec_load and checked by crc32c can be reserved")
    if facts.crash is None:
        return reason("NO_RESERVATION", "no memory is reserved for a crash kernel")
    limit = facts.kernel.load_limit_panic
    ours = facts.crash.loaded and facts.crash_is_ours
    needed = 0 if ours else _LOADS_NEEDED + (_LOADS_OF_KDUMP if facts.crash.loaded else 0)
    if limit is not None and 0 <= limit < needed:
        message = "kernel.kexec_load_limit_panic allows %d more loads of crash images, and %d may be needed"
        return reason("KEXEC_LOAD_LIMIT", message % (limit, needed))
    if facts.crash.awaited and not ours:
        return reason("KDUMP_LOADED", "kdump has not started yet, and would load a crash kernel over the image")
    found = _room_obstacle(facts, facts.crash, candidate)
    if found is None and facts.crash.loaded and not facts.crash_is_ours and not may_displace:
        return reason("KDUMP_LOADED", "a crash kernel is loaded, which the image would displace until the reboot")
    return found


def _room_obstacle(facts: HostFacts, crash: CrashArea, candidate: Candidate) -> Optional[Reason]:
    """Find out why a fast image finds no room in the reservation, or the next reservation none beside it; None if both do."""
    fast = candidate.fast
    if fast is None:
        return candidate.fast_obstacle or reason("FAST_IMAGE_MISSING", "there is no fast image")
    reserved_mib = crash.area.size_bytes >> 20
    places = places_of(facts, candidate)
    if places is None:
        needed = needed_bytes(max(fast.kernel_bytes, fast.memory_bytes), candidate.initrd_bytes_of(FAST)) + _spare_bytes(crash)
        return reason(
            "RESERVATION_TOO_SMALL", "kernel and initrd need %d MiB, and %d MiB are reserved" % (-(-needed >> 20), reserved_mib)
        )
    if any("@" in value for value in values_of(facts.kernel.cmdline, "crashkernel")):
        return reason("NO_NEXT_RESERVATION", "crashkernel= names an address, where the next kernel itself would lie")
    taken = Area(places.kernel_at, places.entry_at)
    if not has_room_for_next(crash, taken, architecture_of(facts.kernel.machine).crash_alignment_bytes):
        return reason(
            "NO_NEXT_RESERVATION",
            "while the next kernel lies in the reservation, it finds no other %d MiB to reserve" % reserved_mib,
        )
    return None
