# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detect the bootloader that started this system; others may be installed too."""

from __future__ import annotations

from typing import Dict, List, Optional, Type

from .._arch.architectures import loader_name
from .._arch.interface import LOADER_EXTLINUX, LOADER_GRUB, LOADER_KEXEC
from .._command import Runner, find_executable
from .._host.efi_variables import LOADER, has_efi_variables, read_efi_string
from .._host.files import HostFiles
from .debian_grub import GRUB_CFG, DebianGrub
from .errors import BootloaderError
from .grubby import Grubby
from .interface import Bootloader
from .kernel_install import KernelInstall

SYSTEMD_BOOT = KernelInstall.NAME
_GRUBS = (DebianGrub.NAME, Grubby.NAME)
_SUPPORTED: Dict[str, Type[Bootloader]] = {each.NAME: each for each in (DebianGrub, Grubby, KernelInstall)}

# EFI variable by which a bootloader identifies itself. A reset clears it, so it describes the boot that led here.
_LOADER_INFO = "LoaderInfo"

# Loader types that identify the bootloader in use; the settings of any other are elsewhere.
_TELLING_LOADERS = (LOADER_EXTLINUX, LOADER_GRUB, LOADER_KEXEC)

EXTLINUX = "extlinux"


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


def _find(files: HostFiles) -> Dict[str, str]:
    """Find the bootloaders that are set up, each with the file that shows it."""
    found: Dict[str, str] = {}
    for name, path, tool in (
        (DebianGrub.NAME, GRUB_CFG, "update-grub"),
        (Grubby.NAME, "/boot/loader/entries", "grubby"),
        (Grubby.NAME, "/boot/grub2/grub.cfg", "grubby"),
    ):
        if files.exists(path) and find_executable(tool, files.root):
            found[name] = path
    if find_executable("bootctl", files.root):
        for root in ("/efi", "/boot/efi", "/boot"):
            if files.exists(root + "/EFI/systemd"):
                found[SYSTEMD_BOOT] = root + "/EFI/systemd"
    for name, path in (
        (EXTLINUX, "/boot/extlinux/extlinux.conf"),
        (EXTLINUX, "/boot/syslinux/syslinux.cfg"),
        ("zipl", "/etc/zipl.conf"),
    ):
        if files.exists(path):
            found[name] = path
    return found


def _in_use(files: HostFiles, started_by: Optional[str], found: Dict[str, str]) -> List[str]:
    """Narrow the bootloaders found to those that can have started this system."""
    names = list(found)
    efi = files.exists("/sys/firmware/efi")
    info = read_efi_string(files, _LOADER_INFO, LOADER)
    if started_by == LOADER_GRUB:
        return [name for name in names if name in _GRUBS]
    if started_by == LOADER_EXTLINUX:
        return [name for name in names if name == EXTLINUX]
    says = info or ""
    if says.startswith("systemd-boot"):
        return [name for name in names if name == SYSTEMD_BOOT]
    if says.startswith("GRUB"):
        return [name for name in names if name in _GRUBS]
    if not efi or says or has_efi_variables(files):
        # systemd-boot always identifies itself.
        names = [name for name in names if name != SYSTEMD_BOOT]
    return names
