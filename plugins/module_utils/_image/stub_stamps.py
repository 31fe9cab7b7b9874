# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stub of a fast image left behind: stamps in boot_params, readable in the new kernel.

C(stub.S) writes them into C(_pad8) of struct boot_params
(arch/x86/include/uapi/asm/bootparam.h), which the kernel keeps and shows to
root as C(/sys/kernel/boot_params/data).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Optional

from .._host.files import HostFiles

BOOT_PARAMS = "/sys/kernel/boot_params/data"

_OFFSET = 0xCD0
# Mark with status, entry, moved, exit, address, unused.
_STAMPS = struct.Struct("<6Q")
_MARK = 0x0158454B46
_MARK_BITS = 40
_CHECKED = 1 << 0
_RELOCATED = 1 << 1
_MOVED = 1 << 2


@dataclass(frozen=True)
class StubStamps:
    """The stub's run.

    :ivar entry_cycles: time-stamp counter when it began; the counter runs on
        across a kexec.
    :ivar moved_cycles: when the kernel lay where it has to.
    :ivar exit_cycles: when it jumped into the kernel.
    :ivar load_address: physical address of the protected-mode part.
    :ivar checked: whether it compared the sums, and they were right.
    :ivar relocated: whether the kernel had been moved to a random address.
    :ivar moved: whether the kernel had to be moved in memory.
    """

    entry_cycles: int
    moved_cycles: int
    exit_cycles: int
    load_address: int
    checked: bool
    relocated: bool
    moved: bool


def read_stub_stamps(files: HostFiles) -> Optional[StubStamps]:
    """The stamps of this boot; None if it was not through a stub, or without privileges."""
    try:
        with open(files.path(BOOT_PARAMS), "rb") as stream:
            return parse_boot_params(stream.read())
    except OSError:
        return None


def parse_boot_params(data: bytes) -> Optional[StubStamps]:
    """The stamps in a struct boot_params; None if this boot was not through a stub."""
    if len(data) < _OFFSET + _STAMPS.size:
        return None
    mark, entry, moved, leave, address, _unused = _STAMPS.unpack_from(data, _OFFSET)
    if mark & (1 << _MARK_BITS) - 1 != _MARK:
        return None
    status = mark >> _MARK_BITS
    return StubStamps(entry, moved, leave, address, bool(status & _CHECKED), bool(status & _RELOCATED), bool(status & _MOVED))
