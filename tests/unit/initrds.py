# SPDX-License-Identifier: GPL-3.0-or-later
"""Small initrds for tests, made from the kernel's buffer format."""

from __future__ import annotations

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
