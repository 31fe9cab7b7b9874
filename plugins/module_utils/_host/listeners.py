# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit whose process listens on a TCP port.

Source: Documentation/networking/proc_net_tcp.rst, proc_pid_fd(5), cgroups(7).
"""

from __future__ import annotations

import re
from typing import Set

from .files import HostFiles

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTENING = "0A"
_FIELD_LOCAL, _FIELD_STATE, _FIELD_INODE = 1, 3, 9
# A unit of the system's manager, outermost: a service may have cgroups of its own below.
_UNIT = re.compile(r"/([^/]+\.(?:service|scope))(?:/|$)")


def listening_inodes(table: str, port: int) -> Set[str]:
    """Find the sockets in C(/proc/net/tcp) that listen on a port."""
    found = set()
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > _FIELD_INODE and fields[_FIELD_STATE] == _LISTENING:
            number = fields[_FIELD_LOCAL].rpartition(":")[2]
            if re.fullmatch("[0-9A-F]{4}", number) and int(number, 16) == port:
                found.add(fields[_FIELD_INODE])
    return found


def unit_of_port(files: HostFiles, port: int) -> str:
    """Find the unit whose process listens on a port; empty if there is none, or it can't be told."""
    inodes = {inode for table in _TABLES for inode in listening_inodes(files.read_text(table) or "", port)}
    links = {"socket:[%s]" % inode for inode in inodes}
    for pid in files.listdir("/proc") if links else []:
        # systemd itself holds the sockets that it listens on for others.
        if not pid.isdigit() or pid == "1":
            continue
        directory = "/proc/%s/fd" % pid
        if any(files.link_name("%s/%s" % (directory, number)) in links for number in files.listdir(directory)):
            unit = _UNIT.search(files.read_text("/proc/%s/cgroup" % pid) or "")
            if unit:
                return unit.group(1)
    return ""
