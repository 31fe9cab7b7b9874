# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._image.bzimage import BzImage, parse_bzimage
from ansible_collections.fleet.kexec.plugins.module_utils._image.elf import Vmlinux, parse_vmlinux
from ansible_collections.fleet.kexec.plugins.module_utils._image.fast import Layout, layout_of, make_setup, write_fast_image
from ansible_collections.fleet.kexec.plugins.module_utils._image.stub import StubConfig, assemble

from ....bzimages import (
    ENTRY,
    FLAT_BYTES,
    LOADED_AT,
    MEMORY_BYTES,
    Load,
    flat_of,
    make_content,
    make_elf,
    make_kernel,
    make_payload,
)
from ....outcomes import code_of
from .conftest import RealKernel, real_kernel

CONTENT = make_content()
IMAGE = make_kernel(make_payload("gzip", CONTENT))
SETUP_BYTES = 8 * 512
HEAD_BYTES = 2 << 20
#: FLAT_BYTES in whole pages.
KERNEL_BYTES = 0x4000


def parse(image: bytes = IMAGE, content: bytes = CONTENT) -> tuple[BzImage, Vmlinux]:
    return parse_bzimage(image, len(image)), parse_vmlinux(content)


def write(image: bytes = IMAGE, content: bytes = CONTENT) -> tuple[bytes, Layout]:
    header, vmlinux = parse(image, content)
    with tempfile.TemporaryFile() as out:
        layout = write_fast_image(out, memoryview(image)[: header.setup_bytes], header, content, vmlinux)
        out.seek(0)
        return out.read(), layout


def test_the_layout() -> None:
    layout = layout_of(*parse())
    assert layout == Layout(setup_bytes=SETUP_BYTES, kernel_bytes=KERNEL_BYTES, kernel_entry=ENTRY)
    assert layout.stub_offset == SETUP_BYTES + 0x200
    assert layout.kernel_offset == SETUP_BYTES + HEAD_BYTES
    assert layout.file_bytes == SETUP_BYTES + HEAD_BYTES + KERNEL_BYTES


def test_every_byte_of_a_fast_image() -> None:
    made, layout = write()
    assert len(made) == layout.file_bytes
    stub = assemble(StubConfig(KERNEL_BYTES, ENTRY))
    stub_end = layout.stub_offset + len(stub)
    assert not any(made[SETUP_BYTES : layout.stub_offset])
    assert made[layout.stub_offset : stub_end] == stub
    assert not any(made[stub_end : layout.kernel_offset])
    assert made[layout.kernel_offset : layout.kernel_offset + FLAT_BYTES] == flat_of()
    assert not any(made[layout.kernel_offset + FLAT_BYTES :])


def test_the_setup_part() -> None:
    header, vmlinux = parse()
    expected = bytearray(IMAGE[:SETUP_BYTES])
    struct.pack_into("<H", expected, 0, 0)
    struct.pack_into("<I", expected, 0x1F4, (HEAD_BYTES + KERNEL_BYTES) // 16)
    struct.pack_into("<II", expected, 0x248, 0, 0)
    struct.pack_into("<QII", expected, 0x258, LOADED_AT - HEAD_BYTES, HEAD_BYTES + MEMORY_BYTES, 0)
    assert make_setup(IMAGE[:SETUP_BYTES], header, layout_of(header, vmlinux), vmlinux.memory_bytes) == expected


def test_the_setup_part_without_its_efi_stub() -> None:
    header, vmlinux = parse()
    setup = bytearray(IMAGE[:SETUP_BYTES])
    # 64-bit, above 4 GiB, EFI handover in both widths, kexec on EFI, five levels, the same enabled
    struct.pack_into("<H", setup, 0x236, 0b1111111)
    made = make_setup(bytes(setup), header, layout_of(header, vmlinux), vmlinux.memory_bytes)
    assert struct.unpack_from("<H", made, 0x236) == (0b1110011,)


def test_what_was_made_parses_again() -> None:
    made, layout = write()
    header = parse_bzimage(made[:33280], len(made))
    original = parse_bzimage(IMAGE, len(IMAGE))
    assert (header.release, header.protocol, header.setup_bytes) == (original.release, original.protocol, original.setup_bytes)
    assert header.setup_bytes + header.protected_mode_bytes == header.file_bytes == layout.file_bytes
    assert (header.payload_offset, header.payload_bytes) == (0, 0)
    assert header.init_size_bytes == HEAD_BYTES + MEMORY_BYTES
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


@pytest.mark.parametrize("alignment", [1, 0x1000, 1 << 20, 2 << 20])
def test_alignments_that_the_stub_gives(alignment: int) -> None:
    assert write(make_kernel(make_payload("gzip", CONTENT), alignment=alignment))[1].kernel_entry == ENTRY


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (make_kernel(make_payload("gzip", CONTENT), relocatable=False), "KERNEL_INVALID"),
        (make_kernel(make_payload("gzip", CONTENT), alignment=0), "KERNEL_INVALID"),
        (make_kernel(make_payload("gzip", CONTENT), alignment=4 << 20), "KERNEL_INVALID"),
        (make_kernel(make_payload("gzip", CONTENT), alignment=3 << 19), "KERNEL_INVALID"),
        (make_kernel(make_payload("gzip", CONTENT), alignment=0xFFFFFFFF), "KERNEL_INVALID"),
        # It would take more memory than the loader was told.
        (make_kernel(make_payload("gzip", CONTENT), init_size=MEMORY_BYTES - 1), "PAYLOAD_INVALID"),
    ],
)
def test_kernels_it_cannot_be_made_from(image: bytes, code: str) -> None:
    assert code_of(write, image) == code


# --- real ones ---------------------------------------------------------------------------


def test_a_real_kernel(kernel: RealKernel, tmp_path: Path) -> None:
    path = tmp_path / "image"
    setup = memoryview(kernel.image)[: kernel.header.setup_bytes]
    with path.open("wb") as out:
        layout = write_fast_image(out, setup, kernel.header, kernel.content, kernel.vmlinux)
    made = path.read_bytes()
    header = parse_bzimage(made[:33280], len(made))
    assert header.release == kernel.header.release
    assert len(made) == layout.file_bytes == header.setup_bytes + header.protected_mode_bytes
    assert header.init_size_bytes == HEAD_BYTES + kernel.vmlinux.memory_bytes
    assert header.pref_address == LOADED_AT - HEAD_BYTES
    assert 1 << 20 < layout.kernel_bytes < header.init_size_bytes
    for segment in kernel.vmlinux.segments:
        begin = layout.kernel_offset + segment.place
        assert made[begin : begin + segment.file_bytes] == kernel.content[segment.offset : segment.offset + segment.file_bytes]
    # Its first instruction: not filled up with zeros or breakpoints.
    entry = made[layout.kernel_offset + layout.kernel_entry :][:4]
    assert entry not in (bytes(4), b"\xcc" * 4)
    # All that differs in the real-mode part: MZ, syssize, xloadflags, payload, pref_address with init_size and handover.
    changed = {at for at in range(header.setup_bytes) if made[at] != kernel.image[at]}
    assert changed <= {0, 1, *range(0x1F4, 0x1F8), 0x236, *range(0x248, 0x250), *range(0x258, 0x268)}


BUILD = """
import mmap, resource, sys, time
from ansible_collections.fleet.kexec.plugins.module_utils._image.bzimage import parse_bzimage
from ansible_collections.fleet.kexec.plugins.module_utils._image.elf import parse_vmlinux
from ansible_collections.fleet.kexec.plugins.module_utils._image.fast import write_fast_image
from ansible_collections.fleet.kexec.plugins.module_utils._image.payload import Unpacker, payload_of
from ansible_collections.fleet.kexec.plugins.module_utils._image.relocation import relocations_of
begin = time.perf_counter()
with open(sys.argv[1], "rb") as stream:
    image = stream.read()
header = parse_bzimage(image, len(image))
content = Unpacker().unpack(payload_of(memoryview(image), header))
vmlinux = parse_vmlinux(content)
relocations_of(content, vmlinux)
with open(sys.argv[2], "wb") as out:
    write_fast_image(out, image[: header.setup_bytes], header, content, vmlinux)
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
