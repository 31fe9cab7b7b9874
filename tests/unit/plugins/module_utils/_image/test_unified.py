# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._image.errors import ImageError
from ansible_collections.fleet.kexec.plugins.module_utils._image.pe import HEAD_BYTES
from ansible_collections.fleet.kexec.plugins.module_utils._image.unified import (
    CMDLINE,
    LINUX,
    PROFILE,
    UNAME,
    UnifiedImage,
    is_unified,
    parse_unified,
)

from ....bzimages import make_bzimage
from ....outcomes import code_of
from ....unified_images import make_pe, make_unified

IMAGE = make_unified()


def parse(content: bytes) -> UnifiedImage:
    return parse_unified(content[:HEAD_BYTES], len(content))


def content_of(image: bytes, name: str) -> bytes:
    section = parse(image).sections[name]
    return image[section.offset : section.offset + section.size_bytes]


def test_sections() -> None:
    assert content_of(IMAGE, LINUX) == b"kernel"
    assert content_of(IMAGE, CMDLINE) == b"root=/dev/vda1 ro"
    assert content_of(IMAGE, UNAME) == b"6.12.117+deb13-amd64"
    assert parse(IMAGE).profiles == 0


def test_microcode_is_loaded_first() -> None:
    contents = [IMAGE[each.offset : each.offset + each.size_bytes] for each in parse(IMAGE).initrds]
    assert contents == [b"microcode", b"initrd"]


def test_the_first_section_of_a_name_counts() -> None:
    assert content_of(make_unified(more=[(".initrd", b"ignored")]), ".initrd") == b"initrd"


def test_the_first_profile() -> None:
    image = make_unified(
        more=[
            (PROFILE, b"ID=main\n"),
            (CMDLINE, b"of the first"),
            (PROFILE, b"ID=factory-reset\n"),
            (CMDLINE, b"of the second"),
            (UNAME, b"9"),
        ]
    )
    assert parse(image).profiles == 2
    assert content_of(image, CMDLINE) == b"of the first"
    assert content_of(image, PROFILE) == b"ID=main\n"
    assert content_of(image, UNAME) == b"6.12.117+deb13-amd64"


def test_a_section_with_less_content_than_memory() -> None:
    image = bytearray(make_pe([(LINUX, b"k" * 512)]))
    struct.pack_into("<I", image, 0x80 + 24 + 240 + 8, 1 << 20)
    assert parse(bytes(image)).sections[LINUX].size_bytes == 512


def test_files_of_other_kinds() -> None:
    assert is_unified(IMAGE)
    assert not is_unified(make_bzimage())
    assert not is_unified(make_pe([(".text", b"systemd-boot")]))
    assert not is_unified(b"")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "KERNEL_TRUNCATED"),
        (b"MZ", "KERNEL_TRUNCATED"),
        (b"\x7fELF" + bytes(100), "KERNEL_INVALID"),
        (make_bzimage(), "KERNEL_INVALID"),
        (IMAGE[:0x90], "KERNEL_TRUNCATED"),
        (IMAGE[:0x200], "KERNEL_TRUNCATED"),
        (IMAGE[:-512], "KERNEL_TRUNCATED"),
        (IMAGE[:0x3C] + b"\xff\xff\xff\xff" + IMAGE[0x40:], "KERNEL_TRUNCATED"),
        (IMAGE[:0x3C] + b"\xff\xff\xff\xff" + IMAGE[0x40:].ljust(HEAD_BYTES, b"\0"), "KERNEL_INVALID"),
        (IMAGE[:0x80] + b"NE" + IMAGE[0x82:], "KERNEL_INVALID"),
        (make_pe([(".text", b"stub")]), "KERNEL_INVALID"),
        (make_unified(linux=b""), "KERNEL_INVALID"),
    ],
)
def test_damage(content: bytes, code: str) -> None:
    assert code_of(parse, content) == code


@given(st.lists(st.tuples(st.integers(0, 0x400), st.integers(0, 255)), max_size=8), st.integers(0, len(IMAGE)))
def test_any_damage_has_a_code(changes: list[tuple[int, int]], end: int) -> None:
    content = bytearray(IMAGE)
    for place, value in changes:
        content[place] = value
    try:
        image = parse(bytes(content[:end]))
    except ImageError:
        return
    assert all(each.offset + each.size_bytes <= end for each in image.sections.values())


@given(st.binary(max_size=300))
def test_any_bytes_behind_the_magic_have_a_code(content: bytes) -> None:
    assert not is_unified(b"MZ" + content) or LINUX.encode() in content
