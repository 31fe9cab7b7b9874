# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import lzma

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._image.errors import ImageError
from ansible_collections.fleet.kexec.plugins.module_utils._image.initrd import (
    initrd_format,
    pack_file,
    split_initrd,
    uncompress_initrd,
)
from ansible_collections.fleet.kexec.plugins.module_utils._image.payload import Unpacker

from ....initrds import make_cpio

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


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (EARLY[:300], "INITRD_INVALID"),
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
