# SPDX-License-Identifier: GPL-3.0-or-later
"""EFI variables of a host for tests."""

from __future__ import annotations

import struct
from pathlib import Path

from ansible_collections.fleet.kexec.plugins.module_utils._host.efi_variables import GLOBAL, LOADER


def write_variable(root: Path, name: str, value: bytes, vendor: str = GLOBAL) -> None:
    path = root / "sys/firmware/efi/efivars" / ("%s-%s" % (name, vendor))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x07\0\0\0" + value)


def write_loader_string(root: Path, name: str, text: str) -> None:
    write_variable(root, name, text.encode("utf-16-le") + b"\0\0", LOADER)


def load_option(description: str, path: str) -> bytes:
    """A load option: a partition, a file on it, and optional data."""
    partition = struct.pack("<BBH", 4, 1, 42) + bytes(38)
    text = path.encode("utf-16-le") + b"\0\0"
    file = struct.pack("<BBH", 4, 4, 4 + len(text)) + text if path else b""
    nodes = partition + file + struct.pack("<BBH", 0x7F, 0xFF, 4)
    return struct.pack("<IH", 1, len(nodes)) + description.encode("utf-16-le") + b"\0\0" + nodes + b"optional data"


def write_boot_option(root: Path, variable: str, number: int, description: str, path: str) -> None:
    """A boot option, and a variable that holds its number."""
    write_variable(root, variable, struct.pack("<H", number))
    write_variable(root, "Boot%04X" % number, load_option(description, path))
