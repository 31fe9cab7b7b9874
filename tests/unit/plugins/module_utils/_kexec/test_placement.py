# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Sequence

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.crash_area import Area, CrashArea, parse_iomem, read_crash_area
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.placement import PAGE_BYTES, has_room_for_next, places_in

from ....conftest import HostTree

MIB = 1 << 20
GIB = 1 << 30

#: A guest with 768 MiB and C(crashkernel=256M), booted once by a kexec out of the reservation.
IOMEM = """\
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
00100000-0010000f : System RAM
00100010-2ffdcfff : System RAM
  0e000000-1dffffff : Crash kernel
  1e000000-1effffff : Kernel code
2ffdd000-2fffffff : Reserved
fd000000-fdffffff : 0000:00:01.0
"""
HIGH = """\
00001000-0009ffff : System RAM
00100000-bfffffff : System RAM
  a0000000-afffffff : Crash kernel
100000000-23fffffff : System RAM
  220000000-23bffffff : Crash kernel
"""


def no_unit(_argv: Sequence[str], _timeout_s: float) -> CommandResult:
    return CommandResult(0, "", "")


def test_iomem() -> None:
    crash, ram = parse_iomem(IOMEM)
    assert crash == [Area(0x0E000000, 0x1E000000)]
    assert ram == [Area(0x1000, 0x9FC00), Area(0x100000, 0x100010), Area(0x100010, 0x2FFDD000)]


@pytest.mark.parametrize(
    "text",
    ["", "00000000-00000000 : System RAM\n  00000000-00000000 : Crash kernel\n", "garbage\n\0\n", "zz-yy : Crash kernel\n"],
)
def test_nothing_is_known_without_privileges_or_a_reservation(host_tree: HostTree, text: str) -> None:
    assert read_crash_area(host_tree({"/proc/iomem": text}), no_unit) is None


def test_the_upper_of_two_areas_takes_images(host_tree: HostTree) -> None:
    crash = read_crash_area(host_tree({"/proc/iomem": HIGH, "/sys/kernel/kexec_crash_loaded": "1\n"}), no_unit)
    assert crash is not None
    assert crash.area == Area(0x220000000, 0x23C000000)
    assert crash.loaded


@pytest.mark.parametrize(
    ("units", "awaited"),
    [
        ("ActiveState=activating\nUnitFileState=enabled\n\nActiveState=inactive\nUnitFileState=\n", True),
        ("ActiveState=inactive\nUnitFileState=\n\nActiveState=inactive\nUnitFileState=enabled\n", True),
        ("ActiveState=active\nUnitFileState=enabled\n\nActiveState=inactive\nUnitFileState=\n", False),
        ("ActiveState=failed\nUnitFileState=enabled\n\nActiveState=inactive\nUnitFileState=disabled\n", False),
        ("", False),
    ],
)
def test_kdump_that_is_still_to_start_is_awaited(host_tree: HostTree, units: str, awaited: bool) -> None:
    crash = read_crash_area(host_tree({"/proc/iomem": IOMEM}), lambda _argv, _timeout_s: CommandResult(0, units, ""))
    assert crash is not None
    assert crash.awaited == awaited


def test_kernel_initrd_and_entry_lie_behind_each_other() -> None:
    area = Area(0x1E000000, 0x2E000000)
    places = places_in(area, kernel_bytes=40 * MIB + 1, initrd_bytes=10 * MIB + 5, alignment=2 * MIB)
    assert places is not None
    assert places.kernel_at == 0x1E000000
    assert places.initrd_at == places.kernel_at + 40 * MIB + PAGE_BYTES
    assert places.entry_at == places.initrd_at + 10 * MIB + PAGE_BYTES


def test_the_kernel_is_aligned() -> None:
    places = places_in(Area(0x1E100000, 0x2E000000), 4 * MIB, 0, alignment=2 * MIB)
    assert places is not None
    assert (places.kernel_at, places.initrd_at, places.entry_at) == (0x1E200000, 0x1E600000, 0x1E600000)


@pytest.mark.parametrize(("size_bytes", "fits"), [(8 * MIB + PAGE_BYTES, True), (8 * MIB + PAGE_BYTES - 1, False), (0, False)])
def test_all_of_it_has_to_fit(size_bytes: int, fits: bool) -> None:
    area = Area(0x1E000000, 0x1E000000 + size_bytes)
    assert (places_in(area, 6 * MIB, 2 * MIB, alignment=2 * MIB) is not None) == fits


@pytest.mark.parametrize(
    ("ram", "area", "taken", "room"),
    [
        # 256 of 768 MiB: there is room below, above, or neither if the kernel lies in the middle.
        ([Area(MIB, 768 * MIB)], Area(480 * MIB, 736 * MIB), Area(480 * MIB, 540 * MIB), True),
        ([Area(MIB, 768 * MIB)], Area(224 * MIB, 480 * MIB), Area(224 * MIB, 290 * MIB), True),
        ([Area(MIB, 512 * MIB)], Area(240 * MIB, 496 * MIB), Area(240 * MIB, 300 * MIB), False),
        # Memory above 4 GiB is no substitute for memory below, nor the other way round.
        ([Area(MIB, 512 * MIB), Area(4 * GIB, 8 * GIB)], Area(240 * MIB, 496 * MIB), Area(240 * MIB, 300 * MIB), False),
        ([Area(MIB, 3 * GIB), Area(4 * GIB, 5 * GIB)], Area(4608 * MIB, 5120 * MIB), Area(4608 * MIB, 4700 * MIB), False),
        ([Area(MIB, 3 * GIB), Area(4 * GIB, 8 * GIB)], Area(7 * GIB, 7680 * MIB), Area(7 * GIB, 7300 * MIB), True),
        # One block of memory has to be free, and its begin aligned.
        ([Area(MIB, 200 * MIB), Area(201 * MIB, 400 * MIB)], Area(2 * MIB, 130 * MIB), Area(2 * MIB, 64 * MIB), True),
        ([Area(MIB, 161 * MIB)], Area(16 * MIB, 80 * MIB), Area(16 * MIB, 66 * MIB), False),
        ([], Area(16 * MIB, 80 * MIB), Area(16 * MIB, 66 * MIB), False),
    ],
)
def test_room_for_the_next_reservation(ram: list[Area], area: Area, taken: Area, room: bool) -> None:
    assert has_room_for_next(CrashArea(area, False, tuple(ram)), taken, 16 * MIB) == room
