# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Header fields of a kernel file that all architectures share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KernelFile:
    """A kernel file as distributions install it.

    :ivar release: as shown by C(uname -r); empty if the file does not contain it.
    :ivar build: as shown by C(uname -v); empty if the file does not contain it.
    :ivar image_bytes: size of the kernel in the file; a signature may follow.
    :ivar signed: whether what is loaded has a signature, as the firmware and C(kexec_file_load) check it.
    :ivar memory_bytes: memory the kernel needs from its load address on until it has parsed the memory map.
    :ivar cmdline_max_bytes: longest command line, without the final zero; 0 if the file gives no limit.
    :ivar payload_begin: offset of the compressed kernel in the file.
    :ivar payload_bytes: size of the compressed kernel; 0 if there is none.
    :ivar packed: whether what has to be loaded is the payload, unpacked; not so for a kernel that unpacks itself.
    """

    release: str
    build: str
    file_bytes: int
    image_bytes: int
    signed: bool
    memory_bytes: int
    cmdline_max_bytes: int
    payload_begin: int
    payload_bytes: int
    packed: bool
