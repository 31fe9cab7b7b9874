# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's processor."""

from __future__ import annotations

from .._arch.architectures import own_architecture
from .._arch.interface import Cpu
from .files import HostFiles


def read_cpu(files: HostFiles) -> Cpu:
    return own_architecture().parse_cpu(files.read_text("/proc/cpuinfo") or "", files.exists)
