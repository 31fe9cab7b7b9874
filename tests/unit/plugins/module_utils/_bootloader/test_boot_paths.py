# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths as a bootloader sees them, found on hosts of several layouts."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.boot_paths import BootPaths, PathUnknown
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles

from .grub_hosts import Mounted, mount_all

ROOT = Mounted("sda2", "/", uuid="aaaa-root", label="root fs")
BOOT = Mounted("sda1", "/boot", uuid="bbbb-boot")
ESP = Mounted("sda3", "/boot/efi", uuid="ABCD-1234", fs_type="vfat")
SUBVOLUME = Mounted("vda3", "/", uuid="cccc", fs_type="btrfs", root="/root")
HOME = Mounted("vda3", "/home", uuid="cccc", fs_type="btrfs", root="/home")
VOLUME = Mounted("dm-0", "/", uuid="dddd", source="/dev/mapper/vg-root")
ODD = Mounted("sdb1", "/mnt/a b", uuid="eeee", root="/sub dir")


@pytest.mark.parametrize(
    ("mounts", "device", "path", "found"),
    [
        ([ROOT], "fs-uuid/aaaa-root", "/boot/vmlinuz-1", "/boot/vmlinuz-1"),
        ([ROOT], "label/root fs", "/boot/vmlinuz-1", "/boot/vmlinuz-1"),
        ([ROOT], "config", "/boot/vmlinuz-1", "/boot/vmlinuz-1"),
        ([ROOT], "host", "/boot/vmlinuz-1", "/boot/vmlinuz-1"),
        ([ROOT, BOOT, ESP], "fs-uuid/bbbb-boot", "/vmlinuz-1", "/boot/vmlinuz-1"),
        ([ROOT, BOOT, ESP], "config", "/vmlinuz-1", "/boot/vmlinuz-1"),
        ([ROOT, BOOT, ESP], "fs-uuid/abcd-1234", "/EFI/Linux/a.efi", "/boot/efi/EFI/Linux/a.efi"),
        ([SUBVOLUME, HOME], "fs-uuid/cccc", "/root/boot/vmlinuz-1", "/boot/vmlinuz-1"),
        ([SUBVOLUME, HOME], "fs-uuid/cccc", "/home/vmlinuz-1", "/home/vmlinuz-1"),
        ([VOLUME], "fs-uuid/dddd", "/boot/vmlinuz-1", "/boot/vmlinuz-1"),
        ([ROOT, ODD], "fs-uuid/eeee", "/sub dir/vmlinuz", "/mnt/a b/vmlinuz"),
    ],
)
def test_where_a_path_is(tmp_path: Path, mounts: list[Mounted], device: str, path: str, found: str) -> None:
    mount_all(tmp_path, mounts)
    assert BootPaths(HostFiles(str(tmp_path)), "/boot/grub2/grub.cfg").locate(device, path) == found


@pytest.mark.parametrize(
    ("mounts", "device", "path"),
    [
        ([ROOT], "fs-uuid/of-another-disk", "/vmlinuz"),
        ([ROOT], "label/none", "/vmlinuz"),
        ([ROOT], "hd0,gpt2", "/vmlinuz"),
        ([], "config", "/vmlinuz"),
        # The file is below a mount point, where another file system hides it.
        ([ROOT, BOOT], "fs-uuid/aaaa-root", "/boot/vmlinuz-1"),
        ([SUBVOLUME], "fs-uuid/cccc", "/snapshots/1/boot/vmlinuz"),
    ],
)
def test_a_path_that_is_not_on_the_host(tmp_path: Path, mounts: list[Mounted], device: str, path: str) -> None:
    mount_all(tmp_path, mounts)
    with pytest.raises(PathUnknown):
        BootPaths(HostFiles(str(tmp_path)), "/boot/grub2/grub.cfg").locate(device, path)


def test_a_default_subvolume_and_a_path_relative_to_it(tmp_path: Path) -> None:
    snapshot = Mounted("vda2", "/", uuid="ffff", fs_type="btrfs", root="/@/.snapshots/1/snapshot")
    home = Mounted("vda2", "/home", uuid="ffff", fs_type="btrfs", root="/@/home")
    mount_all(tmp_path, [snapshot, home])
    paths = BootPaths(HostFiles(str(tmp_path)), "/boot/grub2/grub.cfg")
    assert paths.locate("fs-uuid/ffff", "/boot/vmlinuz", relative=True) == "/boot/vmlinuz"
