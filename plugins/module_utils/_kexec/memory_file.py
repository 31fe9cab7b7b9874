# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in anonymous memory, for content that is to be loaded and must not reach a disk."""

from __future__ import annotations

import contextlib
import os
from typing import Callable, Iterator, Union


@contextlib.contextmanager
def memory_file(name: str, fill: Callable[[int], None]) -> Iterator[str]:
    """Create a file in memory and yield a path to load it from, valid within the context.

    :param fill: writes the content to a descriptor.
    """
    descriptor = os.memfd_create(name)
    try:
        fill(descriptor)
        # kexec_file_load refuses a file that is still open for writing.
        readable = os.open("/proc/self/fd/%d" % descriptor, os.O_RDONLY)
    finally:
        os.close(descriptor)
    try:
        yield "/proc/%d/fd/%d" % (os.getpid(), readable)
    finally:
        os.close(readable)


@contextlib.contextmanager
def memory_copy(name: str, content: Union[bytes, bytearray]) -> Iterator[str]:
    """Create a file in memory with the given content and yield a path to load it from, valid within the context."""

    def fill(descriptor: int) -> None:
        with open(descriptor, "wb", closefd=False) as out:
            out.write(content)

    with memory_file(name, fill) as path:
        yield path
