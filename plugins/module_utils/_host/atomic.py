# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing files so that a reader finds the old content or the new, never a part."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import BinaryIO, Iterator


@contextlib.contextmanager
def replacing(path: str, mode: int = 0o600, lasting: bool = True) -> Iterator[BinaryIO]:
    """A file to write, which replaces the one at the path once all went well.

    Temporary file beside it, fsync, rename, fsync of the directory. An
    existing file keeps its mode and owner; a new one gets the mode given.
    Nothing is left behind if it fails.

    :param lasting: whether it has to survive a loss of power. Without that there is no fsync.
    :raises OSError: it could not be written.
    """
    directory = os.path.dirname(path)
    try:
        existing = os.stat(path)
    except FileNotFoundError:
        existing = None
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".%s." % os.path.basename(path))
    try:
        with os.fdopen(descriptor, "w+b") as stream:
            yield stream
            if existing is not None:
                os.fchown(stream.fileno(), existing.st_uid, existing.st_gid)
            os.fchmod(stream.fileno(), existing.st_mode & 0o7777 if existing is not None else mode)
            stream.flush()
            if lasting:
                os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    if lasting:
        sync_directory(directory)


def write_atomically(path: str, content: bytes, mode: int = 0o600, lasting: bool = True) -> None:
    """Replace a file's content, see :func:`replacing`.

    :raises OSError: it could not be written.
    """
    with replacing(path, mode, lasting) as stream:
        stream.write(content)


def sync_directory(path: str) -> None:
    """Make renames and removals in a directory last."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
