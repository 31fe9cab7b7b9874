# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare a host so that its reboots have a shorter outage, part by part; each part is off unless it is asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Callable, Dict, List, Mapping, Sequence, Tuple

from .._command import Runner
from .._host.boot_history import read_history
from .._host.files import HostFiles
from .._kexec.image_store import KEEP
from .._prepare.record import PreparationRecord, read_record
from .._prepare.steps import PreparationPlan, Step, carry_out_all, plan_parts
from . import cloud_init_disabled, initrd, parallel_shutdown, quiet, ssh_early, stop_timeout, wait_online
from .boot_setting import PlannedConfig
from .effects import PartEffect, effects_of

# No part needs another; this is the order of an outage.
PARTS = (
    *(stop_timeout.PART, quiet.PART, initrd.PART, cloud_init_disabled.PART, wait_online.PART, ssh_early.PART),
    parallel_shutdown.PART,
)


@dataclass(frozen=True)
class WantedBoots:
    """Desired preparation; a part that is off is undone.

    :ivar parts: parts to process.
    :ivar stop_timeout: time spans by names of services.
    :ivar initrd: initrd of fast images, one of C(image_store.INITRD_MODES).
    :ivar wait_online: interfaces to wait for, C(auto) for those of the default routes.
    """

    parts: Tuple[str, ...] = PARTS
    stop_timeout: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = False
    initrd: str = KEEP
    cloud_init_disabled: bool = False
    wait_online: Tuple[str, ...] = ()
    ssh_early: bool = False
    parallel_shutdown: bool = False
    parallel_shutdown_drivers: Tuple[str, ...] = ("nvme",)
    parallel_shutdown_timeout_s: int = 30


class BootPreparation:
    """Prepare a host's boots, or restore it; C(images) reads its fast images, and C(sleep) waits for so many seconds."""

    def __init__(
        self, files: HostFiles, run: Runner, images: Callable[[], initrd.FastImages], sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._files = files
        self._run = run
        self._images = images
        self._sleep = sleep

    def look(self) -> PreparationRecord:
        """Read what has been done.

        :raises CodedError: C(PREPARE_RECORD_INVALID).
        """
        return read_record(self._files)

    def plan(self, wanted: WantedBoots, record: PreparationRecord) -> PreparationPlan:
        """Plan the steps; changes nothing.

        :raises CodedError: something asked for is invalid, or a step is impossible.
        """
        return plan_parts(record, (part for part in PARTS if part in wanted.parts), self._planners(wanted))

    def _planners(self, wanted: WantedBoots) -> Dict[str, Callable[[PreparationRecord], Step]]:
        files, run, config_file = self._files, self._run, PlannedConfig(self._files)
        return {
            stop_timeout.PART: lambda record: stop_timeout.plan(files, run, record, wanted.stop_timeout),
            quiet.PART: lambda record: quiet.plan(config_file, record, wanted.quiet),
            initrd.PART: lambda record: initrd.plan(config_file, record, wanted.initrd, self._images),
            cloud_init_disabled.PART: lambda record: cloud_init_disabled.plan(files, run, record, wanted.cloud_init_disabled),
            wait_online.PART: lambda record: wait_online.plan(files, run, record, wanted.wait_online),
            ssh_early.PART: lambda record: ssh_early.plan(files, run, record, wanted.ssh_early),
            parallel_shutdown.PART: lambda record: parallel_shutdown.plan(
                files, record, wanted.parallel_shutdown, wanted.parallel_shutdown_drivers, wanted.parallel_shutdown_timeout_s
            ),
        }

    def apply(self, steps: Sequence[Step]) -> None:
        """Carry out planned steps.

        :raises CodedError: C(PREPARE_FAILED), or an image can't be built.
        """
        carry_out_all(steps, self._files, self._run, self._sleep)

    def effects(self, record: PreparationRecord) -> List[PartEffect]:
        """Compare the host's reboots before and after each part that had been made."""
        return effects_of(read_history(self._files), record.boot_parts)
