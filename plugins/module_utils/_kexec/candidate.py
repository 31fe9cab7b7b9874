# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel that could be staged: its files, sizes and fast image."""

from __future__ import annotations

import hashlib
import io
import mmap
import os
from dataclasses import dataclass, replace
from typing import BinaryIO, Optional, Sequence, Tuple

from .._arch.interface import Architecture
from .._cmdline import encode
from .._host.fast_images import INITRD, FastImage, directory_of, read_fast_image
from .._host.files import HostFiles
from .._host.modules import read_loaded_modules
from .._image.errors import ImageError
from .._image.kernel_file import KernelFile
from .._image.payload import payload_of
from .._reasons import Reason, reason
from .errors import KexecError
from .file_part import FilePart
from .initrds import main_initrd
from .preferences import FAST


@dataclass(frozen=True)
class Candidate:
    """Kernel with its initrds and its fast image.

    :ivar payload_format: compression of the payload; empty if unknown.
    :ivar unpacked_bytes: size of the unpacked payload; 0 if unknown.
    :ivar cmdline_bytes: length of the command line it would get.
    :ivar decompressor_args: arguments on the command line that only the kernel's decompressor acts on.
    :ivar fast: fast image made from exactly this kernel; None if there is none.
    :ivar fast_obstacle: why there is none.
    """

    architecture: Architecture
    kernel: FilePart
    header: KernelFile
    initrds: Tuple[FilePart, ...]
    initrd_bytes: int
    payload_format: str
    unpacked_bytes: int
    cmdline_bytes: int
    decompressor_args: Tuple[str, ...]
    fast: Optional[FastImage]
    fast_obstacle: Optional[Reason]

    def initrds_of(self, image: str) -> Tuple[FilePart, ...]:
        """Initrds to load with an image (C(fast) or C(bzimage)), in order."""
        copied = self._uncompressed(image)
        copy = FilePart(os.path.join(directory_of(self.header.release), INITRD))
        return tuple(copy if initrd == copied else initrd for initrd in self.initrds)

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

    def _uncompressed(self, image: str) -> Optional[FilePart]:
        """Initrd that a fast image has an uncompressed copy of; None if it is not among these."""
        return _copied(self.fast, self.initrds) if image == FAST and self.fast is not None else None


def _copied(fast: FastImage, initrds: Sequence[FilePart]) -> Optional[FilePart]:
    """Initrd that a fast image has an uncompressed copy of; None if it is not among these."""
    source = fast.initrd_source
    # Of the sections of one file, it is the main initrd.
    return main_initrd([initrd for initrd in initrds if initrd.path == source.path]) if source is not None else None


def no_fast_format(architecture: Architecture) -> str:
    """Why there are no fast images for an architecture."""
    return "no fast image can be made for %s" % architecture.machine


def digest_of_file(path: str) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.sha256(map_file(stream.fileno())).hexdigest()


def map_file(descriptor: int) -> memoryview:
    """Map an open file privately: pages are read on first access, and writes stay in memory."""
    if os.fstat(descriptor).st_size == 0:
        return memoryview(bytearray())
    return memoryview(mmap.mmap(descriptor, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE))


def _content_of(stream: BinaryIO) -> memoryview:
    """Content of what :meth:`FilePart.open` returned."""
    return memoryview(stream.getvalue()) if isinstance(stream, io.BytesIO) else map_file(stream.fileno())


def read_candidate(
    files: HostFiles, architecture: Architecture, kernel: FilePart, initrds: Sequence[FilePart], cmdline: str
) -> Candidate:
    """Read a kernel, its initrds and its fast image.

    :param cmdline: command line that the kernel would get.
    :raises KexecError: C(KERNEL_NOT_FOUND).
    :raises ImageError: the kernel is invalid.
    """
    try:
        with kernel.open(files) as stream:
            header = architecture.read_kernel(stream, str(kernel))
            content = _content_of(stream)
    except OSError as error:
        raise KexecError("KERNEL_NOT_FOUND", "the kernel %s can't be read: %s" % (kernel, error.strerror)) from error
    try:
        payload = payload_of(content, header, str(kernel))
        payload_format, unpacked_bytes = payload.format, payload.unpacked_bytes
    except ImageError:
        # The kernel unpacks itself, so an unknown format does no harm.
        payload_format, unpacked_bytes = "", 0
    fast = read_fast_image(files, header.release) if header.release and architecture.fast is not None else None
    if fast is not None and fast.initrd_left_out and read_loaded_modules(files).intersection(fast.initrd_left_out):
        # The machine has changed since, so that the host's own initrd is loaded.
        fast = replace(fast, initrd=None, initrd_source=None, initrd_left_out=None)
    if architecture.fast is None:
        obstacle: Optional[Reason] = reason("FAST_IMAGE_UNSUPPORTED", no_fast_format(architecture))
    elif fast is None:
        obstacle = reason("FAST_IMAGE_MISSING", "no fast image of %s is installed" % (header.release or kernel))
    else:
        obstacle = _staleness(fast, files, kernel, content, initrds, stub_sha256=architecture.fast.stub_sha256)
    return Candidate(
        architecture=architecture,
        kernel=kernel,
        header=header,
        initrds=tuple(initrds),
        initrd_bytes=sum(initrd.size_bytes(files) for initrd in initrds),
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
        with files.open(kernel) as stream:
            header = architecture.read_kernel(stream, kernel)
            return payload_of(map_file(stream.fileno()), header, kernel).format
    except (OSError, ImageError):
        return None


def _staleness(
    fast: FastImage, files: HostFiles, kernel: FilePart, content: memoryview, initrds: Sequence[FilePart], *, stub_sha256: str
) -> Optional[Reason]:
    """Why a fast image does not match a kernel and its initrds; None if it does."""
    if fast.source.size_bytes != len(content) or fast.source.sha256 != hashlib.sha256(content).hexdigest():
        return reason("FAST_IMAGE_STALE", "the fast image of %s was made from another kernel than %s" % (fast.release, kernel))
    if fast.stub_sha256 != stub_sha256:
        return reason("FAST_IMAGE_STALE", "the fast image of %s was made by another version of the collection" % fast.release)
    for digest in (fast.image, fast.relocations, fast.initrd):
        if digest is not None and files.size_bytes(digest.path) != digest.size_bytes:
            return reason("FAST_IMAGE_DAMAGED", "%s differs from its manifest" % digest.path)
    source, copied = fast.initrd_source, _copied(fast, initrds)
    if source is not None and copied is not None and source.sha256 != _digest_of(copied, files):
        return reason("FAST_IMAGE_STALE", "the initrd %s has changed since the fast image was made" % copied)
    return None


def _digest_of(part: FilePart, files: HostFiles) -> str:
    with part.open(files) as stream:
        return hashlib.sha256(_content_of(stream)).hexdigest()
