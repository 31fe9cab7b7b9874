# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access to a host's files below an injectable root directory."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from typing import List, Optional

from .._text import shown_name

# ValueError: no file can have that name, because of a zero byte or a character that the locale can't encode.
_UNREADABLE = (OSError, ValueError)
# Names are cut when shown.
_NAME_MAX_BYTES = 4096


class HostFiles:
    """File system of a host, or of a fixture tree at C(root)."""

    def __init__(self, root: str = "/") -> None:
        self.root = root

    def path(self, path: str) -> str:
        """Real location of an absolute path of the host."""
        return os.path.join(self.root, path.lstrip("/"))

    def open(self, path: str) -> BufferedReader:
        """Open a file for reading; raises OSError, also for a path that no file can have."""
        try:
            return open(self.path(path), "rb")
        except ValueError as error:
            raise FileNotFoundError(errno.ENOENT, str(error), path) from error

    def read_bytes(self, path: str, limit: int = -1, offset: int = 0) -> Optional[bytes]:
        """Read C(limit) bytes of a file from C(offset), or all; None on error.

        Never reads ahead: some files are device registers.
        """
        try:
            with open(self.path(path), "rb", buffering=0) as stream:
                if offset:
                    stream.seek(offset)
                return stream.read(limit)
        except _UNREADABLE:
            return None

    def read_text(self, path: str) -> Optional[str]:
        """Read a file without surrounding white space; None if it can't be read."""
        content = self.read_bytes(path)
        return content.decode("utf-8", "replace").strip() if content is not None else None

    def read_name(self, path: str) -> Optional[str]:
        """Read a name, or a short word, so that it can be shown (:func:`_text.shown_name`); None if it can't be read."""
        content = self.read_bytes(path, _NAME_MAX_BYTES)
        return shown_name(content) if content is not None else None

    def read_line(self, path: str) -> Optional[str]:
        """Read a command line without surrounding white space, every byte of it kept; None if it can't be read.

        Bytes that are not UTF-8 become surrogate escapes, and :func:`_cmdline.encode` turns them back into bytes.
        """
        content = self.read_bytes(path)
        return content.strip().decode("utf-8", "surrogateescape") if content is not None else None

    def read_int(self, path: str) -> Optional[int]:
        """Read a decimal number from a file; None if it can't be read or is no number."""
        text = self.read_text(path)
        try:
            return int(text) if text is not None else None
        except ValueError:
            return None

    def link_name(self, path: str) -> Optional[str]:
        """Last component of a symbolic link's target, so that it can be shown; None if there is no link."""
        try:
            return shown_name(os.path.basename(os.readlink(self.path(path)))) or None
        except _UNREADABLE:
            return None

    def real_path(self, path: str) -> str:
        """Path of the host without symbolic links; as it is if they lead out of the root directory."""
        inside = os.path.relpath(os.path.realpath(self.path(path)), os.path.realpath(self.root))
        return path if inside.startswith("..") else "/" + inside

    def is_roots_alone(self, path: str) -> bool:
        """Whether nobody but root can write to a file, or create anything in a directory, by its owner and mode.

        Root is whoever owns the root directory: a fixture tree belongs to the user who runs the tests.
        """
        try:
            top, status = os.stat(self.root), os.lstat(self.path(path))
        except _UNREADABLE:
            return False
        by_group = status.st_mode & stat.S_IWGRP and status.st_gid != top.st_gid
        return status.st_uid == top.st_uid and not by_group and not status.st_mode & stat.S_IWOTH

    def exists(self, path: str) -> bool:
        return os.path.exists(self.path(path))

    def size_bytes(self, path: str) -> Optional[int]:
        """Size of a file; None if it does not exist."""
        try:
            return os.path.getsize(self.path(path))
        except _UNREADABLE:
            return None

    def modified_ns(self, path: str) -> Optional[int]:
        """Time of a file's last change, in nanoseconds since 1970; None if it does not exist."""
        try:
            return os.stat(self.path(path)).st_mtime_ns
        except _UNREADABLE:
            return None

    def listdir(self, path: str) -> List[str]:
        """Names in a directory, sorted; empty if it can't be read.

        They are as they are, for paths. To show them takes :func:`_text.shown_name`.
        """
        try:
            return sorted(os.listdir(self.path(path)))
        except _UNREADABLE:
            return []
