# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare a fast image for loading: verify its digest, move it to a random address, and store the checksums.

All of this happens in anonymous memory, so that no relocated kernel ever reaches a disk and nothing is left behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
from dataclasses import dataclass
from typing import Any, Callable, Iterator, List, Optional, Tuple

from .._arch.interface import FastFormat, ResidentImage, ResidentPlaces
from .._host.fast_images import Digest, FastImage
from .._host.files import HostFiles
from .candidate import map_file
from .crash_image import CrashSegment
from .errors import KexecError
from .file_part import FilePart
from .initrds import join_initrds
from .memory_file import memory_copy, memory_file
from .placement import PAGE_BYTES


def _map_verified(files: HostFiles, digest: Digest) -> memoryview:
    """Map a file of a fast image and verify it against the manifest; only pages that are written to take memory.

    :raises KexecError: C(FAST_IMAGE_DAMAGED).
    """
    try:
        with files.open(digest.path) as stream:
            content = map_file(stream.fileno())
    except OSError as error:
        raise KexecError("FAST_IMAGE_DAMAGED", "%s can't be read: %s" % (digest.path, error.strerror)) from error
    if len(content) != digest.size_bytes or hashlib.sha256(content).hexdigest() != digest.sha256:
        raise KexecError("FAST_IMAGE_DAMAGED", "%s differs from its manifest" % digest.path)
    return content


def _read_verified(files: HostFiles, digest: Digest, target: Optional[memoryview] = None) -> memoryview:
    """Read a file of a fast image into memory and verify it against the manifest.

    :raises KexecError: C(FAST_IMAGE_DAMAGED).
    """
    try:
        with files.open(digest.path) as stream:
            size_bytes = os.fstat(stream.fileno()).st_size
            if target is None:
                target = memoryview(bytearray(digest.size_bytes))
            complete = size_bytes == digest.size_bytes and stream.readinto(target) == size_bytes
    except OSError as error:
        raise KexecError("FAST_IMAGE_DAMAGED", "%s can't be read: %s" % (digest.path, error.strerror)) from error
    if not complete or hashlib.sha256(target).hexdigest() != digest.sha256:
        raise KexecError("FAST_IMAGE_DAMAGED", "%s differs from its manifest" % digest.path)
    return target


@dataclass(frozen=True)
class ImagePreparation:
    """Fast image with the initrds to load, whether the stub checks both, and whether to move the kernel to a random address."""

    fast: FastImage
    fast_format: FastFormat[Any]
    initrds: Tuple[FilePart, ...]
    check: bool
    kaslr: bool

    def relocations(self, files: HostFiles) -> Optional[memoryview]:
        """Read the table that moving the kernel takes; None if it is not moved."""
        return _read_verified(files, self.fast.relocations) if self.kaslr and self.fast.movable else None

    def verify_initrd(self, files: HostFiles) -> None:
        """Verify the uncompressed initrd, if it is to be loaded.

        :raises KexecError: C(FAST_IMAGE_DAMAGED).
        """
        if self.fast.initrd is not None and FilePart(self.fast.initrd.path) in self.initrds:
            _map_verified(files, self.fast.initrd)


@contextlib.contextmanager
def _running_code() -> Iterator[None]:
    """Turn the error of a process that may not run the checksum code into C(INTEGRITY_UNAVAILABLE)."""
    try:
        yield
    except OSError as error:
        raise KexecError(
            "INTEGRITY_UNAVAILABLE", "the host does not allow a process to run generated code: %s" % error
        ) from error


def _make_ready(files: HostFiles, memory: memoryview, wanted: ImagePreparation, random: Callable[[int], bytes]) -> None:
    wanted.verify_initrd(files)
    relocations = wanted.relocations(files)
    checked_initrd = memoryview(join_initrds(files, wanted.initrds)) if wanted.check else None
    with _running_code():
        wanted.fast_format.make_ready(memory, wanted.fast.layout, relocations, checked_initrd, random)


@contextlib.contextmanager
def prepared(files: HostFiles, wanted: ImagePreparation, random: Callable[[int], bytes]) -> Iterator[str]:
    """Prepare a fast image and yield a path to load it from, valid within the context.

    :param random: returns the given number of random bytes.
    :raises KexecError: C(FAST_IMAGE_DAMAGED), C(INITRD_NOT_FOUND), C(INTEGRITY_UNAVAILABLE).
    """

    def fill(descriptor: int) -> None:
        os.ftruncate(descriptor, wanted.fast.image.size_bytes)
        with contextlib.closing(mmap.mmap(descriptor, wanted.fast.image.size_bytes)) as shared, memoryview(shared) as memory:
            _read_verified(files, wanted.fast.image, memory)
            _make_ready(files, memory, wanted, random)

    with memory_file("fleet-kexec-image", fill) as path:
        yield path


@dataclass(frozen=True)
class Resident:
    """Image whose kernel and initrd are to lie in the reservation for a crash kernel.

    :ivar trampoline: path to load the image from that jumps there.
    :ivar entry: physical address where a panic enters.
    """

    trampoline: str
    entry: int
    segments: List[CrashSegment]


@contextlib.contextmanager
def resident(
    files: HostFiles, wanted: ImagePreparation, places: ResidentPlaces, random: Callable[[int], bytes]
) -> Iterator[Resident]:
    """Prepare a fast image for the reservation; what is yielded is valid within the context.

    Files are mapped, so that a host short of memory only needs what relocating the kernel writes to.

    :raises KexecError: C(FAST_IMAGE_DAMAGED), C(INITRD_NOT_FOUND), C(INTEGRITY_UNAVAILABLE).
    """
    fast, fast_format = wanted.fast, wanted.fast_format
    wanted.verify_initrd(files)
    relocations = wanted.relocations(files)
    image = _map_verified(files, fast.image)
    initrd = _mapped_initrd(files, wanted.initrds)
    with _running_code():
        made: ResidentImage = fast_format.make_resident(image, fast.layout, relocations, initrd, places=places, random=random)
    kernel = fast_format.kernel_of(image, fast.layout)
    segments = [
        CrashSegment(kernel, places.kernel_at, max(fast.kernel_bytes, fast.memory_bytes)),
        CrashSegment(made.entry_page, places.entry_at, PAGE_BYTES),
    ]
    if initrd is not None:
        segments.insert(1, CrashSegment(initrd, places.initrd_at, len(initrd)))
    with memory_copy("fleet-kexec-image", made.trampoline) as path:
        yield Resident(path, made.entry, segments)


def _mapped_initrd(files: HostFiles, initrds: Tuple[FilePart, ...]) -> Optional[memoryview]:
    """Content of the initrds as the kernel gets it, mapped where it is a single file; None without any."""
    if not initrds:
        return None
    if len(initrds) > 1 or initrds[0].section is not None:
        return memoryview(join_initrds(files, initrds))
    try:
        with files.open(initrds[0].path) as stream:
            return map_file(stream.fileno())
    except OSError as error:
        raise KexecError("INITRD_NOT_FOUND", "the initrd %s can't be read: %s" % (initrds[0], error.strerror)) from error
