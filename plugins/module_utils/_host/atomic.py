# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing files so that a reader finds the old content or the new, never a part."""

from __future__ import annotations

import os
import tempfile


def write_atomically(path: str, content: bytes, mode: int = 0o600) -> None:
    """Replace a file: temporary file beside it, fsync, rename, fsync of the directory.

    An existing file keeps its mode and owner; a new one gets the mode given.
    Nothing is left behind if it fails.

    :raises OSError: it could not be written.
    """
    directory = os.path.dirname(path)
    try:
        existing = os.stat(path)
    except FileNotFoundError:
        existing = None
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".%s." % os.path.basename(path))
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            if existing is not None:
                os.fchown(stream.fileno(), existing.st_uid, existing.st_gid)
            os.fchmod(stream.fileno(), existing.st_mode & 0o7777 if existing is not None else mode)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
