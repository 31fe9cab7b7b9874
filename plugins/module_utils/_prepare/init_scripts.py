# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Init scripts that come with kexec-tools before 1:2.0.27, Debian 12 and older.

One runs C(kexec -e) in the middle of a shutdown, while others still stop and
file systems are mounted; the other loads C(/vmlinuz) before every reboot. Their
units are masked, and before the package comes.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import List, Sequence

from .._host.files import HostFiles
from .packages import LinuxDistribution
from .record import PreparationRecord
from .steps import Step

PART = "init_scripts"

# Units that systemd makes of them, by their names.
UNITS = {"kexec": "kexec.service", "kexec-load": "kexec-load.service"}
_SCRIPTS = "/etc/init.d"
_MASKS = "/etc/systemd/system"
_PACKAGE = "kexec-tools"
# The first release of Debian whose kexec-tools has none.
_WITHOUT_SCRIPTS = 13


def _unit_path(unit: str) -> str:
    return os.path.join(_MASKS, unit)


def _is_masked(files: HostFiles, unit: str) -> bool:
    """Whether it is masked for good, not for this boot only."""
    return files.link_name(_unit_path(unit)) == "null"


def _may_come(distribution: LinuxDistribution, installed: Sequence[str]) -> bool:
    """Whether the package is still to be installed, and may bring them."""
    knows_better = distribution.name == "debian" and (distribution.version or 0) >= _WITHOUT_SCRIPTS
    return _PACKAGE not in installed and not knows_better


def to_mask(files: HostFiles, distribution: LinuxDistribution, installed: Sequence[str]) -> List[str]:
    """Units that have to be masked."""
    if not distribution.is_debian_like:
        return []
    there = any(files.exists(os.path.join(_SCRIPTS, name)) for name in UNITS)
    if not there and not _may_come(distribution, installed):
        return []
    # A unit of that name is somebody's own, and goes before the script.
    own = [unit for unit in UNITS.values() if files.exists(_unit_path(unit)) and not _is_masked(files, unit)]
    return [unit for unit in UNITS.values() if not _is_masked(files, unit) and unit not in own]


def plan_masking(files: HostFiles, record: PreparationRecord, distribution: LinuxDistribution, installed: Sequence[str]) -> Step:
    """Mask them."""
    units = to_mask(files, distribution, installed)
    after = replace(record, masked=(*record.masked, *(unit for unit in units if unit not in record.masked)))
    return Step(PART, record, after, after, commands=(("systemctl", "mask", *units),) if units else ())


def plan_unmasking(files: HostFiles, record: PreparationRecord) -> Step:
    """Unmask those that were masked here."""
    units = [unit for unit in record.masked if _is_masked(files, unit)]
    commands = (("systemctl", "unmask", *units),) if units else ()
    return Step(PART, record, record, replace(record, masked=()), commands=commands)
