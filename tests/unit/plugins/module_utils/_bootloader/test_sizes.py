# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes, as memparse of lib/cmdline.c reads them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.sizes import format_size, round_up, take_size


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("00", 0),
        ("4096", 4096),
        ("4k", 4 << 10),
        ("4K", 4 << 10),
        ("256M", 256 << 20),
        ("1g", 1 << 30),
        ("2T", 2 << 40),
        ("3p", 3 << 50),
        ("15E", 15 << 60),
        ("0x10M", 16 << 20),
        ("0XfFk", 255 << 10),
        # The last digit is no unit: a hexadecimal number takes it.
        ("0x1E", 30),
        ("010M", 8 << 20),
        ("18446744073709551615", (1 << 64) - 1),
    ],
)
def test_a_whole_text_that_is_a_size(text: str, size_bytes: int) -> None:
    assert take_size(text) == (size_bytes, len(text))


@pytest.mark.parametrize(
    ("text", "at", "size_bytes", "end"),
    [
        ("256M@16M", 0, 256 << 20, 4),
        ("256M@16M", 5, 16 << 20, 8),
        ("1MB", 0, 1 << 20, 2),
        ("1KK", 0, 1 << 10, 2),
        ("0x", 0, 0, 1),
        ("0xg", 0, 0, 1),
        ("1 M", 0, 1, 1),
    ],
)
def test_a_size_ends_where_the_kernel_stops_reading(text: str, at: int, size_bytes: int, end: int) -> None:
    assert take_size(text, at) == (size_bytes, end)


@pytest.mark.parametrize(
    "text",
    ["", "M", "-1", "+1", " 1", "x10", "auto", "08", "019K", "16E", "18446744073709551616", "0x10000000000000000", "\u0664M"],
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|octal|64 bits"):
        take_size(text)


@pytest.mark.parametrize("text", ["1\u212a", "1\uff2d"])
def test_a_unit_is_a_letter_of_ascii(text: str) -> None:
    assert take_size(text) == (1, 1)


@given(st.integers(0, (1 << 64) - 1))
def test_what_is_formatted_reads_back(size_bytes: int) -> None:
    text = format_size(size_bytes)
    assert take_size(text) == (size_bytes, len(text))


@given(st.text())
def test_any_text_is_a_size_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        size_bytes, end = take_size(text)
        assert 0 <= size_bytes < 1 << 64
        assert 0 < end <= len(text)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0"), (1, "1"), (1023, "1023"), (1024, "1K"), (1536, "1536"), (3 << 19, "1536K"), (256 << 20, "256M"), (1 << 30, "1G")],
)
def test_the_largest_unit_that_is_exact(size_bytes: int, text: str) -> None:
    assert format_size(size_bytes) == text


@pytest.mark.parametrize(("size_bytes", "rounded"), [(0, 0), (1, 4), (4, 4), (5, 8)])
def test_rounding_up(size_bytes: int, rounded: int) -> None:
    assert round_up(size_bytes, 4) == rounded
