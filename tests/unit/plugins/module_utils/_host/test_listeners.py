# SPDX-License-Identifier: GPL-3.0-or-later
"""Units that listen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.listeners import listening_inodes, unit_of_port
from ansible_collections.fleet.kexec.tests.unit.conftest import write_tree

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0
   1: 0100007F:0050 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 20 4 30 10 -1
   2: nonsense
"""
TCP6 = TCP.replace("00000000:0050", "00000000000000000000000000000000:0051").replace("4711", "815")


def host(root: Path, cgroup: str, inode: str = "4711", pid: str = "77") -> HostFiles:
    write_tree(root, {"/proc/net/tcp": TCP, "/proc/net/tcp6": TCP6, "/proc/%s/cgroup" % pid: cgroup})
    for name, target in (("3", "/dev/null"), ("4", "socket:[%s]" % inode)):
        link = root / "proc" / pid / "fd" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(target, link)
    return HostFiles(str(root))


def test_sockets_that_listen() -> None:
    assert listening_inodes(TCP, 80) == {"4711"}
    assert listening_inodes(TCP, 22) == listening_inodes("", 80) == set()


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/nginx.service\n", "nginx.service"),
        ("12:pids:/x\n1:name=systemd:/system.slice/nginx.service/workers\n", "nginx.service"),
        ("0::/system.slice/docker-0f3a.scope\n", "docker-0f3a.scope"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service\n", "user@1000.service"),
        ("0::/\n", ""),
    ],
)
def test_the_unit_of_a_process(tmp_path: Path, cgroup: str, unit: str) -> None:
    files = host(tmp_path, cgroup)
    assert unit_of_port(files, 80) == unit
    assert unit_of_port(files, 81) == unit_of_port(files, 22) == ""


def test_version_6(tmp_path: Path) -> None:
    assert unit_of_port(host(tmp_path, "0::/system.slice/nginx.service\n", inode="815"), 81) == "nginx.service"


def test_what_systemd_listens_on_for_others_is_nobodys_yet(tmp_path: Path) -> None:
    assert unit_of_port(host(tmp_path, "0::/init.scope/x.service\n", pid="1"), 80) == ""
