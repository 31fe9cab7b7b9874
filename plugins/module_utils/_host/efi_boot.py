# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot options of the firmware: the one that was booted, and the one that is to be booted once.

Source: UEFI Specification, 3.1.3 (load options), 3.3 (C(BootCurrent), C(BootNext), C(OsIndications)) and 10.3 (device paths).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Iterator, Optional

from .efi_variables import read_efi_variable
from .files import HostFiles

# Attributes, FilePathListLength; the description follows.
_LOAD_OPTION = struct.Struct("<IH")
# Type, SubType, Length
_NODE = struct.Struct("<BBH")
_FILE_PATH = (4, 4)
_END_TYPE = 0x7F
_ACTIVE = 1 << 0
_BOOT_TO_FW_UI = 1 << 0


@dataclass(frozen=True)
class LoadOption:
    """Boot option.

    :ivar path: file that it starts, with backslashes; empty if it names a device only.
    :ivar active: whether the firmware boots it by itself.
    """

    number: int
    description: str
    path: str
    active: bool = True

    @property
    def name(self) -> str:
        """Name of its variable."""
        return "Boot%04X" % self.number


def parse_load_option(number: int, value: bytes) -> Optional[LoadOption]:
    """Parse a variable's value; None if it is damaged."""
    if len(value) < _LOAD_OPTION.size:
        return None
    attributes, paths_bytes = _LOAD_OPTION.unpack_from(value)
    # The description is UTF-16.
    end = next((at for at in range(_LOAD_OPTION.size, len(value) - 1, 2) if value[at : at + 2] == b"\0\0"), None)
    if end is None:
        return None
    description = value[_LOAD_OPTION.size : end].decode("utf-16-le", "replace")
    return LoadOption(number, description, _file_path(value[end + 2 : end + 2 + paths_bytes]), bool(attributes & _ACTIVE))


def _file_path(nodes: bytes) -> str:
    """File path in a device path; a path may be spread over several nodes."""
    parts = []
    place = 0
    while place + _NODE.size <= len(nodes):
        kind, subtype, length = _NODE.unpack_from(nodes, place)
        if kind == _END_TYPE or length < _NODE.size:
            break
        if (kind, subtype) == _FILE_PATH:
            text = nodes[place + _NODE.size : place + length].decode("utf-16-le", "replace")
            parts.append(text.split("\0", 1)[0].strip("\\"))
        place += length
    return "\\" + "\\".join(parts) if parts else ""


def _selected(files: HostFiles, variable: str) -> Optional[LoadOption]:
    """Boot option whose number a variable holds; without description and path if it can't be read."""
    value = read_efi_variable(files, variable)
    if value is None or len(value) < 2:
        return None
    (number,) = struct.unpack_from("<H", value)
    return _option(files, number)


def _option(files: HostFiles, number: int) -> LoadOption:
    option = parse_load_option(number, read_efi_variable(files, "Boot%04X" % number) or b"")
    return option if option is not None else LoadOption(number, "", "")


def read_boot_current(files: HostFiles) -> Optional[LoadOption]:
    """Boot option that the firmware booted; a kexec since then does not change it. None if it can't be read."""
    return _selected(files, "BootCurrent")


def read_boot_order(files: HostFiles) -> Iterator[LoadOption]:
    """Read the boot options in the order in which the firmware tries them, each when it is asked for: firmware is slow."""
    value = read_efi_variable(files, "BootOrder") or b""
    options = (_option(files, number) for (number,) in struct.iter_unpack("<H", value[: len(value) // 2 * 2]))
    return (option for option in options if option.active)


def read_boot_next(files: HostFiles) -> Optional[LoadOption]:
    """Boot option that the firmware boots next, and only then; None if there is none."""
    return _selected(files, "BootNext")


def asks_for_firmware_setup(files: HostFiles) -> bool:
    """Whether the next start of firmware ends in its setup."""
    value = read_efi_variable(files, "OsIndications")
    return value is not None and len(value) >= 8 and bool(struct.unpack_from("<Q", value)[0] & _BOOT_TO_FW_UI)
