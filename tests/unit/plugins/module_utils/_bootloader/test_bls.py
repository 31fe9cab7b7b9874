# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot entries of the first type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.bls import parse_bls

ENTRY = """\
# Boot Loader Specification type#1 entry
title      Debian GNU/Linux 13 (trixie)
version    6.12.117+deb13-amd64
machine-id 0123456789abcdef0123456789abcdef
options    root=/dev/vda1 ro systemd.machine_id=0123456789abcdef0123456789abcdef
linux      /0123/6.12.117+deb13-amd64/linux
initrd     /0123/6.12.117+deb13-amd64/initrd.img
initrd     /0123/6.12.117+deb13-amd64/microcode
"""


def test_values() -> None:
    entry = parse_bls(ENTRY)
    assert entry.value("version") == "6.12.117+deb13-amd64"
    assert entry.value("devicetree") == ""
    assert len(entry.values["initrd"]) == 2
    assert entry.cmdline == "root=/dev/vda1 ro systemd.machine_id=0123456789abcdef0123456789abcdef"


def test_another_command_line_changes_nothing_else() -> None:
    entry = parse_bls(ENTRY)
    after = entry.with_cmdline("ro cma=64M")
    assert after == ENTRY.replace(entry.cmdline, "ro cma=64M")
    assert parse_bls(after).with_cmdline(entry.cmdline) == ENTRY


@pytest.mark.parametrize(
    ("text", "cmdline", "after"),
    [
        ("options a\nlinux /l\noptions b c\n", "a b c", "options X\nlinux /l\n# options b c\n"),
        ("linux /l\n", "", "linux /l\noptions X\n"),
        ("linux /l", "", "linux /l\noptions X\n"),
        ("", "", "options X\n"),
        ("#options a\n", "", "#options a\noptions X\n"),
        ("options\ta \t\n", "a", "options\tX \t\n"),
        (" options a\n", "a", " options X\n"),
        # As written by another system.
        ("options a\r\nlinux /l\r\noptions b\r\n", "a b", "options X\r\nlinux /l\r\n# options b\r\n"),
        ("optionsx a\n", "", "optionsx a\noptions X\n"),
    ],
)
def test_where_the_command_line_stands(text: str, cmdline: str, after: str) -> None:
    entry = parse_bls(text)
    assert entry.cmdline == cmdline
    assert entry.with_cmdline("X") == after


@given(st.text(alphabet="options abc=1#\n\r\t"))
def test_the_command_line_that_is_put_in_is_read_back(text: str) -> None:
    entry = parse_bls(parse_bls(text).with_cmdline("root=/dev/vda1 ro"))
    assert entry.cmdline == "root=/dev/vda1 ro"
    assert entry.with_cmdline(entry.cmdline) == entry.text


def test_lines_of_other_systems_and_damaged_ones() -> None:
    assert parse_bls("linux /a\roptions b\r\noptions c \r").values == {"linux": ("/a",), "options": ("b", "c")}
    assert parse_bls("options a\r\ntitle b\r\n").with_cmdline("c") == "options c\r\ntitle b\r\n"
    long = " " * 200000
    assert parse_bls("linux" + long + "\rb\nlinux a" + long + "b" + long).values["linux"] == ("", "a" + long + "b")
