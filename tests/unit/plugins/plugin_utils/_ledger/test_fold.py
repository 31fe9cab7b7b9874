# SPDX-License-Identifier: GPL-3.0-or-later
"""A reboot counts as what it proves about the kexec of its class, and nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Event
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.fold import RunFold
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.model import LedgerClass, LedgerResult
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.difference import ReportedDifference

from ..stories import night
from .ledgers import (
    NEW,
    OLD,
    R650,
    X9,
    back,
    bad,
    begun,
    ended,
    failed,
    folded,
    good,
    intended,
    journal_of,
    started,
    unproven,
    verified,
)

WARNED = ReportedDifference("CLOCKSOURCE_CHANGED", "", "tsc", "hpet", "warn", "the clock source is hpet, and was tsc")
LOST = ReportedDifference("NIC_NO_CARRIER", "eth0", "up", "down", "fail", "eth0 has no link")


def compared(host: str, *differences: ReportedDifference) -> Event:
    return events.HostCompared(host=host, compared=True, model="", differences=differences, more=0, settled_ms=0, duration_ms=900)


def fold_of(*happened: Event | list[Event]) -> RunFold:
    fold = RunFold()
    flat = [event for each in happened for event in (each if isinstance(each, list) else [each])]
    for number, event in enumerate([started("night", "web1", "web2"), *flat], 1):
        fold.apply(event, "2026-11-24T01:00:%02d.000Z" % number)
    return fold


def counted(fold: RunFold) -> dict[str, int]:
    return {result.value: count for tally in fold.tallies.values() for result, count in tally.results.items()}


COMES_BACK = [*begun("web1"), back("web1")]
BY_FIRMWARE = [intended("web1", method="firmware"), back("web1"), verified("web1", "firmware", OLD), *ended("web1")]


@pytest.mark.parametrize(
    ("happened", "results", "fallbacks", "is_bad"),
    [
        (good("web1"), {"kexec": 1}, 0, False),
        ([*COMES_BACK, compared("web1", WARNED), verified("web1"), *ended("web1")], {"kexec": 1}, 0, False),
        (bad("web1"), {"failed": 1}, 0, True),
        ([*COMES_BACK, unproven("web1"), failed("web1", "NOT_PROVEN")], {"failed": 1}, 0, True),
        ([*COMES_BACK, compared("web1", LOST), failed("web1", "DEGRADED")], {"degraded": 1}, 0, True),
        ([*COMES_BACK, unproven("web1"), *BY_FIRMWARE], {"failed": 1}, 1, True),
        ([*COMES_BACK, compared("web1", LOST), *BY_FIRMWARE], {"degraded": 1}, 1, True),
        # It hung, and the power hook brought it back through firmware.
        (
            [*begun("web1"), back("web1"), verified("web1", "firmware", OLD, "POWER_CYCLED"), *ended("web1")],
            {"failed": 1},
            1,
            True,
        ),
        # With method auto, one that came back through firmware is done, but not by kexec.
        ([*COMES_BACK, verified("web1", "firmware", OLD, "NOT_PROVEN"), *ended("web1")], {"failed": 1}, 0, True),
        ([*COMES_BACK, verified("web1"), failed("web1", "HOOK_FAILED")], {"unclear": 1}, 0, False),
        ([*COMES_BACK, failed("web1", "LOGIN_FAILED")], {"unclear": 1}, 0, False),
        ([*COMES_BACK, verified("web1"), failed("web1", "NOT_COMPARED")], {"unclear": 1}, 0, False),
        ([*COMES_BACK, verified("web1"), compared("web1", WARNED, LOST), failed("web1", "DEGRADED")], {"degraded": 1}, 0, True),
        # The reboot never began, or nobody knows.
        ([*begun("web1"), failed("web1", "NOT_REBOOTED")], {}, 0, False),
        ([*begun("web1"), failed("web1", "TRIGGER_FAILED")], {}, 0, False),
        ([*begun("web1")[:-1], failed("web1", "HOOK_FAILED")], {}, 0, False),
        (begun("web1"), {}, 0, False),
        (
            [*begun("web1", method="firmware"), back("web1"), verified("web1", "firmware"), *ended("web1")],
            {"firmware": 1},
            0,
            False,
        ),
        ([*begun("web1", method="firmware"), failed("web1", "REBOOT_TIMEOUT")], {"firmware_failed": 1}, 0, False),
        # A soft reboot hands nothing over.
        ([*begun("web1", method="soft"), back("web1"), verified("web1", "soft"), *ended("web1")], {}, 0, False),
        ([*begun("web1", method="soft"), failed("web1", "REBOOT_TIMEOUT")], {}, 0, False),
        # A resume found that the trigger had never arrived.
        ([*begun("web1"), *good("web1")], {"kexec": 1}, 0, False),
        # It failed, and was tried again.
        ([*bad("web1"), *good("web1")], {"failed": 1, "kexec": 1}, 0, True),
        # The process died after an unproven boot; a resume starts over.
        ([*COMES_BACK, unproven("web1"), *good("web1")], {"failed": 1, "kexec": 1}, 0, True),
        ([*begun("web1")[:2], events.HostNotNeeded(host="web1")], {}, 0, False),
    ],
)
def test_how_a_reboot_counts(happened: list[Event], results: dict[str, int], fallbacks: int, is_bad: bool) -> None:
    fold = fold_of(happened)
    assert counted(fold) == results
    assert sum(tally.fallbacks for tally in fold.tallies.values()) == fallbacks
    assert bool(fold.failed) is is_bad
    # The kernel after a reboot through firmware is known once it is back.
    assert set(fold.tallies) <= {R650, replace(R650, after="")}


def test_a_degraded_reboot_through_firmware_is_not_the_fault_of_a_kexec() -> None:
    fold = fold_of([*begun("web1", method="firmware"), back("web1"), compared("web1", LOST), failed("web1", "DEGRADED")])
    assert counted(fold) == {"firmware_failed": 1}
    assert not fold.failed


def test_classes_durations_and_differences() -> None:
    fold = fold_of(
        good("web1", outage_ms=8000),
        [*begun("web2"), back("web2", 10000), compared("web2", WARNED, WARNED), verified("web2"), *ended("web2")],
        bad("db1", X9),
    )
    tally = fold.tallies[R650]
    assert tally.of(LedgerResult.KEXEC) == 2
    assert tally.differences == {"CLOCKSOURCE_CHANGED": 1}
    assert set(tally.times) == {("kexec", phase) for phase in ("prepare", "drain", "outage", "after")}
    assert tally.times[("kexec", "outage")].percentile(95) == pytest.approx(10000, rel=0.045)
    assert fold.tallies[X9].times == {}
    assert fold.failed == {X9: fold.tallies[X9].last_at}


def test_a_reboot_through_firmware_counts_with_the_kernel_that_came_back() -> None:
    fold = fold_of([*begun("web1", method="firmware"), back("web1"), verified("web1", "firmware", NEW), *ended("web1")])
    assert list(fold.tallies) == [LedgerClass(R650.host_class, OLD, NEW)]


def test_hosts_of_an_unknown_class_are_not_counted() -> None:
    assert fold_of(good("web1", LedgerClass("", OLD, NEW))).tallies == {}


def test_text_of_a_journal_is_cleaned_and_cut() -> None:
    tallies = fold_of(good("web1", LedgerClass("\x1b[31mred\n" + "x" * 9000, OLD, NEW))).tallies
    assert len(tallies) == 1
    key = next(iter(tallies))
    assert key.host_class.startswith("red xxx")
    assert len(key.host_class) <= 240


def test_journal_and_its_events_count_the_same() -> None:
    records = journal_of(started("night", "web1"), good("web1"), bad("db1", X9))
    fold = folded(records)
    assert counted(fold) == {"kexec": 1, "failed": 1}
    assert fold.source(9).tallies.keys() == {R650, X9}


def test_every_event_of_a_journal_is_taken_in() -> None:
    fold = folded(
        [{"v": 1, "seq": number, "at": "2026-11-24T15:00:00.%03dZ" % number, **each} for number, each in enumerate(night(), 1)]
    )
    assert fold.id
    assert counted(fold)


def test_the_name_of_a_source_follows_from_its_run_and_tells_nothing() -> None:
    one, other = (folded(journal_of(started("night", "web1", controller=name))).source(0).id for name in ("admin1", "admin2"))
    assert one == folded(journal_of(started("night", "web1"), good("web1"))).source(0).id
    assert one != other
    assert len(one) == 20
