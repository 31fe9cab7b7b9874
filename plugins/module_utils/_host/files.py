# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a host's files below an injected root directory."""

from __future__ import annotations

import os
from typing import List, Optional


class HostFiles:
    """The file system of a host, or a fixture tree that looks like one.

    :param root: directory that stands for C(/).
    """

    def __init__(self, root: str = "/") -> None:
        self.root = root

    def path(self, path: str) -> str:
        """Where an absolute path of the host really lies."""
        return os.path.join(self.root, path.lstrip("/"))

    def read_bytes(self, path: str) -> Optional[bytes]:
        """The content of a file; None if it can't be read."""
        try:
            with open(self.path(path), "rb") as stream:
                return stream.read()
        except OSError:
            return None

    def read_text(self, path: str) -> Optional[str]:
        """The content of a file without surrounding white space; None if it can't be read."""
        content = self.read_bytes(path)
        return content.decode("utf-8", "replace").strip() if content is not None else None

    def read_int(self, path: str) -> Optional[int]:
        """A file that holds one decimal number; None if it can't be read or is none."""
        text = self.read_text(path)
        try:
            return int(text) if text is not None else None
        except ValueError:
            return None

    def exists(self, path: str) -> bool:
        """Whether anything is at the path."""
        return os.path.exists(self.path(path))

    def size_bytes(self, path: str) -> Optional[int]:
        """Size of a file; None if there is none."""
        try:
            return os.path.getsize(self.path(path))
        except OSError:
            return None

    def listdir(self, path: str) -> List[str]:
        """Names in a directory, sorted; empty if it can't be read."""
        try:
            return sorted(os.listdir(self.path(path)))
        except OSError:
            return []
