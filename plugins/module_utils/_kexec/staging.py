# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage a kernel: turn the user's request and the host's state into an image in memory.

:func:`plan` decides and changes nothing; :class:`Stager` acts.
"""

from __future__ import annotations

import contextlib
import functools
import os
from dataclasses import dataclass, replace
from typing import Callable, Dict, Iterator, List, Optional, Tuple, Union

from .._arch.architectures import architecture_of
from .._arch.interface import ResidentPlaces
from .._bootloader.boot_entry import BootChoice
from .._bootloader.default_entry import read_default_entry
from .._command import Runner
from .._host.clocks import CycleClock, find_cycle_clock
from .._host.facts import HostFacts
from .._host.files import HostFiles
from .._host.running_system import SystemId
from .._image.payload import Unpacker, payload_of
from .._reasons import CodedError, Reason
from .boot_config import read_boot_config
from .boot_source import entry_changes, find_source
from .candidate import Candidate, read_candidate
from .cmdline import allows_kaslr, base_line, with_token
from .crash_image import CrashImages, crash_image_is_ours, load_crash_segments
from .errors import KexecError
from .fast_staging import ImagePreparation, Resident, prepared, resident
from .initrds import loadable_initrd
from .kexec_tools import Kexec
from .lock import exclusive
from .memory_file import memory_copy
from .placement import places_of
from .policy import Policy, read_policy
from .preferences import AUTO, BZIMAGE, COPIED, CRC32C, FAST, KEXEC_FILE_LOAD, RESERVED, SHA256, Preferences, read_preferences
from .proof import Evidence
from .record import StagedImage, StagedRecord, drop_record, identify, read_record, write_record
from .requests import StagingRequest
from .verdict import Choice, choose_loadable, host_blockers

TOKEN_BYTES = 8


@dataclass(frozen=True)
class StagingPlan:
    """Image that staging would load, and the way chosen to load it.

    :ivar kexecs: number of kexecs since firmware booted the machine, this one included; None if unknown.
    :ivar places: where a resident image goes; None for any other.
    :ivar notes: what changes against the running system, and why no quicker way was chosen.
    """

    image: StagedImage
    candidate: Candidate
    choice: Choice
    kexecs: Optional[int]
    notes: List[Reason]
    places: Optional[ResidentPlaces] = None


def plan(request: StagingRequest, facts: HostFacts, files: HostFiles, policy: Optional[Policy] = None) -> StagingPlan:
    """Plan staging; changes nothing.

    :param policy: the host's own by default.
    :raises KexecError: the host can't kexec, or the request can't be met.
    :raises CmdlineError: C(CMDLINE_INVALID).
    :raises ImageError: the kernel is invalid.
    """
    for obstacle in host_blockers(facts):
        raise KexecError(obstacle.code, obstacle.message)
    return plan_image(request, facts, files, read_default_entry(files), policy)


def plan_image(
    request: StagingRequest, facts: HostFacts, files: HostFiles, boot: BootChoice, policy: Optional[Policy] = None
) -> StagingPlan:
    """Plan staging as :func:`plan` does, whatever else keeps the host from a kexec."""
    preferences = read_preferences(files).override(request.preferences)
    source = find_source(request, facts.installed, facts.kernel, files, boot)
    cmdline = base_line(source.line, request.edits)
    kernel, architecture = facts.kernel, architecture_of(facts.kernel.machine)
    kaslr = preferences.kaslr and allows_kaslr(cmdline)
    so_far = Evidence(SystemId(kernel.boot_id), kernel.release, kernel.cmdline, kernel.bootloader_type).kexecs
    kexecs = so_far + 1 if so_far is not None else None
    quiet = read_boot_config(files).quiet
    # All tokens have the same length.
    line = with_token(cmdline, bytes(TOKEN_BYTES).hex(), kaslr, kexecs, profile=request.profile, quiet=quiet)
    candidate = read_candidate(files, architecture, source.kernel, source.initrds, line)
    choice = choose_loadable(facts, candidate, preferences, policy or read_policy(files))
    image = StagedImage(
        kernel=identify(files, source.kernel.path),
        # Sections of a unified kernel image count once, as the file that they are in.
        initrds=tuple(
            identify(files, path) for path in dict.fromkeys(each.path for each in candidate.initrds_of(choice.way.image))
        ),
        release=candidate.header.release,
        cmdline=cmdline,
        kaslr=kaslr,
        profile=request.profile,
        quiet=quiet,
        fast=identify(files, candidate.fast.image.path) if choice.way.image == FAST and candidate.fast else None,
        **choice.way._asdict(),
    )
    notes = entry_changes(kernel, candidate.header.release, cmdline) + choice.notes
    places = places_of(facts, candidate) if choice.way.placement == RESERVED else None
    return StagingPlan(image, candidate, choice, kexecs, notes, places)


def try_plan(facts: HostFacts, files: HostFiles, boot: BootChoice, policy: Optional[Policy] = None) -> Union[StagingPlan, Reason]:
    """Plan what staging does if nothing is asked for, or say why it would fail."""
    try:
        return plan_image(StagingRequest(), facts, files, boot, policy)
    except CodedError as error:
        return error.reason


class Stager:
    """Load and unload images, and keep the record; without kexec-tools nothing can be loaded.

    :param crash_images: of the reservation for a crash kernel; None without kexec-tools.
    """

    def __init__(
        self,
        files: HostFiles,
        kexec: Optional[Kexec],
        random: Callable[[int], bytes] = os.urandom,
        clock: Callable[[], Optional[CycleClock]] = find_cycle_clock,
        crash_images: Optional[CrashImages] = None,
    ) -> None:
        self._files = files
        self._kexec = kexec
        self._crash_images = crash_images
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
        with exclusive(self._files), contextlib.ExitStack() as opened:
            resident_image = self._resident(planned, opened)
            if resident_image is not None:
                kernel, initrd = resident_image.trampoline, None
            else:
                kernel = opened.enter_context(self._loadable(planned))
                initrd = opened.enter_context(loadable_initrd(self._files, initrds))
            drop_record(self._files)
            if self._crash_images is not None and self._crash_images.owed():
                # Nobody may jump to a trampoline while the reservation changes under it.
                self._kexec.unload()
            token = self._random(TOKEN_BYTES).hex()
            record = StagedRecord(image, token, boot_id, self._clock(), planned.choice.predicted_ms["copy"])
            try:
                if resident_image is not None and self._crash_images is not None:
                    self._crash_images.load(resident_image.entry, resident_image.segments)
                else:
                    # A copied image needs no reservation: if kdump does not come back now, that stays owed.
                    self._try_to_empty_reservation()
                self._kexec.load(
                    kernel,
                    initrd,
                    with_token(image.cmdline, token, image.kaslr, planned.kexecs, profile=image.profile, quiet=image.quiet),
                    image.loader,
                    # kexec_load can skip the purgatory's check if another check, or none, is wanted.
                    purgatory_check=image.loader == KEXEC_FILE_LOAD or image.integrity == SHA256,
                    # The kexec program does not know that kernel and initrd lie there.
                    below=planned.places.kernel_at if planned.places is not None else None,
                )
                # The record comes first: from then on package manager hooks react to changes.
                write_record(self._files, record)
                self._check_unchanged(image)
            except BaseException as error:
                try:
                    self._kexec.unload()
                finally:
                    drop_record(self._files)
                    owed = self._try_to_empty_reservation()
                also = "; %s" % owed.reason.message if owed is not None else ""
                if isinstance(error, OSError):
                    raise KexecError("LOAD_FAILED", "the image was unloaded again: %s%s" % (error, also)) from error
                if isinstance(error, KexecError) and owed is not None:
                    raise KexecError(error.reason.code, error.reason.message + also) from error
                raise
            return record

    def _resident(self, planned: StagingPlan, opened: contextlib.ExitStack) -> Optional[Resident]:
        """Prepare an image for the reservation; None for one that is to be copied."""
        fast, fast_format = planned.candidate.fast, planned.candidate.architecture.fast
        if planned.places is None or fast is None or fast_format is None:
            return None
        initrds = planned.candidate.initrds_of(FAST)
        wanted = ImagePreparation(fast, fast_format, initrds, check=True, kaslr=planned.image.kaslr)
        return opened.enter_context(resident(self._files, wanted, planned.places, self._random))

    def _empty_reservation(self) -> None:
        """Unload an image of ours from the reservation, and have the crash kernel put back that it displaced."""
        if self._crash_images is not None:
            self._crash_images.put_back()

    def _try_to_empty_reservation(self) -> Optional[KexecError]:
        """Empty the reservation as :meth:`_empty_reservation` does; return what went wrong, which leaves the rest owed."""
        try:
            self._empty_reservation()
        except KexecError as error:
            return error
        return None

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
        elif candidate.kernel.section is None and not candidate.header.packed:
            yield candidate.kernel.path
        else:
            try:
                content = candidate.kernel.read(self._files)
            except OSError as error:
                raise KexecError(
                    "KERNEL_NOT_FOUND", "the kernel %s can't be read: %s" % (candidate.kernel, error.strerror)
                ) from error
            if candidate.header.packed:
                content = Unpacker(self._files.root).unpack(
                    payload_of(memoryview(content), candidate.header, str(candidate.kernel))
                )
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
        :raises KexecError: C(UNLOAD_DISABLED), C(UNLOAD_FAILED), C(STAGE_BUSY).
        """
        owed = self._crash_images is not None and self._crash_images.owed()
        if self._files.read_int("/sys/kernel/kexec_loaded") != 1 and not owed:
            return False
        if self._kexec is None:
            raise KexecError("UNLOAD_FAILED", "an image is loaded, but there is no kexec program to unload it with")
        with exclusive(self._files):
            self._kexec.unload()
            drop_record(self._files)
            self._empty_reservation()
        return True


# A fast image that proves unusable is no reason to give up kexec.
_FAST_FAILURES = ("FAST_IMAGE_DAMAGED", "INTEGRITY_UNAVAILABLE", "LOAD_FAILED", "LOAD_UNVERIFIED")


def make_stager(files: HostFiles, facts: HostFacts, run: Runner) -> Stager:
    if facts.tools is None:
        return Stager(files, None)
    load = functools.partial(load_crash_segments, architecture_of(facts.kernel.machine).kexec_load)
    return Stager(files, Kexec(facts.tools.path, files, run), crash_images=CrashImages(files, run, facts.tools.path, load))


def _plainer(planned: StagingPlan, preferences: Preferences) -> Optional[Dict[str, str]]:
    """Preferences for a plainer image than one that C(auto) chose and that proves unusable; None if there is none."""
    if planned.image.placement == RESERVED:
        return {"placement": COPIED} if preferences.placement == AUTO else None
    return {"image": BZIMAGE} if planned.image.image == FAST and preferences.image == AUTO else None


def stage_planned(
    stager: Stager,
    planned: StagingPlan,
    request: StagingRequest,
    facts: HostFacts,
    files: HostFiles,
    *,
    policy: Optional[Policy] = None,
) -> Tuple[StagingPlan, StagedRecord]:
    """Stage a plan, or a plainer one if C(auto) chose what proves unusable: first copied, then the kernel as it is.

    :raises KexecError: as :meth:`Stager.stage`, and :func:`plan`.
    """
    try:
        return planned, stager.stage(planned, facts.kernel.boot_id)
    except KexecError as error:
        plainer = _plainer(planned, read_preferences(files).override(request.preferences))
        if plainer is None or error.reason.code not in _FAST_FAILURES:
            raise
        request = replace(request, preferences=dict(request.preferences, **plainer))
        instead = plan(request, facts, files, policy)
        instead = replace(instead, notes=[error.reason, *instead.notes])
        return stage_planned(stager, instead, request, facts, files, policy=policy)


def current_record(files: HostFiles) -> Optional[StagedRecord]:
    """Record of what the collection staged, if all of it is still loaded."""
    if files.read_int("/sys/kernel/kexec_loaded") != 1:
        return None
    record = read_record(files)
    if record is not None and record.image.placement == RESERVED and not crash_image_is_ours(files):
        return None
    return record
