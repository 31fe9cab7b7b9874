# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks, arrays, volumes, mounts and swap space of a machine.

Source: Documentation/ABI/testing/sysfs-block and Documentation/admin-guide/md.rst of the kernel, systemd-fstab-generator(8).
"""

from __future__ import annotations

import re
from typing import Dict, Set

from .._host.files import HostFiles
from .._host.mounts import Mount, list_mounts
from .devices import bus_address, pci_address
from .snapshot import Disk, Raid
from .wording import legible

_BLOCK = "/sys/block"
_SECTOR_BYTES = 512
# Network volumes that their users map and unmap; other drivers of software have no device in /sys.
_MAPPED = re.compile(r"rbd\d+")
_NVME_PATH = re.compile(r"(nvme\d+)c\d+(n\d+)")
_WORKING_STATES = ("", "running", "live")
# The kernel's UUIDs of device mapper volumes begin with their owner. One of LVM's inner volumes has more after its UUID.
_VOLUME = re.compile(r"LVM-[0-9A-Za-z]{64}|CRYPT-LUKS\d?-.*")
_ZFS = "/proc/spl/kstat/zfs"
_UNIT_DIRECTORIES = ("/etc/systemd/system", "/run/systemd/generator", "/run/systemd/generator.late")
_WANTED_BY = re.compile(r".*\.target\.(wants|requires)")
# Option of FUSE: the user who mounted it, which root's own have as well.
_BY_USER = re.compile(r"user_id=0*[1-9]\d*")
_UNIT_ESCAPE = re.compile(r"(?:\\x[0-9a-f]{2})+")


def read_disks(files: HostFiles) -> Dict[str, Disk]:
    """Read the physical block devices by their stable identity; removable media are left out."""
    found: Dict[str, Disk] = {}
    names = files.listdir(_BLOCK)
    by_paths = {"%s%s" % match.groups() for match in map(_NVME_PATH.fullmatch, names) if match}
    for name in names:
        base = "%s/%s" % (_BLOCK, name)
        size_bytes = (files.read_int(base + "/size") or 0) * _SECTOR_BYTES
        if _MAPPED.fullmatch(name) or not size_bytes or not files.exists(base + "/device"):
            continue
        if files.read_int(base + "/removable") == 1:
            continue
        identity = _identity(files, base)
        known = found.get(identity, Disk(identity, [], 0, 0))
        # Native multipath of NVMe: the device itself is no path if it has any.
        working = name not in by_paths and (files.read_text(base + "/device/state") or "") in _WORKING_STATES
        function = pci_address(files, base + "/device")
        found[identity] = Disk(
            identity,
            [*known.names, legible(name)],
            max(known.size_bytes, size_bytes),
            known.paths + working,
            sorted({*known.functions, *([function] if function else [])}),
        )
    return found


def _identity(files: HostFiles, base: str) -> str:
    """Identity that a device keeps under another name: its WWID, its serial number, or its place."""
    for name in ("/wwid", "/device/wwid", "/serial", "/device/cid"):
        text = files.read_text(base + name)
        if text:
            return legible(" ".join(text.split()))
    return bus_address(files, base + "/device")


def read_raids(files: HostFiles) -> Dict[str, Raid]:
    """Read the health of md arrays and ZFS pools."""
    raids = {}
    for name in files.listdir(_BLOCK):
        base = "%s/%s" % (_BLOCK, name)
        # Arrays without redundancy have no such file, and no health but their existence.
        if name.startswith("md") and files.read_text(base + "/md/array_state") not in (None, "clear", "inactive"):
            missing = files.read_int(base + "/md/degraded") or 0
            raids[_md_identity(files, base, name)] = Raid("the array " + legible(name), not missing, missing)
    for pool in files.listdir(_ZFS):
        state = files.read_text("%s/%s/state" % (_ZFS, pool))
        if state is not None:
            raids["zfs " + legible(pool)] = Raid("the ZFS pool " + legible(pool), state == "ONLINE")
    return raids


def _md_identity(files: HostFiles, base: str, name: str) -> str:
    """UUID of an array as udev knows it: an array may get another number."""
    number = files.read_text(base + "/dev") or ""
    for line in (files.read_text("/run/udev/data/b" + number) or "").splitlines():
        if line.startswith("E:MD_UUID="):
            return "md " + legible(line.partition("=")[2])
    return "md " + legible(name)


def read_volumes(files: HostFiles) -> Dict[str, str]:
    """Read the names of active logical and encrypted volumes, by UUID."""
    volumes = {}
    for name in files.listdir(_BLOCK):
        base = "%s/%s/dm" % (_BLOCK, name)
        uuid = (files.read_text(base + "/uuid") or "") if name.startswith("dm-") else ""
        if _VOLUME.fullmatch(uuid):
            volumes[legible(uuid)] = legible(files.read_text(base + "/name") or name)
    return volumes


def read_wanted_mounts(files: HostFiles) -> Dict[str, bool]:
    """Read the mount points that the configuration asks for and that are mounted, with whether they are writable.

    Asked for are the units that a target wants: those of C(/etc/fstab) without C(noauto) and automounts, and those of the
    administrator. Whatever else is mounted comes and goes with its user, also if that is on one of these mount points.
    """
    mounts = {mount.point: mount for mount in list_mounts(files) if not _is_users(mount)}
    return {
        legible(point): "ro" not in mounts[point].options.split(",") for point in sorted(_wanted_points(files)) if point in mounts
    }


def _is_users(mount: Mount) -> bool:
    """Whether a user mounted a file system by FUSE, which takes no more than a directory of one's own."""
    return mount.kind.split(".")[0] in ("fuse", "fuseblk") and any(map(_BY_USER.fullmatch, mount.options.split(",")))


def _wanted_points(files: HostFiles) -> Set[str]:
    points = {"/"}
    for directory in _UNIT_DIRECTORIES:
        for wanted_by in filter(_WANTED_BY.fullmatch, files.listdir(directory)):
            for unit in files.listdir("%s/%s" % (directory, wanted_by)):
                if unit.endswith(".mount"):
                    points.add(_unescaped(unit[: -len(".mount")]))
    return points


def _unescaped(name: str) -> str:
    """Path that a mount unit is named after, see systemd-escape(1)."""
    path = "/" + name.replace("-", "/") if name != "-" else "/"
    return _UNIT_ESCAPE.sub(
        lambda found: bytes.fromhex(found.group().replace("\\x", "")).decode("utf-8", "surrogateescape"), path
    )


def read_swap_bytes(files: HostFiles) -> int:
    """Read the size of all swap space but that in memory."""
    sizes_kib = [
        int(fields[2])
        for fields in (line.split() for line in (files.read_text("/proc/swaps") or "").splitlines())
        if len(fields) >= 5 and fields[2].isdigit() and not fields[0].startswith("/dev/zram")
    ]
    return sum(sizes_kib) * 1024
