# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.loader_conf import (
    LoaderConf,
    matches,
    parse_loader_conf,
    parse_pairs,
)


@pytest.mark.parametrize(
    ("text", "conf"),
    [
        ("", LoaderConf("", "")),
        ("timeout 3\n#default a\ndefault Debian-*.conf\n", LoaderConf("debian-*.conf", "")),
        ("default a\ndefault b\r\n", LoaderConf("b", "")),
        ("default @saved\n", LoaderConf("@saved", "")),
        ("default a\ndefault @last\n", LoaderConf("a", "")),
        ("default\n  preferred\t'x y'  \n", LoaderConf("", "x y")),
    ],
)
def test_loader_conf(text: str, conf: LoaderConf) -> None:
    assert parse_loader_conf(text) == conf


def test_os_release() -> None:
    assert parse_pairs('ID=debian\nPRETTY_NAME="Debian 13"\n', "=") == {"ID": ("debian",), "PRETTY_NAME": ("Debian 13",)}


@pytest.mark.parametrize(
    ("pattern", "name", "matched"),
    [
        ("debian-*.conf", "debian-6.12.conf", True),
        ("debian-*", "arch.conf", False),
        ("debian-6.?.conf", "debian-6.1.conf", True),
        ("debian-6.?.conf", "debian-6.12.conf", False),
        ("a[bc]d", "acd", True),
        ("a[b-d]d", "acd", True),
        ("a[!b]d", "acd", False),
        ("a[]]d", "a]d", True),
        ("a[b-]d", "a-d", True),
        ("a[z-b]d", "acd", False),
        ("a[b", "a[b", False),
        (r"a\*", "a*", True),
        (r"a\*", "ab", False),
        ("a\\", "a\\", False),
        ("", "", True),
        ("*", "anything", True),
        ("a.b", "axb", False),
    ],
)
def test_patterns(pattern: str, name: str, matched: bool) -> None:
    assert matches(pattern, name) is matched


@given(st.text(alphabet="a-[]\\*?!^", max_size=12), st.text(alphabet="a-[]*", max_size=6))
def test_no_pattern_is_an_error(pattern: str, name: str) -> None:
    matches(pattern, name)


def test_a_pattern_of_many_stars_takes_no_longer() -> None:
    assert not matches("*a" * 100 + "*b", "a" * 255)
    assert matches("*a" * 100 + "*", "a" * 255)
    assert matches("a*b*c?.conf", "axbxbxcc1.conf")
    assert not matches("a*b*c", "acb")
