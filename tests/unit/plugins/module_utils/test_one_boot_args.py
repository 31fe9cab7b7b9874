# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments that a kexec adds to the command line, found again on the line of a running kernel, which may hold anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._one_boot_args import (
    has_one_boot_args,
    kexecs_of,
    lasting_arguments,
    token_of,
)


@pytest.mark.parametrize(
    ("line", "token"),
    [
        ("ro", None),
        ("fleet_kexec.token=", None),
        ("fleet_kexec.token=a fleet_kexec.token=b", "b"),
        ('a="fleet_kexec.token=b c"', None),
        ('fleet_kexec.token=a x="fleet_kexec.token=b"', "a"),
        ("ro -- fleet_kexec.token=a", None),
        ('fleet_kexec.token=a x="never closed', "a"),
    ],
)
def test_token_of(line: str, token: str | None) -> None:
    assert token_of(line) == token


@pytest.mark.parametrize(
    ("line", "kexecs"),
    [
        ("ro", None),
        ("fleet_kexec.kexecs=3", 3),
        ("fleet_kexec.kexecs=3 fleet_kexec.kexecs=4", 4),
        ("fleet_kexec.kexecs=", None),
        ("fleet_kexec.kexecs=-1", None),
        ("fleet_kexec.kexecs=two", None),
        ("fleet_kexec.kexecs=\u00b2", None),
        ('a="b fleet_kexec.kexecs=3"', None),
    ],
)
def test_kexecs_of(line: str, kexecs: int | None) -> None:
    assert kexecs_of(line) == kexecs


@pytest.mark.parametrize(
    ("line", "own"),
    [
        ("ro fleet_kexec.token=ab panic=10 oops=panic", True),
        ("ro fleet_kexec.token=ab fleet_kexec.kexecs=7 panic=10 oops=panic quiet", True),
        ("panic=10 oops=panic fleet_kexec.token=ab fleet_kexec.kexecs=7", False),
        ("ro fleet_kexec.token=ab fleet_kexec.kexecs=7 panic=30", False),
        ("ro panic=10 oops=panic", False),
        ('a="fleet_kexec.token=ab panic=10 oops=panic" ro', False),
    ],
)
def test_own_one_boot_arguments(line: str, own: bool) -> None:
    assert has_one_boot_args(line) is own


def test_what_bootloaders_add_does_not_last() -> None:
    line = lasting_arguments("BOOT_IMAGE=/vmlinuz initrd=\\initrd.img ro initrdx=1 -- single")
    assert [each.text for each in line.arguments] == ["ro", "initrdx=1", "--", "single"]


@given(st.text(alphabet='ab= "-\n') | st.text())
def test_any_line_can_be_read(line: str) -> None:
    assert token_of(line) is None
    assert kexecs_of(line) is None
    assert not has_one_boot_args(line)
