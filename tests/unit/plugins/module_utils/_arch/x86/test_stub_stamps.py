# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import struct

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._arch.interface import StubStamps
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.stub_stamps import parse_boot_params

# "FKEX", version 2.
MARK = 0x0258454B46


def boot_params(status: int, mark: int = MARK) -> bytes:
    """struct boot_params of 4 KiB, with _pad8 as the stub leaves it."""
    params = bytearray(4096)
    struct.pack_into("<6Q", params, 0xCD0, mark | status << 40, 1000, 2000, 1 << 63, 0x7EF00000, 0x1_3F200000)
    struct.pack_into("<I", params, 0x218, 0x42400000)
    struct.pack_into("<I", params, 0x0C0, 1)
    return bytes(params)


@pytest.mark.parametrize(
    ("status", "checked", "relocated", "moved"),
    [
        (0, False, False, False),
        (1, True, False, False),
        (2, False, True, False),
        (4, False, False, True),
        (7, True, True, True),
    ],
)
def test_stamps(status: int, checked: bool, relocated: bool, moved: bool) -> None:
    assert parse_boot_params(boot_params(status)) == StubStamps(
        entry_cycles=1000,
        moved_cycles=2000,
        exit_cycles=1 << 63,
        load_address=0x7EF00000,
        kernel_address=0x1_3F200000,
        initrd_address=0x1_42400000,
        checked=checked,
        relocated=relocated,
        moved=moved,
    )


def test_the_mark_reads_as_text() -> None:
    assert boot_params(0)[0xCD0:0xCD5] == b"FKEX\x02"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(4096),
        boot_params(7)[: 0xCD0 + 47],
        boot_params(7, mark=0x0158454B46),
        boot_params(7, mark=0x0258454B47),
        b"\xff" * 4096,
    ],
)
def test_another_boot(data: bytes) -> None:
    assert parse_boot_params(data) is None


def test_no_more_is_needed_than_the_stamps() -> None:
    assert parse_boot_params(boot_params(0)[: 0xCD0 + 48]) is not None
