# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel that could be staged: its files, sizes and fast image."""

from __future__ import annotations

import hashlib
import mmap
import os
from dataclasses import dataclass
from typing import Optional, Sequence, Tuple

from .._arch.interface import Architecture
from .._cmdline import encode
from .._host.fast_images import INITRD, FastImage, directory_of, read_fast_image
from .._host.files import HostFiles
from .._image.errors import ImageError
from .._image.kernel_file import KernelFile
from .._image.payload import payload_of
from .._reasons import Reason, reason
from .errors import KexecError
from .preferences import FAST


@dataclass(frozen=True)
class Candidate:
    """Kernel with its initrds and its fast image.

    :ivar payload_format: compression of the payload; empty if unknown.
    :ivar unpacked_bytes: size of the unpacked payload; 0 if unknown.
    :ivar cmdline_bytes: length of the command line it would get.
    :ivar decompressor_args: arguments on the command line that only the kernel's decompressor acts on.
    :ivar fast: fast image made from exactly this file; None if there is none.
    :ivar fast_obstacle: why there is none.
    """

    architecture: Architecture
    kernel: str
    header: KernelFile
    initrds: Tuple[str, ...]
    initrd_bytes: int
    payload_format: str
    unpacked_bytes: int
    cmdline_bytes: int
    decompressor_args: Tuple[str, ...]
    fast: Optional[FastImage]
    fast_obstacle: Optional[Reason]

    def initrds_of(self, image: str) -> Tuple[str, ...]:
        """Paths of the initrds to load with an image (C(fast) or C(bzimage)), in order."""
        copied = self._uncompressed(image)
        copy = os.path.join(directory_of(self.header.release), INITRD)
        return tuple(copy if path == copied else path for path in self.initrds)

    def initrd_bytes_of(self, image: str) -> int:
        source, copy = (self.fast.initrd_source, self.fast.initrd) if self.fast else (None, None)
        if source is None or copy is None or not self._uncompressed(image):
            return self.initrd_bytes
        return self.initrd_bytes - source.size_bytes + copy.size_bytes

    def segment_bytes_of(self, image: str) -> int:
        """Memory that the loaded kernel takes; most of it is empty for a compressed kernel."""
        if image == FAST and self.fast is not None and self.architecture.fast is not None:
            return self.architecture.fast.head_bytes + max(self.fast.kernel_bytes, self.fast.memory_bytes)
        return self.header.memory_bytes

    def file_bytes_of(self, image: str) -> int:
        return self.fast.image.size_bytes if image == FAST and self.fast is not None else self.header.file_bytes

    def _uncompressed(self, image: str) -> Optional[str]:
        """Path of the initrd that a fast image has an uncompressed copy of; None if it is not among these."""
        source = self.fast.initrd_source if image == FAST and self.fast is not None else None
        return source.path if source is not None and source.path in self.initrds else None


def digest_of_file(path: str) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.sha256(map_file(stream.fileno())).hexdigest()


def map_file(descriptor: int) -> memoryview:
    """Map an open file privately: pages are read on first access, and writes stay in memory."""
    if os.fstat(descriptor).st_size == 0:
        return memoryview(bytearray())
    return memoryview(mmap.mmap(descriptor, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE))


def read_candidate(files: HostFiles, architecture: Architecture, kernel: str, initrds: Sequence[str], cmdline: str) -> Candidate:
    """Read a kernel, its initrds and its fast image.

    :param cmdline: command line that the kernel would get.
    :raises KexecError: C(KERNEL_NOT_FOUND).
    :raises ImageError: the kernel is invalid.
    """
    try:
        with open(files.path(kernel), "rb") as stream:
            header = architecture.read_kernel(stream, kernel)
            content = map_file(stream.fileno())
    except OSError as error:
        raise KexecError("KERNEL_NOT_FOUND", "the kernel %s can't be read: %s" % (kernel, error.strerror)) from error
    try:
        payload = payload_of(content, header, kernel)
        payload_format, unpacked_bytes = payload.format, payload.unpacked_bytes
    except ImageError:
        # The kernel unpacks itself, so an unknown format does no harm.
        payload_format, unpacked_bytes = "", 0
    fast = read_fast_image(files, header.release) if header.release and architecture.fast is not None else None
    if fast is None or architecture.fast is None:
        obstacle: Optional[Reason] = reason("FAST_IMAGE_MISSING", "no fast image of %s is installed" % (header.release or kernel))
    else:
        obstacle = _staleness(fast, files, kernel, content, initrds, stub_sha256=architecture.fast.stub_sha256)
    return Candidate(
        architecture=architecture,
        kernel=kernel,
        header=header,
        initrds=tuple(initrds),
        initrd_bytes=sum(files.size_bytes(initrd) or 0 for initrd in initrds),
        payload_format=payload_format,
        unpacked_bytes=unpacked_bytes,
        cmdline_bytes=len(encode(cmdline)),
        decompressor_args=architecture.decompressor_args(cmdline),
        fast=None if obstacle else fast,
        fast_obstacle=obstacle,
    )


def payload_format(files: HostFiles, architecture: Architecture, kernel: str) -> Optional[str]:
    """Compression of a kernel, by its header and its payload's first bytes; None if it can't be determined."""
    try:
        with open(files.path(kernel), "rb") as stream:
            header = architecture.read_kernel(stream, kernel)
            return payload_of(map_file(stream.fileno()), header, kernel).format
    except (OSError, ImageError):
        return None


def _staleness(
    fast: FastImage, files: HostFiles, kernel: str, content: memoryview, initrds: Sequence[str], *, stub_sha256: str
) -> Optional[Reason]:
    """Why a fast image does not match a kernel and its initrds; None if it does."""
    if fast.source.size_bytes != len(content) or fast.source.sha256 != hashlib.sha256(content).hexdigest():
        return reason("FAST_IMAGE_STALE", "the fast image of %s was made from another kernel than %s" % (fast.release, kernel))
    if fast.stub_sha256 != stub_sha256:
        return reason("FAST_IMAGE_STALE", "the fast image of %s was made by another version of the collection" % fast.release)
    for digest in (fast.image, fast.relocations, fast.initrd):
        if digest is not None and files.size_bytes(digest.path) != digest.size_bytes:
            return reason("FAST_IMAGE_DAMAGED", "%s differs from its manifest" % digest.path)
    source = fast.initrd_source
    if source is not None and source.path in initrds and source.sha256 != digest_of_file(files.path(source.path)):
        return reason("FAST_IMAGE_STALE", "the initrd %s has changed since the fast image was made" % source.path)
    return None
