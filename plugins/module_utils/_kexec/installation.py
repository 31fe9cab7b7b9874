# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan and apply what the module C(fast_image) changes on a host."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from .._arch.architectures import architecture_of
from .._bootloader.default_entry import read_default_entry
from .._host.facts import HostFacts
from .._host.fast_images import FastImage, read_fast_image
from .._host.files import HostFiles
from .._host.throughput import PATH as THROUGHPUT_PATH
from .._paths import CONFIG_FILE, STATE_DIRECTORY
from .boot_source import find_source
from .candidate import Candidate, read_candidate
from .errors import KexecError
from .host_files import COMMAND_PATH, WantedFile, differs, ensure, hook_files
from .image_store import KEEP, Built, ImageStore
from .lock import exclusive
from .measurement import measure, with_unpacking, write_throughput
from .policy import render_policy
from .preferences import Preferences, render_preferences
from .requests import DEFAULT, StagingRequest
from .staging import current_record


@dataclass(frozen=True)
class WantedInstallation:
    """Desired installation.

    :ivar release: release of the kernel; None for that of the default entry, or to remove the images of all.
    :ivar initrd_mode: C(keep) or C(uncompressed).
    :ivar command: content of the host's command; None for no command.
    :ivar defaults: the host's own preferences; None to leave them alone.
    :ivar policy: the host's own effects by risk code; None to leave them alone.
    """

    present: bool = True
    release: Optional[str] = None
    initrd_mode: str = KEEP
    command: Optional[bytes] = None
    defaults: Optional[Preferences] = None
    policy: Optional[Mapping[str, str]] = None


@dataclass(frozen=True)
class InstallationPlan:
    """Changes to make.

    :ivar candidate: kernel to build an image of; None for none.
    :ivar removed: releases whose images are removed.
    :ivar before: present state, as users see it.
    :ivar after: resulting state, as users see it.
    """

    candidate: Optional[Candidate] = None
    removed: Tuple[str, ...] = ()
    files: Tuple[WantedFile, ...] = ()
    before: Dict[str, Any] = field(default_factory=dict)
    after: Dict[str, Any] = field(default_factory=dict)

    @property
    def needed(self) -> bool:
        return bool(self.candidate or self.removed or self.files)


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
        candidate = self.candidate(wanted.release)
        build = not self._store.is_current(candidate, wanted.initrd_mode)
        if build:
            self._store.check(candidate, wanted.initrd_mode, self._facts.memory.available_bytes)
        changed = self._differing([WantedFile(COMMAND_PATH, wanted.command, 0o755), *hook_files(True), *self._config(wanted)])
        release = candidate.header.release
        existing = read_fast_image(self._files, release)
        after = {"release": release, "initrd": wanted.initrd_mode, "built": "anew"} if build else _outline(existing)
        installed = [kernel.release for kernel in self._facts.installed]
        return InstallationPlan(
            candidate=candidate if build else None,
            # Images of kernels that were removed without a hook running.
            removed=tuple(name for name in self._store.releases() if name != release and name not in installed),
            files=changed,
            before=self._state(_outline(existing), changed),
            after=dict(_will_be(changed), fast_image=after),
        )

    def _config(self, wanted: WantedInstallation) -> List[WantedFile]:
        if wanted.defaults is None and wanted.policy is None:
            return []
        text = self._files.read_text(CONFIG_FILE) or ""
        if wanted.defaults is not None:
            text = render_preferences(wanted.defaults, text)
        if wanted.policy is not None:
            text = render_policy(wanted.policy, text)
        return [WantedFile(CONFIG_FILE, text.encode("utf-8") if text else None, 0o644)]

    def _plan_absence(self, wanted: WantedInstallation) -> InstallationPlan:
        there = self._store.releases()
        gone = tuple(release for release in there if wanted.release in (None, release))
        files: List[WantedFile] = []
        if wanted.release is None:
            files = [WantedFile(path, None, 0) for path in (COMMAND_PATH, THROUGHPUT_PATH)]
            files.extend(hook_files(False))
        changed = self._differing(files)
        return InstallationPlan(
            removed=gone,
            files=changed,
            before=self._state([_outline(read_fast_image(self._files, release)) for release in gone], changed),
            after=dict(_will_be(changed), fast_image=[]),
        )

    def candidate(self, release: Optional[str]) -> Candidate:
        """Read the installed kernel of a release, or that of the default entry.

        :raises KexecError: C(KERNEL_NOT_FOUND) or C(NO_KERNEL).
        :raises ImageError: the kernel is invalid.
        """
        if release is not None and "/" in release:
            raise KexecError("KERNEL_NOT_FOUND", "%s is not the release of an installed kernel" % release)
        running = self._facts.kernel
        request = StagingRequest(kernel=release or DEFAULT)
        source = find_source(request, self._facts.installed, running, self._files, read_default_entry(self._files))
        return read_candidate(self._files, architecture_of(running.machine), source.kernel, source.initrds, source.line)

    def apply(self, change: InstallationPlan, wanted: WantedInstallation) -> Optional[FastImage]:
        """Apply a plan and return the image that was built, if any.

        :raises KexecError: C(BUILD_FAILED), C(NO_SPACE).
        :raises ImageError: kernel or initrd is invalid.
        """
        self._unstage_removed(change)
        with exclusive(self._files):
            built = self._store.build(change.candidate, wanted.initrd_mode) if change.candidate else None
            try:
                for release in change.removed:
                    self._store.remove(release)
                for wanted_file in change.files:
                    ensure(self._files, wanted_file)
            except OSError as error:
                raise KexecError("BUILD_FAILED", "%s could not be changed: %s" % (error.filename, error.strerror)) from error
            if wanted.present:
                self._measure(built)
            elif wanted.release is None:
                # The directory now holds nothing of ours; files of others keep it.
                with contextlib.suppress(OSError):
                    os.rmdir(self._files.path(STATE_DIRECTORY))
        return built.image if built else None

    def _unstage_removed(self, change: InstallationPlan) -> None:
        """Unload a fast image that is about to be removed: no hook would unload it later."""
        record = current_record(self._files)
        if record is not None and record.image.fast is not None and record.image.release in change.removed:
            self._unstage()

    def _measure(self, built: Optional[Built]) -> None:
        """Measure what has not been measured on this host yet."""
        known = self._facts.throughput
        throughput = known if known.measured else measure(self._facts.cpu)
        if built and built.unpack_ms is not None and built.image.payload_format not in throughput.unpack:
            throughput = with_unpacking(throughput, built.image.payload_format, built.image.unpacked_bytes, built.unpack_ms)
        if throughput != known:
            # Typical figures serve where these can't be stored.
            with contextlib.suppress(OSError):
                write_throughput(self._files, throughput)

    def _differing(self, files: List[WantedFile]) -> Tuple[WantedFile, ...]:
        return tuple(wanted for wanted in files if differs(self._files, wanted))

    def _state(self, fast_image: Any, changed: Tuple[WantedFile, ...]) -> Dict[str, Any]:
        state: Dict[str, Any] = {wanted.path: "different" if self._files.exists(wanted.path) else "absent" for wanted in changed}
        return dict(state, fast_image=fast_image)


def _will_be(changed: Tuple[WantedFile, ...]) -> Dict[str, Any]:
    return {wanted.path: "as it should be" if wanted.content is not None else "absent" for wanted in changed}


def _outline(fast: Optional[FastImage]) -> Optional[Dict[str, Any]]:
    if fast is None:
        return None
    return {"release": fast.release, "initrd": fast.initrd_mode, "built": fast.built_at}
