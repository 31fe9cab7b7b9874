# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partitions from which systemd-boot reads entries.

Source: the UAPI group's Boot Loader Specification, "The Partitions"; C(bootctl) looks in the same places.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Optional, Tuple

from .._host.files import HostFiles
from .._host.mounts import partition_type, read_mounts

# The first one that is an EFI system partition counts.
ESP_MOUNT_POINTS = ("/efi", "/boot/efi", "/boot")
_XBOOTLDR_MOUNT_POINT = "/boot"
_XBOOTLDR_TYPE = "bc13c2ff-59e6-4262-a352-b275fd6f7172"
# Any of these shows that systemd-boot may have been started from a partition.
_MARKS = ("EFI/systemd", "loader/loader.conf", "EFI/Linux", "EFI/BOOT")


@dataclass(frozen=True)
class BootPartitions:
    """Mount points of the EFI system partition and of the extended boot loader partition, which need not exist."""

    esp: str
    xbootldr: Optional[str]

    @property
    def roots(self) -> Tuple[str, ...]:
        """In the order in which systemd-boot reads them."""
        return (self.esp,) if self.xbootldr is None else (self.esp, self.xbootldr)


def find_boot_partitions(files: HostFiles) -> Optional[BootPartitions]:
    """Find the partitions; None if no EFI system partition is mounted where it belongs."""
    for mark in _MARKS:
        for root in ESP_MOUNT_POINTS:
            if files.exists(os.path.join(root, mark)):
                return BootPartitions(root, _XBOOTLDR_MOUNT_POINT if _is_xbootldr(files, root) else None)
    return None


def _is_xbootldr(files: HostFiles, esp: str) -> bool:
    """Whether C(/boot) is an extended boot loader partition; systemd-boot reads no other one."""
    if esp == _XBOOTLDR_MOUNT_POINT:
        return False
    if not any(files.exists(os.path.join(_XBOOTLDR_MOUNT_POINT, each)) for each in ("loader/entries", "EFI/Linux")):
        return False
    # The directories exist now; where /boot is mounted on demand, it is mounted by that.
    mounts = read_mounts(files)
    mount = mounts.get(_XBOOTLDR_MOUNT_POINT)
    if mount is None:
        return not mounts
    return partition_type(files, mount) in (None, _XBOOTLDR_TYPE)
