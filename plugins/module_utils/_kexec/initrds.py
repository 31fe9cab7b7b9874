# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several initrds as the one that the kernel gets: joined in order, as the bootloader would join them."""

from __future__ import annotations

import contextlib
from typing import Iterator, Optional, Sequence

from .._host.files import HostFiles
from .errors import KexecError
from .memory_file import memory_file

# GRUB (grub-core/loader/linux.c) and systemd's stub align each initrd to four bytes, as the archives in it are. Nothing follows
# the last one, because the kernel looks for a boot configuration at the very end.
_ALIGNMENT = 4


def join_initrds(files: HostFiles, paths: Sequence[str]) -> bytearray:
    """Join initrds in memory; a single one stays as it is.

    :raises KexecError: C(INITRD_NOT_FOUND).
    """
    joined = bytearray()
    for path in paths:
        joined.extend(bytes(-len(joined) % _ALIGNMENT))
        try:
            with open(files.path(path), "rb") as stream:
                joined.extend(stream.read())
        except OSError as error:
            raise KexecError("INITRD_NOT_FOUND", "the initrd %s can't be read: %s" % (path, error.strerror)) from error
    return joined


@contextlib.contextmanager
def loadable_initrd(files: HostFiles, paths: Sequence[str]) -> Iterator[Optional[str]]:
    """Path to load the initrds from, valid within the context; None if there are none.

    :raises KexecError: C(INITRD_NOT_FOUND).
    """
    if len(paths) <= 1:
        yield paths[0] if paths else None
        return

    def fill(descriptor: int) -> None:
        with open(descriptor, "wb", closefd=False) as out:
            out.write(join_initrds(files, paths))

    with memory_file("fleet-kexec-initrd", fill) as path:
        yield path
