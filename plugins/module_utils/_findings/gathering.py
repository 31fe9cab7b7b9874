# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather what findings need beyond a timeline's readings."""

from __future__ import annotations

from .._command import Runner
from .._host.boot_setup import read_boot_setup
from .._host.files import HostFiles
from .._host.systemd_times import read_starts
from .case import BootEvidence


def gather_evidence(files: HostFiles, run: Runner, release: str) -> BootEvidence:
    """Read the host; what can't be read is left out.

    :param release: of the running kernel.
    """
    return BootEvidence(setup=read_boot_setup(files, release), starts=read_starts(run))
