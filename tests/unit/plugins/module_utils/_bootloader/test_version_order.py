# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.version_order import compare_versions

# From the specification and systemd's comment, the oldest first.
ORDER = [
    "122.1",
    "123~rc1-1",
    "123",
    "123-a",
    "123-a.1",
    "123-1",
    "123-1.1",
    "123^post1",
    "123.a-1",
    "123.1-1",
    "123a-1",
    "124-1",
]
VERSIONS = st.text(alphabet="01290abZ~-^._+", max_size=8)


@pytest.mark.parametrize("index", range(len(ORDER) - 1))
def test_the_order_of_the_specification(index: int) -> None:
    assert compare_versions(ORDER[index], ORDER[index + 1]) < 0
    assert compare_versions(ORDER[index + 1], ORDER[index]) > 0


@pytest.mark.parametrize(
    ("one", "other", "order"),
    [
        ("6.12.117+deb13-amd64", "6.12.85+deb13-amd64", 1),
        ("6.1", "6.12", -1),
        ("007", "7", 0),
        ("123_a", "123a", 0),
        ("", "1", -1),
        ("", "", 0),
        ("6.12.0-rc3", "6.12.0", 1),
        ("6.12.0~rc3", "6.12.0", -1),
        ("5.14.0-503.el9", "5.14.0-70.el9", 1),
    ],
)
def test_order(one: str, other: str, order: int) -> None:
    assert compare_versions(one, other) == order
    assert compare_versions(other, one) == -order


@given(VERSIONS, VERSIONS)
def test_it_is_antisymmetric(one: str, other: str) -> None:
    assert compare_versions(one, other) == -compare_versions(other, one)
    assert compare_versions(one, one) == 0
