# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of host files that are made together, or not at all."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional

from .._host.atomic import sync_directory, write_atomically
from .._host.files import HostFiles


@dataclass(frozen=True)
class FileChange:
    """What a file holds before and after; None where there is none.

    :ivar mode: of a new file. An existing one keeps its own.
    :ivar with_directory: whether its directory is there for this file only.
    """

    path: str
    before: Optional[bytes]
    after: Optional[bytes]
    mode: int = 0o644
    with_directory: bool = False


def make_change(files: HostFiles, change: FileChange) -> None:
    """Write a file, or remove it.

    :raises OSError: it can't be written.
    """
    _put(files, change.path, change.after, change.mode, change.with_directory)


def _put(files: HostFiles, path: str, content: Optional[bytes], mode: int, with_directory: bool) -> None:
    target = files.path(path)
    directory = os.path.dirname(target)
    if content is not None:
        if with_directory:
            os.makedirs(directory, mode=0o755, exist_ok=True)
        write_atomically(target, content, mode)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(target)
        sync_directory(directory)
    if with_directory:
        # Unless somebody else has put something there.
        with contextlib.suppress(OSError):
            os.rmdir(directory)


class Snapshot:
    """Files as they are now, to be put back if a change does not end well.

    :param paths: of files that may be changed; they need not exist.
    """

    def __init__(self, files: HostFiles, paths: Iterable[str]) -> None:
        self._files = files
        self._contents: Dict[str, Optional[bytes]] = {path: files.read_bytes(path) for path in paths}
        self._homeless = {path for path in self._contents if not files.exists(os.path.dirname(path))}

    def restore(self) -> List[str]:
        """Put back what is different by now.

        :return: paths where that failed.
        """
        failed: List[str] = []
        for path, content in self._contents.items():
            if self._files.read_bytes(path) == content and path not in self._homeless:
                continue
            try:
                _put(self._files, path, content, 0o644, path in self._homeless)
            except OSError:
                failed.append(path)
        return failed
