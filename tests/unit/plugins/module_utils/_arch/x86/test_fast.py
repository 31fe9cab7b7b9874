# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._arch.interface import Cpu, FastLayout
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.bzimage import BzImage, parse_bzimage
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.fast import (
    FastBzImages,
    file_bytes,
    kernel_offset,
    layout_of,
    make_setup,
    parse_unpacked,
    stub_offset,
)
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.stub import StubConfig, assemble
from ansible_collections.fleet.kexec.plugins.module_utils._image.elf import Vmlinux

from .....bzimages import (
    ENTRY,
    FLAT_BYTES,
    LINKED_AT,
    LOADED_AT,
    LOADS,
    MEMORY_BYTES,
    Load,
    flat_of,
    make_bzimage,
    make_content,
    make_elf,
    make_kernel,
    make_payload,
)
from .....outcomes import code_of
from ...conftest import RealKernel, real_kernel

CONTENT = make_content()
IMAGE = make_kernel(make_payload("gzip", CONTENT))
SETUP_BYTES = 8 * 512
HEAD_BYTES = 2 << 20
#: FLAT_BYTES in whole pages.
KERNEL_BYTES = 0x4000


def parse(image: bytes = IMAGE, content: bytes = CONTENT) -> tuple[BzImage, Vmlinux]:
    return parse_bzimage(image, len(image)), parse_unpacked(content)


def write(image: bytes = IMAGE, content: bytes = CONTENT) -> tuple[bytes, FastLayout]:
    header, vmlinux = parse(image, content)
    with tempfile.TemporaryFile() as out:
        layout = FastBzImages().write(out, memoryview(image), header, content, vmlinux)
        out.seek(0)
        return out.read(), layout


def test_the_layout() -> None:
    layout = layout_of(*parse())
    assert layout == FastLayout(
        setup_bytes=SETUP_BYTES,
        kernel_bytes=KERNEL_BYTES,
        kernel_entry=ENTRY,
        linked_at=LINKED_AT,
        memory_bytes=MEMORY_BYTES,
    )
    assert stub_offset(layout) == SETUP_BYTES + 0x200
    assert kernel_offset(layout) == SETUP_BYTES + HEAD_BYTES
    assert file_bytes(layout) == SETUP_BYTES + HEAD_BYTES + KERNEL_BYTES


def test_every_byte_of_a_fast_image() -> None:
    made, layout = write()
    assert len(made) == file_bytes(layout)
    stub = assemble(StubConfig(KERNEL_BYTES, ENTRY))
    stub_end = stub_offset(layout) + len(stub)
    assert not any(made[SETUP_BYTES : stub_offset(layout)])
    assert made[stub_offset(layout) : stub_end] == stub
    assert not any(made[stub_end : kernel_offset(layout)])
    assert made[kernel_offset(layout) : kernel_offset(layout) + FLAT_BYTES] == flat_of()
    assert not any(made[kernel_offset(layout) + FLAT_BYTES :])


def test_the_setup_part() -> None:
    header, vmlinux = parse()
    expected = bytearray(IMAGE[:SETUP_BYTES])
    struct.pack_into("<H", expected, 0, 0)
    struct.pack_into("<I", expected, 0x1F4, (HEAD_BYTES + KERNEL_BYTES) // 16)
    struct.pack_into("<II", expected, 0x248, 0, 0)
    struct.pack_into("<QII", expected, 0x258, LOADED_AT - HEAD_BYTES, HEAD_BYTES + MEMORY_BYTES, 0)
    assert make_setup(IMAGE, header, layout_of(header, vmlinux)) == expected


def test_the_setup_part_without_its_efi_stub() -> None:
    header, vmlinux = parse()
    setup = bytearray(IMAGE[:SETUP_BYTES])
    # 64-bit, above 4 GiB, EFI handover in both widths, kexec on EFI, five levels, the same enabled
    struct.pack_into("<H", setup, 0x236, 0b1111111)
    made = make_setup(bytes(setup), header, layout_of(header, vmlinux))
    assert struct.unpack_from("<H", made, 0x236) == (0b1110011,)


def test_what_was_made_parses_again() -> None:
    made, layout = write()
    header = parse_bzimage(made[:33280], len(made))
    original = parse_bzimage(IMAGE, len(IMAGE))
    assert (header.release, header.protocol, header.setup_bytes) == (original.release, original.protocol, original.setup_bytes)
    assert header.image_bytes == header.file_bytes == file_bytes(layout)
    assert (header.payload_begin, header.payload_bytes) == (header.setup_bytes, 0)
    assert header.memory_bytes == HEAD_BYTES + MEMORY_BYTES
    assert (header.pref_address, header.alignment) == (LOADED_AT - HEAD_BYTES, 2 << 20)


@pytest.mark.parametrize(
    ("pref_address", "expected"), [(0, 2 << 20), (2 << 20, 2 << 20), (6 << 20, 4 << 20), (1 << 40, (1 << 40) - (2 << 20))]
)
def test_where_it_would_like_to_be_loaded(pref_address: int, expected: int) -> None:
    made, _layout = write(make_kernel(make_payload("gzip", CONTENT), pref_address=pref_address))
    assert struct.unpack_from("<Q", made, 0x258) == (expected,)


def test_memory_that_ends_within_a_page() -> None:
    content = make_elf([Load(0, b"\xf4" * 5000, memory_bytes=9000)], entry=0)
    made, layout = write(content=content)
    assert layout.kernel_bytes == 8192
    assert struct.unpack_from("<I", made, 0x260) == (HEAD_BYTES + 12288,)


def obstacle_of(
    *, alignment: int = 2 << 20, min_alignment: int = 0, relocatable: bool = True, pref_address: int = LOADED_AT
) -> str | None:
    image = make_kernel(
        make_payload("gzip", CONTENT),
        alignment=alignment,
        min_alignment=min_alignment,
        relocatable=relocatable,
        pref_address=pref_address,
    )
    found = FastBzImages().kernel_obstacle(parse_bzimage(image, len(image)))
    return found.code if found else None


@pytest.mark.parametrize("alignment", [1, 0x1000, 1 << 20, 2 << 20])
def test_alignments_that_the_stub_gives(alignment: int) -> None:
    assert obstacle_of(alignment=alignment) is None


# CONFIG_PHYSICAL_ALIGN is Fedora's 16 MiB; PHYSICAL_START is 16 MiB or, in old ones, 2 MiB, which is then rounded up.
@pytest.mark.parametrize("pref_address", [16 << 20, 32 << 20])
def test_a_kernel_that_prefers_more_than_it_needs(pref_address: int) -> None:
    assert obstacle_of(alignment=16 << 20, min_alignment=21, pref_address=pref_address) is None
    image = make_kernel(
        make_payload("gzip", CONTENT), alignment=16 << 20, min_alignment=21, init_size=64 << 20, pref_address=pref_address
    )
    made, _layout = write(image)
    header = parse_bzimage(made[:33280], len(made))
    assert FastBzImages().kernel_obstacle(header) is None
    assert struct.unpack_from("<IBB", made, 0x230) == (2 << 20, 1, 21)
    assert header.pref_address == pref_address - HEAD_BYTES
    # Apart from what it prefers, nothing differs.
    usual, _layout = write(make_kernel(make_payload("gzip", CONTENT), init_size=64 << 20, pref_address=pref_address))
    assert made == usual


@pytest.mark.parametrize(
    ("alignment", "min_alignment", "relocatable"),
    [
        (2 << 20, 21, False),
        (0, 0, True),
        (4 << 20, 0, True),
        (3 << 19, 0, True),
        (0xFFFFFFFF, 0, True),
        (2 << 20, 22, True),
        (16 << 20, 24, True),
        (2 << 20, 255, True),
    ],
)
def test_kernels_that_the_stub_can_not_place(alignment: int, min_alignment: int, relocatable: bool) -> None:
    found = obstacle_of(alignment=alignment, min_alignment=min_alignment, relocatable=relocatable)
    assert found == "FAST_IMAGE_UNSUPPORTED"


def test_a_kernel_that_contradicts_its_header() -> None:
    # It would take more memory than the loader was told.
    image = make_kernel(make_payload("gzip", CONTENT), init_size=MEMORY_BYTES - 1)
    assert code_of(write, image) == "PAYLOAD_INVALID"


@pytest.mark.parametrize("shift", [0x1000, 0x100000, 0x1FF000])
def test_a_kernel_that_would_hang_where_the_stub_puts_it(shift: int) -> None:
    loads = [replace(load, virtual=LINKED_AT + shift + load.place) for load in LOADS]
    assert code_of(write, IMAGE, make_elf(loads)) == "PAYLOAD_INVALID"


def test_a_kernel_without_relocations() -> None:
    bare = make_elf()
    vmlinux = FastBzImages().parse(bare)
    assert vmlinux.end == len(bare)
    assert write(content=bare)[0] == write()[0]
    # Anything behind it has to be a table.
    assert code_of(FastBzImages().parse, bare + bytes(4)) == "PAYLOAD_INVALID"


@pytest.mark.parametrize(
    ("enabled", "live", "args", "code"),
    [
        (True, True, (), None),
        (False, False, ("no5lvl",), None),
        (False, True, (), "KERNEL_INVALID"),
        (True, True, ("no5lvl",), "KERNEL_INVALID"),
        (True, False, ("mem_encrypt=on",), "CONFIDENTIAL_GUEST"),
        (True, False, ("mem=4G",), "FAST_IMAGE_UNSUPPORTED"),
        (True, True, ("no5lvl", "memmap=4G!12G"), "FAST_IMAGE_UNSUPPORTED"),
    ],
)
def test_what_takes_the_decompressor(enabled: bool, live: bool, args: tuple[str, ...], code: str | None) -> None:
    image = make_bzimage(xloadflags=0b1000001 if enabled else 1)
    found = FastBzImages().obstacle(parse_bzimage(image, len(image)), Cpu("", five_level_paging=live), args)
    assert (found.code if found else None) == code


# --- real ones ---------------------------------------------------------------------------


def test_a_real_kernel(kernel: RealKernel, tmp_path: Path) -> None:
    path = tmp_path / "image"
    with path.open("wb") as out:
        layout = FastBzImages().write(out, kernel.image, kernel.header, kernel.content, kernel.vmlinux)
    made = path.read_bytes()
    header = parse_bzimage(made[:33280], len(made))
    assert header.release == kernel.header.release
    assert len(made) == file_bytes(layout) == header.image_bytes
    assert header.memory_bytes == HEAD_BYTES + kernel.vmlinux.memory_bytes
    assert header.pref_address == LOADED_AT - HEAD_BYTES
    assert 1 << 20 < layout.kernel_bytes < header.memory_bytes
    for segment in kernel.vmlinux.segments:
        begin = kernel_offset(layout) + segment.place
        assert made[begin : begin + segment.file_bytes] == kernel.content[segment.offset : segment.offset + segment.file_bytes]
    # Its first instruction: not filled up with zeros or breakpoints.
    entry = made[kernel_offset(layout) + layout.kernel_entry :][:4]
    assert entry not in (bytes(4), b"\xcc" * 4)
    # All that differs in the real-mode part: MZ, syssize, xloadflags, payload, pref_address with init_size and handover.
    changed = {at for at in range(header.setup_bytes) if made[at] != kernel.image[at]}
    assert changed <= {0, 1, *range(0x1F4, 0x1F8), 0x236, *range(0x248, 0x250), *range(0x258, 0x268)}


BUILD = """
import mmap, resource, sys, time
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.bzimage import parse_bzimage
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.fast import FastBzImages
from ansible_collections.fleet.kexec.plugins.module_utils._image.payload import Unpacker, payload_of
begin = time.perf_counter()
with open(sys.argv[1], "rb") as stream:
    image = stream.read()
header = parse_bzimage(image, len(image))
content = Unpacker().unpack(payload_of(memoryview(image), header))
vmlinux = FastBzImages().parse(content)
with open(sys.argv[2], "wb") as out:
    FastBzImages().write(out, image, header, content, vmlinux)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
print(time.perf_counter() - begin, file=sys.stderr)
"""


@pytest.mark.parametrize("name", ["trixie-cloud", "bookworm-cloud"])
def test_the_memory_that_building_takes(name: str, tmp_path: Path) -> None:
    path = real_kernel(name)
    # The peak of a process that was forked begins with that of its parent: here with that of a shell, not of this one.
    shell = ["/bin/sh", "-c", '"$@"; exit $?', "sh"]
    done = subprocess.run(
        [*shell, sys.executable, "-c", BUILD, str(path), str(tmp_path / "image")],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    own_kib, program_kib = map(int, done.stdout.split())
    assert own_kib <= 250 << 10
    # zstd has a window of 128 MiB for what was packed at level 22.
    assert program_kib <= 250 << 10
