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
from typing import Any, Callable, Iterator, Optional, Tuple

from .._arch.interface import FastFormat
from .._host.fast_images import Digest, FastImage
from .._host.files import HostFiles
from .errors import KexecError
from .file_part import FilePart
from .initrds import join_initrds
from .memory_file import memory_file


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


def _make_ready(files: HostFiles, memory: memoryview, wanted: ImagePreparation, random: Callable[[int], bytes]) -> None:
    fast = wanted.fast
    if fast.initrd is not None and FilePart(fast.initrd.path) in wanted.initrds:
        _read_verified(files, fast.initrd)
    relocations = _read_verified(files, fast.relocations) if wanted.kaslr and fast.movable else None
    checked_initrd = memoryview(join_initrds(files, wanted.initrds)) if wanted.check else None
    try:
        wanted.fast_format.make_ready(memory, fast.layout, relocations, checked_initrd, random)
    except OSError as error:
        raise KexecError(
            "INTEGRITY_UNAVAILABLE", "the host does not allow a process to run generated code: %s" % error
        ) from error


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
