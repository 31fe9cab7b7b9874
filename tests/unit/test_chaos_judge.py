# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits and debts of a fleet as they are judged from outside."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.molecule.chaos.judge import (
    GRACE_S,
    Excess,
    Span,
    drained,
    ended,
    excesses,
    failed,
    spared,
    still_drained,
    told,
    unexplained,
    unpaid,
)

NOTES = [
    *((1.0, "drain", "a"), (2.0, "drain", "b"), (3.0, "drain", "a")),
    *((9.0, "undrain", "a"), (10.0, "page", "b"), (11.5, "drain", "c")),
]


def event(name: str, host: str, **fields: Any) -> dict[str, Any]:
    return {"event": name, "host": host, **fields}


def test_a_host_is_out_from_its_first_drain_until_it_is_back_or_given_up() -> None:
    assert drained(NOTES, 20.0) == [Span("a", 1.0, 9.0), Span("b", 2.0, 10.0), Span("c", 11.5, 20.0)]


def test_who_is_not_put_back_is_drained() -> None:
    assert still_drained(NOTES) == {"b", "c"}
    assert still_drained([*NOTES, (12.0, "undrain", "c")]) == {"b"}


HARMED = [Span("a", 100.0, 130.0)]


@pytest.mark.parametrize(
    ("absence", "counts"),
    [
        (Span("a", 105.0, 140.0), False),
        (Span("a", 130.0 + GRACE_S - 1, 300.0), False),
        (Span("a", 130.0 + GRACE_S + 1, 300.0), True),
        (Span("a", 10.0, 99.0), True),
        (Span("b", 105.0, 140.0), True),
        (Span("b", 105.0, 106.0), False),
    ],
)
def test_an_absence_counts_unless_it_is_the_harms_or_short(absence: Span, counts: bool) -> None:
    assert unexplained([absence], HARMED) == ([absence] if counts else [])


GROUPS = {"all": ["a", "b", "c"], "r1": ["a", "b"]}
MOST = {"all": 2, "r1": 1}


def test_limits_that_are_held_are_no_matter() -> None:
    assert excesses([Span("a", 0, 10), Span("c", 5, 20), Span("b", 10, 15)], GROUPS, MOST) == []


def test_too_many_at_once_are_seen_by_group() -> None:
    out = [Span("a", 0, 10), Span("c", 5, 20), Span("b", 9, 15)]
    assert excesses(out, GROUPS, MOST) == [Excess(9, "all", ("a", "b", "c")), Excess(9, "r1", ("a", "b"))]


def test_a_host_that_is_out_for_two_reasons_counts_once() -> None:
    assert excesses([Span("a", 0, 10), Span("a", 2, 8), Span("c", 5, 20)], GROUPS, MOST) == []


def test_debts_are_owed_until_they_are_paid_or_begun_anew() -> None:
    records = [
        event("host_owes", "a", debt="panic"),
        event("host_owes", "a", debt="slot"),
        event("host_owes", "b", debt="drain"),
        event("host_paid", "a", debt="panic"),
        event("host_draining", "b"),
        {"event": "run_ended"},
    ]
    assert unpaid(records) == {("a", "slot")}


def test_who_failed_is_reported_until_it_is_begun_with_again() -> None:
    records = [
        event("host_intent", "a"),
        event("host_failed", "a", reason={"code": "HOOK_FAILED"}),
        event("host_failed", "b", reason={"code": "UNREACHABLE"}),
        event("host_preparing", "b"),
        event("host_released", "c"),
    ]
    assert failed(records) == {"a": "HOOK_FAILED"}
    assert told(records) == {"a"}
    assert ended(records) == {"a", "c"}


STARTED, STOPPING = {"event": "run_started"}, {"event": "run_stopping", "reason": {"code": "CANARY_FAILED"}}
GIVEN_UP = [event("host_intent", "a"), event("host_failed", "a", reason={"code": "HOOK_FAILED"})]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([STARTED, *GIVEN_UP, STOPPING], {"b", "c"}),
        # It can be begun with again.
        ([STARTED, GIVEN_UP[1], STOPPING], set()),
        # It was gone on with since.
        ([STARTED, *GIVEN_UP, STOPPING, {"event": "run_resumed"}], set()),
        ([STARTED, *GIVEN_UP], set()),
        ([], set()),
    ],
)
def test_a_canary_that_failed_for_good_spares_the_others(records: list[dict[str, Any]], expected: set[str]) -> None:
    assert spared(["a", "b", "c"], records) == expected
