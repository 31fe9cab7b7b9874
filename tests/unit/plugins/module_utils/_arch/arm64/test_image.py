# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import io
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._arch.arm64.image import read_image
from ansible_collections.fleet.kexec.plugins.module_utils._image.errors import ImageError
from ansible_collections.fleet.kexec.plugins.module_utils._image.kernel_file import KernelFile
from ansible_collections.fleet.kexec.plugins.module_utils._image.payload import Unpacker, payload_of

from .....arm64_images import make_gzip, make_image, make_zboot, signed_image
from .....bzimages import make_bzimage, signed
from ...conftest import real_kernel


def read(content: bytes) -> KernelFile:
    return read_image(io.BytesIO(content), "image")


def unpack(content: bytes, header: KernelFile) -> bytes:
    return Unpacker().unpack(payload_of(memoryview(content), header))


def test_a_plain_image() -> None:
    image = make_image("6.12.1-cloud-arm64", build="#1 SMP PREEMPT Debian 6.12.1-1")
    parsed = read(image)
    assert (parsed.release, parsed.build) == ("6.12.1-cloud-arm64", "#1 SMP PREEMPT Debian 6.12.1-1")
    assert (parsed.file_bytes, parsed.image_bytes, parsed.memory_bytes) == (0x10000, 0x10000, 0x20000)
    assert (parsed.packed, parsed.signed, parsed.payload_bytes) == (False, False, 0)


def test_a_signature_is_no_part_of_the_image() -> None:
    parsed = read(signed_image(make_image()))
    assert (parsed.signed, parsed.image_bytes, parsed.file_bytes) == (True, 0x10000, 0x10000 + 64)


@pytest.mark.parametrize("image", [make_image(), signed_image(make_image())])
@pytest.mark.parametrize("pack", [make_gzip, make_zboot, lambda image: make_zboot(image, "xzkern")])
def test_what_is_packed_tells_what_it_holds(pack: object, image: bytes) -> None:
    assert callable(pack)
    content = pack(image)
    parsed, plain = read(content), read(image)
    assert (parsed.release, parsed.build, parsed.signed) == (plain.release, plain.build, plain.signed)
    assert (parsed.packed, parsed.memory_bytes, parsed.file_bytes) == (True, 0x20000, len(content))
    assert unpack(content, parsed) == image


def test_a_signature_that_fills_the_memory_of_a_small_kernel() -> None:
    content = make_gzip(signed_image(make_image(memory_bytes=0x10000)))
    assert len(unpack(content, read(content))) == 0x10000 + 64


def test_an_image_without_an_efi_stub() -> None:
    image = bytes(2) + make_image()[2:] + bytes(100)
    assert (read(image).release, read(image).image_bytes) == ("6.12.0-test", len(image))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "KERNEL_TRUNCATED"),
        (make_image()[:0x8000], "KERNEL_TRUNCATED"),
        (make_image(memory_bytes=0), "KERNEL_INVALID"),
        (bytes(4096), "KERNEL_INVALID"),
        (b"MZ" + bytes(4096), "KERNEL_INVALID"),
        (make_image(machine=0x5064), "WRONG_ARCH"),
        (make_zboot(make_image(), machine=0x6264), "WRONG_ARCH"),
        (signed(make_bzimage()), "WRONG_ARCH"),
        (make_zboot(make_image(machine=0x5064)), "WRONG_ARCH"),
        (make_gzip(make_bzimage()), "KERNEL_INVALID"),
        (make_gzip(make_image())[:-100], "PAYLOAD_INVALID"),
        (make_zboot(make_image())[:0x1010], "PAYLOAD_INVALID"),
        (make_zboot(make_image(), "lzo").replace(b"\xfd7zXZ", b"\x89LZO\0"), "PAYLOAD_FORMAT"),
    ],
)
def test_what_is_none(content: bytes, code: str) -> None:
    with pytest.raises(ImageError) as caught:
        read(content)
    assert caught.value.reason.code == code
    assert "image" in caught.value.reason.message


@given(st.sampled_from([make_image(), make_gzip(make_image()), make_zboot(make_image())]), st.data())
def test_any_damage_is_an_error_or_none(content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content[: data.draw(st.integers(0, len(content)))])
    for _each in range(data.draw(st.integers(0, 8))):
        if damaged:
            damaged[data.draw(st.integers(0, min(len(damaged), 0x200) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImageError):
        read(bytes(damaged))


# --- Debian's ----------------------------------------------------------------------------

REAL = {"trixie-cloud-arm64": "6.12.", "trixie-backports-cloud-arm64": "7."}


@pytest.mark.parametrize(("name", "series"), REAL.items())
def test_a_real_kernel(name: str, series: str) -> None:
    path = real_kernel(name)
    with path.open("rb") as stream:
        parsed = read_image(stream, str(path))
    assert parsed.release.startswith(series) and parsed.release.endswith("-cloud-arm64")
    assert parsed.build.startswith("#1 SMP") and " Debian " in parsed.build
    # Signed by Debian, behind the image; stored plain.
    assert parsed.signed and not parsed.packed
    assert 0 < parsed.file_bytes - parsed.image_bytes < 1 << 16
    assert parsed.image_bytes <= parsed.memory_bytes


def test_a_real_kernel_that_was_packed(tmp_path: Path) -> None:
    path = real_kernel("trixie-cloud-arm64")
    image = path.read_bytes()
    packed = tmp_path / "vmlinuz"
    with packed.open("wb") as out:
        subprocess.run(["gzip", "--fast", "--stdout", path], stdout=out, check=True, timeout=60)
    parsed, plain = read(packed.read_bytes()), read(image)
    assert (parsed.release, parsed.build, parsed.signed, parsed.packed) == (plain.release, plain.build, True, True)
    assert struct.unpack("<I", packed.read_bytes()[-4:]) == (len(image),)
    assert unpack(packed.read_bytes(), parsed) == image
