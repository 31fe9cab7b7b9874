# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs and libraries that were replaced on disk, and that units go on running which no restart of services replaces.

Package managers write a new file and move it over the old one, which lives on as C(deleted) for as long as a process has it
mapped (proc_pid_maps(5)). Most services are restarted by their packages, or by needrestart(1). The units here are not, because
all that runs depends on them.

Only control groups that root alone can fill are looked at: what users go on running is up to them, and must not decide whether a
host reboots. So their sessions do not count, and neither does their service manager, except for that of root. This also bounds
the time: no user can add processes, and none can hold the lock of their memory.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Iterator, List, Set, Tuple

from .._text import shown_name
from .files import HostFiles

# PID 1, in words of systemctl(1).
MANAGER = "init.scope"
_PID_1 = "1"
# Clients keep their connection to the bus for good. The session of root that lingers (loginctl(1)) never ends by itself.
_SERVICES = ("dbus.service", "dbus-broker.service", "systemd-logind.service")
_SYSTEM_SLICE = "system.slice"
_ROOTS_MANAGER = "user@0.service"
_ROOTS_GROUP = "user.slice/user-0.slice/%s/%s" % (_ROOTS_MANAGER, MANAGER)
_ROOT_LINGERS = "/var/lib/systemd/linger/root"

# Where systemd makes its groups: the only hierarchy, or that of its own beside those of version 1.
_HIERARCHIES = ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd")
_PROCESSES_MAX = 16
_MAPS_MAX_BYTES = 1 << 20

# Address range, permissions, offset, device, inode, path.
_MAPPING = re.compile(rb"^[0-9a-f]+-[0-9a-f]+ ..x. [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ [1-9][0-9]*\s+(.+) \(deleted\)$", re.MULTILINE)
# Installed files lie below these. Others are memory that looks like files: shared segments, memfd_create(2), compiled code.
_INSTALLED = (b"/usr/", b"/lib", b"/bin/", b"/sbin/")


@dataclass(frozen=True)
class ReplacedFiles:
    """Files that a unit runs, and that were replaced since.

    :ivar unit: name of a unit of systemd.
    :ivar names: of the files, without directories, sorted.
    """

    unit: str
    names: Tuple[str, ...]


def read_replaced(files: HostFiles) -> List[ReplacedFiles]:
    """Find what was replaced under units that no restart of services replaces; what can't be read is left out."""
    found = []
    for unit, pids in _units(files):
        names: Set[str] = set()
        for pid in pids:
            names.update(_deleted(files, pid))
        if names:
            found.append(ReplacedFiles(unit, tuple(sorted(names))))
    return found


def _units(files: HostFiles) -> Iterator[Tuple[str, List[str]]]:
    yield MANAGER, [_PID_1]
    for unit in _SERVICES:
        yield unit, _processes(files, "%s/%s" % (_SYSTEM_SLICE, unit))
    if files.exists(_ROOT_LINGERS):
        yield _ROOTS_MANAGER, _processes(files, _ROOTS_GROUP)


def _processes(files: HostFiles, group: str) -> List[str]:
    """IDs of processes of a control group that only root can put processes into; those of its children are left out."""
    for hierarchy in _HIERARCHIES:
        path = "%s/%s/cgroup.procs" % (hierarchy, group)
        if files.is_roots_alone(path):
            pids = (files.read_text(path) or "").split()
            return [pid for pid in pids if pid.isdecimal()][:_PROCESSES_MAX]
    return []


def _deleted(files: HostFiles, pid: str) -> Iterator[str]:
    try:
        # Buffered, because the kernel gives one page at a time.
        with files.open("/proc/%s/maps" % pid) as stream:
            maps = stream.read(_MAPS_MAX_BYTES)
    except OSError:
        # Takes root, and a process that still runs.
        return
    for path in _MAPPING.findall(maps):
        if path.startswith(_INSTALLED):
            yield shown_name(os.path.basename(path))
