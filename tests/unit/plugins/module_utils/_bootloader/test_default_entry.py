# SPDX-License-Identifier: GPL-3.0-or-later
"""Who boots a host, with what, and whether that is the system that runs."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader import default_entry
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.boot_entry import BootChoice
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.default_entry import read_default_entry
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles

from ....conftest import write_tree
from ....efi import write_boot_option, write_loader_string, write_variable

ENTRY = "/efi/loader/entries/debian.conf"
LINE = "root=UUID=1 ro quiet"


def mountinfo(kind: str, root: str = "/", options: str = "rw") -> dict[str, str]:
    return {"/proc/self/mountinfo": "22 1 0:23 %s / rw - %s source %s\n" % (root, kind, options)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host that systemd-boot has started."""
    write_tree(
        tmp_path,
        {
            "/usr/bin/bootctl": "",
            "/sys/firmware/efi/fw_platform_size": "64\n",
            "/efi/EFI/systemd/systemd-bootx64.efi": "",
            "/efi/vmlinuz": "kernel",
            ENTRY: "title Debian\nlinux /vmlinuz\noptions %s\n" % LINE,
            "/proc/cmdline": LINE + "\n",
            **mountinfo("ext4"),
        },
    )
    (tmp_path / "usr/bin/bootctl").chmod(0o755)
    write_loader_string(tmp_path, "LoaderInfo", "systemd-boot 257.7-1")
    return tmp_path


def read(root: Path) -> BootChoice:
    return read_default_entry(HostFiles(str(root)))


def test_the_bootloader_in_use(root: Path) -> None:
    choice = read(root)
    assert choice.entry is not None
    assert (choice.entry.source, choice.entry.cmdline) == (ENTRY, LINE)
    assert (choice.unknown, choice.one_shot) == ("", "")


def test_a_bootloader_that_is_not_read(root: Path) -> None:
    write_loader_string(root, "LoaderInfo", "rEFInd 0.14.2")
    assert read(root) == BootChoice(None, "this host boots by rEFInd, whose entries are not read")


def test_no_bootloader(tmp_path: Path) -> None:
    assert read(tmp_path) == BootChoice(None, "found no bootloader that could have started this host")


def test_wishes_for_the_next_boot(root: Path) -> None:
    write_boot_option(root, "BootNext", 3, "Windows Boot Manager", "\\EFI\\Microsoft\\Boot\\bootmgfw.efi")
    write_variable(root, "OsIndications", struct.pack("<Q", 1))
    write_loader_string(root, "LoaderEntryOneShot", "rescue.conf")
    choice = read(root)
    assert choice.entry is not None
    for word in ("Boot0003 (Windows Boot Manager)", "BootNext", "OsIndications", "rescue.conf"):
        assert word in choice.one_shot


def test_a_wish_for_any_bootloader(tmp_path: Path) -> None:
    write_variable(tmp_path, "BootNext", b"\x03\0")
    assert "boot Boot0003 at the next boot only" in read(tmp_path).one_shot


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (mountinfo("tmpfs"), "in memory (tmpfs)"),
        (mountinfo("rootfs"), "in memory (rootfs)"),
        (mountinfo("overlay"), "of type overlay"),
        (mountinfo("nfs4"), "on the network (nfs4)"),
        ({"/proc/cmdline": "root=/dev/nfs nfsroot=10.0.0.1:/srv"}, "root=/dev/nfs"),
        ({"/proc/cmdline": "root=/dev/vda1 BOOTIF=01-52-54-00-12-34-56"}, "BOOTIF="),
        ({"/proc/cmdline": "boot=live components"}, "boot=live"),
        ({"/proc/cmdline": "root=live:CDLABEL=F rd.live.image"}, "live system"),
        ({"/proc/cmdline": "root=UUID=1 rd.live.image"}, "rd.live.image"),
        (
            {"/proc/cmdline": "root=UUID=1 ostree=/ostree/boot.1/debian/0"},
            "(none) than the running one (/ostree/boot.1/debian/0)",
        ),
        ({"/proc/cmdline": LINE + " rootflags=subvol=@/.snapshots/5/snapshot"}, "(the default one) than the running one"),
        (
            {ENTRY: "linux /vmlinuz\noptions rootflags=noatime,subvol=@\n", **mountinfo("btrfs", "/@/.snapshots/5/snapshot")},
            "(@) than the running one (@/.snapshots/5/snapshot)",
        ),
    ],
)
def test_another_system_than_the_entry_boots(root: Path, changes: dict[str, str], words: str) -> None:
    write_tree(root, changes)
    choice = read(root)
    assert words in choice.elsewhere


@pytest.mark.parametrize(
    "changes",
    [
        # As composefs mounts it.
        {ENTRY: "linux /vmlinuz\noptions ostree=/1\n", "/proc/cmdline": "ostree=/1", **mountinfo("overlay")},
        {ENTRY: "linux /vmlinuz\noptions rootflags=subvol=/@\n", **mountinfo("btrfs", "/@")},
        {"/proc/cmdline": LINE, **mountinfo("btrfs", "/@/.snapshots/1/snapshot")},
        {"/proc/cmdline": "root=UUID=1 ip=dhcp rd.neednet=1"},
        {
            ENTRY: "linux /vmlinuz\noptions ostree=/ostree/boot.1/debian/0\n",
            "/proc/cmdline": "ostree=/ostree/boot.1/debian/0",
        },
    ],
)
def test_the_same_system(root: Path, changes: dict[str, str]) -> None:
    write_tree(root, changes)
    choice = read(root)
    assert (choice.unknown, choice.elsewhere) == ("", "")


@pytest.mark.parametrize(
    ("default", "line", "words"),
    [
        (266, "root=UUID=1", ""),
        (271, "root=UUID=1", "boots the default subvolume (ID 271), but another one is running (ID 266)"),
        (271, "root=UUID=1 rootflags=subvol=@/.snapshots/1/snapshot", ""),
        (None, "root=UUID=1", ""),
        (271, "root=UUID=1 rootflags=noatime,subvolid=266", ""),
        (266, "root=UUID=1 rootflags=subvolid=271", "boots the named subvolume (ID 271), but another one is running (ID 266)"),
    ],
)
def test_a_rollback_that_awaits_its_reboot(
    root: Path, monkeypatch: pytest.MonkeyPatch, default: int | None, line: str, words: str
) -> None:
    snapshot = "@/.snapshots/1/snapshot"
    mounted = mountinfo("btrfs", "/" + snapshot, "rw,space_cache=v2,subvolid=266,subvol=/" + snapshot)
    write_tree(root, {ENTRY: "linux /vmlinuz\noptions %s\n" % line, "/proc/cmdline": line, **mounted})
    monkeypatch.setattr(default_entry, "default_subvolume_id", lambda files, point: default)
    elsewhere = read(root).elsewhere
    assert words in elsewhere and bool(words) == bool(elsewhere)


def order(root: Path, *numbers: int) -> None:
    write_variable(root, "BootOrder", struct.pack("<%dH" % len(numbers), *numbers))


def test_the_firmware_boots_another_bootloader_first(root: Path) -> None:
    windows = "\\EFI\\Microsoft\\Boot\\bootmgfw.efi"
    write_boot_option(root, "BootCurrent", 1, "Linux Boot Manager", "\\EFI\\systemd\\systemd-bootx64.efi")
    write_boot_option(root, "Other", 0, "Windows Boot Manager", windows)
    write_boot_option(root, "Other", 2, "UEFI PXEv4", "")
    order(root, 2, 0, 1)
    # Its file is gone, so the firmware goes on.
    assert read(root).elsewhere == ""
    write_tree(root, {"/efi" + windows.replace("\\", "/"): ""})
    assert "Boot0000 (Windows Boot Manager), but this system was booted by Boot0001" in read(root).elsewhere
    order(root, 2, 1, 0)
    assert read(root).elsewhere == ""
    # Another program of the same bootloader.
    write_boot_option(root, "Other", 0, "Linux Boot Manager", "\\EFI\\SYSTEMD\\shimx64.efi")
    order(root, 0, 1)
    assert read(root).elsewhere == ""
    # Which one a fallback started is unknown.
    write_boot_option(root, "Other", 0, "Windows Boot Manager", windows)
    write_boot_option(root, "BootCurrent", 3, "UEFI OS", "\\EFI\\BOOT\\BOOTX64.EFI")
    assert read(root).elsewhere == ""
    write_variable(root, "BootOrder", b"\0")
    assert read(root).elsewhere == ""


def test_partitions_that_a_tool_fills(root: Path) -> None:
    write_tree(root, {"/etc/kernel/proxmox-boot-uuids": "8E9A-1F2B\n8E9A-5C00\n"})
    assert "boots by proxmox-boot-tool" in read(root).unknown
    write_tree(root, {"/etc/kernel/proxmox-boot-uuids": ""})
    assert read(root).unknown == ""
