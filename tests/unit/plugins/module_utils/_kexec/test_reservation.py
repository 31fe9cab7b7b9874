# SPDX-License-Identifier: GPL-3.0-or-later
"""Reserving memory on a Debian host with GRUB, whose update-grub really runs."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.cma import NAME as CMA
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.crashkernel import NAME as CRASHKERNEL
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.interface import Setting
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.kernel_install import KernelInstall
from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.fast_images import Digest, FastImage
from ansible_collections.fleet.kexec.plugins.module_utils._host.reservations import (
    CRASH_SIZE,
    Reservations,
    read_reservations,
    shrink_crash_reservation,
)
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.candidate import Candidate
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.reservation import (
    Machine,
    ReservationPlan,
    ReservationStatus,
    ReservationWish,
    apply_reservations,
    auto_cma_bytes,
    auto_crashkernel_bytes,
    notes,
    plan_reservations,
    read_machine,
    read_statuses,
    wanted_values,
)

from ....conftest import RELEASE, HostTree, write_tree
from ....outcomes import code_of
from .._bootloader.debian import KDUMP, KDUMP_PATH, MAIN, DebianHost

MIB = 1 << 20
CONFIG = "/boot/config-" + RELEASE
INITRD_BYTES = 20 * MIB
RAM_KIB = 4 << 20
GONE = ReservationWish(False)


class Scene:
    """The host, and what is asked of it."""

    def __init__(self, root: Path, host_tree: HostTree) -> None:
        self.host = DebianHost(root)
        host_tree(
            {
                CONFIG: "CONFIG_CRASH_DUMP=y\nCONFIG_DMA_CMA=y\n",
                "/proc/meminfo": "MemTotal: %d kB\nCmaTotal: 0 kB\n" % RAM_KIB,
                CRASH_SIZE: "0\n",
                "/sys/kernel/kexec_crash_loaded": "0\n",
            }
        )
        (root / ("boot/initrd.img-" + RELEASE)).write_bytes(b"070701".ljust(INITRD_BYTES, b"\0"))
        self.host.update_grub()

    def write(self, files: dict[str, str]) -> None:
        write_tree(self.host.root, files)

    def run(self, argv: Sequence[str], timeout_s: float) -> CommandResult:
        known = argv[0] in ("sh", "/usr/sbin/update-grub")
        return self.host.run(argv, timeout_s) if known else CommandResult(127, "", "not there")

    @property
    def machine(self) -> Machine:
        return read_machine(self.host.files, self.host.bootloader())

    @property
    def candidate(self) -> Candidate:
        candidate = self.machine.candidate
        assert candidate is not None
        return candidate

    def plan(self, wishes: dict[str, ReservationWish], **options: Any) -> ReservationPlan:
        return plan_reservations(wishes, self.machine, self.host.bootloader(), **options)

    def do(self, wishes: dict[str, ReservationWish], **options: Any) -> bool:
        planned = self.plan(wishes, **options)
        apply_reservations(planned, self.host.bootloader(), self.shrink)
        return planned.needed

    def shrink(self, size_bytes: int) -> int:
        # What is written to sysfs is all there is then.
        self.write({CRASH_SIZE: ""})
        return shrink_crash_reservation(self.host.files, size_bytes)

    def statuses(self, planned: ReservationPlan | None = None) -> dict[str, ReservationStatus]:
        return read_statuses(self.host.bootloader(), self.machine, planned)

    def boot(self, crash_bytes: int | None = None, cma_bytes: int | None = None) -> None:
        """Boot the default entry: it reserves what it should, or this."""
        default = self.host.bootloader().default_entry()
        assert default is not None
        self.write({"/proc/cmdline": default.cmdline + "\n"})
        statuses = self.statuses()
        crash = statuses[CRASHKERNEL].configured_bytes or 0 if crash_bytes is None else crash_bytes
        cma = statuses[CMA].configured_bytes or 0 if cma_bytes is None else cma_bytes
        meminfo = "MemTotal: %d kB\nCmaTotal: %d kB\n" % (RAM_KIB - crash // 1024, cma // 1024)
        self.write({CRASH_SIZE: "%d\n" % crash, "/proc/meminfo": meminfo})


@pytest.fixture
def scene(tmp_path: Path, host_tree: HostTree) -> Scene:
    return Scene(tmp_path, host_tree)


# --- how much ----------------------------------------------------------------------------


def test_auto_is_computed_from_kernel_initrd_and_memory(scene: Scene) -> None:
    # 64 MiB of init_size, four times 20, 64, and 1 of 4 GiB: 209.
    assert auto_crashkernel_bytes(scene.candidate, RAM_KIB * 1024) == 224 * MIB
    assert auto_crashkernel_bytes(scene.candidate, 64 << 30) == 224 * MIB
    assert auto_crashkernel_bytes(scene.candidate, (64 << 30) + 1) == 224 * MIB
    assert auto_crashkernel_bytes(scene.candidate, 128 << 30) == 256 * MIB
    # 84, a quarter of it, and 16: 121.
    assert auto_cma_bytes(scene.candidate) == 128 * MIB
    machine = scene.machine
    assert wanted_values(CRASHKERNEL, ReservationWish(True, "auto"), machine) == ("224M",)
    assert wanted_values(CMA, ReservationWish(True, "auto"), machine) == ("128M",)


def test_auto_makes_room_for_the_fast_image_where_that_is_larger(scene: Scene) -> None:
    digest = Digest("/var/lib/fleet-kexec/image", 90 * MIB, "00")
    fast = FastImage(RELEASE, digest, digest, digest, None, None, "zstd", 90 * MIB, 20480, 90 * MIB, 0, 0, 100 * MIB, "", "", 1)
    # 120 MiB and its head, a quarter, and 16.
    assert auto_cma_bytes(replace(scene.candidate, fast=fast, fast_obstacle=None)) == 176 * MIB


def test_auto_takes_a_kernel(scene: Scene) -> None:
    machine = replace(scene.machine, candidate=None)
    assert code_of(wanted_values, CMA, ReservationWish(True, "auto"), machine) == "NO_KERNEL"
    assert wanted_values(CMA, ReservationWish(True, "4M"), machine) == ("4M",)


@pytest.mark.parametrize(
    ("name", "size", "values"),
    [
        (CRASHKERNEL, "256M", ("256M",)),
        (CRASHKERNEL, " 1G,high\t256M,low ", ("1G,high", "256M,low")),
        (CRASHKERNEL, "1G-2G:128M,2G-:256M", ("1G-2G:128M,2G-:256M",)),
        # Nothing for this machine is no mistake.
        (CRASHKERNEL, "8G-:256M", ("8G-:256M",)),
        (CRASHKERNEL, "84M", ("84M",)),
        (CMA, "84M", ("84M",)),
        (CMA, "256M@0-4G", ("256M@0-4G",)),
    ],
)
def test_sizes_that_are_given(scene: Scene, name: str, size: str, values: tuple[str, ...]) -> None:
    assert wanted_values(name, ReservationWish(True, size), scene.machine) == values


@pytest.mark.parametrize(
    ("name", "size", "code"),
    [
        (CRASHKERNEL, "nonsense", "SIZE_INVALID"),
        (CRASHKERNEL, "256M,low", "SIZE_INVALID"),
        (CRASHKERNEL, " ", "SIZE_INVALID"),
        (CRASHKERNEL, "$(reboot)", "SIZE_INVALID"),
        (CMA, "25%", "SIZE_INVALID"),
        (CMA, "0", "SIZE_INVALID"),
        (CMA, "256M 0", "SIZE_INVALID"),
        (CRASHKERNEL, "83M", "RESERVATION_TOO_SMALL"),
        # The area below 4 GiB holds no kernel.
        (CRASHKERNEL, "64M,high 256M,low", "RESERVATION_TOO_SMALL"),
        (CRASHKERNEL, "1G-:64M", "RESERVATION_TOO_SMALL"),
        (CMA, "80M", "RESERVATION_TOO_SMALL"),
    ],
)
def test_sizes_that_are_refused(scene: Scene, name: str, size: str, code: str) -> None:
    assert code_of(wanted_values, name, ReservationWish(True, size), scene.machine) == code


@pytest.mark.parametrize(("name", "option"), [(CRASHKERNEL, "CRASH_DUMP"), (CMA, "DMA_CMA")])
def test_a_kernel_that_would_ignore_it(scene: Scene, name: str, option: str) -> None:
    scene.write({CONFIG: "CONFIG_CRASH_DUMP=y\nCONFIG_DMA_CMA=y\n".replace("CONFIG_%s=y" % option, "")})
    assert code_of(scene.plan, {name: ReservationWish(True, "auto")}) == "RESERVATION_UNSUPPORTED"
    # Nor does it hinder that it is taken away.
    assert not scene.plan({name: GONE}).needed
    (scene.host.root / CONFIG.lstrip("/")).unlink()
    assert scene.plan({name: ReservationWish(True, "auto")}).needed


@pytest.mark.parametrize(
    ("wishes", "fits"),
    [
        ({CRASHKERNEL: "3840M"}, True),
        ({CRASHKERNEL: "3841M"}, False),
        ({CMA: "3840M"}, True),
        ({CMA: "3844M"}, False),
        ({CRASHKERNEL: "2G", CMA: "1792M"}, True),
        ({CRASHKERNEL: "2G", CMA: "1796M"}, False),
        # And 256 MiB below 4 GiB.
        ({CRASHKERNEL: "3584M,high"}, True),
        ({CRASHKERNEL: "3585M,high"}, False),
    ],
)
def test_the_system_keeps_256_mib(scene: Scene, wishes: dict[str, str], fits: bool) -> None:
    asked = {name: ReservationWish(True, size) for name, size in wishes.items()}
    if fits:
        assert scene.plan(asked).needed
    else:
        assert code_of(scene.plan, asked) == "RESERVATION_TOO_LARGE"


def test_what_is_set_already_counts(scene: Scene) -> None:
    scene.do({CRASHKERNEL: ReservationWish(True, "2G")})
    assert code_of(scene.plan, {CMA: ReservationWish(True, "2G")}) == "RESERVATION_TOO_LARGE"
    assert scene.plan({CMA: ReservationWish(True, "1G")}).needed
    assert scene.plan({CMA: ReservationWish(True, "2G"), CRASHKERNEL: GONE}).needed


# --- what has to be set ------------------------------------------------------------------


def test_from_wish_to_reboot_and_back(scene: Scene) -> None:
    before = scene.statuses()
    assert before[CMA] == ReservationStatus((), 0, (), 0, 0, (), False)
    wishes = {CMA: ReservationWish(True, "256M"), CRASHKERNEL: ReservationWish(True, "1G,high")}
    planned = scene.plan(wishes)
    assert planned.settings == {CMA: Setting(("256M",)), CRASHKERNEL: Setting(("1G,high",))}
    told = scene.statuses(planned)
    assert scene.statuses() == before
    assert scene.do(wishes)
    assert scene.statuses() == told
    assert told[CMA] == ReservationStatus(("256M",), 256 * MIB, (), 0, 0, ("fleet.kexec",), True)
    assert told[CRASHKERNEL] == ReservationStatus(("1G,high",), 1280 * MIB, (), 0, 0, ("fleet.kexec",), True)
    assert [note.code for note in notes(told)] == ["RESERVATION_PENDING", "RESERVATION_PENDING"]
    assert not scene.do(wishes)
    scene.boot()
    booted = scene.statuses()
    assert booted[CMA] == ReservationStatus(("256M",), 256 * MIB, ("256M",), 256 * MIB, 256 * MIB, ("fleet.kexec",), False)
    assert notes(booted) == []
    assert not scene.do(wishes)
    assert scene.do({CMA: GONE, CRASHKERNEL: GONE})
    gone = scene.statuses()
    assert gone[CMA] == ReservationStatus((), 0, ("256M",), 256 * MIB, 256 * MIB, (), True)
    scene.boot()
    assert scene.statuses() == before


def test_other_values_of_the_same_size_take_no_reboot(scene: Scene) -> None:
    scene.do({CMA: ReservationWish(True, "256M")})
    scene.boot()
    assert scene.do({CMA: ReservationWish(True, "0x10000000")})
    assert not scene.statuses()[CMA].reboot_required


def test_a_wish_that_is_not_there_changes_nothing(scene: Scene) -> None:
    assert not scene.plan({}).needed
    assert not scene.plan({CMA: GONE, CRASHKERNEL: GONE}, overrule=True, shrink=True).needed


def test_what_others_have_set(scene: Scene) -> None:
    scene.host.write(KDUMP_PATH, KDUMP)
    status = scene.statuses()[CRASHKERNEL]
    assert (status.configured, status.configured_bytes, status.set_by) == (("384M-:128M",), 128 * MIB, (KDUMP_PATH,))
    assert code_of(scene.plan, {CRASHKERNEL: ReservationWish(True, "256M")}) == "RESERVATION_FOREIGN"
    # It is as wanted, or to be left alone.
    assert not scene.plan({CRASHKERNEL: ReservationWish(True, "384M-:128M")}).needed
    assert not scene.plan({CRASHKERNEL: GONE}).needed
    assert scene.plan({CMA: ReservationWish(True, "256M")}).needed
    assert scene.do({CRASHKERNEL: ReservationWish(True, "256M")}, overrule=True)
    status = scene.statuses()[CRASHKERNEL]
    assert (status.configured, status.set_by) == (("256M",), ("fleet.kexec",))
    # Overruled they stay, asked for or not.
    assert not scene.do({CRASHKERNEL: ReservationWish(True, "256M")})
    assert scene.do({CRASHKERNEL: ReservationWish(True, "512M")})
    assert scene.statuses()[CRASHKERNEL].configured == ("512M",)
    assert scene.do({CRASHKERNEL: GONE}, overrule=True)
    assert scene.statuses()[CRASHKERNEL].configured == ()
    assert not scene.do({CRASHKERNEL: GONE}, overrule=True)
    assert scene.do({CRASHKERNEL: GONE})
    assert scene.statuses()[CRASHKERNEL].configured == ("384M-:128M",)


def test_what_others_have_written_and_not_made_use_of(scene: Scene) -> None:
    scene.write({KDUMP_PATH: KDUMP})
    assert scene.statuses()[CRASHKERNEL].configured == ()
    assert code_of(scene.plan, {CRASHKERNEL: ReservationWish(True, "384M-:128M")}) == "RESERVATION_FOREIGN"


def test_values_of_others_that_are_no_good(scene: Scene) -> None:
    scene.host.write("/etc/default/grub", MAIN.replace("quiet", "quiet crashkernel=auto"))
    scene.boot()
    status = scene.statuses()[CRASHKERNEL]
    assert (status.configured, status.configured_bytes, status.running_bytes) == (("auto",), None, None)
    assert not status.reboot_required
    assert scene.plan({CMA: ReservationWish(True, "256M")}).needed


def test_all_entries_of_systemd_boot_have_it_from_others(tmp_path: Path, scene: Scene) -> None:
    entry = "version %s\nmachine-id 1\nlinux /l\noptions ro cma=256M\n"
    scene.write({"/etc/machine-id": "1", **{"/boot/loader/entries/%s.conf" % v: entry % v for v in (RELEASE, "6.1")}})

    def run(argv: Sequence[str], timeout_s: float) -> CommandResult:
        return CommandResult(0, "/boot" if "--print-boot-path" in argv else "[]", "")

    bootloader = KernelInstall(scene.host.files, run)
    assert not plan_reservations({CMA: ReservationWish(True, "256M")}, scene.machine, bootloader).needed
    scene.write({"/boot/loader/entries/6.1.conf": entry.replace(" cma=256M", "") % "6.1"})
    with pytest.raises(Exception, match="cma=256M is set by"):
        plan_reservations({CMA: ReservationWish(True, "256M")}, scene.machine, bootloader)


# --- giving memory back ------------------------------------------------------------------


def test_shrinking_at_once(scene: Scene) -> None:
    scene.do({CRASHKERNEL: ReservationWish(True, "512M")})
    scene.boot()
    assert not scene.plan({CRASHKERNEL: ReservationWish(True, "512M")}, shrink=True).needed
    planned = scene.plan({CRASHKERNEL: ReservationWish(True, "256M")}, shrink=True)
    assert planned.shrink_to_bytes == 256 * MIB
    assert scene.plan({CRASHKERNEL: ReservationWish(True, "256M")}).shrink_to_bytes is None
    told = scene.statuses(planned)[CRASHKERNEL]
    assert (told.effective_bytes, told.reboot_required) == (256 * MIB, False)
    assert scene.do({CRASHKERNEL: ReservationWish(True, "256M")}, shrink=True)
    assert scene.statuses()[CRASHKERNEL] == told
    assert not scene.do({CRASHKERNEL: ReservationWish(True, "256M")}, shrink=True)
    assert scene.do({CRASHKERNEL: GONE}, shrink=True)
    gone = scene.statuses()[CRASHKERNEL]
    assert (gone.configured, gone.effective_bytes, gone.reboot_required) == ((), 0, False)


def test_shrinking_leaves_what_others_have_set(scene: Scene) -> None:
    scene.host.write(KDUMP_PATH, KDUMP)
    scene.boot()
    planned = scene.plan({CRASHKERNEL: GONE}, shrink=True)
    assert (planned.needed, planned.shrink_to_bytes) == (False, None)
    assert scene.plan({CRASHKERNEL: GONE}, overrule=True, shrink=True).shrink_to_bytes == 0


def test_shrinking_keeps_the_area_below_4_gib(scene: Scene) -> None:
    scene.do({CRASHKERNEL: ReservationWish(True, "1G,high")})
    scene.boot()
    iomem = "00100000-1ffffffff : System RAM\n  50000000-5fffffff : Crash kernel\n  100000000-13fffffff : Crash kernel\n"
    scene.write({"/proc/iomem": iomem})
    assert not scene.plan({CRASHKERNEL: ReservationWish(True, "1G,high")}, shrink=True).needed
    # As the kernel does of itself where the area has no place below.
    assert not scene.plan({CRASHKERNEL: ReservationWish(True, "1G")}, shrink=True).shrink_to_bytes
    assert scene.plan({CRASHKERNEL: ReservationWish(True, "512M,high")}, shrink=True).shrink_to_bytes == 768 * MIB
    assert scene.plan({CRASHKERNEL: GONE}, shrink=True).shrink_to_bytes == 0


def test_what_is_no_reservation_is_not_shrunk(scene: Scene) -> None:
    scene.host.write("/etc/default/grub", MAIN.replace("quiet", "quiet crashkernel=auto"))
    scene.boot(crash_bytes=256 * MIB)
    assert scene.plan({CRASHKERNEL: GONE}, shrink=True).shrink_to_bytes is None
    assert scene.plan({CMA: GONE}, shrink=True).shrink_to_bytes is None


def test_a_crash_kernel_that_is_loaded_is_not_shrunk(scene: Scene) -> None:
    scene.do({CRASHKERNEL: ReservationWish(True, "512M")})
    scene.boot()
    scene.write({"/sys/kernel/kexec_crash_loaded": "1\n"})
    assert code_of(lambda: scene.plan({CRASHKERNEL: GONE}, shrink=True)) == "SHRINK_FAILED"
    assert scene.do({CRASHKERNEL: GONE})


def refuse(size_bytes: int) -> int:
    raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))


@pytest.mark.parametrize("shrink", [refuse, lambda size_bytes: size_bytes + 4096])
def test_a_kernel_that_does_not_shrink_it(scene: Scene, shrink: Callable[[int], int]) -> None:
    scene.do({CRASHKERNEL: ReservationWish(True, "512M")})
    scene.boot()
    planned = scene.plan({CRASHKERNEL: GONE}, shrink=True)
    assert code_of(apply_reservations, planned, scene.host.bootloader(), shrink) == "SHRINK_FAILED"
    # What is configured stays configured: the next boot does it.
    assert scene.statuses()[CRASHKERNEL].configured == ()


# --- how it is ---------------------------------------------------------------------------


def test_a_reservation_that_was_not_made(scene: Scene) -> None:
    scene.do({CMA: ReservationWish(True, "256M"), CRASHKERNEL: ReservationWish(True, "256M")})
    scene.boot(crash_bytes=0, cma_bytes=0)
    statuses = scene.statuses()
    assert not any(status.reboot_required for status in statuses.values())
    assert [note.code for note in notes(statuses)] == ["RESERVATION_NOT_MADE", "RESERVATION_NOT_MADE"]


def test_what_modules_return(scene: Scene) -> None:
    assert scene.statuses()[CMA].as_dict() == {
        "configured": None,
        "configured_bytes": 0,
        "running": None,
        "running_bytes": 0,
        "effective_bytes": 0,
        "set_by": [],
        "reboot_required": False,
    }
    scene.do({CRASHKERNEL: ReservationWish(True, "1G,high 128M,low")})
    told = scene.statuses()[CRASHKERNEL].as_dict()
    assert (told["configured"], told["set_by"]) == ("1G,high 128M,low", ["fleet.kexec"])


def test_a_machine_is_read(scene: Scene) -> None:
    machine = scene.machine
    assert machine.release == RELEASE
    assert machine.candidate is not None
    assert machine.candidate.header.release == RELEASE
    assert machine.reservations == read_reservations(scene.host.files) == Reservations(0, 0, False, 0, RAM_KIB * 1024)
