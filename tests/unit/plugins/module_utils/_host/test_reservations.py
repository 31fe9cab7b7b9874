# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that the running kernel has reserved, from directory trees."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.reservations import (
    CRASH_SIZE,
    Reservations,
    read_reservations,
    shrink_crash_reservation,
)

from ....conftest import write_tree

MIB = 1 << 20
MEMINFO = "MemTotal: 2900000 kB\nMemAvailable: 581324 kB\nCmaTotal: 262144 kB\n"
# 4 GiB, of which 1 MiB is for others, and two crash kernel areas.
IOMEM = """\
00000000-00000fff : Reserved
00001000-0009ffff : System RAM
  00001000-00001fff : System RAM
00100000-bfffffff : System RAM
  29000000-2affffff : Kernel code
  a0000000-afffffff : Crash kernel
c0000000-ffffffff : PCI Bus 0000:00
100000000-13fffffff : System RAM
  100000000-12fffffff : Crash kernel
"""
RAM_BYTES = 0x9F000 + 0xBFF00000 + 0x40000000


def read(root: Path, files: dict[str, str]) -> Reservations:
    write_tree(root, {"/proc/meminfo": MEMINFO, **files})
    return read_reservations(HostFiles(str(root)))


def test_nothing_is_reserved(tmp_path: Path) -> None:
    files = {CRASH_SIZE: "0\n", "/sys/kernel/kexec_crash_loaded": "0\n", "/proc/meminfo": "MemTotal: 1000 kB\n"}
    assert read(tmp_path, files) == Reservations(0, 0, False, 0, 1024000)


def test_an_empty_host(tmp_path: Path) -> None:
    assert read_reservations(HostFiles(str(tmp_path))) == Reservations(None, 0, False, 0, 0)


@pytest.mark.parametrize(
    ("size_bytes", "low_bytes"),
    [
        (1024 * MIB, 256 * MIB),
        # Before Linux 6.5 the one below 4 GiB does not count.
        (768 * MIB, 0),
    ],
)
def test_a_crash_kernel_with_two_areas(tmp_path: Path, size_bytes: int, low_bytes: int) -> None:
    files = {CRASH_SIZE: "%d\n" % size_bytes, "/sys/kernel/kexec_crash_loaded": "1\n", "/proc/iomem": IOMEM}
    assert read(tmp_path, files) == Reservations(size_bytes, low_bytes, True, 256 * MIB, RAM_BYTES)


def test_a_crash_kernel_with_one_area(tmp_path: Path) -> None:
    iomem = IOMEM.replace("  100000000-12fffffff : Crash kernel\n", "")
    found = read(tmp_path, {CRASH_SIZE: "%d\n" % (256 * MIB), "/proc/iomem": iomem})
    assert (found.crash_bytes, found.crash_low_bytes) == (256 * MIB, 0)


def test_memory_as_those_see_it_who_may_not_see_addresses(tmp_path: Path) -> None:
    iomem = "00000000-00000000 : System RAM\n  00000000-00000000 : Crash kernel\n" * 2
    found = read(tmp_path, {CRASH_SIZE: "%d\n" % (256 * MIB), "/proc/iomem": iomem})
    assert (found.crash_low_bytes, found.ram_bytes) == (0, 2900000 * 1024 + 256 * MIB)


def test_shrinking_tells_the_kernel_a_number(tmp_path: Path) -> None:
    write_tree(tmp_path, {CRASH_SIZE: ""})
    assert shrink_crash_reservation(HostFiles(str(tmp_path)), 64 * MIB) == 64 * MIB
    assert (tmp_path / CRASH_SIZE.lstrip("/")).read_bytes() == b"67108864"


def test_shrinking_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        shrink_crash_reservation(HostFiles(str(tmp_path)), 0)
