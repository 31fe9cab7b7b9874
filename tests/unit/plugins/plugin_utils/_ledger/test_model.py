# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ledger counts does not depend on how often or in which order it took it in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger import model
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.format import decode, encode
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.histogram import DurationHistogram
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.model import (
    Clearing,
    Ledger,
    LedgerClass,
    LedgerResult,
    LedgerSource,
    SourceKind,
    Tally,
)

from .ledgers import R650, X9, at, folded, good, journal_of, ledger_of, source, started, tally

KEYS = st.sampled_from([R650, X9, LedgerClass("c", "1", "2"), LedgerClass("c", "2", "3")])
TIMES = st.integers(0, 9).map(at)
NUMBERS = st.integers(1, 3)
HISTOGRAMS = st.dictionaries(st.integers(0, 200), NUMBERS, max_size=2).map(DurationHistogram)
TALLIES = st.builds(
    Tally,
    results=st.dictionaries(st.sampled_from(LedgerResult), NUMBERS, max_size=2),
    fallbacks=st.integers(0, 1),
    differences=st.dictionaries(st.sampled_from(["CPU_LOST", "UNIT_FAILED"]), NUMBERS),
    times=st.dictionaries(
        st.tuples(st.sampled_from(["kexec", "firmware"]), st.sampled_from(model.PHASES)), HISTOGRAMS, max_size=2
    ),
    last_at=TIMES,
)
SOURCES = st.builds(
    LedgerSource,
    id=st.integers(0, 5).map("{:020x}".format),
    kind=st.sampled_from(SourceKind),
    at=TIMES,
    version=st.integers(0, 2),
    tallies=st.dictionaries(KEYS, TALLIES, max_size=2),
    failed=st.dictionaries(KEYS, TIMES, max_size=2),
)
CLEARINGS = st.dictionaries(KEYS, st.builds(Clearing, at=TIMES, by=st.sampled_from("ab"), reason=st.just("r")), max_size=2)


def beginning(given: LedgerSource) -> LedgerSource:
    """A source whose kind and beginning follow from its ID, as they do in fact."""
    number = int(given.id, 16)
    kind = SourceKind.BOOT if number % 2 else SourceKind.RUN
    return LedgerSource(given.id, kind, at(number), given.version, given.tallies, given.failed)


LEDGERS = st.builds(
    lambda sources, cleared: Ledger().with_sources(map(beginning, sources)).merged(Ledger(cleared=cleared)),
    st.lists(SOURCES, max_size=5),
    CLEARINGS,
)


@pytest.fixture(params=["unbounded", "bounded"])
def bounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "bounded":
        for name in ("RUNS_MAX", "BOOTS_MAX", "MARKS_MAX"):
            monkeypatch.setattr(model, name, 2)


@pytest.mark.usefixtures("bounds")
@given(LEDGERS)
def test_merging_a_ledger_with_itself_changes_nothing(ledger: Ledger) -> None:
    assert ledger.merged(ledger) == ledger
    assert ledger.merged(Ledger()) == Ledger().merged(ledger) == ledger


@pytest.mark.usefixtures("bounds")
@given(LEDGERS, LEDGERS)
def test_merging_is_commutative(one: Ledger, other: Ledger) -> None:
    assert one.merged(other) == other.merged(one)
    assert encode(one.merged(other)) == encode(other.merged(one))


@pytest.mark.usefixtures("bounds")
@given(LEDGERS, LEDGERS, LEDGERS)
def test_merging_is_associative(one: Ledger, other: Ledger, third: Ledger) -> None:
    assert one.merged(other).merged(third) == one.merged(other.merged(third))


@pytest.mark.usefixtures("bounds")
@given(LEDGERS)
def test_what_is_written_is_read(ledger: Ledger) -> None:
    assert decode(encode(ledger), "l") == ledger
    assert encode(decode(encode(ledger), "l")) == encode(ledger)


def test_a_journal_that_is_read_twice_counts_once() -> None:
    records = journal_of(started("night", "web1", "web2"), good("web1"), good("web2"))
    half, whole = (folded(part) for part in (records[: len(records) // 2], records))
    ledger = ledger_of(half.source(1), whole.source(2), whole.source(2), half.source(1))
    assert ledger.tallies()[R650].results == {LedgerResult.KEXEC: 2}


def test_runs_of_two_controllers_add_up() -> None:
    one, other = ledger_of(source(1), source(2)), ledger_of(source(2), source(3))
    assert one.merged(other).tallies()[R650].of(LedgerResult.KEXEC) == 3


def test_a_class_is_blocked_until_it_is_cleared_and_again_by_a_later_failure() -> None:
    ledger = ledger_of(source(1, tallies={X9: tally(LedgerResult.FAILED)}, failed={X9: at(60)}))
    assert ledger.blocked() == {X9: at(60)}
    cleared = ledger.with_clearing([X9], Clearing(at(70), "kim", "a cable"))
    assert cleared.blocked() == {}
    again = cleared.with_sources([source(2, began_s=80, failed={X9: at(90)})])
    assert again.blocked() == {X9: at(90)}


def test_a_class_stays_blocked_when_its_run_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "RUNS_MAX", 1)
    ledger = ledger_of(source(1, failed={X9: at(60)}), source(2, began_s=100))
    assert list(ledger.sources) == [source(2).id]
    assert ledger.blocked() == {X9: at(60)}


def test_the_newest_sources_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "RUNS_MAX", 3)
    ledger = ledger_of(*(source(number, began_s=number) for number in range(10)), source(20, kind=SourceKind.BOOT))
    assert sorted(ledger.sources) == ["%020x" % number for number in (7, 8, 9, 20)]


def test_a_run_with_very_many_classes_keeps_those_that_failed_and_the_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "LINES_OF_A_RUN_MAX", 2)
    tallies = {LedgerClass("c%d" % number, "", ""): tally(LedgerResult.KEXEC, number) for number in (1, 3, 2)}
    (kept,) = ledger_of(source(1, tallies={**tallies, X9: tally(LedgerResult.FAILED)})).sources.values()
    assert set(kept.tallies) == {X9, LedgerClass("c3", "", "")}


def test_runs_are_dropped_when_there_are_too_many_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "LINES_MAX", 5)
    two: dict[str, Any] = {"tallies": {R650: tally(LedgerResult.KEXEC), X9: tally(LedgerResult.KEXEC)}}
    ledger = ledger_of(*(source(number, began_s=number, **two) for number in range(5)))
    assert sorted(ledger.sources) == ["%020x" % number for number in (3, 4)]
