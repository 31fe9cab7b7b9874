# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._host.efi_boot import (
    LoadOption,
    asks_for_firmware_setup,
    parse_load_option,
    read_boot_current,
    read_boot_next,
)
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles

from ....efi import load_option, write_boot_option, write_variable

SHIM = "\\EFI\\debian\\shimx64.efi"


def test_the_option_that_was_booted(tmp_path: Path) -> None:
    write_boot_option(tmp_path, "BootCurrent", 0x1A, "debian", SHIM)
    option = read_boot_current(HostFiles(str(tmp_path)))
    assert option == LoadOption(0x1A, "debian", SHIM)
    assert option.name == "Boot001A"


def test_an_option_without_a_file() -> None:
    assert parse_load_option(1, load_option("UEFI PXEv4", "")) == LoadOption(1, "UEFI PXEv4", "")


def test_an_option_that_is_gone(tmp_path: Path) -> None:
    write_variable(tmp_path, "BootNext", b"\x03\0")
    assert read_boot_next(HostFiles(str(tmp_path))) == LoadOption(3, "", "")


def test_no_variables(tmp_path: Path) -> None:
    files = HostFiles(str(tmp_path))
    assert read_boot_current(files) is None
    assert read_boot_next(files) is None
    assert not asks_for_firmware_setup(files)


@pytest.mark.parametrize(("bits", "asked"), [(0, False), (1, True), (4, False), (5, True)])
def test_the_way_into_setup(tmp_path: Path, bits: int, asked: bool) -> None:
    write_variable(tmp_path, "OsIndications", struct.pack("<Q", bits))
    assert asks_for_firmware_setup(HostFiles(str(tmp_path))) is asked


@given(st.binary(max_size=80))
def test_any_value(value: bytes) -> None:
    parse_load_option(1, value)
    parse_load_option(1, b"\1\0\0\0\xff\xff" + b"d\0\0\0" + value)
