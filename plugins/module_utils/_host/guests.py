# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines and containers running on the host. Names only: command lines may hold secrets.

Any user can name a process, or a control group that was delegated to them, like a guest's. So guests count as the host's only if
nobody but root can have started them: a control group counts if root alone may write to the directories above it, whoever owns
the group itself (an LXC container without privileges owns its own). A process of a virtual machine counts if its user is a
system account, or if its control group lies where only root can put a process. All others are their users' own.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from .._text import shown_name
from .files import HostFiles

_MACHINES = "/run/systemd/machines"
# C(comm) is cut after 15 characters.
_VM_PROCESS = re.compile(
    r"qemu-system-[\w-]*|qemu-kvm|kvm|firecracker|cloud-hypervis(?:or)?|crosvm|lkvm|VBoxHeadless|VirtualBoxVM|vmware-vmx"
)
# What readlink() appends to the path of a program that was upgraded while it runs.
_DELETED = " (deleted)"
# Users' processes run in sessions, or in services that act for users, such as cron.
_WITH_USERS = ("user.slice", "system.slice")
# Regular users, by the defaults of login.defs(5) and those of systemd-homed, and all from nobody up, where users' own subordinate
# IDs are.
_USER_IDS = (range(1000, 60514), range(65534, 1 << 32))

# Names of container engines' control groups; the first digits of an ID are enough.
_ID_DIGITS = 12
_CONTAINER = re.compile(
    r"(?:docker|libpod|crio|cri-containerd|nerdctl)-(?P<id>[0-9a-f]{12,64})(?:\.scope)?"
    r"|lxc\.payload\.(?P<lxc>.+)"
    r"|systemd-nspawn@(?P<nspawn>.+)\.service"
    r"|(?P<bare>[0-9a-f]{64})",
    re.DOTALL,
)
_BELOW_MACHINE_SLICE = re.compile(r"machine-(?P<name>.+)\.scope", re.DOTALL)
# libvirt puts its virtual machines there too.
_MACHINE_VM = ("qemu", "libvirt", "ch\\x2d", "xen")
# Every control group in these is a container's: Proxmox VE, and LXC before 4.0.
_OF_LXC = ("lxc", "lxc.payload")
# Nomad names a task's group by its allocation: https://github.com/hashicorp/nomad/pull/12274 and
# https://github.com/Roblox/nomad-driver-containerd/pull/133. Slices are below nomad.slice since Nomad 1.7.
_OF_NOMAD = ("nomad", "nomad.slice", "share.slice", "reserve.slice")
_ALLOCATION = re.compile(r"(?P<id>[0-9a-f]{8})(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?P<task>[.-].+?)?(?:\.scope)?", re.DOTALL)

_CGROUPS = "/sys/fs/cgroup"
# Hierarchies in which container engines make their groups where there are several.
_HIERARCHIES = ("unified", "systemd", "devices", "memory")
_DEPTH = 8
# Users can make as many control groups and processes as they like.
_USERS_DIRECTORIES = 1000
_USERS_GUESTS = 50


@dataclass(frozen=True)
class Guests:
    """Guests by name; else virtual machines by process name, containers by the start of their ID.

    :ivar of_users: guests that users run for themselves, such as rootless containers; at most fifty, and only as their users'
        own names tell.
    """

    vms: List[str]
    containers: List[str]
    of_users: List[str] = field(default_factory=list)


class _Found(NamedTuple):
    name: str
    of_user: bool


def _registered(files: HostFiles) -> Dict[str, List[_Found]]:
    """Guests that systemd-machined has registered, by class (C(vm), C(container))."""
    guests: Dict[str, List[_Found]] = {}
    for name in files.listdir(_MACHINES):
        text = files.read_text("%s/%s" % (_MACHINES, name)) or ""
        said = dict(line.partition("=")[::2] for line in text.split("\n"))
        # The directory also holds links from units to machines.
        if said.get("NAME") == name:
            found = _Found(shown_name(name), said.get("UID", "0") != "0")
            guests.setdefault(said.get("CLASS", ""), []).append(found)
    return guests


def _is_users(files: HostFiles, pid: str, known_by_program: bool) -> bool:
    """Whether a process runs for a regular user, or has ended.

    :param known_by_program: whether its program is one for virtual machines. The name alone may be that of a user's link to a
        program that runs as root, such as sudo.
    """
    status = re.search(r"^Uid:\s+(\d{1,10})\s", files.read_text("/proc/%s/status" % pid) or "", re.MULTILINE)
    if status is None:
        return True
    group = re.search(
        r"^(?:0:|\d+:name=systemd):/([^/\n]*)/?([^/\n]*)", files.read_text("/proc/%s/cgroup" % pid) or "", re.MULTILINE
    )
    top, below = group.groups() if group is not None else ("", "")
    if not known_by_program and top == "user.slice" and below != "user-0.slice":
        return True
    elsewhere = top not in ("", *_WITH_USERS)
    return any(int(status.group(1)) in ids for ids in _USER_IDS) and not elsewhere


def _vm_processes(files: HostFiles) -> Iterator[_Found]:
    for pid in files.listdir("/proc"):
        if not pid.isdecimal():
            continue
        name = files.read_name("/proc/%s/comm" % pid) or ""
        program = files.link_name("/proc/%s/exe" % pid) or ""
        program = program[: -len(_DELETED)] if program.endswith(_DELETED) else program
        known_by_program = _VM_PROCESS.fullmatch(program) is not None
        if known_by_program or _VM_PROCESS.fullmatch(name):
            # Their names are what administrators look for in a list of processes.
            shown = name if _VM_PROCESS.fullmatch(name) else program
            yield _Found(shown, _is_users(files, pid, known_by_program))


def _container_of(name: str, parent: str) -> Optional[str]:
    """Name of the container that a control group belongs to; None if it is no container's."""
    match = _CONTAINER.fullmatch(name)
    if match:
        return (match.group("id") or match.group("bare") or "")[:_ID_DIGITS] or match.group("lxc") or match.group("nspawn")
    if parent in _OF_LXC:
        return name
    task = _ALLOCATION.fullmatch(name) if parent in _OF_NOMAD else None
    if task:
        return task.group("id") + (task.group("task") or "")
    machine = _BELOW_MACHINE_SLICE.fullmatch(name)
    return machine.group("name") if machine and not machine.group("name").startswith(_MACHINE_VM) else None


def _directories(path: str) -> List[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _containers(files: HostFiles, hierarchy: str) -> Iterator[_Found]:
    """Containers by their control groups, in one hierarchy."""
    pending: List[Tuple[str, int, bool]] = [(hierarchy, 0, False)]
    left = _USERS_DIRECTORIES
    while pending:
        path, depth, below_users = pending.pop()
        of_user = below_users or not files.is_roots_alone(path)
        left -= of_user
        if of_user and left < 0:
            continue
        for name in _directories(files.path(path)):
            container = _container_of(name, os.path.basename(path))
            if container:
                yield _Found(shown_name(container), of_user)
            elif depth < _DEPTH:
                pending.append((os.path.join(path, name), depth + 1, of_user))


def _hierarchies(files: HostFiles) -> List[str]:
    """Control group hierarchies that are searched: the only one, or several (hybrid and version 1)."""
    several = ["%s/%s" % (_CGROUPS, name) for name in _HIERARCHIES if files.exists("%s/%s" % (_CGROUPS, name))]
    return [_CGROUPS] if files.exists(_CGROUPS + "/cgroup.controllers") else several or [_CGROUPS]


def read_guests(files: HostFiles) -> Guests:
    """Find virtual machines by process and registration, containers by control group and registration."""
    registered = _registered(files)
    processes = list(_vm_processes(files))
    containers = [found for hierarchy in _hierarchies(files) for found in _containers(files, hierarchy)]
    containers += registered.get("container", [])
    machines = registered.get("vm", [])
    vms = [found.name for found in machines if not found.of_user]
    # Registered machines are among the processes.
    vms += [found.name for found in processes if not found.of_user][len(vms) :]
    of_users = {found.name for found in (*machines, *processes, *containers) if found.of_user}
    return Guests(vms, sorted({found.name for found in containers if not found.of_user}), sorted(of_users)[:_USERS_GUESTS])
