# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Atomic file writes: a reader sees the old content or the new, never a mix."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from dataclasses import dataclass, field
from typing import BinaryIO, Dict, Iterator, Mapping, Optional, Union

# Extended attributes that go with the content: measurements and signatures of IMA and EVM, and capabilities of a program, which
# the kernel drops when a program is written to.
_OF_CONTENT = ("security.ima", "security.evm", "security.capability")
_ACCESS_CONTROL_LIST = "system.posix_acl_access"


@dataclass(frozen=True)
class FileAccess:
    """Mode, owner and extended attributes of a file, which are kept when its content is replaced.

    :ivar attributes: values by name, such as access control list, SELinux label, and what users attach; none that go with the
        content.
    """

    mode: int
    uid: int
    gid: int
    attributes: Mapping[str, bytes] = field(default_factory=dict)


def read_access(path: Union[str, int]) -> FileAccess:
    """Read who may access a file; raises OSError."""
    found = os.stat(path)
    return FileAccess(stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, _read_attributes(path))


def _read_attributes(path: Union[str, int]) -> Dict[str, bytes]:
    attributes: Dict[str, bytes] = {}
    # ENOTSUP where the file system has none, ENODATA where one has gone by now.
    with contextlib.suppress(OSError):
        for name in os.listxattr(path):
            if name not in _OF_CONTENT:
                with contextlib.suppress(OSError):
                    attributes[name] = os.getxattr(path, name)
    return attributes


def _set_access(descriptor: int, wanted: FileAccess) -> None:
    """Set mode, owner and attributes of an open file; raises OSError.

    Attributes that can't be set here, such as another user's label, are left out, but never an access control list: the mode
    alone may grant more than mode and list did.
    """
    os.fchown(descriptor, wanted.uid, wanted.gid)
    for name, value in wanted.attributes.items():
        try:
            os.setxattr(descriptor, name, value)
        except OSError as error:
            if name == _ACCESS_CONTROL_LIST and error.errno != errno.ENOTSUP:
                raise
    os.fchmod(descriptor, wanted.mode)


@contextlib.contextmanager
def replacing(path: str, mode: int = 0o600, lasting: bool = True, access: Optional[FileAccess] = None) -> Iterator[BinaryIO]:
    """Open a file that replaces the one at C(path) when the block ends without an error; on failure nothing is left behind.

    Writes a temporary file beside it, then fsync, rename, fsync of the directory.

    :param mode: mode of a new file; an existing one keeps mode, owner and extended attributes.
    :param lasting: whether the file has to survive a power failure; without it there is no fsync.
    :param access: mode, owner and attributes to set instead.
    :raises OSError: it could not be written.
    """
    directory = os.path.dirname(path)
    if access is None:
        with contextlib.suppress(FileNotFoundError):
            access = read_access(path)
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".%s." % os.path.basename(path))
    try:
        with os.fdopen(descriptor, "w+b") as stream:
            yield stream
            if access is not None:
                _set_access(stream.fileno(), access)
            else:
                os.fchmod(stream.fileno(), mode)
            stream.flush()
            if lasting:
                os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    if lasting:
        sync_directory(directory)


def write_atomically(
    path: str, content: bytes, mode: int = 0o600, lasting: bool = True, access: Optional[FileAccess] = None
) -> None:
    with replacing(path, mode, lasting, access) as stream:
        stream.write(content)


def sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
