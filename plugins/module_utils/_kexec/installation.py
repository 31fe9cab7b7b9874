# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan and apply what the module C(fast_image) changes on a host."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .._arch.architectures import architecture_of
from .._bootloader.default_entry import read_default_entry
from .._command import Runner
from .._host.facts import HostFacts, gather
from .._host.fast_images import FastImage, read_fast_image
from .._host.files import HostFiles
from .._host.initrd_survey import PATH as SURVEYS_PATH
from .._host.initrd_survey import read_surveys
from .._host.throughput import PATH as THROUGHPUT_PATH
from .._image.payload import Unpacker
from .._paths import CONFIG_FILE, STATE_DIRECTORY
from .._reasons import CodedError, Reason
from .boot_source import find_source
from .candidate import Candidate, read_candidate
from .errors import KexecError
from .host_files import COMMAND_PATH, WantedFile, differs, ensure, hook_files
from .image_store import IMPOSSIBLE, KEEP, Built, ImageStore, fast_format_of
from .initrds import main_initrd
from .lock import exclusive
from .measurement import measure, with_unpacking, write_throughput
from .policy import render_policy
from .preferences import Preferences, render_preferences
from .requests import DEFAULT, StagingRequest
from .slim_initrd import write_surveys
from .staging import current_record, make_stager

#: All installed kernels.
ALL = "all"


@dataclass(frozen=True)
class WantedInstallation:
    """Desired installation.

    :ivar kernel: C(default) for that of the default entry, C(all) for all installed ones, or a release.
    :ivar required: whether it is a failure that the host can't have a fast image.
    :ivar initrd_mode: C(keep), C(uncompressed) or C(slim).
    :ivar command: content of the host's command; None for no command.
    :ivar defaults: the host's own preferences; None to leave them alone.
    :ivar policy: the host's own effects by risk code; None to leave them alone.
    """

    present: bool = True
    kernel: str = DEFAULT
    required: bool = True
    initrd_mode: str = KEEP
    command: Optional[bytes] = None
    defaults: Optional[Preferences] = None
    policy: Optional[Mapping[str, str]] = None


@dataclass(frozen=True)
class Unbuilt:
    """Kernel that has no current fast image, and why; its release is None if that can't be told."""

    release: Optional[str]
    reason: Reason

    def as_dict(self) -> Dict[str, Any]:
        return dict(self.reason.as_dict(), release=self.release)


@dataclass(frozen=True)
class InstallationPlan:
    """Changes to make.

    :ivar candidates: kernels to build images of.
    :ivar current: kernels whose images need no change.
    :ivar releases: of both.
    :ivar main: release of the kernel asked for, or of the default entry's where all are; None if it has no image.
    :ivar unbuilt: kernels that no image can be built of.
    :ivar removed: releases whose images are removed.
    :ivar before: present state, as users see it.
    :ivar after: resulting state, as users see it.
    """

    candidates: Tuple[Candidate, ...] = ()
    current: Tuple[Candidate, ...] = ()
    releases: Tuple[str, ...] = ()
    main: Optional[str] = None
    unbuilt: Tuple[Unbuilt, ...] = ()
    removed: Tuple[str, ...] = ()
    files: Tuple[WantedFile, ...] = ()
    before: Dict[str, Any] = field(default_factory=dict)
    after: Dict[str, Any] = field(default_factory=dict)

    @property
    def needed(self) -> bool:
        return bool(self.candidates or self.removed or self.files)


@dataclass(frozen=True)
class Installed:
    """Fast images of the kernels asked for, that of :attr:`InstallationPlan.main`, and the kernels that have none."""

    images: Tuple[FastImage, ...]
    main: Optional[FastImage]
    unbuilt: Tuple[Unbuilt, ...]


class Installation:
    """Fast images and their accompanying files on a host; C(unstage) unloads whatever is loaded."""

    def __init__(self, files: HostFiles, facts: HostFacts, store: ImageStore, unstage: Callable[[], Any]) -> None:
        self._files = files
        self._facts = facts
        self._store = store
        self._unstage = unstage

    def plan(self, wanted: WantedInstallation) -> InstallationPlan:
        """Plan the changes; changes nothing.

        :raises KexecError: the request can't be met.
        :raises ImageError: the kernel is invalid.
        """
        return self._plan_presence(wanted) if wanted.present else self._plan_absence(wanted)

    def _plan_presence(self, wanted: WantedInstallation) -> InstallationPlan:
        kernels = self._kernels(wanted)
        candidates: List[Candidate] = []
        current: List[Candidate] = []
        # Releases by the kernels they were asked for by.
        releases: Dict[str, str] = {}
        errors: Dict[Optional[str], CodedError] = {}
        for kernel in kernels:
            release = None if kernel == DEFAULT else kernel
            try:
                candidate = self.candidate(kernel)
                release = candidate.header.release
                if release in releases.values():
                    continue
                if self._store.is_current(candidate, wanted.initrd_mode):
                    current.append(candidate)
                else:
                    self._store.check(candidate, wanted.initrd_mode, self._facts.memory.available_bytes)
                    candidates.append(candidate)
                releases[kernel] = release
            except CodedError as error:
                errors[release] = error
        unbuilt = _unbuilt(errors, wanted, others=bool(releases))
        files = self._differing([WantedFile(COMMAND_PATH, wanted.command, 0o755), *hook_files(True), *self._config(wanted)])
        building = [candidate.header.release for candidate in candidates]
        kept = {*releases.values(), *errors, *(kernel.release for kernel in self._facts.installed)}
        before = [_outline(read_fast_image(self._files, release)) for release in releases.values()]
        after = [
            {"release": release, "initrd": wanted.initrd_mode, "built": "anew"} if release in building else outline
            for release, outline in zip(releases.values(), before)
        ]
        several = wanted.kernel == ALL
        return InstallationPlan(
            candidates=tuple(candidates),
            current=tuple(current),
            releases=tuple(releases.values()),
            main=releases.get(kernels[0]),
            unbuilt=unbuilt,
            # Images of kernels that were removed without a hook running.
            removed=tuple(name for name in self._store.releases() if name not in kept),
            files=files,
            before=self._state(before if several else next(iter(before), None), files),
            after=dict(_will_be(files), fast_image=after if several else next(iter(after), None)),
        )

    def _kernels(self, wanted: WantedInstallation) -> List[str]:
        """List kernels to build images of, the default entry's first."""
        if wanted.kernel != ALL:
            return [wanted.kernel]
        return [DEFAULT, *(kernel.release for kernel in self._facts.installed)]

    def _config(self, wanted: WantedInstallation) -> List[WantedFile]:
        if wanted.defaults is None and wanted.policy is None:
            return []
        text = self._files.read_text(CONFIG_FILE) or ""
        if wanted.defaults is not None:
            text = render_preferences(wanted.defaults, text)
        if wanted.policy is not None:
            text = render_policy(wanted.policy, text)
        return [WantedFile(CONFIG_FILE, text.encode("utf-8") if text else None, 0o644, owned=False)]

    def _plan_absence(self, wanted: WantedInstallation) -> InstallationPlan:
        there = self._store.releases()
        named = self.candidate(DEFAULT).header.release if wanted.kernel == DEFAULT else wanted.kernel
        gone = tuple(release for release in there if named in (ALL, release))
        files: List[WantedFile] = []
        if named == ALL:
            files = [WantedFile(path, None, 0) for path in (COMMAND_PATH, THROUGHPUT_PATH, SURVEYS_PATH)]
            files.extend(hook_files(False))
        changed = self._differing(files)
        return InstallationPlan(
            removed=gone,
            files=changed,
            before=self._state([_outline(read_fast_image(self._files, release)) for release in gone], changed),
            after=dict(_will_be(changed), fast_image=[]),
        )

    def candidate(self, kernel: str) -> Candidate:
        """Read the installed kernel of a release, or that of the default entry (C(default)).

        :raises KexecError: C(ARCH_UNSUPPORTED), C(KERNEL_NOT_FOUND), C(NO_KERNEL), C(INITRD_NOT_FOUND) or C(INITRD_INVALID).
        :raises ImageError: the kernel is invalid.
        """
        if "/" in kernel:
            raise KexecError("KERNEL_NOT_FOUND", "%s is not the release of an installed kernel" % kernel)
        running = self._facts.kernel
        # Comes first: another architecture's kernels can't be read.
        fast_format_of(architecture_of(running.machine))
        request = StagingRequest(kernel=kernel)
        source = find_source(request, self._facts.installed, running, self._files, read_default_entry(self._files))
        return read_candidate(self._files, architecture_of(running.machine), source.kernel, source.initrds, source.line)

    def apply(self, change: InstallationPlan, wanted: WantedInstallation) -> Installed:
        """Apply a plan.

        :raises KexecError: C(BUILD_FAILED), C(NO_SPACE).
        :raises ImageError: kernel or initrd is invalid.
        """
        self._unstage_removed(change)
        with exclusive(self._files):
            built, unbuilt = self._build(change, wanted)
            try:
                for release in change.removed:
                    self._store.remove(release)
                for wanted_file in change.files:
                    ensure(self._files, wanted_file)
            except OSError as error:
                raise KexecError("BUILD_FAILED", "%s could not be changed: %s" % (error.filename, error.strerror)) from error
            if wanted.present:
                self._measure(built)
                self._survey((*change.candidates, *change.current))
            elif wanted.kernel == ALL:
                # The directory now holds nothing of ours; files of others keep it.
                with contextlib.suppress(OSError):
                    os.rmdir(self._files.path(STATE_DIRECTORY))
        return self.installed(change, unbuilt)

    def _build(self, change: InstallationPlan, wanted: WantedInstallation) -> Tuple[List[Built], Tuple[Unbuilt, ...]]:
        built: List[Built] = []
        errors: Dict[Optional[str], CodedError] = {}
        for candidate in change.candidates:
            try:
                built.append(self._store.build(candidate, wanted.initrd_mode))
            except CodedError as error:
                errors[candidate.header.release] = error
        return built, _unbuilt(errors, wanted, others=len(change.releases) > len(errors))

    def installed(self, change: InstallationPlan, unbuilt: Sequence[Unbuilt] = ()) -> Installed:
        """Read what a plan's kernels have.

        :param unbuilt: kernels whose images could not be built, in addition to those that the plan knows.
        """
        found = (read_fast_image(self._files, release) for release in change.releases)
        images = tuple(image for image in found if image is not None)
        main = next((image for image in images if image.release == change.main), None)
        return Installed(images, main, (*change.unbuilt, *unbuilt))

    def _unstage_removed(self, change: InstallationPlan) -> None:
        """Unload a fast image that is about to be removed: no hook would unload it later."""
        record = current_record(self._files)
        if record is not None and record.image.fast is not None and record.image.release in change.removed:
            self._unstage()

    def _measure(self, built: Sequence[Built]) -> None:
        """Measure what has not been measured on this host yet."""
        known = self._facts.throughput
        throughput = known if known.measured else measure(self._facts.cpu)
        for each in built:
            if each.unpack_ms is not None and each.image.payload_format not in throughput.unpack:
                throughput = with_unpacking(throughput, each.image.payload_format, each.image.unpacked_bytes, each.unpack_ms)
        if throughput != known:
            # Typical figures serve where these can't be stored.
            with contextlib.suppress(OSError):
                write_throughput(self._files, throughput)

    def _survey(self, candidates: Sequence[Candidate]) -> None:
        """See what is in the initrds of kernels that have not been surveyed since they were made."""
        known = read_surveys(self._files)
        surveys = dict(known)
        for candidate in candidates:
            initrd = main_initrd(candidate.initrds)
            # Of a section, the kernel's log does not tell what unpacking it took: others are joined to it.
            if initrd is not None and initrd.section is None and initrd.path not in known:
                # Findings do without the survey of one that can't be unpacked here.
                with contextlib.suppress(OSError, CodedError):
                    available_bytes = self._facts.memory.available_bytes
                    surveys[initrd.path] = self._store.survey(candidate.header.release, initrd, available_bytes)
        if surveys != known:
            with contextlib.suppress(OSError):
                write_surveys(self._files, surveys)

    def with_other_initrd(self, initrd_mode: str) -> Tuple[Candidate, ...]:
        """Kernels whose fast images have another initrd than wanted; those that are stale are left to :meth:`plan`.

        :raises KexecError: one can't be rebuilt, as by :meth:`ImageStore.check`.
        :raises ImageError: kernel or initrd is invalid.
        """
        found = []
        for release in self._store.releases():
            try:
                candidate = self.candidate(release)
            except CodedError:
                continue
            if candidate.fast is not None and candidate.fast.initrd_mode != initrd_mode:
                self._store.check(candidate, initrd_mode, self._facts.memory.available_bytes)
                found.append(candidate)
        return tuple(found)

    def rebuild(self, candidates: Sequence[Candidate], initrd_mode: str) -> None:
        """Rebuild fast images with another initrd.

        :raises KexecError: C(BUILD_FAILED), C(NO_SPACE), C(STAGE_BUSY).
        :raises ImageError: kernel or initrd is invalid.
        """
        with exclusive(self._files):
            for candidate in candidates:
                self._store.build(candidate, initrd_mode)

    def _differing(self, files: List[WantedFile]) -> Tuple[WantedFile, ...]:
        return tuple(wanted for wanted in files if differs(self._files, wanted))

    def _state(self, fast_image: Any, changed: Tuple[WantedFile, ...]) -> Dict[str, Any]:
        state: Dict[str, Any] = {wanted.path: "different" if self._files.exists(wanted.path) else "absent" for wanted in changed}
        return dict(state, fast_image=fast_image)


def make_installation(files: HostFiles, run: Runner) -> Installation:
    """Read the host, and what is installed on it."""
    facts = gather(files, run)
    return Installation(files, facts, ImageStore(files, Unpacker()), make_stager(files, facts, run).unstage)


def _unbuilt(errors: Mapping[Optional[str], CodedError], wanted: WantedInstallation, *, others: bool) -> Tuple[Unbuilt, ...]:
    """List the kernels that no image can be built of; raise an error that can't be passed over.

    One of several kernels must not stop the others. If none is left, or there is only one, only what the host can't have is
    passed over, and only if it is not required.

    :param errors: by release.
    :param others: whether other kernels have images.
    """
    for error in errors.values():
        on_others = wanted.kernel == ALL and others
        if not on_others and (wanted.required or error.reason.code not in IMPOSSIBLE):
            raise error
    found = [Unbuilt(release, error.reason) for release, error in errors.items()]
    # The default entry's kernel is one of the installed ones, which is known by its release.
    named = [each.reason for each in found if each.release is not None]
    return tuple(each for each in found if each.release is not None or each.reason not in named)


def _will_be(changed: Tuple[WantedFile, ...]) -> Dict[str, Any]:
    return {wanted.path: "as it should be" if wanted.content is not None else "absent" for wanted in changed}


def _outline(fast: Optional[FastImage]) -> Optional[Dict[str, Any]]:
    if fast is None:
        return None
    return {"release": fast.release, "initrd": fast.initrd_mode, "built": fast.built_at}
