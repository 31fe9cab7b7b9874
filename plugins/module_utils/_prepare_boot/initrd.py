# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load fast images with a smaller or uncompressed initrd: a setting in C(/etc/fleet-kexec.conf), by which images are built."""

from __future__ import annotations

from typing import Callable, Protocol, Sequence, Tuple

from .._host.fast_images import list_fast_images
from .._kexec.candidate import Candidate
from .._kexec.image_store import KEEP
from .._prepare.record import PreparationRecord
from .._prepare.steps import Step, Work
from .boot_setting import PlannedConfig, plan_setting
from .steps import idle

PART = "initrd"


class FastImages(Protocol):
    """Fast images of the host (C(_kexec.installation.Installation))."""

    def with_other_initrd(self, initrd_mode: str) -> Tuple[Candidate, ...]: ...

    def rebuild(self, candidates: Sequence[Candidate], initrd_mode: str) -> None: ...


def plan(config_file: PlannedConfig, record: PreparationRecord, mode: str, images: Callable[[], FastImages]) -> Step:
    """Plan the setting, and to rebuild the images that have another initrd.

    :param mode: one of C(image_store.INITRD_MODES).
    :param images: reads the fast images, and with them much of the host.
    :raises KexecError: C(CONFIG_INVALID), or an image can't be rebuilt.
    :raises ImageError: kernel or initrd is invalid.
    :raises PrepareError: C(PREPARE_FAILED).
    """
    there = bool(list_fast_images(config_file.files))
    why = "" if there else "there is no fast image, and nothing else is loaded with another initrd than the distribution's"
    wanted = KEEP if why else mode
    # Whoever has an image built with another initrd has asked for that.
    if wanted == KEEP and PART not in record.boot_parts:
        return Step(PART, record, record, record, notes=(idle(PART, why),) if why and mode != KEEP else ())
    found = images()
    stale = found.with_other_initrd(wanted)
    work = Work(("rebuild", "fast", "images", "with", "initrd=" + wanted), lambda: found.rebuild(stale, wanted))
    step = plan_setting(PART, config_file, record, wanted, KEEP, work=(work,) if stale else ())
    return step if not why or mode == KEEP else step.with_note(idle(PART, why))
