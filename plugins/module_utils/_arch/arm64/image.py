# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parser for arm64 kernel files: a plain C(Image), one that gzip has packed, and EFI zboot.

A plain image has nothing to unpack. The others are for a bootloader (gzip) or for firmware (zboot) to unpack or run, not for the
kernel that they hold, so they are unpacked before they are loaded.

Source: Documentation/arch/arm64/booting.rst of the kernel, "Call the kernel image"; drivers/firmware/efi/libstub/zboot-header.S
and Makefile.zboot; C(linux_banner) in init/version-timestamp.c.
"""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from typing import BinaryIO, Tuple

from ..._image.errors import ImageError
from ..._image.kernel_file import KernelFile
from ..._image.payload import GZIP, Unpacker, payload_of
from ..._image.pe import is_signed, pe_machine, section_table

_HEADER_BYTES = 64
_OFFSET_IMAGE_SIZE = 0x10
_OFFSET_MAGIC = 0x38
_MAGIC = b"ARM\x64"

_GZIP_MAGIC = b"\x1f\x8b"
_ZBOOT_MAGIC = b"zimg"
# Behind both magics: offset and size of the payload, without the unpacked size that follows it; 8 reserved bytes; compression.
_ZBOOT = struct.Struct("<4x4sII8x24s")
# Only gzip's own last word is that size.
_SIZE_BYTES = 4

# PE header and section table lie within it.
_HEAD_BYTES = 4096
# A kernel unpacks to less; what it needs to run is known only from the unpacked header.
_UNPACKED_MAX_BYTES = 1 << 30

# There is another, without the build's number, which is no part of uname -v.
_BANNER = re.compile(rb"Linux version ([!-~]{1,64}) \([^\n\0]{1,512}\) (#\d[^\n\0]{1,200})\n")


def read_image(stream: BinaryIO, name: str = "the file") -> KernelFile:
    """Read the header of an open kernel file; one that is packed is unpacked to be read.

    :raises ImageError: it is none of these kinds, is cut off, is for another architecture, or can't be unpacked.
    """
    stream.seek(0)
    content = stream.read()
    if content[:2] == _GZIP_MAGIC:
        return _packed(content, 0, len(content), name)
    if content[:2] == b"MZ" and content[4:8] == _ZBOOT_MAGIC and len(content) >= _ZBOOT.size:
        _check_machine(content, name)
        _kind, begin, size_bytes, compression = _ZBOOT.unpack_from(content)
        own_size = compression.rstrip(b"\0") == GZIP.encode("ascii")
        return _packed(content, begin, size_bytes if own_size else size_bytes + _SIZE_BYTES, name)
    return _plain(content, name)


def _packed(content: bytes, begin: int, size_bytes: int, name: str) -> KernelFile:
    """Header of a file that holds a packed image."""
    file_bytes = len(content)
    outside = KernelFile(
        release="",
        build="",
        file_bytes=file_bytes,
        image_bytes=file_bytes,
        signed=False,
        memory_bytes=_UNPACKED_MAX_BYTES,
        cmdline_max_bytes=0,
        payload_begin=begin,
        payload_bytes=size_bytes,
        packed=True,
    )
    inside = _plain(Unpacker().unpack(payload_of(memoryview(content), outside, name)), "the kernel in %s" % name)
    return replace(
        outside,
        release=inside.release,
        build=inside.build,
        signed=inside.signed,
        # A signature is unpacked with the kernel, but is no part of it in memory.
        memory_bytes=max(inside.memory_bytes, inside.file_bytes),
    )


def _plain(content: bytes, name: str) -> KernelFile:
    if not content:
        raise ImageError("KERNEL_TRUNCATED", "%s is empty" % name)
    _check_machine(content, name)
    if content[_OFFSET_MAGIC : _OFFSET_MAGIC + len(_MAGIC)] != _MAGIC:
        raise ImageError("KERNEL_INVALID", "%s is no arm64 Image, and none packed with gzip or as EFI zboot" % name)
    if len(content) < _HEADER_BYTES:
        raise ImageError("KERNEL_TRUNCATED", "%s ends within its header" % name)
    (memory_bytes,) = struct.unpack_from("<Q", content, _OFFSET_IMAGE_SIZE)
    if not memory_bytes:
        raise ImageError("KERNEL_INVALID", "%s does not say how much memory it needs: it is older than Linux 3.17" % name)
    image_bytes = _image_bytes(content, name)
    if len(content) < image_bytes:
        raise ImageError("KERNEL_TRUNCATED", "%s has %d bytes, its header says %d" % (name, len(content), image_bytes))
    release, build = _versions(content)
    return KernelFile(
        release=release,
        build=build,
        file_bytes=len(content),
        image_bytes=image_bytes,
        signed=is_signed(content[:_HEAD_BYTES]),
        memory_bytes=memory_bytes,
        cmdline_max_bytes=0,
        payload_begin=0,
        payload_bytes=0,
        packed=False,
    )


def _check_machine(content: bytes, name: str) -> None:
    machine = pe_machine(content[:_HEAD_BYTES])
    if machine not in (None, "", "aarch64"):
        raise ImageError("WRONG_ARCH", "%s is a kernel for %s" % (name, machine))


def _image_bytes(content: bytes, name: str) -> int:
    """Size of the kernel in the file, which only the section table of an EFI stub tells; that of the file without one."""
    head = content[:_HEAD_BYTES]
    if pe_machine(head) is None:
        return len(content)
    return max((each.offset + each.size_bytes for each in section_table(head, name)), default=0)


def _versions(content: bytes) -> Tuple[str, str]:
    """Release and build in the banner that the kernel prints first; empty without one."""
    found = _BANNER.search(content)
    return (found.group(1).decode("ascii"), found.group(2).decode("ascii", "replace")) if found else ("", "")
