# SPDX-License-Identifier: GPL-3.0-or-later
"""Journals and histories are taken in once, and what the module is asked for is done once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Event
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.boots import boot_sources
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.errors import LedgerError
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.file import default_path, read_ledger
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.format import encode
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.model import LedgerResult, LedgerSource
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.request import LedgerRequest, carry_out
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.update import grown_sources, read_with_journals
from ansible_collections.fleet.kexec.tests.host_facts import whole_facts

from ....outcomes import code_of
from .ledgers import NEW, OLD, R650, X9, at, bad, good, journal_of, ledger_of, source, started

NOW = "2026-11-25T08:00:00.000Z"


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(str(tmp_path / "runs"))


@pytest.fixture
def path(store: RunStore) -> str:
    return default_path(store.directory)


def write_run(store: RunStore, run_id: str, *happened: Event | list[Event]) -> Path:
    directory = Path(store.directory, run_id)
    directory.mkdir(parents=True, exist_ok=True)
    Path(store.directory).chmod(0o700)
    journal = directory / "journal.jsonl"
    records = journal_of(started(run_id, "web1", "web2", "db1"), *happened)
    # The first line is as the journal writes it.
    journal.write_text("".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records))
    return journal


def asked(store: RunStore, state: str = "updated", **options: Any) -> dict[str, Any]:
    request = LedgerRequest(state, options.pop("path", default_path(store.directory)), at=NOW, by="kim", **options)
    return carry_out(store, request)[0]


def test_journals_are_taken_in_as_far_as_they_have_grown(store: RunStore, path: str) -> None:
    write_run(store, "monday", good("web1"))
    first, again = asked(store), asked(store)
    assert (first["changed"], again["changed"]) == (True, False)
    write_run(store, "monday", good("web1"), good("web2"))
    write_run(store, "tuesday", good("web1"))
    (row,) = asked(store)["classes"]
    assert (row["kexec"], row["standing"]) == (3, "proven")
    assert grown_sources(store, read_ledger(path) or ledger_of(), 9) == ([], [])


def test_a_journal_that_is_gone_still_counts(store: RunStore) -> None:
    journal = write_run(store, "monday", good("web1"))
    asked(store)
    journal.unlink()
    (row,) = asked(store)["classes"]
    assert row["kexec"] == 1


def test_check_mode_shows_and_writes_nothing(store: RunStore, path: str) -> None:
    write_run(store, "monday", good("web1"))
    result = asked(store, check=True)
    assert result["changed"]
    assert "proven: Dell" in result["diff"]["after"]
    assert not Path(path).exists()


def test_an_unreadable_journal_is_said_and_passed_over(store: RunStore, path: str) -> None:
    write_run(store, "monday", good("web1"))
    Path(store.directory, "sunday").mkdir()
    Path(store.directory, "sunday", "journal.jsonl").write_text('{"v":1}\n')
    request = LedgerRequest("updated", path)
    result, warnings = carry_out(store, request)
    assert [why.code for why in warnings] == ["JOURNAL_DAMAGED"]
    assert result["totals"]["classes"] == 1


def test_other_ledgers_are_merged_once(store: RunStore, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(encode(ledger_of(source(1), source(2, began_s=5))))
    (row,) = asked(store, merge=[str(other)])["classes"]
    assert row["kexec"] == 2
    assert not asked(store, merge=[str(other)])["changed"]


@pytest.mark.parametrize(("content", "code"), [(None, "LEDGER_FAILED"), (b"{", "LEDGER_DAMAGED")])
def test_a_ledger_to_merge_has_to_be_one(store: RunStore, tmp_path: Path, content: bytes | None, code: str) -> None:
    other = tmp_path / "other.json"
    if content is not None:
        other.write_bytes(content)
    assert code_of(lambda: asked(store, merge=[str(other)])) == code


def test_a_class_is_cleared_by_somebody_with_a_reason(store: RunStore, path: str) -> None:
    write_run(store, "monday", good("web1"), bad("db1", X9))
    assert [row["standing"] for row in asked(store)["classes"]] == ["blocked", "proven"]
    clear = {"state": "cleared", "host_class": X9.host_class, "reason": "a cable"}
    cleared = asked(store, **clear)
    assert cleared["changed"]
    assert "- " not in cleared["diff"]["before"]
    (row,) = (row for row in cleared["classes"] if row["host_class"] == X9.host_class)
    assert (row["standing"], row["failed"], row["cleared"]) == ("unproven", 1, {"at": NOW, "by": "kim", "reason": "a cable"})
    assert not asked(store, **clear)["changed"]
    # Taking in the journal again does not block it again.
    assert asked(store)["totals"]["blocked"] == 0


def test_a_class_that_is_not_there_is_not_cleared(store: RunStore) -> None:
    write_run(store, "monday", bad("db1", X9))
    for other in ({"host_class": "none"}, {"host_class": X9.host_class, "after": "9.9"}):
        assert code_of(lambda other=other: asked(store, state="cleared", reason="r", **other)) == "LEDGER_CLASS_UNKNOWN"


def test_a_failure_seen_by_a_clock_that_is_ahead_can_be_cleared(store: RunStore, path: str) -> None:
    Path(store.directory).mkdir()
    Path(store.directory).chmod(0o700)
    Path(path).write_bytes(encode(ledger_of(source(1, failed={X9: "2030-01-01T00:00:00.000Z"}))))
    assert asked(store, state="cleared", host_class=X9.host_class, reason="r")["totals"]["blocked"] == 0


def test_export_and_show(store: RunStore, path: str, tmp_path: Path) -> None:
    write_run(store, "monday", bad("db1", X9))
    for state in ("shown", "exported"):
        assert code_of(lambda state=state: asked(store, state=state, dest=str(tmp_path / "copy"))) == "LEDGER_MISSING"
    asked(store)
    assert not asked(store, state="shown")["changed"]
    dest = tmp_path / "copy.json"
    assert asked(store, state="exported", dest=str(dest))["changed"]
    assert not asked(store, state="exported", dest=str(dest))["changed"]
    assert dest.read_bytes() == Path(path).read_bytes()
    assert b"db1" not in dest.read_bytes()


def test_hosts_are_named_only_if_asked_for(store: RunStore) -> None:
    write_run(store, "monday", bad("db1", X9), good("web1"))
    assert "db1" not in json.dumps(asked(store))
    named = asked(store, names=True)
    assert [row["bad_hosts"] for row in named["classes"]] == [["db1"], []]
    assert named["lines"][0].startswith("blocked: ") and named["lines"][1] == "  db1"


def test_a_run_begins_with_what_the_journals_add(store: RunStore, path: str) -> None:
    assert read_with_journals(path, store, 20).warnings == ()
    write_run(store, "monday", good("web1"))
    reading = read_with_journals(path, store, 20)
    assert [why.code for why in reading.warnings] == ["LEDGER_MISSING"]
    assert reading.ledger.tallies()[R650].of(LedgerResult.KEXEC) == 1
    assert not Path(path).exists()
    Path(path).write_text("no ledger")
    assert [why.code for why in read_with_journals(path, store, 20, but="monday").warnings] == ["LEDGER_DAMAGED"]
    assert read_with_journals(path, store, 20, but="monday").ledger.sources == {}
    asked(store)
    assert read_with_journals(path, store, 20).warnings == ()


LAST = {
    "boot_id": "0c9a6f8e-2d6f-4c0e-9d53-1f4a6c1f7a42",
    "path": "kexec",
    "release": NEW,
    "release_before": OLD,
    "host_class": R650.host_class,
    "start": at(5),
    "outage": {"duration_ms": 9000.5},
    "phases": [],
}


def facts(**last: Any) -> dict[str, Any]:
    return {"history": {"boots": 1, "last": {**LAST, **last}}}


def sources_of(given: dict[str, Any]) -> list[LedgerSource]:
    return boot_sources({"web1": given})[0]


def test_boots_of_histories_are_counted_once(store: RunStore) -> None:
    hosts = [facts(), facts(), facts(boot_id="1" * 32, path="firmware"), None, {}]
    boots, unreadable = boot_sources({str(number): each for number, each in enumerate(hosts)})
    assert unreadable == []
    (row,) = asked(store, boots=boots)["classes"]
    assert (row["kexec"], row["firmware"]) == (1, 1)
    assert row["durations"]["kexec"]["outage"]["count"] == 1
    assert not asked(store, boots=boots)["changed"]


@pytest.mark.parametrize(
    "last",
    [
        {"run_id": "monday"},
        {"path": "unknown"},
        {"host_class": None},
        {"host_class": ""},
        {"release_before": None},
        {"boot_id": "../etc"},
        {"start": "today"},
    ],
)
def test_boots_of_which_too_little_is_known_are_not_counted(last: dict[str, Any]) -> None:
    assert boot_sources({"web1": facts(**last)}) == ([], [])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (facts(path=["kexec"]), "path is no text"),
        (facts(boot_id=7), "boot_id is no text"),
        (facts(outage={"duration_ms": True}), "duration_ms is no number"),
        (facts(outage={"duration_ms": float("inf")}), "duration_ms is no number"),
        (facts(outage=[1]), "outage is no dictionary"),
        ({"history": None}, "history is no dictionary"),
        ({"history": {}}, "last is missing"),
        ({**facts(), "machine": {"differences": ["NIC_LOST"]}}, "differences is no list of dictionaries"),
        ("facts", "fleet_kexec is no dictionary"),
    ],
)
def test_facts_that_are_none_are_told_and_keep_no_other_host_out(given: Any, said: str) -> None:
    (source,), (why,) = boot_sources({"web1": given, "web2": facts()})
    assert source.kind.value == "boot"
    assert (why.code, why.message) == ("FACTS_UNREADABLE", "web1: boot_facts gave an answer that is none: %s" % said)


R650_HARDWARE = {
    "vendor": "Dell Inc.",
    "product": "PowerEdge R650",
    "board": "",
    "firmware_version": "2.14.1",
    "drivers": {"network": ["ixgbe"], "storage": ["nvme"], "display": []},
}


@pytest.mark.parametrize(("boot_id", "counts"), [(LAST["boot_id"], True), ("2" * 32, False)])
def test_a_reboot_from_the_console_is_of_the_class_of_the_hardware(boot_id: str, counts: bool) -> None:
    made = sources_of({**facts(host_class=None), **whole_facts(boot={"boot_id": boot_id}, hardware=R650_HARDWARE)})
    assert [set(each.tallies) for each in made] == [{R650}] * counts


@pytest.mark.parametrize(("effect", "counts"), [("warn", True), ("fail", False)])
def test_a_machine_that_lacks_something_proves_nothing(effect: str, counts: bool) -> None:
    machine = {"compared": True, "differences": [{"code": "NIC_LOST", "effect": effect}]}
    assert bool(sources_of({**facts(), "machine": machine})) is counts


def test_what_a_host_says_is_cleaned() -> None:
    (made,) = sources_of(facts(host_class="\x1b[2J" + R650.host_class))
    assert set(made.tallies) == {replace(R650)}


def test_an_export_that_can_t_be_written(store: RunStore) -> None:
    write_run(store, "monday", good("web1"))
    asked(store)
    with pytest.raises(LedgerError):
        asked(store, state="exported", dest="/proc/nowhere/ledger.json")
