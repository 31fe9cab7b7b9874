# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts from a host, shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._text import (
    NAME_MAX_CHARS,
    printable,
    printable_values,
    shown_name,
)

#: Texts with all that Python can hold, lone surrogates too.
ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(st.binary())
def test_all_bytes_can_be_shown(content: bytes) -> None:
    shown = printable(content.decode("utf-8", "surrogateescape"))
    assert shown.isprintable()
    shown.encode("utf-8")


@given(ANY_TEXT)
def test_all_texts_can_be_shown(text: str) -> None:
    assert printable(text).isprintable()
    printable(text).encode("utf-8")
    name = shown_name(text)
    assert name.isascii()
    assert name.isprintable()
    assert len(name) <= NAME_MAX_CHARS


@given(st.binary(max_size=300))
def test_a_name_of_any_bytes(content: bytes) -> None:
    assert shown_name(content) == shown_name(content.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"root=LABEL=caf\xe9 ro", "root=LABEL=caf\\xe9 ro"),
        (b"root=LABEL=caf\xc3\xa9 ro", "root=LABEL=caf\u00e9 ro"),
        (b"\xc3", "\\xc3"),
        (b"a\tb\n", "a\\tb\\n"),
        (b"\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        # Characters that change the direction of text.
        (b"abc\xe2\x80\xaedcba", "abc\\u202edcba"),
    ],
)
def test_bytes_without_an_encoding_are_shown_as_escapes(content: bytes, shown: str) -> None:
    assert printable(content.decode("utf-8", "surrogateescape")) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"Standard PC (Q35 + ICH9, 2009)\n", "Standard PC (Q35 + ICH9, 2009)"),
        (b"fsl,imx8mq-evk\0", "fsl,imx8mq-evk"),
        ("machine-qemu\\x2d1", "machine-qemu\\x2d1"),
        (b"caf\xc3\xa9", "caf\\xe9"),
        (b"web\xff", "web\\xff"),
        ("a\nb", "a\\nb"),
        ("\ud800", "\\ud800"),
        ("n" * 120, "n" * 120),
        ("n" * 121, "n" * 117 + "..."),
        (b"\xff" * 40, "\\xff" * 29 + "..."),
        ("", ""),
    ],
)
def test_names(name: str | bytes, shown: str) -> None:
    assert shown_name(name) == shown


def test_a_result_is_printable_throughout() -> None:
    result = {"a\udcff": ["\x1b", {"b": ("\udce9\n\t", 1, None)}], "c": True}
    assert printable_values(result, "\n\t") == {"a\\xff": ["\\x1b", {"b": ["\\xe9\n\t", 1, None]}], "c": True}
