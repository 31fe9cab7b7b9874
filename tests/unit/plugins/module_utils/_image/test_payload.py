# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import lzma
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.bzimage import parse_bzimage
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.fast import parse_unpacked
from ansible_collections.fleet.kexec.plugins.module_utils._image import payload as payload_module
from ansible_collections.fleet.kexec.plugins.module_utils._image.errors import ImageError
from ansible_collections.fleet.kexec.plugins.module_utils._image.lz4 import unpack_legacy
from ansible_collections.fleet.kexec.plugins.module_utils._image.payload import Payload, Unpacker, payload_of

from ....bzimages import PACKINGS, make_content, make_kernel, make_payload, pack_stream
from ....outcomes import code_of, peak_bytes
from ..conftest import REAL_KERNELS, RealKernel

CONTENT = make_content()


def find(image: bytes) -> Payload:
    return payload_of(memoryview(image), parse_bzimage(image, len(image)))


def unpack(image: bytes, root: str = "/") -> bytes:
    return Unpacker(root).unpack(find(image))


# --- finding it --------------------------------------------------------------------------


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_payload(packing: str) -> None:
    payload = find(make_kernel(make_payload(packing, CONTENT)))
    assert payload == Payload(packing, memoryview(pack_stream(packing, CONTENT)), len(CONTENT))


SMALL = make_payload("gzip", CONTENT)


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (make_kernel(SMALL, payload_bytes=0), "PAYLOAD_INVALID"),
        (make_kernel(SMALL, payload_bytes=4), "PAYLOAD_INVALID"),
        (make_kernel(SMALL, payload_bytes=len(SMALL) + 16), "PAYLOAD_INVALID"),
        (make_kernel(SMALL, payload_bytes=0xFFFFFFFF), "PAYLOAD_INVALID"),
        (make_kernel(SMALL, payload_offset=0xFFFFFFFF), "PAYLOAD_INVALID"),
        (make_kernel(SMALL, payload_offset=0xFFFFFFFF, payload_bytes=0xFFFFFFFF), "PAYLOAD_INVALID"),
        # Its end lies in a signature behind the protected-mode part.
        (make_kernel(SMALL, payload_bytes=len(SMALL) + 100) + bytes(1000), "PAYLOAD_INVALID"),
        (make_kernel(SMALL, init_size=len(CONTENT) - 1), "PAYLOAD_INVALID"),
        (make_kernel(make_payload("xz", CONTENT, 0)), "PAYLOAD_INVALID"),
        (make_kernel(make_payload("xz", CONTENT, 3 << 30), init_size=0xFFFFFFFF), "PAYLOAD_INVALID"),
        (make_kernel(make_payload("xz", CONTENT, (1 << 30) + 1), init_size=0xFFFFFFFF), "PAYLOAD_INVALID"),
        (make_kernel(b"BZh9" + SMALL), "PAYLOAD_FORMAT"),
        (make_kernel(bytes(100) + b"\x00\x10\x00\x00"), "PAYLOAD_FORMAT"),
        (make_kernel(SMALL + bytes(16), payload_offset=717, payload_bytes=len(SMALL)), "PAYLOAD_FORMAT"),
    ],
)
def test_claims_that_cannot_be_true(image: bytes, code: str) -> None:
    assert code_of(find, image) == code


def test_a_payload_that_ends_behind_the_protected_mode_part() -> None:
    image = bytearray(make_kernel(SMALL))
    struct.pack_into("<I", image, 0x1F4, (716 + len(SMALL)) // 16 - 1)
    assert code_of(find, bytes(image)) == "PAYLOAD_INVALID"


def test_a_file_that_ends_before_its_payload() -> None:
    image = make_kernel(SMALL)
    header = parse_bzimage(image, len(image))
    for end in (0, 100, 8 * 512, 8 * 512 + 716, 8 * 512 + 716 + len(SMALL) - 1):
        assert code_of(payload_of, memoryview(image)[:end], header) == "PAYLOAD_INVALID"


# --- unpacking it ------------------------------------------------------------------------


@pytest.mark.parametrize("packing", PACKINGS)
def test_unpacking(packing: str) -> None:
    unpacker = Unpacker()
    assert unpacker.unpack(find(make_kernel(make_payload(packing, CONTENT)))) == CONTENT
    assert unpacker.representative


def test_lz4_without_its_program(tmp_path: Path) -> None:
    unpacker = Unpacker(str(tmp_path))
    assert unpacker.unpack(find(make_kernel(make_payload("lz4", CONTENT)))) == CONTENT
    assert not unpacker.representative
    unpacker.unpack(find(make_kernel(SMALL)))
    assert unpacker.representative


def test_the_time_it_took() -> None:
    ticks = iter([5.0, 5.25])
    unpacker = Unpacker(clock=lambda: next(ticks))
    unpacker.unpack(find(make_kernel(SMALL)))
    assert unpacker.took_ms == 250.0


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("error", [-1, 1, 100000])
def test_a_size_that_is_not_as_claimed(packing: str, error: int) -> None:
    assert code_of(unpack, make_kernel(make_payload(packing, CONTENT, len(CONTENT) + error))) == "PAYLOAD_INVALID"


@pytest.mark.parametrize("packing", PACKINGS)
def test_cut_off_anywhere(packing: str, tmp_path: Path) -> None:
    """Its size word is right all the same."""
    stream = pack_stream(packing, CONTENT)
    # Each costs the start of a program with zstd.
    step = 1009 if packing == "zstd" else 61
    for end in (*range(6, 40, step // 50), *range(40, len(stream) - 20, step), *range(len(stream) - 20, len(stream))):
        payload = Payload(packing, memoryview(stream)[:end], len(CONTENT))
        unpacker = Unpacker("/" if packing == "zstd" else str(tmp_path))
        assert code_of(unpacker.unpack, payload) == "PAYLOAD_INVALID", end


@pytest.mark.parametrize("packing", ["gzip", "xz"])
def test_a_bit_flipped_anywhere(packing: str) -> None:
    """These two carry a checksum: the content is right or refused."""
    stream = bytearray(pack_stream(packing, CONTENT))
    refused = 0
    for at in range(0, len(stream), 29):
        stream[at] ^= 1 << at % 8
        try:
            assert Unpacker().unpack(Payload(packing, memoryview(stream), len(CONTENT))) == CONTENT
        except ImageError as error:
            assert error.reason.code == "PAYLOAD_INVALID"
            refused += 1
        stream[at] ^= 1 << at % 8
    assert refused > len(stream) // 29 - 2


@pytest.mark.parametrize("packing", ["gzip", "xz"])
def test_something_behind_the_stream(packing: str) -> None:
    stream = pack_stream(packing, CONTENT)
    assert Unpacker().unpack(Payload(packing, memoryview(stream + bytes(512)), len(CONTENT))) == CONTENT
    for rest in (b"!", bytes(512) + b"!", stream):
        assert code_of(Unpacker().unpack, Payload(packing, memoryview(stream + rest), len(CONTENT))) == "PAYLOAD_INVALID"


def zstd_bomb(size_bytes: int) -> bytes:
    """Blocks of one byte repeated; a window of 128 KiB and no size in front."""
    blocks, last = divmod(size_bytes, 1 << 17)
    header = struct.pack("<IBB", 0xFD2FB528, 0, 7 << 3)
    block = struct.pack("<I", (1 << 17) << 3 | 1 << 1)[:3] + b"a"
    return header + block * blocks + struct.pack("<I", last << 3 | 1 << 1 | 1)[:3] + b"a"


BOMB_BYTES = 64 << 20


@pytest.mark.parametrize(
    ("packing", "stream"),
    [
        ("gzip", gzip.compress(bytes(BOMB_BYTES), 9, mtime=0)),
        ("xz", lzma.compress(bytes(BOMB_BYTES), filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}])),
        ("zstd", zstd_bomb(BOMB_BYTES)),
    ],
)
def test_a_bomb_takes_no_more_memory_than_it_claims(packing: str, stream: bytes) -> None:
    claimed_bytes = 1 << 20
    payload = Payload(packing, memoryview(stream), claimed_bytes)
    assert code_of(Unpacker().unpack, payload) == "PAYLOAD_INVALID"
    # What an xz or zlib decompressor holds itself, and a chunk on its way.
    slack_bytes = 2 << 20
    assert peak_bytes(lambda: Unpacker().unpack(payload)) <= 2 * claimed_bytes + slack_bytes


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_large_claim_takes_no_memory(packing: str) -> None:
    payload = find(make_kernel(make_payload(packing, CONTENT, 1 << 30), init_size=1 << 30))
    assert code_of(Unpacker().unpack, payload) == "PAYLOAD_INVALID"
    assert peak_bytes(lambda: Unpacker().unpack(payload)) < 2 << 20


# --- programs ----------------------------------------------------------------------------


@pytest.fixture
def no_zstd_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "compression.zstd", None)


@pytest.mark.usefixtures("no_zstd_module")
def test_zstd_without_its_program(tmp_path: Path) -> None:
    assert code_of(unpack, make_kernel(make_payload("zstd", CONTENT)), str(tmp_path)) == "NO_DECOMPRESSOR"


class FakeZstd:
    """As in Python 3.14."""

    ZstdError = ValueError

    class ZstdDecompressor:
        eof = True
        unused_data = b""

        def decompress(self, data: bytes, max_length: int) -> bytes:
            if bytes(data[-1:]) == b"!":
                raise FakeZstd.ZstdError("damaged")
            return CONTENT[:max_length]


def test_the_zstd_of_newer_pythons(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = SimpleNamespace(ZstdError=FakeZstd.ZstdError, ZstdDecompressor=FakeZstd.ZstdDecompressor)
    monkeypatch.setitem(sys.modules, "compression.zstd", module)
    unpacker = Unpacker(str(tmp_path))
    assert unpacker.unpack(Payload("zstd", memoryview(b"packed"), len(CONTENT))) == CONTENT
    assert unpacker.representative
    assert code_of(unpacker.unpack, Payload("zstd", memoryview(b"packed!"), len(CONTENT))) == "PAYLOAD_INVALID"
    monkeypatch.setattr(FakeZstd.ZstdDecompressor, "eof", False)  # cut off
    assert code_of(unpacker.unpack, Payload("zstd", memoryview(b"packed"), len(CONTENT))) == "PAYLOAD_INVALID"


def use_program(monkeypatch: pytest.MonkeyPatch, path: Path, script: str) -> None:
    path.write_text(script)
    path.chmod(0o755)
    monkeypatch.setattr(payload_module, "find_executable", lambda _name, _root: str(path))


@pytest.mark.parametrize(
    ("script", "code", "message"),
    [
        ("#!/bin/sh\ncat >/dev/null\necho first >&2; echo no such thing >&2; exit 3\n", "PAYLOAD_INVALID", "no such thing"),
        ("#!/bin/sh\nexit 3\n", "PAYLOAD_INVALID", "exit code 3"),
        ("#!/bin/sh\necho not it\n", "PAYLOAD_INVALID", "ends after 7 bytes"),
        ("#!/bin/sh\nwhile :; do echo too much; done\n", "PAYLOAD_INVALID", "more than"),
        ("#!/no/such/interpreter\n", "NO_DECOMPRESSOR", "can't be run"),
        ("\x7fELF no program of this machine", "NO_DECOMPRESSOR", "can't be run"),
    ],
)
@pytest.mark.usefixtures("no_zstd_module")
def test_programs_that_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, code: str, message: str) -> None:
    use_program(monkeypatch, tmp_path / "program", script)
    for packing in ("lz4", "zstd"):
        with pytest.raises(ImageError, match=message) as caught:
            Unpacker().unpack(Payload(packing, memoryview(b"packed"), 100))
        assert caught.value.reason.code == code


def test_a_program_that_hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_program(monkeypatch, tmp_path / "program", "#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(payload_module, "_TOOL_TIMEOUT_S", 0.2)
    with pytest.raises(ImageError, match="exit code -9"):
        Unpacker().unpack(Payload("lz4", memoryview(b"packed"), 100))


# --- real ones ---------------------------------------------------------------------------


def test_a_real_kernel(kernel: RealKernel) -> None:
    assert kernel.payload.format == REAL_KERNELS[kernel.name][0]
    assert len(kernel.content) == kernel.payload.unpacked_bytes > 40 << 20
    assert kernel.content[:4] == b"\x7fELF"


def test_a_real_kernel_by_our_own_decoder(kernel: RealKernel) -> None:
    if kernel.payload.format == "lz4":
        assert unpack_legacy(kernel.payload.data, kernel.payload.unpacked_bytes) == kernel.content


def test_a_real_kernel_packed_with_gzip(kernel: RealKernel) -> None:
    """None of Debian's is."""
    if kernel.name == "trixie-cloud":
        image = make_kernel(gzip.compress(kernel.content, 1), init_size=64 << 20)
        content = unpack(image)
        assert content == kernel.content
        assert parse_unpacked(content) == kernel.vmlinux


@pytest.mark.parametrize("parts", [0.0, 0.5, 0.999999])
def test_a_real_kernel_cut_off(kernel: RealKernel, parts: float) -> None:
    """Truncated within its payload; the same once the header has been made to fit."""
    image = memoryview(kernel.image)[: kernel.header.payload_begin + int(len(kernel.payload.data) * parts)]
    assert code_of(parse_bzimage, bytes(image[: 65 * 512]), len(image)) == "KERNEL_TRUNCATED"
    assert code_of(payload_of, image, kernel.header) == "PAYLOAD_INVALID"
    if parts:
        cut = Payload(
            kernel.payload.format, kernel.payload.data[: int(len(kernel.payload.data) * parts)], kernel.payload.unpacked_bytes
        )
        assert code_of(Unpacker().unpack, cut) == "PAYLOAD_INVALID"
