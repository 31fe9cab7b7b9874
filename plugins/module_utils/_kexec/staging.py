# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage a kernel: turn the user's request and the host's state into an image in memory.

:func:`plan` decides and changes nothing; :class:`Stager` acts.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Iterator, List, Mapping, Optional, Tuple

from .._arch.architectures import architecture_of
from .._command import Runner
from .._host.clocks import CycleClock, find_cycle_clock
from .._host.facts import HostFacts
from .._host.files import HostFiles
from .._host.installed import InstalledKernel, find_initrd, newest
from .._host.kernel import RunningKernel
from .._image.errors import ImageError
from .._image.initrd import MAGIC_BYTES, initrd_format
from .candidate import Candidate, read_candidate
from .cmdline import Edits, allows_kaslr, base_line, with_token
from .errors import KexecError
from .fast_staging import ImagePreparation, prepared
from .kexec_tools import Kexec
from .lock import exclusive
from .preferences import AUTO, BZIMAGE, CRC32C, FAST, KEXEC_FILE_LOAD, SHA256, read_preferences
from .proof import Evidence
from .record import StagedImage, StagedRecord, drop_record, identify, read_record, write_record
from .verdict import Choice, choose, host_blockers, memory_obstacle

NEWEST = "newest"
RUNNING = "running"
NO_INITRD = "none"

TOKEN_BYTES = 8


@dataclass(frozen=True)
class StagingRequest:
    """User's request.

    :ivar kernel: C(newest), C(running), a release, or an absolute path.
    :ivar initrd: an absolute path, C(none), or None for the one that belongs to the kernel.
    :ivar preferences: fields of C(preferences.Preferences) by name; the host's own apply where one is absent or None.
    """

    kernel: str = NEWEST
    initrd: Optional[str] = None
    edits: Edits = field(default_factory=Edits)
    preferences: Mapping[str, Any] = field(default_factory=dict)


def find_kernel(request: str, facts: HostFacts, files: HostFiles) -> str:
    """Find the path of the requested kernel.

    :raises KexecError: C(KERNEL_NOT_FOUND) or C(NO_KERNEL).
    """
    if request.startswith("/"):
        if not os.path.isfile(files.path(request)):
            raise KexecError("KERNEL_NOT_FOUND", "there is no kernel %s" % request)
        return request
    if request == NEWEST:
        candidate = newest(facts.installed, facts.kernel.release)
        if candidate is None:
            raise KexecError("NO_KERNEL", "no kernel is installed in /boot")
        return candidate.kernel
    release = facts.kernel.release if request == RUNNING else request
    for kernel in facts.installed:
        if kernel.release == release:
            return kernel.kernel
    installed = ", ".join(kernel.release for kernel in facts.installed) or "none"
    raise KexecError("KERNEL_NOT_FOUND", "no kernel %s is installed; installed: %s" % (release, installed))


def check_initrd(request: Optional[str], kernel: str, files: HostFiles) -> Optional[str]:
    """Find the initrd to load with a kernel, and check how it starts; None for none.

    :raises KexecError: C(INITRD_NOT_FOUND) or C(INITRD_INVALID).
    """
    if request == NO_INITRD:
        return None
    initrd = request or find_initrd(files, kernel)
    if initrd is None:
        raise KexecError("INITRD_NOT_FOUND", "there is no initrd beside %s" % kernel)
    try:
        with open(files.path(initrd), "rb") as stream:
            head = stream.read(MAGIC_BYTES)
    except OSError as error:
        raise KexecError("INITRD_NOT_FOUND", "the initrd %s can't be read: %s" % (initrd, error.strerror)) from error
    if initrd_format(head) is None:
        raise KexecError("INITRD_INVALID", "%s does not start like an initrd" % initrd if head else "%s is empty" % initrd)
    return initrd


@dataclass(frozen=True)
class StagingPlan:
    """Image that staging would load, and the way chosen to load it.

    :ivar kexecs: number of kexecs since firmware booted the machine, this one included; None if unknown.
    """

    image: StagedImage
    candidate: Candidate
    choice: Choice
    kexecs: Optional[int]


def plan(request: StagingRequest, facts: HostFacts, files: HostFiles) -> StagingPlan:
    """Plan staging; changes nothing.

    :raises KexecError: the host can't kexec, or the request can't be met.
    :raises CmdlineError: C(CMDLINE_INVALID).
    :raises ImageError: the kernel is invalid.
    """
    for obstacle in host_blockers(facts):
        raise KexecError(obstacle.code, obstacle.message)
    kernel_path = find_kernel(request.kernel, facts, files)
    preferences = read_preferences(files).override(request.preferences)
    cmdline = base_line(facts.kernel.passed_cmdline, request.edits)
    kernel, architecture = facts.kernel, architecture_of(facts.kernel.machine)
    initrd_path = check_initrd(request.initrd, kernel_path, files)
    kaslr = preferences.kaslr and allows_kaslr(cmdline)
    so_far = Evidence(kernel.boot_id, kernel.release, kernel.cmdline, kernel.bootloader_type).kexecs
    kexecs = so_far + 1 if so_far is not None else None
    # All tokens have the same length.
    line = with_token(cmdline, bytes(TOKEN_BYTES).hex(), kaslr, kexecs)
    candidate = read_candidate(files, architecture, kernel_path, initrd_path, line)
    choice = choose(facts, candidate, preferences)
    too_much = memory_obstacle(facts, candidate, choice.way)
    if too_much is not None:
        raise KexecError(too_much.code, too_much.message)
    initrd = candidate.initrd_of(choice.way.image)
    image = StagedImage(
        kernel=identify(files, kernel_path),
        initrd=identify(files, initrd) if initrd is not None else None,
        release=candidate.header.release,
        cmdline=cmdline,
        kaslr=kaslr,
        fast=identify(files, candidate.fast.image.path) if choice.way.image == FAST and candidate.fast else None,
        **choice.way._asdict(),
    )
    return StagingPlan(image, candidate, choice, kexecs)


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
        with exclusive(self._files), self._loadable(planned) as kernel:
            drop_record(self._files)
            token = self._random(TOKEN_BYTES).hex()
            record = StagedRecord(image, token, boot_id, self._clock())
            try:
                self._kexec.load(
                    kernel,
                    image.initrd.path if image.initrd else None,
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
        image, fast, fast_format = planned.image, planned.candidate.fast, planned.candidate.architecture.fast
        if image.image != FAST or fast is None or fast_format is None:
            yield image.kernel.path
            return
        initrd = image.initrd.path if image.initrd else None
        wanted = ImagePreparation(fast, fast_format, initrd, check=image.integrity == CRC32C, kaslr=image.kaslr)
        with prepared(self._files, wanted, self._random) as path:
            yield path

    def _check_unchanged(self, image: StagedImage) -> None:
        """Raise OSError if a file changed or disappeared while it was loaded."""
        for identity in (image.kernel, image.initrd, image.fast):
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
        choice = replace(instead.choice, notes=[error.reason])
        return replace(instead, choice=choice), stager.stage(instead, boot_id)


def newest_candidate(installed: List[InstalledKernel], running: RunningKernel, files: HostFiles) -> Optional[Candidate]:
    """Read the newest kernel with the initrd beside it; None if none is installed or it is invalid."""
    latest = newest(installed, running.release)
    if latest is None:
        return None
    try:
        return read_candidate(files, architecture_of(running.machine), latest.kernel, latest.initrd, running.cmdline)
    except (ImageError, KexecError):
        return None


def current_record(files: HostFiles) -> Optional[StagedRecord]:
    """Record of what the collection staged, if it is still loaded."""
    if files.read_int("/sys/kernel/kexec_loaded") != 1:
        return None
    return read_record(files)
