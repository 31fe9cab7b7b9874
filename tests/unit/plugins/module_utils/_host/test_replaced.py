# SPDX-License-Identifier: GPL-3.0-or-later
"""What units go on running although it was replaced, from trees of /proc and of control groups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.pending import read_pending
from ansible_collections.fleet.kexec.plugins.module_utils._host.replaced import ReplacedFiles, read_replaced

from ....conftest import write_tree

CURRENT = "7f3a1c028000-7f3a1c1b0000 r-xp 00028000 fd:00 131 /usr/lib/x86_64-linux-gnu/libc.so.6\n"
REPLACED = "7f3a1c028000-7f3a1c1b0000 r-xp 00028000 fd:00 131                            /usr/lib/x86_64-linux-gnu/%s (deleted)\n"
LIBC = REPLACED % "libc.so.6"
BUS = "/sys/fs/cgroup/system.slice/dbus.service/cgroup.procs"
ROOTS = "/sys/fs/cgroup/user.slice/user-0.slice/user@0.service/init.scope/cgroup.procs"


def found(root: Path, tree: dict[str, str]) -> dict[str, tuple[str, ...]]:
    write_tree(root, tree)
    return {each.unit: each.names for each in read_replaced(HostFiles(str(root)))}


def test_a_host_that_runs_what_is_installed(tmp_path: Path) -> None:
    assert found(tmp_path, {"/proc/1/maps": CURRENT, BUS: "40\n", "/proc/40/maps": CURRENT}) == {}
    assert read_pending(HostFiles(str(tmp_path))) == []


def test_libraries_under_pid_1_and_the_bus(tmp_path: Path) -> None:
    bus = LIBC + LIBC + REPLACED % "libdbus-1.so.3"
    tree = {"/proc/1/maps": CURRENT + LIBC, BUS: "40\n41\n", "/proc/40/maps": CURRENT, "/proc/41/maps": bus}
    assert found(tmp_path, tree) == {"init.scope": ("libc.so.6",), "dbus.service": ("libc.so.6", "libdbus-1.so.3")}
    (told,) = read_pending(HostFiles(str(tmp_path)))
    assert (told.kind, told.cold) == ("replaced", False)
    assert told.message == (
        "systemd (PID 1) runs what was replaced since it started: libc.so.6; "
        "dbus.service runs what was replaced since it started: libc.so.6, libdbus-1.so.3"
    )


def test_control_groups_of_version_1(tmp_path: Path) -> None:
    group = BUS.replace("/cgroup/", "/cgroup/systemd/", 1)
    assert found(tmp_path, {group: "40\n", "/proc/40/maps": LIBC}) == {"dbus.service": ("libc.so.6",)}


@pytest.mark.parametrize(
    "mapping",
    [
        "7f3a1c028000-7f3a1c1b0000 rw-p 00028000 fd:00 131 /usr/lib/data (deleted)\n",
        "7f3a1c028000-7f3a1c1b0000 r-xp 00000000 00:01 1024 /memfd:doublemapper (deleted)\n",
        "7f3a1c028000-7f3a1c1b0000 rwxs 00000000 00:01 32768 /SYSV00000000 (deleted)\n",
        "7f3a1c028000-7f3a1c1b0000 r-xp 00000000 fd:00 77 /tmp/jit-123 (deleted)\n",
        "7f3a1c028000-7f3a1c1b0000 r-xp 00000000 00:00 0 \n",
    ],
)
def test_memory_that_is_no_installed_program(tmp_path: Path, mapping: str) -> None:
    assert found(tmp_path, {"/proc/1/maps": mapping}) == {}


def test_nothing_that_users_run_counts(tmp_path: Path) -> None:
    """Neither their processes, nor their service manager, nor a group that they may put processes into."""
    manager = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/init.scope/cgroup.procs"
    tree = {manager: "60\n", BUS: "61\n", **{"/proc/%d/maps" % pid: LIBC for pid in (60, 61, 62)}}
    tree["/var/lib/systemd/linger/ann"] = ""
    write_tree(tmp_path, tree)
    os.chmod(HostFiles(str(tmp_path)).path(BUS), 0o666)
    assert read_replaced(HostFiles(str(tmp_path))) == []


def test_the_manager_of_root_counts_if_it_lingers(tmp_path: Path) -> None:
    tree = {ROOTS: "70\n", "/proc/70/maps": LIBC}
    assert found(tmp_path, tree) == {}
    assert found(tmp_path, {"/var/lib/systemd/linger/root": ""}) == {"user@0.service": ("libc.so.6",)}


def test_names_are_shown_as_names(tmp_path: Path) -> None:
    odd = REPLACED % "lib\\012x\x1b[31m.so"
    write_tree(tmp_path, {"/proc/1/maps": odd})
    assert read_replaced(HostFiles(str(tmp_path))) == [ReplacedFiles("init.scope", ("lib\\012x\\x1b[31m.so",))]


def test_a_flood_of_mappings_and_processes_is_cut_off(tmp_path: Path) -> None:
    tree = {"/proc/1/maps": CURRENT * 20_000 + LIBC, BUS: "".join("%d\n" % pid for pid in range(100, 200))}
    assert found(tmp_path, {**tree, "/proc/199/maps": LIBC, "/proc/100/maps": "no mappings\n"}) == {}
