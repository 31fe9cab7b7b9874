# SPDX-License-Identifier: GPL-3.0-or-later
"""What cma= means, as early_cma of kernel/dma/contiguous.c reads it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.cma import parse_cma, resolve_cma

MIB = 1 << 20


@pytest.mark.parametrize(
    ("value", "size_bytes"),
    [
        ("0", 0),
        ("64M", 64 * MIB),
        ("0x4000000", 64 * MIB),
        ("64M@16M", 64 * MIB),
        ("64M@0-1G", 64 * MIB),
        ("64M@16M-80M", 64 * MIB),
        ("64M@0-4G", 64 * MIB),
    ],
)
def test_all_forms(value: str, size_bytes: int) -> None:
    assert parse_cma(value) == size_bytes


@pytest.mark.parametrize(
    "value",
    [
        "",
        "auto",
        "25%",
        "64MB",
        "64M,high",
        "64M-1G",
        "64M@",
        "64M@x",
        "64M@16M,",
        "64M@16M-",
        "64M@16M-1Gx",
        "64M@16M-64M",
        "64M@1G-16M",
        "@16M",
        "64M 64M",
    ],
)
def test_what_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_cma(value)


@pytest.mark.parametrize(
    ("values", "size_bytes"),
    [
        ([], 0),
        (["0"], 0),
        (["64M"], 64 * MIB),
        (["64M", "128M"], 128 * MIB),
        (["128M", "0"], 0),
        (["1"], 4 * MIB),
        (["65M"], 68 * MIB),
    ],
)
def test_the_last_value_counts_in_whole_page_blocks(values: list[str], size_bytes: int) -> None:
    assert resolve_cma(values) == size_bytes


def test_no_value_may_be_wrong() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        resolve_cma(["nonsense", "64M"])


@given(st.text(alphabet="0123456789xKMGE@-,.% k"))
def test_any_text_is_a_value_or_a_value_error(value: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_cma(value) >= 0
