# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from outside, made harmless and made to fit."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.plugin_utils._text import (
    ASCII,
    clean,
    clipped,
    columns_of,
    counted,
    duration,
    fit,
    gauge,
    pad,
    stamp,
)

ANY = settings(derandomize=True, deadline=None, database=None, max_examples=200)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("web1.example", "web1.example"),
        ("two  spaces", "two  spaces"),
        ("\x1b[2J\x1b[1;31mweb1\x1b[0m", "web1"),
        ("\x9b2Jweb1", "web1"),
        ("\x1b]0;a title\x07web1", "web1"),
        ("\x1b]8;;http://x\x1b\\web1\x1b]8;;\x1b\\", "web1"),
        ("\x1bPq#0;2\x1b\\web1", "web1"),
        ("\x1b]0;never ends", ""),
        ("\x1bcweb1", "web1"),
        ("web1\x1b", "web1"),
        ("a\r\nb\tc\x00d\x7fe", "a b cde"),
        ("fdp\u202e.1bew\u2066", "fdp.1bew"),
        ("we\u200bb\ufeff1\u2028x", "web1 x"),
        ("e\u0301\u0301\u0301", "é"),
        ("サーバ1", "サーバ1"),
        ("a\udc80b", "ab"),
    ],
)
def test_nothing_is_left_that_a_terminal_would_act_on(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@ANY
@given(st.text(alphabet=st.characters() | st.sampled_from("\x1b[]0;mJ\\\x07\x9b\x9d\u202e"), max_size=40), st.integers(0, 20))
def test_whatever_the_text(text: str, columns: int) -> None:
    cleaned = clean(text)
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp", "Mn"} for char in cleaned)
    assert columns_of(fit(cleaned, columns)) <= columns
    assert columns_of(pad(cleaned, columns)) == columns
    assert len(clipped(text, 20)) <= 20


@pytest.mark.parametrize(
    ("text", "columns", "fitting"),
    [
        ("web1", 4, "web1"),
        ("web12", 4, "web…"),
        ("web1", 1, "…"),
        ("web1", 0, ""),
        ("サーバ", 6, "サーバ"),
        ("サーバ", 5, "サー…"),
        ("サーバ", 4, "サ…"),
    ],
)
def test_fit(text: str, columns: int, fitting: str) -> None:
    assert fit(text, columns) == fitting
    assert pad("サーバ", 4) == "サ… "


def test_of_a_long_text_the_end_is_kept() -> None:
    assert clipped("first " + "x" * 1000 + " last", 40) == "first xxxx … xxxxxxxxxxxxxxxxxxxxxx last"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (8.44, "8.4 s"),
        (9.96, "10 s"),
        (99.4, "99 s"),
        (99.6, "1m40s"),
        (125, "2m05s"),
        (3599.7, "1h00m"),
        (3720, "1h02m"),
        (86400 * 2 + 3600 * 3, "2d03h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_small_things() -> None:
    assert stamp(91.9) == "0:01:31"
    assert counted(1, "host") == "1 host"
    assert counted(0, "host") == "0 hosts"
    assert gauge(0.5, 4) == "██░░"
    assert gauge(7.0, 4, ASCII) == "####"
    assert gauge(-1.0, 4, ASCII) == "...."
