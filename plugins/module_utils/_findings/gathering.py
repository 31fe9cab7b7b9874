# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather what findings need beyond a timeline's readings."""

from __future__ import annotations

from typing import Optional

from .._command import Runner
from .._host.boot_setup import read_boot_setup
from .._host.files import HostFiles
from .._host.listeners import unit_of_port
from .._host.systemd_times import read_starts
from .._kexec.proof import PATH_SOFT
from .._timeline.timeline import BootReading
from .case import BootEvidence


def gather_evidence(files: HostFiles, run: Runner, reading: BootReading, probe_port: Optional[int] = None) -> BootEvidence:
    """Read the host; what can't be read is left out.

    :param reading: of the same host, for its timeline.
    :param probe_port: TCP port of the probed service; None if none was.
    """
    began_us = reading.manager.userspace_us if reading.path == PATH_SOFT else None
    return BootEvidence(
        setup=read_boot_setup(files, reading.release),
        starts=read_starts(run, began_us or 0),
        probe_unit=unit_of_port(files, probe_port) if probe_port is not None else "",
    )
