# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several initrds as the one that the kernel gets: joined in order, as the bootloader would join them."""

from __future__ import annotations

import contextlib
from typing import Iterator, Optional, Sequence

from .._host.files import HostFiles
from .errors import KexecError
from .file_part import FilePart
from .memory_file import memory_copy

# GRUB (grub-core/loader/linux.c) and systemd's stub align each initrd to four bytes, as the archives in it are. Nothing follows
# the last one, because the kernel looks for a boot configuration at the very end.
_ALIGNMENT = 4


def join_initrds(files: HostFiles, initrds: Sequence[FilePart]) -> bytearray:
    """Join initrds in memory; a single one stays as it is.

    :raises KexecError: C(INITRD_NOT_FOUND).
    """
    joined = bytearray()
    for initrd in initrds:
        joined.extend(bytes(-len(joined) % _ALIGNMENT))
        try:
            joined.extend(initrd.read(files))
        except OSError as error:
            raise KexecError("INITRD_NOT_FOUND", "the initrd %s can't be read: %s" % (initrd, error.strerror)) from error
    return joined


def main_initrd(initrds: Sequence[FilePart]) -> Optional[FilePart]:
    """Initrd with the system that mounts the root file system; None if there is none.

    It is the last: those before it hold microcode or ACPI tables. Behind it are only files that were packed for it.
    """
    return next((initrd for initrd in reversed(initrds) if not initrd.packed_as), None)


@contextlib.contextmanager
def loadable_initrd(files: HostFiles, initrds: Sequence[FilePart]) -> Iterator[Optional[str]]:
    """Path to load the initrds from, valid within the context; None if there are none.

    :raises KexecError: C(INITRD_NOT_FOUND).
    """
    if not initrds:
        yield None
    elif len(initrds) == 1 and initrds[0].section is None:
        yield initrds[0].path
    else:
        with memory_copy("fleet-kexec-initrd", join_initrds(files, initrds)) as path:
            yield path
