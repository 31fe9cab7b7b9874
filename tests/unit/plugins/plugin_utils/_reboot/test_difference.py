# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of its machine is not trusted."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.difference import (
    DIFFERENCES_MAX,
    ReportedDifference,
    comparison_of,
    named,
    summed_up,
)

from ..machines import difference


def answer(**others: Any) -> dict[str, Any]:
    return {"changed": False, "compared": True, "model": "m", "before": None, "settled_ms": 1, "differences": [], **others}


def test_those_that_fail_come_first_and_say_why() -> None:
    found = [difference("CLOCKSOURCE_CHANGED", "tsc", "warn"), difference("NIC_NO_CARRIER", "eth1"), difference("CPU_LOST", "3")]
    comparison = comparison_of(answer(differences=found))
    assert [each.code for each in comparison.differences] == ["CPU_LOST", "NIC_NO_CARRIER", "CLOCKSOURCE_CHANGED"]
    assert comparison.degraded is not None and comparison.degraded.code == "DEGRADED"
    assert comparison.degraded.message == "the machine did not come back as it was: CPU_LOST 3, NIC_NO_CARRIER eth1"
    assert summed_up(comparison.differences) == "3 differences: CPU_LOST 3, NIC_NO_CARRIER eth1, CLOCKSOURCE_CHANGED tsc"


def test_warnings_fail_nothing() -> None:
    assert comparison_of(answer(differences=[difference("KERNEL_ERRORS", "", "warn")])).degraded is None
    assert comparison_of(answer()).degraded is None


def test_a_million_differences_are_counted_and_not_kept() -> None:
    each = difference("PCI_DEVICE_LOST", "x" * 10_000, message="y" * 10_000)
    began = time.process_time()
    comparison = comparison_of(answer(differences=[each] * 1_000_000))
    assert time.process_time() - began < 5, "the other hosts wait meanwhile"
    assert (len(comparison.differences), comparison.more) == (DIFFERENCES_MAX, 1_000_000 - DIFFERENCES_MAX)
    assert sum(len(str(each.as_dict())) for each in comparison.differences) < 100_000
    assert comparison.degraded is not None and comparison.degraded.message.endswith("and 999997 more")
    assert len(comparison.degraded.message) < 1000


def test_texts_are_shown_clean() -> None:
    nasty = "\x1b]0;owned\x07\x1b[31mNIC\n\u202e_X"
    comparison = comparison_of(
        answer(model=nasty, differences=[difference(nasty, nasty, before=nasty, after=nasty, message=nasty)])
    )
    (found,) = comparison.differences
    said = [comparison.model, *(str(value) for value in found.as_dict().values())]
    assert all(text.isprintable() and "\n" not in text for text in said)
    assert "\x1b" not in named([found])


@pytest.mark.parametrize(
    "others",
    [
        {"differences": None},
        {"differences": {"0": difference("A", "b")}},
        {"differences": "NIC_NO_CARRIER"},
        {"differences": ["NIC_NO_CARRIER"]},
        {"differences": [[]]},
        {"differences": [{"code": "A"}]},
        {"differences": [difference("", "b")]},
        {"differences": [difference("\x1b[31m", "b")]},
        {"differences": [difference("A", 3)]},  # type: ignore[arg-type]  # as a host may
        {"differences": [difference("A", "b", "ignore")]},
        {"differences": [difference("A", "b", before=["up"])]},
        {"differences": [difference("A", "b", message=None)]},
        {"compared": "yes"},
        {"compared": None},
        {"settled_ms": "40"},
        {"settled_ms": True},
        {"settled_ms": -1},
        {"settled_ms": 1e308},
        {"settled_ms": 10**40},
        {"model": None},
    ],
)
def test_what_is_no_comparison_is_none(others: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        comparison_of(answer(**others))


@pytest.mark.parametrize("name", sorted(answer().keys() - {"changed", "before"}))
def test_nothing_may_be_missing(name: str) -> None:
    whole = answer()
    del whole[name]
    with pytest.raises(KeyError):
        comparison_of(whole)


def test_a_difference_is_read_as_it_was_written() -> None:
    found = ReportedDifference("A", "b", None, "c", "fail", "d")
    assert ReportedDifference.read(found.as_dict()) == found
