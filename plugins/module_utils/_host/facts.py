# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host facts for a kexec, gathered once. This module reads and decides nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import List, Optional

from .._arch.interface import Cpu
from .._command import Runner
from .._paths import CRASH_MARKER
from .container import read_container
from .cpu import read_cpu
from .crash_area import CrashArea, read_crash_area
from .devices import virtio_reset_on_shutdown
from .files import HostFiles
from .installed import InstalledKernel, list_installed
from .kernel import RunningKernel, read_running_kernel
from .memory import Memory, read_memory
from .throughput import Throughput, read_throughput
from .tools import KexecTools, find_kexec_tools


@dataclass(frozen=True)
class HostFacts:
    """Current state of the host; C(tools) is None without kexec-tools, C(virtio_reset) without virtio devices, and C(container)
    on a machine.

    :ivar crash: reservation for a crash kernel; None without one.
    :ivar crash_is_ours: whether the collection loaded what is loaded there.
    """

    kernel: RunningKernel
    memory: Memory
    cpu: Cpu
    throughput: Throughput
    virtio_reset: Optional[bool]
    container: Optional[str]
    systemd: bool
    tools: Optional[KexecTools]
    installed: List[InstalledKernel]
    crash: Optional[CrashArea] = None
    crash_is_ours: bool = False


def gather(files: HostFiles, run: Runner) -> HostFacts:
    cpu = read_cpu(files)
    return HostFacts(
        kernel=read_running_kernel(files, os.uname().machine),
        memory=read_memory(files),
        cpu=cpu,
        throughput=read_throughput(files, cpu),
        virtio_reset=virtio_reset_on_shutdown(files),
        container=read_container(files),
        systemd=files.exists("/run/systemd/system"),
        tools=find_kexec_tools(files, run),
        installed=list_installed(files),
        crash=read_crash_area(files, run),
        crash_is_ours=files.exists(CRASH_MARKER),
    )
