# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounted file systems, see proc_pid_mountinfo(5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Optional

from .files import HostFiles

_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """Mounted file system.

    :ivar device: major and minor number, separated by a colon; the same for all mounts of the file system.
    :ivar root: directory in the file system that is mounted; the subvolume of a btrfs.
    :ivar source: device node, if there is one.
    :ivar options: options of the file system, separated by commas.
    """

    device: str
    root: str
    point: str
    kind: str
    source: str
    options: str = ""


def list_mounts(files: HostFiles) -> List[Mount]:
    """Mounts in the order in which they were made."""
    text = (files.read_bytes("/proc/self/mountinfo") or b"").decode("utf-8", "surrogateescape")
    mounts = []
    # Not splitlines(): users choose names of mount points, in which the kernel escapes this one line break only.
    for line in text.split("\n"):
        fields = line.split(" ")
        if "-" in fields[6:-2]:
            kind, source, *options = fields[fields.index("-", 6) + 1 :][:3]
            mounts.append(Mount(fields[2], _plain(fields[3]), _plain(fields[4]), kind, _plain(source), "".join(options)))
    return mounts


def read_mounts(files: HostFiles) -> Dict[str, Mount]:
    """File systems by mount point; where several are mounted one above the other, the upper one."""
    return {mount.point: mount for mount in list_mounts(files)}


def _plain(field: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match.group(1), 8)), field)


def partition_type(files: HostFiles, mount: Mount) -> Optional[str]:
    """Type of the partition in the partition table, as udev keeps it; None if it is unknown."""
    for line in (files.read_text("/run/udev/data/b" + mount.device) or "").splitlines():
        name, _equals, value = line.partition("=")
        if name == "E:ID_PART_ENTRY_TYPE":
            return value.lower()
    return None
