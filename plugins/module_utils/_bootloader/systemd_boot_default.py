# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Default entry of systemd-boot.

Source: C(config_select_default_entry) in src/boot/boot.c of systemd, and its Boot Loader Interface.
"""

from __future__ import annotations

import os
import re
import struct
from typing import List, Optional, Tuple

from .._host.efi_variables import LOADER, read_efi_string, read_efi_variable
from .._host.files import HostFiles
from .._image.errors import ImageError
from .._image.pe import HEAD_BYTES
from .._image.unified import CMDLINE, is_unified, parse_unified
from .boot_entry import BootChoice, DefaultEntry
from .boot_partitions import ESP_MOUNT_POINTS, BootPartitions, find_boot_partitions
from .kernel_install import KernelInstall
from .loader_conf import SAVED, LoaderConf, matches, parse_loader_conf
from .systemd_boot_entries import EFI, UNIFIED, URL, LoaderItem, list_menu

# Boot Loader Interface: the loader knows LoaderEntryPreferred (systemd 260).
_FEATURE_PREFERRED = 1 << 19

# Entries that systemd-boot makes itself, all behind those of files.
_GENERATED = (
    "auto-osx",
    "auto-windows",
    "auto-efi-shell",
    "auto-efi-default",
    "auto-reboot-to-firmware-setup",
    "auto-poweroff",
    "auto-reboot",
)

# Files from which the stub takes more arguments, initrds and microcode, or makes an initrd: beside the image, and for all images.
_COMPANIONS = (".addon.efi", ".cred", ".raw")
_COMMON_COMPANIONS = (("loader/addons", ".addon.efi"), ("loader/credentials", ".cred"), ("loader/extensions", ".raw"))
_CMDLINE_MAX_BYTES = 64 << 10
# Firmware strings (SMBIOS type 11), one of which the stub appends to the command line.
_DMI_ENTRIES = "/sys/firmware/dmi/entries"
_EXTRA_CMDLINE = b"io.systemd.stub.kernel-cmdline-extra="


def read_systemd_boot_default(files: HostFiles) -> BootChoice:
    """Read what systemd-boot would boot now."""
    one_shot = _variable(files, "LoaderEntryOneShot")
    wish = "systemd-boot is to boot %s at the next boot only (EFI variable LoaderEntryOneShot)" % one_shot if one_shot else ""
    partitions = find_boot_partitions(files)
    if partitions is None:
        places = " or ".join(ESP_MOUNT_POINTS)
        return BootChoice(None, "no EFI system partition is mounted at %s, so the entries can't be read" % places, wish)
    conf = parse_loader_conf((files.read_bytes(partitions.esp + "/loader/loader.conf") or b"").decode("utf-8", "surrogateescape"))
    items = list_menu(files, partitions)
    item, unknown = _select(files, conf, items)
    if item is None:
        return BootChoice(None, unknown, wish)
    entry, unknown = _default_entry(files, partitions, item)
    return BootChoice(entry, unknown, wish)


def _variable(files: HostFiles, name: str) -> str:
    """Entry or pattern in a variable of the loader, in lower case; empty if it is not set."""
    return (read_efi_string(files, name, LOADER) or "").lower()


def _patterns(files: HostFiles, conf: LoaderConf) -> List[Tuple[str, bool]]:
    """Patterns that select the default entry, the first one to match counts; each with whether it selects bad entries too."""
    found: List[Tuple[str, bool]] = []
    features = read_efi_variable(files, "LoaderFeatures", LOADER)
    if features is not None and len(features) >= 8 and struct.unpack_from("<Q", features)[0] & _FEATURE_PREFERRED:
        found += [(_variable(files, "LoaderEntryPreferred"), False), (conf.preferred, False)]
    found += [(_variable(files, "LoaderEntryDefault"), True), (conf.default, True)]
    last_booted = _variable(files, "LoaderEntryLastBooted")
    return [(last_booted if pattern == SAVED else pattern, bad) for pattern, bad in found]


def _select(files: HostFiles, conf: LoaderConf, items: List[LoaderItem]) -> Tuple[Optional[LoaderItem], str]:
    """Select the default entry, or find why it can't be told."""
    for pattern, takes_bad in _patterns(files, conf):
        if not pattern:
            continue
        found = next((item for item in items if matches(pattern, item.name) and (takes_bad or not item.is_bad)), None)
        if found is not None:
            return found, ""
        generated = next((name for name in _GENERATED if matches(pattern, name)), None)
        if generated is not None:
            return None, "the default of systemd-boot (%s) is %s, which is no entry that a file defines" % (pattern, generated)
        if any(item.profiles > 1 and matches(pattern.rpartition("@")[0], item.name) for item in items if "@" in pattern):
            return None, "the default of systemd-boot is %s, another profile of a unified kernel image than its first" % pattern
    return (items[0], "") if items else (None, "systemd-boot has no entries of Linux kernels")


def _default_entry(files: HostFiles, partitions: BootPartitions, item: LoaderItem) -> Tuple[Optional[DefaultEntry], str]:
    """Default entry as an item of the menu describes it, or why it can't be told what it boots."""
    # A plain kernel gets its initrds and arguments from the entry; a unified image brings its own.
    unified = item.kind == UNIFIED or is_unified(files.read_bytes(item.kernel, HEAD_BYTES) or b"")
    refusal = _refusal(item, unified)
    if refusal:
        return None, "the default entry %s %s" % (item.source, refusal)
    if not unified:
        # It passes over empty initrds.
        initrds = tuple(path for path in item.initrds if files.size_bytes(path) != 0)
        return _made(item, initrds, item.options, unified=False), ""
    companion = _companion(files, partitions, item.kernel)
    if companion:
        return None, "%s adds to what the default entry %s boots" % (companion, item.source)
    strings = [name for name in files.listdir(_DMI_ENTRIES) if name.startswith("11-")]
    if any(_EXTRA_CMDLINE in (files.read_bytes("%s/%s/raw" % (_DMI_ENTRIES, name)) or b"") for name in strings):
        return None, "the firmware adds arguments to what the default entry %s boots (SMBIOS, %s)" % (
            item.source,
            _EXTRA_CMDLINE.decode("ascii"),
        )
    try:
        image = parse_unified(files.read_bytes(item.kernel, HEAD_BYTES) or b"", files.size_bytes(item.kernel) or 0, item.kernel)
    except ImageError as error:
        return None, "the default entry can't be read: %s" % error.reason.message
    section = image.sections.get(CMDLINE)
    content = b""
    if section is not None:
        content = files.read_bytes(item.kernel, min(section.size_bytes, _CMDLINE_MAX_BYTES), section.offset) or b""
    initrds = (item.kernel,) if image.initrds or image.passed_files else ()
    return _made(item, initrds, _embedded_cmdline(content), unified=True), ""


def _refusal(item: LoaderItem, unified: bool) -> str:
    """Explain why it can't be told what an entry boots; empty if it can."""
    if item.kind == EFI and not unified:
        return "starts the EFI program %s, not a Linux kernel" % item.kernel
    if item.kind == URL:
        return "loads its kernel from the network"
    if item.extras:
        return "has a line %s, which is not supported" % item.extras[0]
    if unified and (item.options or item.initrds):
        return "gives arguments or initrds to a unified kernel image"
    return ""


def _made(item: LoaderItem, initrds: Tuple[str, ...], cmdline: str, *, unified: bool) -> DefaultEntry:
    return DefaultEntry(item.kernel, initrds, cmdline, item.title, KernelInstall.NAME, item.source, unified)


def _embedded_cmdline(content: bytes) -> str:
    """Command line in an image as the stub hands it on: control characters become spaces, those at either end are removed."""
    text = content.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    return re.sub("[\x01-\x1f]", " ", text).strip(" ")


def _companion(files: HostFiles, partitions: BootPartitions, kernel: str) -> str:
    """First file that adds to a unified kernel image; empty if there is none."""
    # The directory of an image with a count of tries may be named without it.
    own = {kernel + ".extra.d": None, re.sub(r"\+[0-9]+(-[0-9]+)?(?=\.efi$)", "", kernel) + ".extra.d": None}
    places = [(directory, suffix) for directory in own for suffix in _COMPANIONS]
    places += [(os.path.join(root, directory), suffix) for root in partitions.roots for directory, suffix in _COMMON_COMPANIONS]
    for directory, suffix in places:
        for name in files.listdir(directory):
            if name.lower().endswith(suffix):
                return os.path.join(directory, name)
    return ""
