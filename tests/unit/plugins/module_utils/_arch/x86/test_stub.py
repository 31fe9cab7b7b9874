# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ctypes
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86 import bzimage, fast, stub_code, stub_stamps
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.stub import (
    ENTRY_OFFSET,
    NO_SUMS,
    STUB_BYTES,
    StubChecksummer,
    StubConfig,
    Sums,
    assemble,
    crash_page,
)
from ansible_collections.fleet.kexec.plugins.module_utils._native import NativeCode
from ansible_collections.fleet.kexec.tests.assemble_stub import SOURCE, module_text

from .....bzimages import noise

# --- the bytes, and where they come from -------------------------------------------------


@pytest.fixture(scope="module")
def _binutils() -> None:
    missing = [tool for tool in ("as", "ld", "objcopy", "nm", "objdump") if not shutil.which(tool)]
    if missing:
        pytest.fail("Missing: %s. Install the package binutils (`make setup`)." % ", ".join(missing), pytrace=False)


@pytest.fixture(scope="module")
def assembled(_binutils: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stub") / "stub.o"
    subprocess.run(["as", "--64", "-o", path, SOURCE], check=True)
    return path


@pytest.fixture(scope="module")
def symbols(assembled: Path) -> dict[str, int]:
    names = subprocess.check_output(["nm", assembled], text=True)
    return {name: int(value, 16) for value, _kind, name in map(str.split, names.splitlines())}


@pytest.mark.usefixtures("_binutils")
def test_the_module_is_what_the_source_assembles_to() -> None:
    made: dict[str, object] = {}
    exec(module_text(), made)  # compared by what it says: its layout is for `ruff format`
    for name in ("CODE", "CONFIG_OFFSET", "CRASH_ENTRY_OFFSET", "MOVE_OFFSET", "SUMS_OFFSET"):
        assert made[name] == getattr(stub_code, name), "stub.S has changed: run `make stub`"


def test_no_address_is_left_open(assembled: Path, symbols: dict[str, int]) -> None:
    """A call that was never linked goes to the instruction behind it, and nobody complains."""
    listed = subprocess.check_output(["objdump", "--reloc", assembled], text=True)
    places = re.findall(r"^([0-9a-f]{16}) R_X86_64_(\S+)\s+(\w+)([+-]0x[0-9a-f]+)$", listed, re.MULTILINE)
    assert len(places) == listed.count("R_X86_64_")
    for place, kind, symbol, addend in places:
        assert kind in ("PC32", "PLT32")
        (distance,) = struct.unpack_from("<i", stub_code.CODE, int(place, 16))
        assert distance == symbols[symbol] + int(addend, 16) - int(place, 16), symbol


def test_the_constants_that_python_shares_with_it(symbols: dict[str, int]) -> None:
    # Private names of the modules are what both sides have to agree on.
    assert symbols["ENTRY_OFFSET"] == ENTRY_OFFSET
    assert symbols["KERNEL_OFFSET"] == fast.HEAD_BYTES
    assert symbols["STAMPS"] == stub_stamps._OFFSET
    assert symbols["MARK"] == stub_stamps._MARK
    assert symbols["STATUS_SHIFT"] == stub_stamps._MARK_BITS
    assert [symbols[name] for name in ("CHECK", "RELOCATED", "MOVED")] == [
        stub_stamps._CHECKED,
        stub_stamps._RELOCATED,
        stub_stamps._MOVED,
    ]
    assert [symbols["STAMP_" + name] - symbols["STAMPS"] for name in ("MARK", "ENTRY", "MOVED", "EXIT", "ADDRESS", "KERNEL")] == [
        *range(0, 48, 8)
    ]
    # Its fields follow the code.
    words = ("flags", "kernel_bytes", "kernel_entry", "initrd_bytes", "kernel_at", "initrd_at")
    assert [symbols[name] - stub_code.CONFIG_OFFSET for name in words] == [*range(0, 48, 8)]
    assert symbols["kernel_sums"] - stub_code.CONFIG_OFFSET == 48
    assert symbols["initrd_sums"] - stub_code.CONFIG_OFFSET == 64
    assert symbols["STACK_OFFSET"] == STUB_BYTES
    assert bzimage.OFFSET_XLOADFLAGS == 0x236


# --- its configuration -------------------------------------------------------------------

CONFIG = StubConfig(
    kernel_bytes=0x3201000,
    kernel_entry=0xC43,
    relocated=True,
    check=True,
    kernel_sums=(1, 2, 3, 0xFFFFFFFF),
    initrd_bytes=0x1C00001,
    initrd_sums=(5, 6, 7, 8),
    kernel_at=0x1_3F200000,
    initrd_at=0x1_42400000,
)


def test_a_configuration() -> None:
    expected = struct.pack("<6Q8I", 3, 0x3201000, 0xC43, 0x1C00001, 0x1_3F200000, 0x1_42400000, 1, 2, 3, 0xFFFFFFFF, 5, 6, 7, 8)
    assert CONFIG.pack() == expected
    assert assemble(CONFIG) == stub_code.CODE[: stub_code.CONFIG_OFFSET] + expected


@pytest.mark.parametrize(("relocated", "check", "flags"), [(False, False, 0), (False, True, 1), (True, False, 2)])
def test_flags(relocated: bool, check: bool, flags: int) -> None:
    assert StubConfig(1, 0, relocated=relocated, check=check).pack()[:8] == struct.pack("<Q", flags)


def test_the_configuration_fills_what_was_left_for_it(symbols: dict[str, int]) -> None:
    blank = stub_code.CODE[stub_code.CONFIG_OFFSET :]
    assert not any(blank)
    # A page boundary may have been padded to.
    assert len(CONFIG.pack()) <= len(blank)
    assert ENTRY_OFFSET + len(assemble(CONFIG)) < symbols["STACK_OFFSET"] - 256, "no room for its stack"


def test_the_page_that_a_panic_enters(symbols: dict[str, int]) -> None:
    page, entry = crash_page()
    assert len(page) == STUB_BYTES
    assert page[ENTRY_OFFSET:].startswith(stub_code.CODE[: stub_code.CONFIG_OFFSET])
    assert entry == ENTRY_OFFSET + symbols["crash_entry"]
    # cli, and nothing behind the code, where the stack is.
    assert page[entry] == 0xFA
    assert not any(page[ENTRY_OFFSET + stub_code.CONFIG_OFFSET :])


# --- its sums ----------------------------------------------------------------------------


def crc32c(data: bytes, register: int = 0xFFFFFFFF) -> int:
    """CRC-32C (Castagnoli), bit by bit, without the inversion at the end."""
    for byte in data:
        register ^= byte
        for _bit in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register


def sums_of(data: bytes) -> Sums:
    """Stream i takes the words i, i + 4, i + 8 and so on; what is left after the last full 32 bytes goes to stream 0."""
    whole = len(data) // 32 * 32
    streams = [b"".join(data[at : at + 8] for at in range(8 * stream, whole, 32)) for stream in range(4)]
    streams[0] += data[whole:]
    first, second, third, fourth = map(crc32c, streams)
    return (first, second, third, fourth)


@pytest.fixture(scope="module")
def summer() -> StubChecksummer:
    return StubChecksummer()


def test_the_published_check_value(summer: StubChecksummer) -> None:
    assert crc32c(b"123456789") ^ 0xFFFFFFFF == 0xE3069283
    sums = summer.sums(bytearray(b"123456789"))
    assert sums[0] ^ 0xFFFFFFFF == 0xE3069283
    assert sums[1:] == (0xFFFFFFFF,) * 3


def test_sums_of_every_length(summer: StubChecksummer) -> None:
    data = noise(130, 5)
    for size in range(131):
        assert summer.sums(bytearray(data[:size])) == sums_of(data[:size]), size


def test_sums_at_every_alignment(summer: StubChecksummer) -> None:
    data = noise(200, 6)
    for begin in range(64):
        view = memoryview(bytearray(bytes(begin) + data))[begin:]
        assert summer.sums(view) == sums_of(data)


def test_sums_tell_what_changed(summer: StubChecksummer) -> None:
    data = bytearray(noise(100, 7))
    good = summer.sums(data)
    for at in range(len(data)):
        data[at] ^= 0x10
        changed = [index for index, (old, new) in enumerate(zip(good, summer.sums(data))) if old != new]
        assert changed == [at // 8 % 4 if at < 96 else 0]
        data[at] ^= 0x10
    data[0:32] = data[32:64]
    assert summer.sums(data) != good


def test_sums_of_nothing(summer: StubChecksummer) -> None:
    assert summer.sums(bytearray()) == (0xFFFFFFFF,) * 4 != NO_SUMS


# --- its move ----------------------------------------------------------------------------


@pytest.mark.parametrize("distance", [4096, 8192, 20480, 1 << 20])
@pytest.mark.parametrize("size", [0, 4096, 8192, 40960])
def test_moving_down(distance: int, size: int) -> None:
    code = NativeCode(stub_code.CODE)
    move = code.function(stub_code.MOVE_OFFSET, None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64)
    memory = bytearray(noise(100 + distance + size + 100, distance))
    before = bytes(memory)
    begin = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    move(begin + 100, begin + 100 + distance, size)
    assert memory[:100] == before[:100]
    assert memory[100 : 100 + size] == before[100 + distance :][:size]
    assert memory[100 + size :] == before[100 + size :]


def test_moving_a_kernel_and_checking_it(summer: StubChecksummer) -> None:
    """As the stub does it: down by what CMA's alignment leaves, then the sums where it has come to lie."""
    code = NativeCode(stub_code.CODE)
    move = code.function(stub_code.MOVE_OFFSET, None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64)
    kernel = noise(3 << 20, 8)
    memory = bytearray(1 << 20) + kernel
    sums = summer.sums(bytearray(kernel))
    begin = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    move(begin, begin + (1 << 20), len(kernel))
    assert summer.sums(memoryview(memory)[: len(kernel)]) == sums
    assert memory[: len(kernel)] == kernel
