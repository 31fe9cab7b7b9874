# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines and containers running on the host. Names only: command lines may hold secrets."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Dict, List, Tuple

from .files import HostFiles

_MACHINES = "/run/systemd/machines"
# C(comm) is cut after 15 characters.
_VM_PROCESS = re.compile(
    r"qemu-system-[\w-]*|qemu-kvm|kvm|firecracker|cloud-hypervis(?:or)?|crosvm|lkvm|VBoxHeadless|VirtualBoxVM|vmware-vmx"
)

# Names of container engines' control groups; the first digits of an ID are enough.
_ID_DIGITS = 12
_SCOPE = re.compile(
    r"(?:docker|libpod|crio|cri-containerd|nerdctl)-(?P<id>[0-9a-f]{12,64})\.scope"
    r"|lxc\.payload\.(?P<lxc>.+)"
    r"|systemd-nspawn@(?P<nspawn>.+)\.service"
    r"|(?P<bare>[0-9a-f]{64})"
)
_BELOW_MACHINE_SLICE = re.compile(r"machine-(?P<name>.+)\.scope")
# libvirt puts its virtual machines there too.
_MACHINE_VM = ("qemu", "libvirt", "ch\\x2d", "xen")
_CGROUPS = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup")
_CGROUP_DEPTH = 8


@dataclass(frozen=True)
class Guests:
    """Guests by name; else virtual machines by process name, containers by the start of their ID."""

    vms: List[str]
    containers: List[str]


def _registered(files: HostFiles) -> Dict[str, List[str]]:
    """Names that systemd-machined has registered, by class (C(vm), C(container))."""
    names: Dict[str, List[str]] = {}
    for name in files.listdir(_MACHINES):
        said = dict(line.partition("=")[::2] for line in (files.read_text("%s/%s" % (_MACHINES, name)) or "").splitlines())
        # The directory also holds links from units to machines.
        if said.get("NAME") == name:
            names.setdefault(said.get("CLASS", ""), []).append(name)
    return names


def _vm_processes(files: HostFiles) -> List[str]:
    found = []
    for pid in files.listdir("/proc"):
        if not pid.isdigit():
            continue
        comm = files.read_text("/proc/%s/comm" % pid) or ""
        name = comm if _VM_PROCESS.fullmatch(comm) else files.link_name("/proc/%s/exe" % pid) or ""
        if _VM_PROCESS.fullmatch(name):
            found.append(name)
    return found


def _container_of(directory: str) -> str:
    """Name of the container that a control group belongs to; empty if it is no container's."""
    match = _SCOPE.fullmatch(directory)
    if match:
        return (match.group("id") or match.group("bare") or "")[:_ID_DIGITS] or match.group("lxc") or match.group("nspawn") or ""
    machine = _BELOW_MACHINE_SLICE.fullmatch(directory)
    return machine.group("name") if machine and not machine.group("name").startswith(_MACHINE_VM) else ""


def _containers(files: HostFiles) -> List[str]:
    root = next((files.path(path) for path in _CGROUPS if files.exists(path)), None)
    found: List[str] = []
    if root is None:
        return found
    pending: List[Tuple[str, int]] = [(root, 0)]
    while pending:
        path, depth = pending.pop()
        try:
            directories = [entry.name for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue
        for name in sorted(directories):
            container = _container_of(name)
            if container:
                found.append(container)
            elif depth < _CGROUP_DEPTH:
                pending.append((os.path.join(path, name), depth + 1))
    return found


def read_guests(files: HostFiles) -> Guests:
    """Find virtual machines by process and registration, containers by control group and registration."""
    registered = _registered(files)
    processes = _vm_processes(files)
    vms = registered.get("vm", [])
    # Registered machines are among the processes.
    vms = vms + processes[len(vms) :]
    containers = sorted(set(_containers(files)) | set(registered.get("container", [])))
    return Guests(vms, containers)
