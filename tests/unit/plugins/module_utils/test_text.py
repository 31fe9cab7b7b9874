# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts from a host, shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._text import printable


@given(st.binary())
def test_all_bytes_can_be_shown(content: bytes) -> None:
    printable(content.decode("utf-8", "surrogateescape")).encode("utf-8")


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"root=LABEL=caf\xe9 ro", "root=LABEL=caf\\xe9 ro"),
        (b"root=LABEL=caf\xc3\xa9 ro", "root=LABEL=caf\u00e9 ro"),
        (b"\xc3", "\\xc3"),
    ],
)
def test_bytes_without_an_encoding_are_shown_as_escapes(content: bytes, shown: str) -> None:
    assert printable(content.decode("utf-8", "surrogateescape")) == shown
