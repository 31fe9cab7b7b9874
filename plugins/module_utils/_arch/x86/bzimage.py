# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parser for the x86 boot protocol's setup header in a bzImage. It only reads, and needs no privileges.

Source: Documentation/arch/x86/boot.rst of the kernel, "The Real-Mode Kernel Header". Offsets are from the start of the file.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO, Tuple

from ..._image.errors import ImageError
from ..._image.kernel_file import KernelFile
from ..._image.pe import is_signed, pe_machine

SECTOR_BYTES = 512

# The header ends at 0x26c at most; the version string is in the setup part, which has 0x40 sectors at most.
_SETUP_MAX_BYTES = 65 * SECTOR_BYTES

# Named as in the boot protocol.
OFFSET_SETUP_SECTS = 0x1F1
OFFSET_SYSSIZE = 0x1F4
OFFSET_BOOT_FLAG = 0x1FE
OFFSET_HEADER = 0x202
OFFSET_VERSION = 0x206
OFFSET_KERNEL_VERSION = 0x20E
OFFSET_KERNEL_ALIGNMENT = 0x230
OFFSET_RELOCATABLE_KERNEL = 0x234
OFFSET_MIN_ALIGNMENT = 0x235
OFFSET_XLOADFLAGS = 0x236
OFFSET_CMDLINE_SIZE = 0x238
OFFSET_PAYLOAD_OFFSET = 0x248
OFFSET_PAYLOAD_LENGTH = 0x24C
OFFSET_PREF_ADDRESS = 0x258
OFFSET_INIT_SIZE = 0x260
OFFSET_HANDOVER_OFFSET = 0x264

_BOOT_FLAG = 0xAA55
_MAGIC = b"HdrS"
# xloadflags exists since protocol 2.12, init_size since 2.10.
_OLDEST_PROTOCOL = 0x020C

# Bits of xloadflags.
XLF_KERNEL_64 = 1 << 0
XLF_EFI_HANDOVER_32 = 1 << 2
XLF_EFI_HANDOVER_64 = 1 << 3
XLF_5LEVEL_ENABLED = 1 << 6

_ELF_MAGIC = b"\x7fELF"
_ARM64_MAGIC = b"ARM\x64"


@dataclass(frozen=True)
class BzImage(KernelFile):
    """A bzImage by its setup header.

    :ivar protocol: boot protocol version, C(0x020f) for 2.15.
    :ivar setup_bytes: size of the real-mode part, boot sector included.
    :ivar pref_address: preferred physical load address.
    :ivar alignment: physical alignment it needs, which may be less than it prefers; 0 if it can't be relocated.
    :ivar five_level_paging: whether it can be entered with five-level page tables active.
    """

    protocol: int
    setup_bytes: int
    pref_address: int
    alignment: int
    five_level_paging: bool


def _u16(head: bytes, offset: int) -> int:
    return int(struct.unpack_from("<H", head, offset)[0])


def _u32(head: bytes, offset: int) -> int:
    return int(struct.unpack_from("<I", head, offset)[0])


def _u64(head: bytes, offset: int) -> int:
    return int(struct.unpack_from("<Q", head, offset)[0])


def _check_kind(head: bytes, name: str) -> None:
    if head[:4] == _ELF_MAGIC:
        raise ImageError("KERNEL_INVALID", "%s is an ELF file, not a bzImage" % name)
    machine = pe_machine(head)
    if machine not in (None, "", "x86_64") or head[0x38:0x3C] == _ARM64_MAGIC:
        raise ImageError("WRONG_ARCH", "%s is a kernel for %s" % (name, machine or "aarch64"))
    if len(head) < OFFSET_HEADER + 4 or head[OFFSET_HEADER : OFFSET_HEADER + 4] != _MAGIC:
        raise ImageError("KERNEL_INVALID", "%s is not a Linux bzImage: it has no setup header" % name)


def parse_bzimage(head: bytes, file_bytes: int, name: str = "the file") -> BzImage:
    """Parse the start of a bzImage: its first 32.5 KiB, or the whole file if that is shorter.

    :raises ImageError: it is not a bzImage, is cut off, or is for another architecture.
    """
    if not head:
        raise ImageError("KERNEL_TRUNCATED", "%s is empty" % name)
    _check_kind(head, name)
    if len(head) < OFFSET_INIT_SIZE + 4:
        raise ImageError("KERNEL_TRUNCATED", "%s ends within its setup header" % name)
    protocol = _u16(head, OFFSET_VERSION)
    if _u16(head, OFFSET_BOOT_FLAG) != _BOOT_FLAG or protocol < _OLDEST_PROTOCOL:
        raise ImageError("KERNEL_INVALID", "%s has a setup header of boot protocol %#x, too old or damaged" % (name, protocol))
    if not _u16(head, OFFSET_XLOADFLAGS) & XLF_KERNEL_64:
        raise ImageError("WRONG_ARCH", "%s is a 32-bit x86 kernel" % name)

    release, build = _versions(head)
    # The protocol defines 0 as 4, for ancient loaders.
    setup_bytes = ((head[OFFSET_SETUP_SECTS] or 4) + 1) * SECTOR_BYTES
    image_bytes = setup_bytes + _u32(head, OFFSET_SYSSIZE) * 16
    # syssize counts units of 16 bytes, rounded up.
    if file_bytes < image_bytes - 15:
        raise ImageError(
            "KERNEL_TRUNCATED",
            "%s has %d bytes, its setup header says %d" % (name, file_bytes, image_bytes),
        )
    return BzImage(
        release=release,
        build=build,
        file_bytes=file_bytes,
        image_bytes=image_bytes,
        signed=is_signed(head),
        memory_bytes=_u32(head, OFFSET_INIT_SIZE),
        cmdline_max_bytes=_u32(head, OFFSET_CMDLINE_SIZE),
        payload_begin=setup_bytes + _u32(head, OFFSET_PAYLOAD_OFFSET),
        payload_bytes=_u32(head, OFFSET_PAYLOAD_LENGTH),
        packed=False,
        protocol=protocol,
        setup_bytes=setup_bytes,
        pref_address=_u64(head, OFFSET_PREF_ADDRESS),
        alignment=_alignment(head) if head[OFFSET_RELOCATABLE_KERNEL] else 0,
        five_level_paging=bool(_u16(head, OFFSET_XLOADFLAGS) & XLF_5LEVEL_ENABLED),
    )


def _alignment(head: bytes) -> int:
    """Alignment a relocatable kernel needs: C(kernel_alignment) is CONFIG_PHYSICAL_ALIGN, which it prefers (Fedora: 16 MiB), and
    C(min_alignment) the power of two that suffices (x86_64: 2 MiB); 0 if it names none.
    """
    exponent = head[OFFSET_MIN_ALIGNMENT]
    return 1 << exponent if exponent else _u32(head, OFFSET_KERNEL_ALIGNMENT)


def _versions(head: bytes) -> Tuple[str, str]:
    """Release and build in the string that C(kernel_version) points to.

    Source: arch/x86/boot/version.c, C(UTS_RELEASE " (" builder ") " UTS_VERSION); the last begins with C(#).
    """
    offset = _u16(head, OFFSET_KERNEL_VERSION)
    if not offset:
        return "", ""
    text = head[offset + SECTOR_BYTES : offset + SECTOR_BYTES + 256].split(b"\0")[0].decode("ascii", "replace")
    _builder, separator, build = text.partition(") #")
    return text.split(" ")[0], "#" + build.strip() if separator else ""


def read_bzimage(stream: BinaryIO, name: str = "the file") -> BzImage:
    """Read the setup header of an open kernel image; errors are those of :func:`parse_bzimage`."""
    stream.seek(0, os.SEEK_END)
    file_bytes = stream.tell()
    stream.seek(0)
    return parse_bzimage(stream.read(_SETUP_MAX_BYTES), file_bytes, name)
