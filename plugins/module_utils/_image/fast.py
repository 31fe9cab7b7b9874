# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fast image: a bzImage that needs no decompressor.

Its real-mode part is the distribution's own, so that every loader of
bzImages takes it and hands on what it hands on to a kernel: EFI, DMI, ACPI.
Its protected-mode part is a head of 2 MiB with the stub (C(stub.S)), then the
kernel as it lies in memory.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from .bzimage import (
    OFFSET_HANDOVER_OFFSET,
    OFFSET_INIT_SIZE,
    OFFSET_PAYLOAD_LENGTH,
    OFFSET_PAYLOAD_OFFSET,
    OFFSET_PREF_ADDRESS,
    OFFSET_SYSSIZE,
    OFFSET_XLOADFLAGS,
    XLF_EFI_HANDOVER_32,
    XLF_EFI_HANDOVER_64,
    BzImage,
)
from .elf import Content, Vmlinux
from .errors import ImageError
from .stub import ENTRY_OFFSET, StubConfig, assemble

#: KERNEL_OFFSET of the stub.
HEAD_BYTES = 2 << 20
_PAGE_BYTES = 4096
_PARAGRAPH_BYTES = 16


@dataclass(frozen=True)
class Layout:
    """Where things lie in the file of a fast image.

    :ivar setup_bytes: size of the real-mode part, in front.
    :ivar kernel_bytes: size of the flat image, whole pages.
    :ivar kernel_entry: offset of its first instruction.
    """

    setup_bytes: int
    kernel_bytes: int
    kernel_entry: int

    @property
    def stub_offset(self) -> int:
        """Of the stub in the file."""
        return self.setup_bytes + ENTRY_OFFSET

    @property
    def kernel_offset(self) -> int:
        """Of the flat image in the file."""
        return self.setup_bytes + HEAD_BYTES

    @property
    def file_bytes(self) -> int:
        """Size of the file."""
        return self.kernel_offset + self.kernel_bytes


def _pages(size_bytes: int) -> int:
    return -(-size_bytes // _PAGE_BYTES) * _PAGE_BYTES


def layout_of(header: BzImage, vmlinux: Vmlinux) -> Layout:
    """The fast image that will come of a kernel.

    :raises ImageError: C(KERNEL_INVALID): this kernel can't be moved in memory;
        C(PAYLOAD_INVALID): it is not the one that the header speaks of.
    """
    if vmlinux.memory_bytes > header.init_size_bytes:
        raise ImageError(
            "PAYLOAD_INVALID",
            "the unpacked kernel takes %d bytes of memory, its header says %d" % (vmlinux.memory_bytes, header.init_size_bytes),
        )
    if not header.alignment or HEAD_BYTES % header.alignment:
        raise ImageError("KERNEL_INVALID", "the kernel asks for an alignment of %#x, not 2 MiB" % header.alignment)
    return Layout(header.setup_bytes, _pages(vmlinux.flat_bytes), vmlinux.entry)


def make_setup(setup: Content, header: BzImage, layout: Layout, memory_bytes: int) -> bytes:
    """The real-mode part of a fast image from that of its bzImage.

    :param memory_bytes: memory the kernel takes from its first byte on.
    """
    made = bytearray(setup)
    protected_mode_bytes = layout.file_bytes - layout.setup_bytes
    struct.pack_into("<I", made, OFFSET_SYSSIZE, protected_mode_bytes // _PARAGRAPH_BYTES)
    struct.pack_into("<I", made, OFFSET_INIT_SIZE, HEAD_BYTES + _pages(max(memory_bytes, layout.kernel_bytes)))
    struct.pack_into("<Q", made, OFFSET_PREF_ADDRESS, max(header.pref_address - HEAD_BYTES, HEAD_BYTES))
    struct.pack_into("<I", made, OFFSET_PAYLOAD_OFFSET, 0)
    struct.pack_into("<I", made, OFFSET_PAYLOAD_LENGTH, 0)
    # There is no EFI stub in it any more, so firmware must not take it for a program.
    made[:2] = b"\0\0"
    (flags,) = struct.unpack_from("<H", made, OFFSET_XLOADFLAGS)
    struct.pack_into("<H", made, OFFSET_XLOADFLAGS, flags & ~(XLF_EFI_HANDOVER_32 | XLF_EFI_HANDOVER_64))
    struct.pack_into("<I", made, OFFSET_HANDOVER_OFFSET, 0)
    return bytes(made)


def write_fast_image(out: BinaryIO, setup: Content, header: BzImage, content: Content, vmlinux: Vmlinux) -> Layout:
    """Write a fast image into an empty file.

    As it is written, it boots with any bzImage loader, without KASLR and
    without a check; staging adds both.

    :param setup: real-mode part of the bzImage.
    :param content: its unpacked payload.
    """
    layout = layout_of(header, vmlinux)
    stub = assemble(StubConfig(layout.kernel_bytes, layout.kernel_entry))
    out.write(make_setup(setup, header, layout, vmlinux.memory_bytes))
    out.seek(layout.stub_offset)
    out.write(stub)
    view = memoryview(content)
    for segment in vmlinux.segments:
        out.seek(layout.kernel_offset + segment.place)
        out.write(view[segment.offset : segment.offset + segment.file_bytes])
    out.truncate(layout.file_bytes)
    return layout
