# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshot of files that are changed all together or not at all."""

from __future__ import annotations

import contextlib
import os
from typing import Dict, Iterable, List

from .._host.changes import FileChange, FileState, make_change, read_state
from .._host.files import HostFiles
from .errors import BootloaderError


class Snapshot:
    """Snapshot of files, to be restored if a change fails.

    :param paths: files that may be changed; they need not exist.
    :raises BootloaderError: C(BOOTLOADER_FAILED): a file can't be read, and so could not be restored.
    """

    def __init__(self, files: HostFiles, paths: Iterable[str]) -> None:
        self._files = files
        self._states: Dict[str, FileState] = {}
        for path in paths:
            try:
                self._states[path] = read_state(files, path)
            except OSError as error:
                raise BootloaderError("BOOTLOADER_FAILED", "%s can't be read, so it is not changed" % path) from error
        self._homeless = {path for path in self._states if not files.exists(os.path.dirname(path))}

    def restore(self) -> List[str]:
        """Restore the files that differ by now, and return the paths where that failed."""
        failed: List[str] = []
        for path, state in self._states.items():
            try:
                self._restore(path, state)
            except OSError:
                failed.append(path)
        return failed

    def _restore(self, path: str, state: FileState) -> None:
        self._relink(path, state)
        now = read_state(self._files, path)
        homeless = path in self._homeless
        if now != state or homeless:
            access = state.access if state.content is not None else None
            make_change(self._files, FileChange(path, now.content, state.content, with_directory=homeless, access=access))

    def _relink(self, path: str, state: FileState) -> None:
        """Put back a symbolic link that a tool has replaced, or take away one that it has made."""
        target = self._files.path(path)
        now = os.readlink(target) if os.path.islink(target) else None
        if now == state.link:
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(target)
        if state.link is not None:
            os.symlink(state.link, target)
