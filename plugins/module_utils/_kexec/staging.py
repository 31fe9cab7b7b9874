# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage a kernel: turn the user's request and the host's state into an image in memory.

:func:`plan` decides and changes nothing; :class:`Stager` acts.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from typing import Callable, Iterator, List, Optional, Tuple, Union

from .._arch.architectures import architecture_of
from .._bootloader.boot_entry import BootChoice
from .._bootloader.default_entry import read_default_entry
from .._command import Runner
from .._host.clocks import CycleClock, find_cycle_clock
from .._host.facts import HostFacts
from .._host.files import HostFiles
from .._reasons import CodedError, Reason
from .boot_source import entry_changes, find_source
from .candidate import Candidate, read_candidate
from .cmdline import allows_kaslr, base_line, with_token
from .errors import KexecError
from .fast_staging import ImagePreparation, prepared
from .initrds import loadable_initrd
from .kexec_tools import Kexec
from .lock import exclusive
from .memory_file import memory_copy
from .preferences import AUTO, BZIMAGE, CRC32C, FAST, KEXEC_FILE_LOAD, SHA256, read_preferences
from .proof import Evidence
from .record import StagedImage, StagedRecord, drop_record, identify, read_record, write_record
from .requests import StagingRequest
from .verdict import Choice, choose_loadable, host_blockers

TOKEN_BYTES = 8


@dataclass(frozen=True)
class StagingPlan:
    """Image that staging would load, and the way chosen to load it.

    :ivar kexecs: number of kexecs since firmware booted the machine, this one included; None if unknown.
    :ivar notes: what changes against the running system, and why no quicker way was chosen.
    """

    image: StagedImage
    candidate: Candidate
    choice: Choice
    kexecs: Optional[int]
    notes: List[Reason]


def plan(request: StagingRequest, facts: HostFacts, files: HostFiles) -> StagingPlan:
    """Plan staging; changes nothing.

    :raises KexecError: the host can't kexec, or the request can't be met.
    :raises CmdlineError: C(CMDLINE_INVALID).
    :raises ImageError: the kernel is invalid.
    """
    for obstacle in host_blockers(facts):
        raise KexecError(obstacle.code, obstacle.message)
    return plan_image(request, facts, files, read_default_entry(files))


def plan_image(request: StagingRequest, facts: HostFacts, files: HostFiles, boot: BootChoice) -> StagingPlan:
    """Plan staging as :func:`plan` does, whatever else keeps the host from a kexec."""
    preferences = read_preferences(files).override(request.preferences)
    source = find_source(request, facts.installed, facts.kernel, files, boot)
    cmdline = base_line(source.line, request.edits)
    kernel, architecture = facts.kernel, architecture_of(facts.kernel.machine)
    kaslr = preferences.kaslr and allows_kaslr(cmdline)
    so_far = Evidence(kernel.boot_id, kernel.release, kernel.cmdline, kernel.bootloader_type).kexecs
    kexecs = so_far + 1 if so_far is not None else None
    # All tokens have the same length.
    line = with_token(cmdline, bytes(TOKEN_BYTES).hex(), kaslr, kexecs)
    candidate = read_candidate(files, architecture, source.kernel, source.initrds, line)
    choice = choose_loadable(facts, candidate, preferences)
    image = StagedImage(
        kernel=identify(files, source.kernel.path),
        # Sections of a unified kernel image count once, as the file that they are in.
        initrds=tuple(
            identify(files, path) for path in dict.fromkeys(each.path for each in candidate.initrds_of(choice.way.image))
        ),
        release=candidate.header.release,
        cmdline=cmdline,
        kaslr=kaslr,
        fast=identify(files, candidate.fast.image.path) if choice.way.image == FAST and candidate.fast else None,
        **choice.way._asdict(),
    )
    notes = entry_changes(kernel, candidate.header.release, cmdline) + choice.notes
    return StagingPlan(image, candidate, choice, kexecs, notes)


def try_plan(facts: HostFacts, files: HostFiles, boot: BootChoice) -> Union[StagingPlan, Reason]:
    """Plan what staging does if nothing is asked for, or say why it would fail."""
    try:
        return plan_image(StagingRequest(), facts, files, boot)
    except CodedError as error:
        return error.reason


class Stager:
    """Load and unload images, and keep the record; without kexec-tools nothing can be loaded."""

    def __init__(
        self,
        files: HostFiles,
        kexec: Optional[Kexec],
        random: Callable[[int], bytes] = os.urandom,
        clock: Callable[[], Optional[CycleClock]] = find_cycle_clock,
    ) -> None:
        self._files = files
        self._kexec = kexec
        self._random = random
        self._clock = clock

    def stage(self, planned: StagingPlan, boot_id: str) -> StagedRecord:
        """Load an image, replacing whatever is loaded.

        :raises KexecError: C(LOAD_FAILED), C(LOAD_UNVERIFIED), C(STAGE_BUSY), C(FAST_IMAGE_DAMAGED), C(INTEGRITY_UNAVAILABLE).
        """
        if self._kexec is None:
            raise KexecError("NO_KEXEC_TOOLS", "there is no kexec program on the host")
        image = planned.image
        initrds = planned.candidate.initrds_of(image.image)
        with exclusive(self._files), self._loadable(planned) as kernel, loadable_initrd(self._files, initrds) as initrd:
            drop_record(self._files)
            token = self._random(TOKEN_BYTES).hex()
            record = StagedRecord(image, token, boot_id, self._clock())
            try:
                self._kexec.load(
                    kernel,
                    initrd,
                    with_token(image.cmdline, token, image.kaslr, planned.kexecs),
                    image.loader,
                    # kexec_load can skip the purgatory's check if another check, or none, is wanted.
                    purgatory_check=image.loader == KEXEC_FILE_LOAD or image.integrity == SHA256,
                )
                # The record comes first: from then on package manager hooks react to changes.
                write_record(self._files, record)
                self._check_unchanged(image)
            except BaseException as error:
                self._kexec.unload()
                drop_record(self._files)
                if isinstance(error, OSError):
                    raise KexecError("LOAD_FAILED", "the image was unloaded again: %s" % error) from error
                raise
            return record

    @contextlib.contextmanager
    def _loadable(self, planned: StagingPlan) -> Iterator[str]:
        """Path to load the kernel from."""
        image, candidate = planned.image, planned.candidate
        fast, fast_format = candidate.fast, candidate.architecture.fast
        if image.image == FAST and fast is not None and fast_format is not None:
            initrds = candidate.initrds_of(FAST)
            wanted = ImagePreparation(fast, fast_format, initrds, check=image.integrity == CRC32C, kaslr=image.kaslr)
            with prepared(self._files, wanted, self._random) as path:
                yield path
        elif candidate.kernel.section is None:
            yield candidate.kernel.path
        else:
            try:
                content = candidate.kernel.read(self._files)
            except OSError as error:
                raise KexecError(
                    "KERNEL_NOT_FOUND", "the kernel %s can't be read: %s" % (candidate.kernel, error.strerror)
                ) from error
            with memory_copy("fleet-kexec-kernel", content) as path:
                yield path

    def _check_unchanged(self, image: StagedImage) -> None:
        """Raise OSError if a file changed or disappeared while it was loaded."""
        for identity in (image.kernel, *image.initrds, image.fast):
            if identity is not None and identify(self._files, identity.path) != identity:
                raise OSError("%s changed while it was loaded" % identity.path)

    def unstage(self) -> bool:
        """Unload whatever is loaded, no matter who loaded it.

        :return: whether anything was loaded.
        :raises KexecError: C(UNLOAD_FAILED), C(STAGE_BUSY).
        """
        if self._files.read_int("/sys/kernel/kexec_loaded") != 1:
            return False
        if self._kexec is None:
            raise KexecError("UNLOAD_FAILED", "an image is loaded, but there is no kexec program to unload it with")
        with exclusive(self._files):
            self._kexec.unload()
            drop_record(self._files)
        return True


# A fast image that proves unusable is no reason to give up kexec.
_FAST_FAILURES = ("FAST_IMAGE_DAMAGED", "INTEGRITY_UNAVAILABLE", "LOAD_FAILED", "LOAD_UNVERIFIED")


def make_stager(files: HostFiles, facts: HostFacts, run: Runner) -> Stager:
    return Stager(files, Kexec(facts.tools.path, files, run) if facts.tools else None)


def stage_planned(
    stager: Stager, planned: StagingPlan, request: StagingRequest, facts: HostFacts, files: HostFiles
) -> Tuple[StagingPlan, StagedRecord]:
    """Stage a plan; stage the kernel as it is if the fast image was chosen by C(auto) and proves unusable.

    :raises KexecError: as :meth:`Stager.stage`, and :func:`plan`.
    """
    boot_id = facts.kernel.boot_id
    try:
        return planned, stager.stage(planned, boot_id)
    except KexecError as error:
        free = read_preferences(files).override(request.preferences).image == AUTO
        if planned.image.image != FAST or not free or error.reason.code not in _FAST_FAILURES:
            raise
        instead = plan(replace(request, preferences=dict(request.preferences, image=BZIMAGE)), facts, files)
        return replace(instead, notes=[error.reason, *instead.notes]), stager.stage(instead, boot_id)


def current_record(files: HostFiles) -> Optional[StagedRecord]:
    """Record of what the collection staged, if it is still loaded."""
    if files.read_int("/sys/kernel/kexec_loaded") != 1:
        return None
    return read_record(files)
