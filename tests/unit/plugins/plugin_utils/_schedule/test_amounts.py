# SPDX-License-Identifier: GPL-3.0-or-later
"""Amounts: what is one, and how it rounds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.amounts import parse_amount
from ansible_collections.fleet.kexec.plugins.plugin_utils._values import setting


@pytest.mark.parametrize(
    ("value", "total", "down", "up"),
    [
        (3, 100, 3, 3),
        ("3", 100, 3, 3),
        (" 25% ", 10, 2, 3),
        ("0.5 %", 1000, 5, 5),
        ("0.5%", 100, 0, 1),
        ("29%", 100, 29, 29),
        ("100%", 7, 7, 7),
        ("0%", 7, 0, 0),
        (0, 7, 0, 0),
    ],
)
def test_amounts(value: Any, total: int, down: int, up: int) -> None:
    amount = parse_amount(setting(value, "window"))
    assert amount.of(total) == down
    assert amount.of_at_least(total) == up


@given(st.integers(0, 100), st.integers(0, 100_000))
def test_a_percentage_rounds_by_less_than_one(percent: int, total: int) -> None:
    amount = parse_amount(setting("%d%%" % percent, "window"))
    assert amount.of(total) * 100 <= percent * total < (amount.of(total) + 1) * 100
    assert (amount.of_at_least(total) - 1) * 100 < percent * total <= amount.of_at_least(total) * 100


@pytest.mark.parametrize("value", [-1, "-1", 1.5, "1.5", True, None, "", "%", "101%", "-5%", "ten", "1e3", "٣", [1], "3 hosts"])
def test_what_is_no_amount(value: Any) -> None:
    with pytest.raises(RolloutError, match=r"max_unavailable\.rack") as caught:
        parse_amount(setting(value, "max_unavailable.rack"))
    assert caught.value.reason.code == "SETTINGS_INVALID"


@pytest.mark.parametrize("value", [0, "0", "0%", "0.0 %"])
def test_too_little(value: Any) -> None:
    with pytest.raises(RolloutError):
        parse_amount(setting(value, "window"), least=1)


def test_amounts_are_shown_as_they_were_written() -> None:
    assert [str(parse_amount(setting(each, "x"))) for each in (3, "25 %", "0.5%")] == ["3", "25%", "0.5%"]
