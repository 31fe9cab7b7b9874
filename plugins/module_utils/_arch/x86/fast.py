# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fast image: a bzImage that needs no decompressor.

Its real-mode part is the distribution's own, so any bzImage loader accepts it and passes on what it passes to any kernel: EFI,
DMI, ACPI. Its protected-mode part is a 2 MiB head with the stub (C(stub.S)), then the kernel as it lies in memory.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from typing import BinaryIO, Callable, Optional, Sequence

from ..._image.elf import Content, Vmlinux, parse_vmlinux
from ..._image.errors import ImageError
from ..._reasons import Reason, reason
from ..._text import printable
from ..interface import Checksummer, Cpu, FastFormat, FastLayout, ResidentImage, ResidentPlaces, StubStamps
from .bzimage import (
    OFFSET_HANDOVER_OFFSET,
    OFFSET_INIT_SIZE,
    OFFSET_KERNEL_ALIGNMENT,
    OFFSET_PAYLOAD_LENGTH,
    OFFSET_PAYLOAD_OFFSET,
    OFFSET_PREF_ADDRESS,
    OFFSET_SYSSIZE,
    OFFSET_XLOADFLAGS,
    XLF_EFI_HANDOVER_32,
    XLF_EFI_HANDOVER_64,
    BzImage,
)
from .decompressor import MEM_ENCRYPT_ON, NO_FIVE_LEVEL_PAGING
from .relocation import draw_move, parse_relocations, relocate, relocations_of
from .stub import ENTRY_OFFSET, STUB_BYTES, StubChecksummer, StubConfig, assemble, crash_page
from .stub_code import CODE
from .stub_stamps import BOOT_PARAMS, parse_boot_params

#: KERNEL_OFFSET and KERNEL_ALIGNMENT of the stub.
HEAD_BYTES = 2 << 20
_PAGE_BYTES = 4096
_PARAGRAPH_BYTES = 16

# e_machine of the ELF specification.
_EM_X86_64 = 62
_NAME = "x86_64"


def stub_offset(layout: FastLayout) -> int:
    return layout.setup_bytes + ENTRY_OFFSET


def kernel_offset(layout: FastLayout) -> int:
    return layout.setup_bytes + HEAD_BYTES


def file_bytes(layout: FastLayout) -> int:
    return kernel_offset(layout) + layout.kernel_bytes


def _pages(size_bytes: int) -> int:
    return -(-size_bytes // _PAGE_BYTES) * _PAGE_BYTES


def layout_of(header: BzImage, vmlinux: Vmlinux) -> FastLayout:
    """Work out the layout of a kernel's fast image.

    :raises ImageError: C(PAYLOAD_INVALID): it contradicts the header, or would not run where the stub puts it.
    """
    if vmlinux.memory_bytes > header.memory_bytes:
        raise ImageError(
            "PAYLOAD_INVALID",
            "the unpacked kernel takes %d bytes of memory, its header says %d" % (vmlinux.memory_bytes, header.memory_bytes),
        )
    # __startup_64() in arch/x86/kernel/head64.c loops forever if it was moved by anything but a multiple of 2 MiB.
    if vmlinux.virtual % HEAD_BYTES:
        raise ImageError("PAYLOAD_INVALID", "the unpacked kernel is linked for %#x, no multiple of 2 MiB" % vmlinux.virtual)
    return FastLayout(header.setup_bytes, _pages(vmlinux.flat_bytes), vmlinux.entry, vmlinux.virtual, vmlinux.memory_bytes)


def _set_sizes(setup: bytearray, protected_mode_bytes: int, memory_bytes: int) -> None:
    """Set the size of what follows the real-mode part, and that of the memory it takes."""
    struct.pack_into("<I", setup, OFFSET_SYSSIZE, protected_mode_bytes // _PARAGRAPH_BYTES)
    struct.pack_into("<I", setup, OFFSET_INIT_SIZE, memory_bytes)


def make_setup(image: Content, header: BzImage, layout: FastLayout) -> bytes:
    """Make a fast image's real-mode part from its bzImage's."""
    made = bytearray(image[: header.setup_bytes])
    memory_bytes = HEAD_BYTES + _pages(max(layout.memory_bytes, layout.kernel_bytes))
    _set_sizes(made, file_bytes(layout) - layout.setup_bytes, memory_bytes)
    # CONFIG_PHYSICAL_ALIGN may ask for more, which would only narrow the loader's choice.
    struct.pack_into("<I", made, OFFSET_KERNEL_ALIGNMENT, HEAD_BYTES)
    struct.pack_into("<Q", made, OFFSET_PREF_ADDRESS, max(header.pref_address - HEAD_BYTES, HEAD_BYTES))
    struct.pack_into("<I", made, OFFSET_PAYLOAD_OFFSET, 0)
    struct.pack_into("<I", made, OFFSET_PAYLOAD_LENGTH, 0)
    # The EFI stub is gone, so firmware must not take the image for an EFI program.
    made[:2] = b"\0\0"
    (flags,) = struct.unpack_from("<H", made, OFFSET_XLOADFLAGS)
    struct.pack_into("<H", made, OFFSET_XLOADFLAGS, flags & ~(XLF_EFI_HANDOVER_32 | XLF_EFI_HANDOVER_64))
    struct.pack_into("<I", made, OFFSET_HANDOVER_OFFSET, 0)
    return bytes(made)


def make_trampoline(image: memoryview, layout: FastLayout, stub: bytes) -> bytes:
    """Make a bzImage of a fast image's real-mode part and a stub alone."""
    setup = bytearray(image[: layout.setup_bytes])
    _set_sizes(setup, STUB_BYTES, STUB_BYTES)
    code = bytearray(STUB_BYTES)
    code[ENTRY_OFFSET : ENTRY_OFFSET + len(stub)] = stub
    return bytes(setup + code)


def parse_unpacked(content: Content) -> Vmlinux:
    return parse_vmlinux(content, _EM_X86_64, _NAME)


class FastBzImages(FastFormat[BzImage]):
    """Fast images of x86_64: bzImages with a stub in place of the decompressor."""

    head_bytes = HEAD_BYTES
    alignment_bytes = HEAD_BYTES
    stub_sha256 = hashlib.sha256(CODE).hexdigest()
    stamps_path = BOOT_PARAMS

    def kernel_obstacle(self, kernel: BzImage) -> Optional[Reason]:
        if not kernel.alignment:
            return reason("FAST_IMAGE_UNSUPPORTED", "the kernel runs at a single address only (no CONFIG_RELOCATABLE)")
        if HEAD_BYTES % kernel.alignment:
            message = "the kernel needs an alignment of %#x; a fast image gives it 2 MiB"
            return reason("FAST_IMAGE_UNSUPPORTED", message % kernel.alignment)
        return None

    def obstacle(self, kernel: BzImage, cpu: Cpu, decompressor_args: Sequence[str]) -> Optional[Reason]:
        found = self.kernel_obstacle(kernel)
        if found is not None:
            return found
        if MEM_ENCRYPT_ON in decompressor_args:
            return reason("CONFIDENTIAL_GUEST", "only the kernel's own decompressor honours %s" % MEM_ENCRYPT_ON)
        confining = [arg for arg in decompressor_args if arg not in (MEM_ENCRYPT_ON, NO_FIVE_LEVEL_PAGING)]
        if confining:
            message = "only the kernel's own decompressor heeds %s when it chooses where the kernel goes"
            return reason("FAST_IMAGE_UNSUPPORTED", message % printable(" ".join(confining)))
        if cpu.five_level_paging and (not kernel.five_level_paging or NO_FIVE_LEVEL_PAGING in decompressor_args):
            return reason(
                "KERNEL_INVALID",
                "the host may run with five-level page tables, which only this kernel's own decompressor can end",
            )
        return None

    def check_obstacle(self, cpu: Cpu) -> Optional[str]:
        return None if cpu.sse42 else "the processor has no SSE 4.2, and so no instruction for crc32c"

    def parse(self, content: Content) -> Vmlinux:
        vmlinux = parse_unpacked(content)
        # Kernels without CONFIG_RANDOMIZE_BASE have none. Others are parsed now, so that damage is found at build time.
        if vmlinux.end < len(content):
            relocations_of(content, vmlinux)
        return vmlinux

    def write(self, out: BinaryIO, image: Content, kernel: BzImage, content: Content, vmlinux: Vmlinux) -> FastLayout:
        layout = layout_of(kernel, vmlinux)
        stub = assemble(StubConfig(layout.kernel_bytes, layout.kernel_entry))
        out.write(make_setup(image, kernel, layout))
        out.seek(stub_offset(layout))
        out.write(stub)
        view = memoryview(content)
        for segment in vmlinux.segments:
            out.seek(kernel_offset(layout) + segment.place)
            out.write(view[segment.offset : segment.offset + segment.file_bytes])
        out.truncate(file_bytes(layout))
        return layout

    def make_ready(
        self,
        image: memoryview,
        layout: FastLayout,
        relocations: Optional[Content],
        initrd: Optional[memoryview],
        random: Callable[[int], bytes],
    ) -> None:
        stub = assemble(self._configured(image, layout, relocations, initrd, random))
        image[stub_offset(layout) : stub_offset(layout) + len(stub)] = stub

    def make_resident(
        self,
        image: memoryview,
        layout: FastLayout,
        relocations: Optional[Content],
        initrd: Optional[memoryview],
        *,
        places: ResidentPlaces,
        random: Callable[[int], bytes],
    ) -> ResidentImage:
        config = self._configured(image, layout, relocations, memoryview(b"") if initrd is None else initrd, random)
        config = replace(config, kernel_at=places.kernel_at, initrd_at=places.initrd_at if initrd is not None else 0)
        page, entry_offset = crash_page()
        return ResidentImage(make_trampoline(image, layout, assemble(config)), page, places.entry_at + entry_offset)

    def kernel_of(self, image: memoryview, layout: FastLayout) -> memoryview:
        return image[kernel_offset(layout) :]

    def _configured(
        self,
        image: memoryview,
        layout: FastLayout,
        relocations: Optional[Content],
        initrd: Optional[memoryview],
        random: Callable[[int], bytes],
    ) -> StubConfig:
        """Relocate the kernel in an image, and work out the configuration of its stub."""
        flat = self.kernel_of(image, layout)
        if relocations is not None:
            parsed = parse_relocations(relocations, layout.linked_at, layout.kernel_bytes, layout.memory_bytes)
            relocate(flat, parsed, draw_move(parsed, random))
        config = StubConfig(layout.kernel_bytes, layout.kernel_entry, relocated=relocations is not None)
        if initrd is None:
            return config
        checksummer = self.checksummer()
        return replace(
            config,
            check=True,
            kernel_sums=checksummer.sums(flat),
            initrd_bytes=len(initrd),
            initrd_sums=checksummer.sums(initrd),
        )

    def checksummer(self) -> Checksummer:
        return StubChecksummer()

    def parse_stamps(self, content: bytes) -> Optional[StubStamps]:
        return parse_boot_params(content)
