# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detect the bootloader that started this system; others may be installed too."""

from __future__ import annotations

import re
from typing import Dict, List, Optional, Type

from .._arch.architectures import loader_name
from .._arch.interface import LOADER_EXTLINUX, LOADER_GRUB, LOADER_KEXEC
from .._command import Runner, find_executable
from .._host.efi_boot import read_boot_current
from .._host.efi_variables import LOADER, has_efi_variables, read_efi_string
from .._host.files import HostFiles
from .boot_partitions import ESP_MOUNT_POINTS
from .errors import BootloaderError
from .grubby import Grubby
from .interface import Bootloader
from .kernel_install import KernelInstall
from .mkconfig_grub import DebianGrub, Grub2, UpstreamGrub

SYSTEMD_BOOT = KernelInstall.NAME
# GRUB of SUSE with entry files on the EFI system partition, which sdbootutil writes; it reads no generated grub.cfg.
GRUB2_BLS = "GRUB (grub2-bls)"
_GRUBS = (DebianGrub.NAME, Grubby.NAME, UpstreamGrub.NAME, Grub2.NAME, GRUB2_BLS)
_SUPPORTED: Dict[str, Type[Bootloader]] = {each.NAME: each for each in (DebianGrub, Grubby, KernelInstall, UpstreamGrub, Grub2)}

# EFI variable by which a bootloader identifies itself. A reset clears it, so it describes the boot that led here.
_LOADER_INFO = "LoaderInfo"

# Setting of SUSE's update-bootloader and sdbootutil.
_SUSE_LOADER = "/etc/sysconfig/bootloader"
_USES_GRUB2_BLS = re.compile(r"""^\s*LOADER_TYPE=["']?grub2-bls["']?\s*(?:#|$)""", re.MULTILINE)

# Partitions that proxmox-boot-tool copies kernels and a configuration to. They are not mounted, and whichever bootloader is on
# them reads nothing else.
_PROXMOX_PARTITIONS = "/etc/kernel/proxmox-boot-uuids"
PROXMOX = "proxmox-boot-tool"

# Loader types that identify the bootloader in use; the settings of any other are elsewhere.
_TELLING_LOADERS = (LOADER_EXTLINUX, LOADER_GRUB, LOADER_KEXEC)

EXTLINUX = "extlinux"
EFI_STUB = "EFI stub"
LIMINE = "Limine"
REFIND = "rEFInd"
ZFS_BOOT_MENU = "ZFSBootMenu"
_GRUB = "GRUB"

# Bootloaders by the beginning of what they say of themselves.
_INFOS = (("systemd-boot", SYSTEMD_BOOT), (_GRUB, _GRUB), (REFIND, REFIND), (LIMINE, LIMINE))
# Bootloaders by the file that the firmware started, in lower case. C(EFI/BOOT/BOOTX64.EFI) may be a copy of any of them.
_PROGRAMS = (
    (re.compile(r".*\\refind[^\\]*\.efi"), REFIND),
    (re.compile(r".*\\(?:limine[^\\]*\.efi|limine\\[^\\]*\.efi)"), LIMINE),
    (re.compile(r".*(?:zfsbootmenu|\\zbm\\).*\.efi"), ZFS_BOOT_MENU),
    (re.compile(r".*\\systemd-boot[^\\]*\.efi"), SYSTEMD_BOOT),
    (re.compile(r"(?!\\efi\\boot\\).*\\(?:shim|grub)[^\\]*\.efi"), _GRUB),
    (re.compile(r".*\\(?:vmlinuz|vmlinux|bzimage|linux)[^\\]*|\\efi\\linux\\[^\\]*\.efi"), EFI_STUB),
)
# Paths below the mount points of EFI system partitions that show that a bootloader is installed.
_EFI_MARKS = ((REFIND, "EFI/refind"), (ZFS_BOOT_MENU, "EFI/ZBM"), (ZFS_BOOT_MENU, "EFI/zfsbootmenu"))
_LIMINE_MARKS = ("limine.conf", "limine/limine.conf", "EFI/limine/limine.conf", "EFI/BOOT/limine.conf")


def detect(files: HostFiles, run: Runner) -> Bootloader:
    """Detect the bootloader in use.

    :raises BootloaderError: C(BOOTLOADER_UNKNOWN), C(BOOTLOADER_AMBIGUOUS) or C(BOOTLOADER_UNSUPPORTED).
    """
    name = detect_name(files)
    if name not in _SUPPORTED:
        raise BootloaderError("BOOTLOADER_UNSUPPORTED", "this host boots by %s" % name)
    return _SUPPORTED[name](files, run)


def detect_name(files: HostFiles) -> str:
    """Detect the name of the bootloader in use.

    :raises BootloaderError: C(BOOTLOADER_UNKNOWN) or C(BOOTLOADER_AMBIGUOUS).
    """
    if files.exists("/run/ostree-booted"):
        return "rpm-ostree"
    if files.read_text(_PROXMOX_PARTITIONS):
        return PROXMOX
    found = _find(files)
    if "zipl" in found:
        return "zipl"
    started_by = loader_name(files.read_int("/proc/sys/kernel/bootloader_type"))
    if started_by is not None and started_by not in _TELLING_LOADERS:
        raise BootloaderError(
            "BOOTLOADER_UNKNOWN", "the kernel was started by %s, whose settings are not on this host" % started_by
        )
    possible = _in_use(files, started_by, found)
    if len(possible) == 1:
        return possible[0]
    if not possible:
        raise BootloaderError("BOOTLOADER_UNKNOWN", "found no bootloader that could have started this host")
    raise BootloaderError(
        "BOOTLOADER_AMBIGUOUS",
        "found %s, but not which of them started this host" % " and ".join("%s (%s)" % (name, found[name]) for name in possible),
    )


def _find_grubs(files: HostFiles) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for name, path, tool, better in (
        (DebianGrub.NAME, DebianGrub.GRUB_CFG, DebianGrub.TOOL, ""),
        (Grubby.NAME, "/boot/loader/entries", "grubby", ""),
        (Grubby.NAME, Grub2.GRUB_CFG, "grubby", ""),
        (UpstreamGrub.NAME, UpstreamGrub.GRUB_CFG, UpstreamGrub.TOOL, DebianGrub.TOOL),
        (Grub2.NAME, Grub2.GRUB_CFG, Grub2.TOOL, "grubby"),
    ):
        if files.exists(path) and find_executable(tool, files.root) and not (better and find_executable(better, files.root)):
            found[name] = path
    if _USES_GRUB2_BLS.search(files.read_text(_SUSE_LOADER) or ""):
        found.pop(Grub2.NAME, None)
        found[GRUB2_BLS] = _SUSE_LOADER
    return found


def _find(files: HostFiles) -> Dict[str, str]:
    """Find the bootloaders that are set up, each with the file that shows it."""
    found = _find_grubs(files)
    if find_executable("bootctl", files.root):
        for root in ESP_MOUNT_POINTS:
            if files.exists(root + "/EFI/systemd"):
                found[SYSTEMD_BOOT] = root + "/EFI/systemd"
    efi = files.exists("/sys/firmware/efi")
    for root in ESP_MOUNT_POINTS:
        for name, path in _EFI_MARKS:
            if efi and files.exists("%s/%s" % (root, path)):
                found[name] = "%s/%s" % (root, path)
        for path in _LIMINE_MARKS:
            if files.exists("%s/%s" % (root, path)):
                found[LIMINE] = "%s/%s" % (root, path)
    for name, path in (
        (EXTLINUX, "/boot/extlinux/extlinux.conf"),
        # Alpine Linux.
        (EXTLINUX, "/boot/extlinux.conf"),
        (EXTLINUX, "/boot/syslinux/syslinux.cfg"),
        ("zipl", "/etc/zipl.conf"),
    ):
        if files.exists(path):
            found[name] = path
    return found


def _started_from(files: HostFiles) -> Optional[str]:
    """Bootloader that the firmware started, or that identified itself later; None if neither is known.

    What it says of itself counts more: shim may start any other one.
    """
    info = read_efi_string(files, _LOADER_INFO, LOADER) or ""
    name = next((name for beginning, name in _INFOS if info.startswith(beginning)), None)
    if name is not None:
        return name
    current = read_boot_current(files)
    path = current.path.lower() if current is not None else ""
    return next((name for program, name in _PROGRAMS if program.fullmatch(path)), None)


def _in_use(files: HostFiles, started_by: Optional[str], found: Dict[str, str]) -> List[str]:
    """Narrow the bootloaders found to those that can have started this system."""
    names = list(found)
    if started_by == LOADER_GRUB:
        return [name for name in names if name in _GRUBS]
    if started_by == LOADER_EXTLINUX:
        return [name for name in names if name == EXTLINUX]
    from_firmware = _started_from(files)
    if from_firmware == _GRUB:
        return [name for name in names if name in _GRUBS]
    if from_firmware == SYSTEMD_BOOT:
        return [name for name in names if name == SYSTEMD_BOOT]
    if from_firmware is not None:
        # It needs no file that is looked for here.
        return [from_firmware]
    if not files.exists("/sys/firmware/efi") or has_efi_variables(files):
        # systemd-boot always identifies itself.
        names = [name for name in names if name != SYSTEMD_BOOT]
    return names
