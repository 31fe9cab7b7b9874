# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Block devices that the root file system lies on: its own, and all that this is made of."""

from __future__ import annotations

import os
from typing import List

from .files import HostFiles
from .mounts import read_mounts

# More block devices than anybody puts upon one another.
_STACKED = 8


def read_root_devices(files: HostFiles) -> List[str]:
    """Kernel names of the devices, the upper ones first: partitions with their disks, members of MD, LVM and dm-crypt.

    Empty if the root file system is on no block device. Of a btrfs on several devices, only one is found.
    """
    root = read_mounts(files).get("/")
    if root is None:
        return []
    sysfs = "/sys/dev/block/" + root.device
    # A btrfs has a number of its own.
    found: List[str] = []
    _gather(files, sysfs if files.exists(sysfs) else "/sys/class/block/" + os.path.basename(root.source), found, _STACKED)
    return found


def _gather(files: HostFiles, sysfs: str, found: List[str], depth: int) -> None:
    lines = (files.read_text(sysfs + "/uevent") or "").split("\n")
    names = [line[len("DEVNAME=") :] for line in lines if line.startswith("DEVNAME=")]
    if depth == 0 or not names or names[0] in found:
        return
    found += names
    if files.exists(sysfs + "/partition"):
        _gather(files, sysfs + "/..", found, depth - 1)
    for name in files.listdir(sysfs + "/slaves"):
        _gather(files, "%s/slaves/%s" % (sysfs, name), found, depth - 1)
