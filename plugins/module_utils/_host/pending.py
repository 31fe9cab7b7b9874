# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that wait for a reboot, and whether that has to go through firmware.

Microcode does not: it is in the initrd, and the new kernel loads it after a kexec too.
"""

from __future__ import annotations

import contextlib
import importlib
import struct
from dataclasses import dataclass
from typing import Any, List, Optional, Tuple
from urllib.parse import quote

from .._text import shown_name
from .deployments import other_deployment, runs_deployment
from .efi_variables import read_efi_variable
from .files import HostFiles
from .installed import list_installed, newest, split_release, version_key
from .replaced import MANAGER, ReplacedFiles, read_replaced

REBOOT_REQUIRED = "reboot_required"
REPLACED = "replaced"
NEWER_KERNEL = "newer_kernel"
FIRMWARE_UPDATE = "firmware_update"
EFI_CAPSULE = "efi_capsule"
DEPLOYMENT = "deployment"

_FWUPD = "/var/lib/fwupd/pending.db"
# libfwupd/fwupd-enums.h, FwupdUpdateState: pending, and needs a reboot. Table and columns: src/fu-history.c.
_FWUPD_QUERY = "SELECT display_name, version_new FROM history WHERE update_state IN (1, 4)"
# UEFI Specification, 8.5.4: EFI_OS_INDICATIONS_FILE_CAPSULE_DELIVERY_SUPPORTED.
_FILE_CAPSULE_DELIVERY = 0x4


@dataclass(frozen=True)
class PendingReason:
    """A change that waits for a reboot, which has to go through firmware if it is C(cold).

    :ivar kind: C(reboot_required), C(replaced), C(newer_kernel), C(firmware_update), C(efi_capsule) or C(deployment).
    """

    kind: str
    cold: bool
    message: str


# Debian and derivatives; SUSE's zypp-boot-plugin. Where /var/run is no link to /run, old tools still write there.
_FLAGS = ("/run/reboot-required", "/var/run/reboot-required", "/run/reboot-needed")


_PACKAGES = "/run/reboot-required.pkgs"
# Names that a message lists before it counts the rest.
_NAMED_MAX = 5


@dataclass(frozen=True)
class RebootFlag:
    """Flag by which packages ask for a reboot.

    :ivar packages: their names, sorted; empty if they are not told.
    :ivar raised_ns: when the last one asked, in nanoseconds since 1970.
    """

    packages: Tuple[str, ...]
    raised_ns: int

    @property
    def message(self) -> str:
        return "packages ask for a reboot" + (": " + ", ".join(self.packages) if self.packages else "")


def read_reboot_flag(files: HostFiles) -> Optional[RebootFlag]:
    """Read the flag by which packages ask for a reboot; None if there is none. It lies in C(/run), which a soft reboot keeps."""
    raised = [found for found in map(files.modified_ns, (*_FLAGS, _PACKAGES)) if found is not None]
    if not raised or not any(map(files.exists, _FLAGS)):
        return None
    return RebootFlag(tuple(sorted({shown_name(word) for word in (files.read_text(_PACKAGES) or "").split()})), max(raised))


def _reboot_required(files: HostFiles) -> List[PendingReason]:
    flag = read_reboot_flag(files)
    return [PendingReason(REBOOT_REQUIRED, False, flag.message)] if flag is not None else []


def _replaced(files: HostFiles) -> List[PendingReason]:
    found = read_replaced(files)
    return [PendingReason(REPLACED, False, "; ".join(map(_told, found)))] if found else []


def _told(found: ReplacedFiles) -> str:
    more = len(found.names) - _NAMED_MAX
    named = ", ".join(found.names[:_NAMED_MAX]) + (" and %d more" % more if more > 0 else "")
    unit = "systemd (PID 1)" if found.unit == MANAGER else found.unit
    return "%s runs what was replaced since it started: %s" % (unit, named)


def _newer_kernel(files: HostFiles) -> List[PendingReason]:
    running = files.read_name("/proc/sys/kernel/osrelease") or ""
    latest = newest(list_installed(files), running)
    if latest is None:
        return []
    (version, flavour), (its_version, its_flavour) = split_release(running), split_release(latest.release)
    if its_flavour != flavour or version_key(its_version) <= version_key(version):
        return []
    return [PendingReason(NEWER_KERNEL, False, "%s is installed, %s runs" % (latest.release, running))]


def _firmware_updates(files: HostFiles) -> List[PendingReason]:
    if not files.exists(_FWUPD):
        return []
    try:
        # Not every Python has this module.
        sqlite: Any = importlib.import_module("sqlite3")
    except ImportError:
        return []
    try:
        # Immutable: reading must not create a journal file.
        uri = "file:%s?mode=ro&immutable=1" % quote(files.path(_FWUPD))
        with contextlib.closing(sqlite.connect(uri, uri=True)) as database:
            rows = database.execute(_FWUPD_QUERY).fetchall()
    except sqlite.Error:
        return []
    return [
        PendingReason(
            FIRMWARE_UPDATE,
            True,
            "fwupd has %s %s waiting" % (shown_name(str(name or "a device's firmware")), shown_name(str(version or ""))),
        )
        for name, version in rows
    ]


def _efi_capsules(files: HostFiles) -> List[PendingReason]:
    value = read_efi_variable(files, "OsIndications")
    if value is None or len(value) < 8 or not struct.unpack_from("<Q", value)[0] & _FILE_CAPSULE_DELIVERY:
        return []
    return [PendingReason(EFI_CAPSULE, True, "an EFI capsule is to be processed at the next start of firmware")]


def _deployments(files: HostFiles) -> List[PendingReason]:
    other = other_deployment(files) if runs_deployment(files) else None
    # A kexec boots what the boot entries tell before the system stops, with the arguments that run.
    return [PendingReason(DEPLOYMENT, True, other)] if other else []


def read_pending(files: HostFiles) -> List[PendingReason]:
    readers = (_reboot_required, _replaced, _newer_kernel, _firmware_updates, _efi_capsules, _deployments)
    return [found for read in readers for found in read(files)]
