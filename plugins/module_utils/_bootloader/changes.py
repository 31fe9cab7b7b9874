# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of host files that are made all together or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from .._host.atomic import sync_directory, write_atomically
from .._host.files import HostFiles
from .errors import BootloaderError


@dataclass(frozen=True)
class FileChange:
    """Content of a file before and after a change; None where there is no file.

    :ivar mode: mode of a new file; an existing one keeps its own.
    :ivar with_directory: whether its directory exists for this file only.
    """

    path: str
    before: Optional[bytes]
    after: Optional[bytes]
    mode: int = 0o644
    with_directory: bool = False


def as_diff(changes: Iterable[FileChange], commands: Iterable[Sequence[str]]) -> List[Dict[str, str]]:
    """Present changes and commands as in Ansible's diff mode."""
    diff = [
        {
            "before_header": change.path,
            "after_header": change.path,
            "before": (change.before or b"").decode("utf-8", "replace"),
            "after": (change.after or b"").decode("utf-8", "replace"),
        }
        for change in changes
    ]
    lines = "".join(" ".join(command) + "\n" for command in commands)
    return [*diff, *([{"before_header": "commands", "after_header": "commands", "before": "", "after": lines}] if lines else [])]


def make_change(files: HostFiles, change: FileChange) -> None:
    _put(files, change.path, change.after, change.mode, change.with_directory)


def _put(files: HostFiles, path: str, content: Optional[bytes], mode: int, with_directory: bool) -> None:
    target = files.path(path)
    directory = os.path.dirname(target)
    if content is not None:
        if with_directory:
            os.makedirs(directory, mode=0o755, exist_ok=True)
        # Write through a link: RHEL 8 links /boot/grub2/grubenv to the EFI system partition.
        write_atomically(os.path.realpath(target), content, mode)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(target)
        sync_directory(directory)
    if with_directory:
        # A directory that holds anything else stays.
        with contextlib.suppress(OSError):
            os.rmdir(directory)


@dataclass(frozen=True)
class _State:
    """State of a file; content is None where there is no file."""

    content: Optional[bytes]
    owner: Tuple[int, int] = (0, 0)
    mode: int = 0o644


def _state(files: HostFiles, path: str) -> _State:
    content = files.read_bytes(path)
    if content is None:
        return _State(None)
    found = os.stat(files.path(path))
    return _State(content, (found.st_uid, found.st_gid), stat.S_IMODE(found.st_mode))


class Snapshot:
    """Snapshot of files, to be restored if a change fails.

    :param paths: files that may be changed; they need not exist.
    :raises BootloaderError: C(BOOTLOADER_FAILED): a file can't be read, and so could not be restored.
    """

    def __init__(self, files: HostFiles, paths: Iterable[str]) -> None:
        self._files = files
        self._states: Dict[str, _State] = {path: _state(files, path) for path in paths}
        for path, state in self._states.items():
            if state.content is None and files.exists(path):
                raise BootloaderError("BOOTLOADER_FAILED", "%s can't be read, so it is not changed" % path)
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

    def _restore(self, path: str, state: _State) -> None:
        target = self._files.path(path)
        now = _state(self._files, path)
        if now == state and path not in self._homeless:
            return
        if now.content is not None and state.content is not None:
            # Owner and mode come before the content, which may be secret, such as a GRUB password.
            _own(target, now, state)
        if now.content != state.content or path in self._homeless:
            _put(self._files, path, state.content, state.mode, path in self._homeless)
        if now.content is None and state.content is not None:
            _own(target, _state(self._files, path), state)


def _own(target: str, now: _State, wanted: _State) -> None:
    if now.owner != wanted.owner:
        os.chown(target, *wanted.owner)
    if now.mode != wanted.mode:
        os.chmod(target, wanted.mode)
