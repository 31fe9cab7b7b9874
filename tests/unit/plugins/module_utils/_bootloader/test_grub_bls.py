# SPDX-License-Identifier: GPL-3.0-or-later
"""Order of entry files in GRUB's menu."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.grub_bls import compare_names, compare_versions

MACHINE = "3f1c9a60b5ab4a0c8d6c2f7ce8a1d9b4-"


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1", "2"),
        ("9", "10"),
        ("1.2", "1.2.1"),
        ("1.a", "1.1"),
        ("1~rc1", "1"),
        ("1~rc1", "1~rc2"),
        ("1", "1+a"),
        ("1+a", "1.1"),
        ("x86_64", "x86_64+debug"),
        ("553.el8", "553.5.1.el8"),
        ("fc41", "fc42"),
    ],
)
def test_versions(older: str, newer: str) -> None:
    assert compare_versions(older, newer) < 0
    assert compare_versions(newer, older) > 0


@pytest.mark.parametrize(("one", "other"), [("", ""), ("1.0", "1-0"), ("01", "1"), ("a", "a")])
def test_versions_that_are_the_same(one: str, other: str) -> None:
    assert compare_versions(one, other) == 0


def test_names_newest_first() -> None:
    names = [
        MACHINE + "5.14.0-503.el9.x86_64",
        MACHINE + "5.14.0-427.13.1.el9.x86_64",
        MACHINE + "5.14.0-427.el9.x86_64",
        MACHINE + "0-rescue",
    ]
    for newer, older in itertools.combinations(names, 2):
        assert compare_names(newer, older) > 0
        assert compare_names(older, newer) < 0
