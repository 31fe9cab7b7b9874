# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Default entry of the bootloader that boots this host, and wishes for the next boot only."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Callable, Dict, List, Optional

from .._cmdline import parse_cmdline, values_of
from .._host.btrfs import BTRFS, default_subvolume_id, subvolume_id
from .._host.efi_boot import LoadOption, asks_for_firmware_setup, read_boot_current, read_boot_next, read_boot_order
from .._host.files import HostFiles
from .._host.mounts import Mount, read_mounts
from .boot_entry import BootChoice, DefaultEntry
from .boot_partitions import ESP_MOUNT_POINTS
from .detection import SYSTEMD_BOOT, detect_name
from .errors import BootloaderError
from .grub_default import read_grub_default
from .grubby import Grubby
from .mkconfig_grub import DebianGrub, Grub2, UpstreamGrub
from .systemd_boot_default import read_systemd_boot_default

# A copy of any bootloader, which need not read its configuration here.
_REMOVABLE = "/efi/boot"


def _read_grub2(files: HostFiles, bootloader: str) -> BootChoice:
    # On RHEL 8 with UEFI, GRUB's configuration is on the EFI system partition, and a link leads to it.
    linked = files.exists("/sys/firmware/efi") and files.exists(Grub2.EFI_LINK)
    return read_grub_default(files, _first_cfg(files, Grub2.EFI_LINK if linked else Grub2.GRUB_CFG), bootloader)


def _read_grub(files: HostFiles, bootloader: str) -> BootChoice:
    return read_grub_default(files, _first_cfg(files, UpstreamGrub.GRUB_CFG), bootloader)


def _first_cfg(files: HostFiles, usual: str) -> str:
    """Find the C(grub.cfg) that GRUB reads first, without symbolic links.

    Signed GRUBs read the one beside them. Mostly, that only goes on with the usual one; but it may be a complete one, or that of
    another system.
    """
    current = read_boot_current(files)
    directory = _directory_of(current) if current is not None else ""
    path = _find_on_esp(files, directory + "/grub.cfg") if directory else None
    return files.real_path(path or usual)


def _directory_of(option: LoadOption) -> str:
    """Directory of the bootloader that a boot option starts; empty if that may be any."""
    directory = option.path.replace("\\", "/").rpartition("/")[0]
    return "" if directory.lower() == _REMOVABLE else directory


def _find_on_esp(files: HostFiles, path: str) -> Optional[str]:
    return next((root + path for root in ESP_MOUNT_POINTS if files.exists(root + path)), None)


def _other_loader(files: HostFiles) -> str:
    """Explain why the firmware boots another bootloader than the one that booted this system; empty if it does not.

    An option that came first may have failed, as one for the network does, or one whose file is gone.
    """
    current = read_boot_current(files)
    booted = _directory_of(current).lower() if current is not None else ""
    if current is None or not booted:
        return ""
    for option in read_boot_order(files):
        directory = _directory_of(option)
        if option.number == current.number or directory.lower() == booted:
            return ""
        if directory and _find_on_esp(files, option.path.replace("\\", "/")):
            return "the firmware is to boot %s (%s), but this system was booted by %s (%s)" % (
                *(option.name, option.description or option.path),
                *(current.name, current.description or current.path),
            )
    return ""


# Readers by the bootloader's name.
_READERS: Dict[str, Callable[[HostFiles, str], BootChoice]] = {
    DebianGrub.NAME: _read_grub,
    UpstreamGrub.NAME: _read_grub,
    Grubby.NAME: _read_grub2,
    Grub2.NAME: _read_grub2,
    SYSTEMD_BOOT: lambda files, _bootloader: read_systemd_boot_default(files),
}

_IN_MEMORY = ("rootfs", "ramfs", "tmpfs")
_LIVE = ("overlay", "overlayfs", "aufs", "iso9660")
# With these, the root file system is an overlay although the system is installed.
_COMPOSEFS = ("ostree", "composefs")
_NETWORK = ("nfs", "nfs4", "cifs", "9p", "ceph")
_LIVE_ROOT = re.compile(r"live:|/dev/ram\d")
_SUBVOLUME = re.compile(r"(?:^|,)subvol=([^,]*)")


def read_default_entry(files: HostFiles) -> BootChoice:
    """Read what the bootloader of this host would boot now."""
    choice = _read_choice(files)
    running = (files.read_bytes("/proc/cmdline") or b"").decode("utf-8", "surrogateescape").strip()
    root = read_mounts(files).get("/")
    foreign = _foreign_root(root, running) or _other_loader(files)
    if not foreign and choice.entry is not None:
        foreign = _other_root(root, running, choice.entry) or _other_subvolume_id(files, root, choice.entry)
    wishes = [*_firmware_wishes(files), *([choice.one_shot] if choice.one_shot else [])]
    return replace(choice, one_shot="; ".join(wishes), elsewhere=foreign)


def _read_choice(files: HostFiles) -> BootChoice:
    try:
        name = detect_name(files)
    except BootloaderError as error:
        return BootChoice(None, error.reason.message)
    reader = _READERS.get(name)
    return (
        reader(files, name)
        if reader is not None
        else BootChoice(None, "this host boots by %s, whose entries are not read" % name)
    )


def _firmware_wishes(files: HostFiles) -> List[str]:
    """Describe what the firmware is to do at its next start only."""
    wishes = []
    option = read_boot_next(files)
    if option is not None:
        described = "%s (%s)" % (option.name, option.description) if option.description else option.name
        wishes.append("the firmware is to boot %s at the next boot only (EFI variable BootNext)" % described)
    if asks_for_firmware_setup(files):
        wishes.append("the firmware is to show its setup at the next boot only (EFI variable OsIndications)")
    return wishes


def _foreign_root(root: Optional[Mount], running: str) -> str:
    """Explain why this system is not the one that the bootloader's files describe; empty if it may be."""
    kind = root.kind if root is not None else ""
    if kind in _IN_MEMORY:
        return "the root file system is in memory (%s), so a reboot may end in another system" % kind
    arguments = parse_cmdline(running).kernel
    if kind in _LIVE and not any(argument.name in _COMPOSEFS for argument in arguments):
        return "the root file system is of type %s, as in a live system, so a reboot may end in another system" % kind
    if kind in _NETWORK:
        return "the root file system is on the network (%s), so this host may not boot from its disk" % kind
    for argument in arguments:
        name, value = argument.name, argument.value or ""
        if (name == "root" and value.startswith("/dev/nfs")) or name in ("nfsroot", "BOOTIF"):
            return "this host was booted from the network (%s on its command line)" % argument.text
        if (
            (name == "root" and _LIVE_ROOT.match(value))
            or name.startswith("rd.live.")
            or (name == "boot" and value in ("live", "casper"))
        ):
            return "this is a live system (%s on its command line), so a reboot may end in another one" % argument.text
    return ""


def _other_root(root: Optional[Mount], running: str, entry: DefaultEntry) -> str:
    """Explain how the root file system of the default entry differs from the running one; empty if it does not."""
    here, there = values_of(running, "ostree"), values_of(entry.cmdline, "ostree")
    if here[-1:] != there[-1:]:
        names = [each[-1] if each else "none" for each in (there, here)]
        return "the default entry boots another OSTree deployment (%s) than the running one (%s)" % (names[0], names[1])
    wanted = _subvolume(entry.cmdline)
    if root is not None and root.kind == BTRFS:
        # Without an argument, the file system's own default is mounted, which only the file system knows.
        current = root.root.strip("/") if wanted is not None else _subvolume(running)
    else:
        current = _subvolume(running)
    if wanted != current:
        return "the default entry boots another subvolume (%s) than the running one (%s)" % (
            wanted or "the default one",
            current or "the default one",
        )
    return ""


def _other_subvolume_id(files: HostFiles, root: Optional[Mount], entry: DefaultEntry) -> str:
    """Explain that the default entry, which names no subvolume by its path, boots another one; empty if it does not.

    Another one has become the default, as after C(snapper rollback), or the entry names another ID.
    """
    if root is None or root.kind != BTRFS or _subvolume(entry.cmdline) is not None:
        return ""
    named = subvolume_id(_root_flags(entry.cmdline))
    wanted = named if named is not None else default_subvolume_id(files, root.point)
    current = subvolume_id(root.options)
    if current is None or wanted is None or current == wanted:
        return ""
    kind = "default" if named is None else "named"
    return "the default entry boots the %s subvolume (ID %d), but another one is running (ID %d)" % (kind, wanted, current)


def _subvolume(cmdline: str) -> Optional[str]:
    """Subvolume that a command line mounts as the root file system; None if it names none."""
    found = _SUBVOLUME.findall(_root_flags(cmdline))
    return found[-1].strip("/") if found else None


def _root_flags(cmdline: str) -> str:
    """Mount options of the root file system on a command line."""
    return "".join(values_of(cmdline, "rootflags")[-1:])
