# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers that the script unbinds on machines that are directory trees, by the shell that would run it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._prepare_boot.shutdown_script import render_script

from ....conftest import write_tree

ROOT_MOUNT = "22 1 259:2 / / ro,relatime shared:1 - ext4 /dev/nvme0n1p2 ro,errors=remount-ro\n"
OTHERS = "23 22 0:5 / /dev rw,nosuid shared:2 - devtmpfs udev rw\n24 22 0:20 / /run rw shared:3 - tmpfs tmpfs rw,mode=755\n"


def address(number: int) -> str:
    return "0000:%02x:00.0" % (number + 1)


class Machine:
    """A machine that has stopped: its root file system is on the second partition of the first of eight NVMe drives."""

    def __init__(self, root: Path, drives: int = 8) -> None:
        self.root = root
        write_tree(root, {"/proc/self/mountinfo": ROOT_MOUNT + OTHERS, "/proc/swaps": "Filename Type Size Used Priority\n"})
        write_tree(root, {"/proc/uptime": "1234.56 99.00\n", "/sys/bus/pci/drivers/nvme/unbind": ""})
        (root / "sys/block").mkdir()
        (root / "dev").mkdir()
        for number in range(drives):
            self.add_drive(number)

    def device(self, number: int) -> str:
        return "/sys/devices/pci0000:00/0000:00:01.0/" + address(number)

    def add_drive(self, number: int, class_: str = "0x010802", driver: str = "nvme") -> None:
        device, name = self.device(number), "nvme%dn1" % number
        disk = "%s/nvme/nvme%d/%s" % (device, number, name)
        write_tree(self.root, {device + "/class": class_ + "\n", disk + "/dev": "259:%d\n" % (number * 10)})
        for part in (1, 2):
            write_tree(
                self.root,
                {
                    "%s/%sp%d/partition" % (disk, name, part): "%d\n" % part,
                    "%s/%sp%d/dev" % (disk, name, part): "259:%d\n" % (number * 10 + part),
                },
            )
            (self.root / ("%s/%sp%d/holders" % (disk, name, part)).lstrip("/")).mkdir()
        (self.root / (disk + "/holders").lstrip("/")).mkdir()
        self.link("/sys/block/" + name, disk)
        self.link("/sys/bus/pci/drivers/%s/%s" % (driver, address(number)), device)

    def link(self, path: str, target: str) -> None:
        source, destination = self.root / path.lstrip("/"), self.root / target.lstrip("/")
        source.parent.mkdir(parents=True, exist_ok=True)
        source.symlink_to(os.path.relpath(destination, source.parent))

    def mount(self, line: str) -> None:
        path = self.root / "proc/self/mountinfo"
        path.write_text(path.read_text() + line + "\n")

    def disk(self, number: int) -> str:
        return "%s/nvme/nvme%d/nvme%dn1" % (self.device(number), number, number)

    def run(self, verb: str, drivers: tuple[str, ...] = ("nvme",), timeout_s: int = 30) -> str:
        script = self.root / "script"
        script.write_text(render_script(drivers, timeout_s))
        # What is under test.
        done = subprocess.run(
            ["/bin/sh", str(script), verb, str(self.root)], capture_output=True, text=True, timeout=20, check=True
        )
        assert done.stderr == ""
        return done.stdout

    def plan(self, *drivers: str) -> list[int]:
        """Numbers of the drives that would be unbound."""
        lines = [line for line in self.run("plan", drivers or ("nvme",)).splitlines() if not line.startswith("#")]
        return sorted(int(line.partition("/")[2].split(":")[1], 16) - 1 for line in lines)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_all_but_the_one_of_the_root_file_system(machine: Machine) -> None:
    assert machine.plan() == [1, 2, 3, 4, 5, 6, 7]
    assert "# 0000:01:00.0 (nvme) stays: nvme0n1p2\n" in machine.run("plan")


def test_members_of_arrays_and_volumes_stay(machine: Machine) -> None:
    write_tree(machine.root, {machine.disk(1) + "/nvme1n1p1/holders/md0/dev": "", machine.disk(2) + "/holders/dm-3/dev": ""})
    machine.link(machine.disk(3) + "/nvme3n1p2/holders/bcache0", "/sys/devices/virtual/block/bcache0")
    assert machine.plan() == [4, 5, 6, 7]


@pytest.mark.parametrize(
    "line",
    [
        "25 22 259:31 / /data rw - xfs /dev/nvme3n1p1 rw",
        # The source need not be a name that anybody knows.
        "25 22 259:31 / /data rw shared:3 master:4 - ext4 /dev/root rw",
        # Not the number of the disk, but its name.
        "25 22 0:44 / /data rw - btrfs /dev/nvme3n1p1 rw,subvol=/",
        "25 22 259:99 / /data rw - xfs /dev/sda1 rw,attr2,logdev=/dev/nvme3n1,noquota",
    ],
)
def test_what_is_still_mounted_stays(machine: Machine, line: str) -> None:
    machine.mount(line)
    assert machine.plan() == [1, 2, 4, 5, 6, 7]


def test_a_mounted_name_that_is_a_link(machine: Machine) -> None:
    (machine.root / "dev/nvme3n1p1").touch()
    machine.link("/dev/disk/by-uuid/12-34", "/dev/nvme3n1p1")
    machine.mount("25 22 0:44 / /data rw - btrfs /dev/disk/by-uuid/12-34 rw")
    assert machine.plan() == [1, 2, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/proc/swaps", "Filename Type Size Used Priority\n/dev/nvme3n1p2 partition 1 0 -2\n"),
        ("/sys/fs/btrfs/0123/devices/nvme3n1p1/x", ""),
        ("/proc/fs/jbd2/nvme3n1p1/info", ""),
        ("/proc/fs/jbd2/nvme3n1p1-8/info", ""),
        ("/sys/block/loop0/loop/backing_file", "/dev/nvme3n1\n"),
        ("/sys/devices/pci0000:00/0000:00:01.0/0000:04:00.0/sriov_numvfs", "2\n"),
    ],
)
def test_other_uses(machine: Machine, path: str, text: str) -> None:
    write_tree(machine.root, {path: text})
    assert machine.plan() == [1, 2, 4, 5, 6, 7]


@pytest.mark.parametrize("opened", ["/dev/nvme3n1p1", "/dev/nvme3", "/dev/ng3n1"])
def test_what_a_daemon_has_open_stays(machine: Machine, opened: str) -> None:
    (machine.root / (machine.device(3) + "/nvme/nvme3/ng3n1").lstrip("/")).mkdir()
    (machine.root / "proc/77/fd").mkdir(parents=True)
    (machine.root / "proc/77/fd/4").symlink_to(opened)
    assert machine.plan() == [1, 2, 4, 5, 6, 7]


def test_namespaces_of_several_controllers_stay_with_all_of_them(machine: Machine) -> None:
    for number in (1, 2):
        machine.link("/sys/devices/virtual/nvme-subsystem/nvme-subsys1/nvme%d" % number, machine.device(number))
    machine.link("/sys/class/nvme-subsystem/nvme-subsys1", "/sys/devices/virtual/nvme-subsystem/nvme-subsys1")
    assert machine.plan() == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("mounted", [True, False])
def test_native_multipath_keeps_namespaces_with_the_subsystem(machine: Machine, mounted: bool) -> None:
    subsystem = "/sys/devices/virtual/nvme-subsystem/nvme-subsys3"
    write_tree(machine.root, {subsystem + "/nvme3n1/dev": "259:88\n"})
    machine.link(subsystem + "/nvme3", machine.device(3))
    machine.link("/sys/class/nvme-subsystem/nvme-subsys3", subsystem)
    (machine.root / "sys/block/nvme3n1").unlink()
    machine.link("/sys/block/nvme3n1", subsystem + "/nvme3n1")
    if mounted:
        machine.mount("25 22 259:88 / /data rw - xfs /dev/data rw")
    assert (3 in machine.plan()) is not mounted


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/sys/module/core/parameters/async_shutdown", "Y\n"),
        ("/proc/spl/kstat/zfs/tank/io", ""),
        ("/sys/kernel/config/nvmet/subsystems/nqn.test/attr_model", ""),
        ("/sys/kernel/config/target/core/iblock_0/x", ""),
        ("/sys/module/pstore_blk/parameters/blkdev", "/dev/nvme3n1\n"),
    ],
)
def test_where_uses_leave_no_trace_nothing_is_unbound(machine: Machine, path: str, text: str) -> None:
    write_tree(machine.root, {path: text})
    assert machine.plan() == []


@pytest.mark.parametrize("type_and_source", ["zfs tank", "bcachefs /dev/sda1:/dev/sdb1", "f2fs /dev/sda1", "ocfs2 /dev/sdb"])
def test_a_file_system_of_unknown_devices(machine: Machine, type_and_source: str) -> None:
    machine.mount("25 22 0:44 / /data rw - %s rw" % type_and_source)
    assert machine.plan() == []


@pytest.mark.parametrize("type_and_source", ["overlay overlay", "nfs4 server:/root", "squashfs /dev/loop0", "tmpfs none"])
def test_what_lies_below_a_root_of_another_kind_may_be_hidden(machine: Machine, type_and_source: str) -> None:
    mounts = machine.root / "proc/self/mountinfo"
    mounts.write_text(mounts.read_text().replace("ext4 /dev/nvme0n1p2", type_and_source))
    assert machine.plan() == []


def test_without_a_list_of_mounts_nothing_is_unbound(machine: Machine) -> None:
    (machine.root / "proc/self/mountinfo").unlink()
    assert machine.plan() == []


def test_only_storage_controllers_of_the_named_drivers(tmp_path: Path) -> None:
    machine = Machine(tmp_path, drives=3)
    machine.add_drive(3, class_="0x020000")
    machine.add_drive(4, driver="mpt3sas")
    assert machine.plan() == [1, 2]
    assert machine.plan("nvme", "mpt3sas", "ahci") == [1, 2, 4]


def test_one_alone_would_gain_nothing(tmp_path: Path) -> None:
    assert Machine(tmp_path, drives=2).plan() == []


@pytest.mark.parametrize("verb", ["reboot", "poweroff", "halt", "exit", ""])
def test_only_before_a_kexec(machine: Machine, verb: str) -> None:
    os.mkfifo(machine.root / "trap")
    assert machine.run(verb) == ""
    assert (machine.root / "sys/bus/pci/drivers/nvme/unbind").read_text() == ""


def test_each_is_unbound(tmp_path: Path) -> None:
    machine = Machine(tmp_path, drives=3)
    unbind = tmp_path / "sys/bus/pci/drivers/nvme/unbind"
    unbind.unlink()
    # A file would hold the last one only.
    os.mkfifo(unbind)
    reader = os.open(unbind, os.O_RDONLY | os.O_NONBLOCK)
    machine.run("kexec")
    assert sorted(os.read(reader, 1000).decode().split()) == [address(1), address(2)]
    os.close(reader)


def test_one_that_hangs_does_not_keep_the_shutdown(tmp_path: Path) -> None:
    machine = Machine(tmp_path, drives=3)
    unbind = tmp_path / "sys/bus/pci/drivers/nvme/unbind"
    unbind.unlink()
    # Nobody reads it, so whoever writes to it waits.
    os.mkfifo(unbind)
    begin = time.monotonic()
    machine.run("kexec", timeout_s=1)
    assert 0.9 < time.monotonic() - begin < 10
    # Those that wait do so no longer.
    os.close(os.open(unbind, os.O_RDONLY | os.O_NONBLOCK))
