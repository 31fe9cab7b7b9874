# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import lzma
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._image.errors import ImageError
from ansible_collections.fleet.kexec.plugins.module_utils._image.initrd import (
    archives_end,
    initrd_format,
    leave_out,
    pack_file,
    split_initrd,
    uncompress_initrd,
)
from ansible_collections.fleet.kexec.plugins.module_utils._image.payload import Unpacker

from ....initrds import make_bootconfig, make_cpio

EARLY = make_cpio({"kernel/x86/microcode/AuthenticAMD.bin": b"microcode" * 100})
MAIN = make_cpio({"init": b"#!/bin/sh\n", "etc/fstab": b"none\n" * 1000})
# Without a time: pytest names tests after it, and has to name them alike in each of its processes.
PACKED = gzip.compress(MAIN, mtime=0)
LIMIT = 1 << 20


def test_formats() -> None:
    assert initrd_format(EARLY) == "cpio"
    assert initrd_format(gzip.compress(MAIN)) == "gzip"
    assert initrd_format(b"<html>") is None


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"070701", "cpio"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"", None),
        (b"hello", None),
        (bytes(6), None),
    ],
)
def test_formats_by_their_first_bytes(head: bytes, name: str | None) -> None:
    assert initrd_format(head) == name


@pytest.mark.parametrize("padding", [0, 4, 500, 4096, 10_000])
def test_archives_in_front_are_passed_over(padding: int) -> None:
    front = EARLY + bytes(padding)
    assert split_initrd(memoryview(front + gzip.compress(MAIN))) == (len(front), "gzip")
    assert split_initrd(memoryview(front + EARLY + lzma.compress(MAIN))) == (len(front + EARLY), "xz")


def test_nothing_compressed() -> None:
    data = EARLY + bytes(512) + MAIN
    assert split_initrd(memoryview(data)) == (len(data), None)
    assert b"".join(uncompress_initrd(memoryview(data), Unpacker(), LIMIT)) == data


def test_microcode_in_front_stays_as_it_is() -> None:
    packed = EARLY + bytes(100) + gzip.compress(MAIN) + bytes(7)
    assert b"".join(uncompress_initrd(memoryview(packed), Unpacker(), LIMIT)) == EARLY + bytes(100) + MAIN


def test_the_archive_begins_where_the_kernel_looks_for_it() -> None:
    packed = EARLY + bytes(2) + gzip.compress(MAIN)
    assert b"".join(uncompress_initrd(memoryview(packed), Unpacker(), LIMIT)) == EARLY + bytes(4) + MAIN


# --- a boot configuration at the end -------------------------------------------------------

BOOTCONFIG = make_bootconfig(b"kernel { quiet }\n\0\0")


def end_as_the_kernel(data: bytes) -> int:
    """get_boot_config_from_initrd() of init/main.c, line by line."""
    for back in range(4):
        at = len(data) - 12 - back
        if at >= 8 and data[at : at + 12] == b"#BOOTCONFIG\n":
            size_bytes, checksum = struct.unpack_from("<II", data, at - 8)
            begin = at - 8 - size_bytes
            return begin if begin >= 0 and sum(data[begin : at - 8]) % (1 << 32) == checksum else len(data)
    return len(data)


@pytest.mark.parametrize("padding", range(6))
@pytest.mark.parametrize("archives", [b"", EARLY, PACKED, EARLY + PACKED, EARLY + bytes(2) + PACKED])
def test_where_the_archives_end(archives: bytes, padding: int) -> None:
    data = archives + BOOTCONFIG + bytes(padding)
    assert archives_end(memoryview(data)) == (len(archives) if padding < 4 else len(data)) == end_as_the_kernel(data)


@given(st.binary(max_size=64), st.binary(max_size=64), st.integers(0, 5), st.integers(0, 200), st.binary(max_size=2))
def test_the_archives_end_where_the_kernel_says(front: bytes, config: bytes, padding: int, at: int, patch: bytes) -> None:
    data = bytearray(front + make_bootconfig(config) + bytes(padding))
    data[at : at + len(patch)] = patch if at < len(data) else b""
    assert archives_end(memoryview(data)) == end_as_the_kernel(bytes(data))


@pytest.mark.parametrize("padding", [0, 1, 3])
@pytest.mark.parametrize("front", [b"", EARLY, EARLY + bytes(512)])
@pytest.mark.parametrize("packed", [PACKED, lzma.compress(MAIN), gzip.compress(MAIN, mtime=0) + bytes(7)])
def test_a_boot_configuration_is_kept_byte_for_byte(front: bytes, packed: bytes, padding: int) -> None:
    trailer = BOOTCONFIG + bytes(padding)
    made = b"".join(uncompress_initrd(memoryview(front + packed + trailer), Unpacker(), LIMIT))
    assert made == front + MAIN + trailer
    assert archives_end(memoryview(made)) == len(front + MAIN)


def test_a_boot_configuration_behind_what_is_not_compressed() -> None:
    data = EARLY + MAIN + BOOTCONFIG
    assert split_initrd(memoryview(data)) == (len(EARLY + MAIN), None)
    assert b"".join(uncompress_initrd(memoryview(data), Unpacker(), LIMIT)) == data


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (EARLY[:300], "INITRD_INVALID"),
        # With a wrong checksum, a wrong size, or too far from the end, it is none.
        (PACKED + BOOTCONFIG.replace(b"quiet", b"debug"), "PAYLOAD_INVALID"),
        (PACKED + make_bootconfig(b"", size_bytes=1 << 20), "PAYLOAD_INVALID"),
        (PACKED + BOOTCONFIG + bytes(4), "PAYLOAD_INVALID"),
        (EARLY + BOOTCONFIG + bytes(4), "INITRD_INVALID"),
        (EARLY[:50], "INITRD_INVALID"),
        (EARLY[: len(EARLY) // 2] + PACKED, "INITRD_INVALID"),
        (EARLY.replace(b"00000384", b"-0000384"), "INITRD_INVALID"),
        (EARLY[:500] + EARLY[500:].replace(b"070701", b"070707"), "INITRD_INVALID"),
        (EARLY + b"<html>", "INITRD_INVALID"),
        (gzip.compress(b"no archive", mtime=0), "INITRD_INVALID"),
        (PACKED[:-20], "PAYLOAD_INVALID"),
        (PACKED + b"more", "PAYLOAD_INVALID"),
        (gzip.compress(bytes(LIMIT + 1), mtime=0), "PAYLOAD_INVALID"),
        (b"BZh91AY&SY", "PAYLOAD_FORMAT"),
    ],
)
def test_damage_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(ImageError) as caught:
        uncompress_initrd(memoryview(data), Unpacker(), LIMIT)
    assert caught.value.reason.code == code


def test_a_file_is_packed_byte_for_byte_as_the_stub_packs_it() -> None:
    words = "%08x%08x0000000000000000%08x00000000%08x00000000000000000000000000000000%08x00000000"
    expected = ("070701" + words % (1, 0o040555, 1, 0, 7)).encode() + b".extra\0" + bytes(3)
    expected += ("070701" + words % (2, 0o100444, 1, 5, 15)).encode() + b".extra/profile\0" + bytes(3) + b"ID=a\n" + bytes(3)
    # The trailer is a constant in src/boot/cpio.c, in upper case.
    expected += b"070701" + b"00000000" * 4 + b"00000001" + b"00000000" * 6 + b"0000000B" + b"00000000" + b"TRAILER!!!" + bytes(4)
    assert pack_file(".extra/profile", b"ID=a\n") == expected


def left(archives: bytes, *unneeded: str) -> bytes:
    return b"".join(map(bytes, leave_out(memoryview(archives), lambda path: path in unneeded)))


def test_files_that_are_left_out_leave_no_gap() -> None:
    files = {"init": b"#!/bin/sh", "a.ko": b"1", "b.ko": b"12345", "c": b"x" * 513}
    archives = make_cpio(files) + bytes(512) + make_cpio({"b.ko": b"another", "d": b""})
    assert left(archives) == archives
    assert left(archives, "b.ko", "c") == make_cpio({"init": b"#!/bin/sh", "a.ko": b"1"}) + bytes(512) + make_cpio({"d": b""})
    # An empty file costs nothing, and may be a directory.
    assert left(archives, "d") == archives


def test_a_file_of_several_names_stays() -> None:
    archive = bytearray(make_cpio({"a.ko": b"1", "b": b"2"}))
    archive[6 + 4 * 8 : 6 + 5 * 8] = b"00000002"
    assert left(bytes(archive), "a.ko") == bytes(archive)


@pytest.mark.parametrize("damaged", [MAIN[:-200], MAIN[:50], b"07070" + MAIN, MAIN[:12] + b"zz" + MAIN[14:], b"x" + MAIN])
def test_a_damaged_archive_is_not_made_smaller(damaged: bytes) -> None:
    with pytest.raises(ImageError) as caught:
        left(damaged, "init")
    assert caught.value.reason.code == "INITRD_INVALID"
