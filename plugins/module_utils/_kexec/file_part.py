# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files to load, and sections of unified kernel images, which are loaded like files but never written to a disk."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO, Optional, Tuple

from .._host.files import HostFiles
from .._image.initrd import pack_file
from .._image.pe import HEAD_BYTES, Section
from .._image.unified import LINUX, parse_unified
from .errors import KexecError


@dataclass(frozen=True)
class FilePart:
    """Kernel or initrd to load: a file, or a section of one.

    :ivar section: None for the whole file.
    :ivar packed_as: path in an archive that is made of the content and loaded in its place; empty to load the content as it is.
    """

    path: str
    section: Optional[Section] = None
    packed_as: str = ""

    def __str__(self) -> str:
        """Name for messages."""
        return "%s (%s)" % (self.path, self.section.name) if self.section is not None else self.path

    def open(self, files: HostFiles) -> BinaryIO:
        """Open what is to be loaded; raises OSError."""
        if self.section is None:
            return files.open(self.path)
        with files.open(self.path) as stream:
            stream.seek(self.section.offset)
            content = stream.read(self.section.size_bytes)
        return io.BytesIO(pack_file(self.packed_as, content) if self.packed_as else content)

    def read(self, files: HostFiles) -> bytes:
        """Read what is to be loaded; raises OSError."""
        with self.open(files) as stream:
            return stream.read()

    def size_bytes(self, files: HostFiles) -> int:
        """Size of what is to be loaded; 0 if the file does not exist."""
        if self.section is None:
            return files.size_bytes(self.path) or 0
        return len(pack_file(self.packed_as, bytes(self.section.size_bytes))) if self.packed_as else self.section.size_bytes


def split_unified(files: HostFiles, path: str) -> Tuple[FilePart, Tuple[FilePart, ...]]:
    """Kernel and initrds of a unified kernel image, those that systemd's stub makes included, in its order.

    :raises KexecError: C(KERNEL_NOT_FOUND).
    :raises ImageError: C(KERNEL_INVALID) or C(KERNEL_TRUNCATED).
    """
    head = files.read_bytes(path, HEAD_BYTES)
    if head is None:
        raise KexecError("KERNEL_NOT_FOUND", "the kernel %s can't be read" % path)
    image = parse_unified(head, files.size_bytes(path) or 0, path)
    initrds = [FilePart(path, section) for section in image.initrds]
    packed = [FilePart(path, section, name) for section, name in image.passed_files]
    return FilePart(path, image.sections[LINUX]), (*initrds, *packed)
