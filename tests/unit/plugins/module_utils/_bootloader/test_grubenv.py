# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment blocks of GRUB."""

from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.grubenv import parse_grubenv

from .grub_hosts import BLOCK


def test_grubenv() -> None:
    text = "# GRUB Environment Block\n# WARNING: a=b\nsaved_entry=gnulinux-advanced>a=b\nboot_success=1\n" + "#" * 900
    assert parse_grubenv(text) == {"saved_entry": "gnulinux-advanced>a=b", "boot_success": "1"}
    assert parse_grubenv("") == {}


def test_escaped_characters() -> None:
    assert parse_grubenv(BLOCK + "a=back\\\\slash\nb=two\\\nlines\nc=end\n") == {
        "a": "back\\slash",
        "b": "two\nlines",
        "c": "end",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # GRUB takes a file without its signature for no block at all.
        ("saved_entry=1\n", {}),
        ("# GRUB Environment Block\r\nsaved_entry=1\r\n", {}),
        ("\ufeff" + BLOCK + "saved_entry=1\n", {}),
        ("\0" * 1024, {}),
        (BLOCK + "saved_entry=1\nkernelopts=root=/dev/v", {"saved_entry": "1"}),
        (BLOCK + "saved_entry=1\nnext_ent", {"saved_entry": "1"}),
        (BLOCK + "no variable\nsaved_entry=1\n", {"no variable\nsaved_entry": "1"}),
        (BLOCK + "saved_entry=1\0\0\n", {"saved_entry": "1"}),
    ],
)
def test_damaged_blocks(text: str, expected: dict[str, str]) -> None:
    assert parse_grubenv(text) == expected
