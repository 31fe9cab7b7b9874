# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Atomic file writes: a reader sees the old content or the new, never a mix."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import BinaryIO, Iterator

# Extended attributes that depend on the file and not on its content, as those of IMA do.
_KEPT_ATTRIBUTES = ("system.posix_acl_access", "security.selinux")


@contextlib.contextmanager
def replacing(path: str, mode: int = 0o600, lasting: bool = True) -> Iterator[BinaryIO]:
    """Open a file that replaces the one at C(path) when the block ends without an error; on failure nothing is left behind.

    Writes a temporary file beside it, then fsync, rename, fsync of the directory. An existing file keeps its mode, owner, access
    control list and SELinux label.

    :param lasting: whether the file has to survive a power failure; without it there is no fsync.
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
                _copy_attributes(path, stream.fileno())
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


def _copy_attributes(path: str, descriptor: int) -> None:
    for name in _KEPT_ATTRIBUTES:
        # ENODATA where the file has none, ENOTSUP where the file system has none.
        with contextlib.suppress(OSError):
            os.setxattr(descriptor, name, os.getxattr(path, name))


def write_atomically(path: str, content: bytes, mode: int = 0o600, lasting: bool = True) -> None:
    with replacing(path, mode, lasting) as stream:
        stream.write(content)


def sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
