# SPDX-License-Identifier: GPL-3.0-or-later
"""Small initrds for tests, made from the kernel's buffer format."""

from __future__ import annotations

import struct
from collections.abc import Mapping


def make_cpio(files: Mapping[str, bytes]) -> bytes:
    """An archive in the newc format."""
    archive = b""
    for name, content in [*files.items(), ("TRAILER!!!", b"")]:
        fields = [0] * 13
        fields[6], fields[11] = len(content), len(name) + 1
        entry = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        entry += bytes(-len(entry) % 4) + content
        archive += entry + bytes(-len(entry) % 4)
    return archive


def make_bootconfig(config: bytes, size_bytes: int | None = None) -> bytes:
    """A boot configuration as the kernel's tool appends it: with its size, the sum of its bytes, and a magic."""
    size = len(config) if size_bytes is None else size_bytes
    return config + struct.pack("<II", size, sum(config)) + b"#BOOTCONFIG\n"
