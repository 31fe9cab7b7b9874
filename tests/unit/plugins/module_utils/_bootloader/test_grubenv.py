# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment blocks of GRUB."""

from __future__ import annotations

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.grubenv import parse_grubenv


def test_grubenv() -> None:
    text = "# GRUB Environment Block\n# WARNING: a=b\nsaved_entry=gnulinux-advanced>a=b\nboot_success=1\n" + "#" * 900
    assert parse_grubenv(text) == {"saved_entry": "gnulinux-advanced>a=b", "boot_success": "1"}
    assert parse_grubenv("") == {}


def test_escaped_characters() -> None:
    assert parse_grubenv("a=back\\\\slash\nb=two\\\nlines\nc=end\n") == {"a": "back\\slash", "b": "two\nlines", "c": "end"}
