# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mask the init scripts of kexec-tools before 1:2.0.27 (Debian 12 and older).

One runs C(kexec -e) in the middle of a shutdown, while services are still stopping and file systems are mounted; the other loads
C(/vmlinuz) before every reboot. Their units are masked before the package is installed.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import List, Sequence

from .._host.files import HostFiles
from .distribution import LinuxDistribution
from .record import PreparationRecord
from .steps import Step

PART = "init_scripts"

# Units that systemd generates from them, by script name.
UNITS = {"kexec": "kexec.service", "kexec-load": "kexec-load.service"}
_SCRIPTS = "/etc/init.d"
_MASKS = "/etc/systemd/system"
_PACKAGE = "kexec-tools"
# First release of Debian whose kexec-tools has no such scripts.
_WITHOUT_SCRIPTS = 13


def _unit_path(unit: str) -> str:
    return os.path.join(_MASKS, unit)


def _is_masked(files: HostFiles, unit: str) -> bool:
    """Whether a unit is masked permanently, not just for this boot."""
    return files.link_name(_unit_path(unit)) == "null"


def _may_come(distribution: LinuxDistribution, installed: Sequence[str]) -> bool:
    """Whether the package may still be installed and bring the scripts."""
    knows_better = distribution.name == "debian" and (distribution.version or 0) >= _WITHOUT_SCRIPTS
    return _PACKAGE not in installed and not knows_better


def to_mask(files: HostFiles, distribution: LinuxDistribution, installed: Sequence[str]) -> List[str]:
    if not distribution.is_debian_like:
        return []
    there = any(files.exists(os.path.join(_SCRIPTS, name)) for name in UNITS)
    if not there and not _may_come(distribution, installed):
        return []
    # A unit file of that name is somebody else's, and takes precedence over the script.
    own = [unit for unit in UNITS.values() if files.exists(_unit_path(unit)) and not _is_masked(files, unit)]
    return [unit for unit in UNITS.values() if not _is_masked(files, unit) and unit not in own]


def plan_masking(files: HostFiles, record: PreparationRecord, distribution: LinuxDistribution, installed: Sequence[str]) -> Step:
    units = to_mask(files, distribution, installed)
    after = replace(record, masked=(*record.masked, *(unit for unit in units if unit not in record.masked)))
    return Step(PART, record, after, after, commands=(("systemctl", "mask", *units),) if units else ())


def plan_unmasking(files: HostFiles, record: PreparationRecord) -> Step:
    """Unmask the units that were masked here."""
    units = [unit for unit in record.masked if _is_masked(files, unit)]
    commands = (("systemctl", "unmask", *units),) if units else ()
    return Step(PART, record, record, replace(record, masked=()), commands=commands)
