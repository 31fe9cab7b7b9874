# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare a host part by part: plan from its state, then carry out the plan."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from .._command import Runner
from .._host.files import HostFiles
from . import config_file, init_scripts, kernel_cmdline, packages, watchdog
from .distribution import LinuxDistribution, read_distribution
from .record import RESERVATIONS, PreparationRecord, read_record
from .steps import PreparationPlan, Step, carry_out_all, plan_parts

RESERVATION = "reservation"
# In order of preparation; restoring goes in reverse.
PARTS = (init_scripts.PART, packages.PART, kernel_cmdline.PART, watchdog.PART, config_file.PART, RESERVATION)


@dataclass(frozen=True)
class WantedPreparation:
    """Desired preparation.

    :ivar present: whether to prepare the host, or to restore it.
    :ivar packages: required packages.
    :ivar reservations: C(crashkernel), C(cma), which somebody else makes.
    """

    present: bool
    parts: Tuple[str, ...] = PARTS
    packages: Tuple[str, ...] = ()
    reservations: Tuple[str, ...] = ()
    watchdog: watchdog.WatchdogWish = field(default_factory=watchdog.WatchdogWish)


@dataclass(frozen=True)
class PreparationState:
    """Present state of a host; C(installed) is sorted, or None where there is no dpkg, or it was not asked."""

    record: PreparationRecord
    distribution: LinuxDistribution
    installed: Optional[Tuple[str, ...]]

    def missing(self, names: Sequence[str]) -> List[str]:
        """Packages that are known not to be installed."""
        return [name for name in names if self.installed is not None and name not in self.installed]


class Preparation:
    """Prepare or restore a host; C(sleep) waits for so many seconds."""

    def __init__(self, files: HostFiles, run: Runner, sleep: Callable[[float], None] = time.sleep) -> None:
        self._files = files
        self._run = run
        self._sleep = sleep

    def look(self, parts: Sequence[str] = PARTS) -> PreparationState:
        """Read the state of the host that some parts need.

        :raises PrepareError: C(PREPARE_RECORD_INVALID), C(PREPARE_FAILED).
        """
        distribution = read_distribution(self._files)
        asked = distribution.is_debian_like and {packages.PART, init_scripts.PART}.intersection(parts)
        installed = packages.list_packages(self._run) if asked else None
        return PreparationState(read_record(self._files), distribution, installed)

    def plan(self, wanted: WantedPreparation, found: PreparationState) -> PreparationPlan:
        """Plan the steps; changes nothing.

        :raises CodedError: a step is impossible.
        """
        parts = [part for part in PARTS if part in wanted.parts]
        if wanted.present:
            return plan_parts(found.record, parts, self._preparing(wanted, found))
        return plan_parts(found.record, reversed(parts), self._putting_back(wanted, found))

    def _preparing(self, wanted: WantedPreparation, found: PreparationState) -> Dict[str, Callable[[PreparationRecord], Step]]:
        files, run = self._files, self._run
        installed = found.installed or ()
        missing = found.missing(wanted.packages)
        return {
            init_scripts.PART: lambda record: init_scripts.plan_masking(files, record, found.distribution, installed),
            packages.PART: lambda record: packages.plan_installing(files, run, record, wanted.packages, missing),
            kernel_cmdline.PART: lambda record: kernel_cmdline.plan_writing(files, run, record),
            watchdog.PART: lambda record: watchdog.plan_configuring(files, run, record, wanted.watchdog),
            # The module fast_image writes it, and remembers how it was.
            config_file.PART: lambda record: Step(config_file.PART, record, record, record),
            RESERVATION: lambda record: _plan_reservations(record, wanted.reservations, True),
        }

    def _putting_back(self, wanted: WantedPreparation, found: PreparationState) -> Dict[str, Callable[[PreparationRecord], Step]]:
        files, run = self._files, self._run
        asked = found.installed is not None
        return {
            init_scripts.PART: lambda record: init_scripts.plan_unmasking(files, record),
            packages.PART: lambda record: (
                packages.plan_removing(files, run, record, wanted.packages)
                if asked
                else Step(packages.PART, record, record, record)
            ),
            kernel_cmdline.PART: lambda record: kernel_cmdline.plan_removing(files, record),
            watchdog.PART: lambda record: watchdog.plan_removing(files, run, record),
            config_file.PART: lambda record: config_file.plan_restoring(files, record),
            RESERVATION: lambda record: _plan_reservations(record, RESERVATIONS, False),
        }

    def apply(self, steps: Sequence[Step]) -> None:
        """Carry out planned steps.

        :raises PrepareError: C(PREPARE_FAILED).
        """
        carry_out_all(steps, self._files, self._run, self._sleep)


def _plan_reservations(record: PreparationRecord, names: Sequence[str], made: bool) -> Step:
    """Remember reservations that are about to be made, or forget those that were given back."""
    values: Dict[str, Any] = dict.fromkeys(names, made)
    after = replace(record, **values)
    return Step(RESERVATION, record, after, after)
