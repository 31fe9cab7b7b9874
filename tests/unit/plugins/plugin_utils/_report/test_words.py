# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._report import words
from ansible_collections.fleet.kexec.plugins.plugin_utils._text import by_path


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0 ms"), (0.8, "0.8 ms"), (850, "850 ms"), (-850, "-850 ms"), (38_400, "38.4 s"), (125_000, "2m05s")],
)
def test_times(milliseconds: float, text: str) -> None:
    assert words.ms(milliseconds) == text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("kexec", "via kexec"),
        ("firmware", "through firmware"),
        ("", "by an unknown path"),
        ("unknown", "by an unknown path"),
        ("tunnel", "by tunnel"),
    ],
)
def test_paths(path: str, text: str) -> None:
    assert by_path(path) == text


def test_a_capital_letter_changes_nothing_else() -> None:
    assert words.capital("via KVM") == "Via KVM" and words.capital("") == ""


def test_the_smallest_share_is_not_nothing() -> None:
    assert [words.share(each) for each in (0.0, 0.001, 0.12)] == ["0 %", "< 1 %", "12 %"]
