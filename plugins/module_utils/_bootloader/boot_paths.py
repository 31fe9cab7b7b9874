# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the files on the host that a bootloader names by file system and path.

A bootloader sees each file system from its top: without the mount points, and on btrfs with the subvolumes.
"""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import replace
from typing import Iterator, List, Optional

from .._host.files import HostFiles
from .._host.mounts import Mount, list_mounts

# Names that stand for a GRUB device. A searched file system is C(fs-uuid/X) or C(label/X).
HOST = "host"
CONFIG = "config"
FS_UUID = "fs-uuid/"
LABEL = "label/"

_UDEV_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")


class PathUnknown(Exception):
    """Raised for a path whose file can't be found on the host."""


class BootPaths:
    """Paths as a bootloader sees them, found on the host.

    :ivar grub_cfg: the file system that holds it is :data:`CONFIG`.
    """

    def __init__(self, files: HostFiles, grub_cfg: str) -> None:
        self._files = files
        self._grub_cfg = grub_cfg
        self._mounts = list_mounts(files)

    def locate(self, device: str, path: str, relative: bool = False) -> str:
        """Find a path of a file system on the host; the file itself need not exist.

        :param relative: whether paths on btrfs begin at the default subvolume, as SUSE's GRUB has it.
        :raises PathUnknown: the file system or that part of it is not mounted, or is unknown.
        """
        path = posixpath.normpath("/" + path.lstrip("/"))
        if device == HOST:
            return path
        mounts = [mount for mount in self._mounts if mount.device == self._device_of(device)]
        if not mounts:
            raise PathUnknown("the file system %s is not mounted" % device)
        if relative and mounts[0].kind == "btrfs":
            # The default subvolume is the one mounted first, unless a rollback waits for the next boot.
            mounts = [replace(each, root="/") for each in mounts if each.point == "/"]
        # A bind mount of a single directory is the more specific one, but any shows the same file.
        for mount in sorted(mounts, key=lambda each: (len(each.point), each.point)):
            inside = _relative_to(path, mount.root)
            if inside is not None:
                found = posixpath.join(mount.point, inside) if inside else mount.point
                if self._mount_of(found) in (mount.point, None):
                    return found
        raise PathUnknown("%s of the file system %s is not mounted" % (path, device))

    def _mount_of(self, path: str) -> Optional[str]:
        """Mount point of the file system that a path of the host is on."""
        points = [mount.point for mount in self._mounts if _relative_to(path, mount.point) is not None]
        return max(points, key=len) if points else None

    def _device_of(self, device: str) -> str:
        """C(major:minor) of a file system that is mounted.

        :raises PathUnknown: it can't be told.
        """
        if device == CONFIG:
            point = self._mount_of(self._grub_cfg)
            if point is None:
                raise PathUnknown("the file system that holds %s is unknown" % self._grub_cfg)
            return next(mount.device for mount in reversed(self._mounts) if mount.point == point)
        if device.startswith(FS_UUID):
            nodes = list(self._nodes("/dev/disk/by-uuid", device[len(FS_UUID) :], ignore_case=True))
            nodes += self._files.listdir("/sys/fs/btrfs/%s/devices" % device[len(FS_UUID) :].replace("/", ""))
        elif device.startswith(LABEL):
            nodes = list(self._nodes("/dev/disk/by-label", device[len(LABEL) :]))
        else:
            raise PathUnknown("the file system is named only in GRUB's numbering, (%s)" % device)
        for mount in self._mounts:
            if self._is_on(mount, nodes):
                return mount.device
        raise PathUnknown("the file system %s is not mounted" % device)

    def _nodes(self, directory: str, wanted: str, ignore_case: bool = False) -> Iterator[str]:
        for name in self._files.listdir(directory):
            shown = _UDEV_ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), name)
            if shown == wanted or (ignore_case and shown.lower() == wanted.lower()):
                node = self._files.link_name(os.path.join(directory, name))
                if node:
                    yield node

    def _is_on(self, mount: Mount, nodes: List[str]) -> bool:
        node = self._files.link_name(mount.source) or posixpath.basename(mount.source)
        if mount.source.startswith("/dev/") and node in nodes:
            return True
        return any(self._files.read_text("/sys/class/block/%s/dev" % node) == mount.device for node in nodes)


def _relative_to(path: str, directory: str) -> Optional[str]:
    """Part of a path below a directory; None if it is elsewhere."""
    if path == directory:
        return ""
    prefix = directory.rstrip("/") + "/"
    return path[len(prefix) :] if path.startswith(prefix) else None
