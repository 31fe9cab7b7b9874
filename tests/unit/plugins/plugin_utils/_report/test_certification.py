# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports say what is proven on which machines, by the ledger and the runs that they are about."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.format import encode
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.model import Clearing, Ledger, LedgerClass, LedgerResult
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.request import LedgerRequest, carry_out
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.options import ReportRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.report import make_report

from .._ledger.ledgers import OLD, X9, at, ledger_of, source, tally
from .journals import HOSTILE, Night, records_of, write_journal

R7625 = "PowerEdge R7625 6.12.117+deb13-amd64"
FAILED = ledger_of(source(1, tallies={X9: tally(LedgerResult.FAILED)}, failed={X9: at(60)}))

Made = Callable[..., tuple[str, dict[str, Any]]]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    directory = tmp_path / "runs"
    write_journal(directory, records_of(Night(hosts=20, firmware=0.0, failures=0, refusals=0)))
    directory.chmod(0o700)
    return directory


@pytest.fixture
def made(runs: Path, tmp_path: Path) -> Made:
    """Makes page and JSON of a report; returns the section of the page and the field of the JSON."""

    def make(kept: Ledger | bytes | None = None, **options: Any) -> tuple[str, dict[str, Any]]:
        if kept is not None:
            (runs / "ledger.json").write_bytes(kept if isinstance(kept, bytes) else encode(kept))
        paths = {"html": str(tmp_path / "page.html"), "json": str(tmp_path / "page.json")}
        make_report(RunStore(str(runs)), ReportRequest("latest", None, paths, **options))
        found = re.search(r'<section id="certification">.*?</section>', (tmp_path / "page.html").read_text(), re.DOTALL)
        return found[0] if found else "", json.loads((tmp_path / "page.json").read_text())["certification"]

    return make


def rows(certification: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["host_class"]: row for row in certification["classes"]}


def test_without_a_ledger_the_matrix_has_the_run(made: Made) -> None:
    section, values = made()
    assert values["notice"] is None
    row = rows(values)[R7625]
    assert (row["standing"], row["here"], row["kexec"] > 0) == ("proven", True, True)
    assert 'class="badge proven">proven</span>' in section
    assert "<b>3 proven</b>, 0 unproven, 0 blocked" in section


def test_classes_of_other_runs_come_after_those_of_the_run(made: Made) -> None:
    section, values = made(FAILED)
    row = rows(values)[X9.host_class]
    assert (row["standing"], row["here"], row["failed"]) == ("blocked", False, 1)
    assert section.index(R7625) < section.index(X9.host_class)
    assert 'class="badge blocked">blocked</span>' in section
    assert "<b>3 proven</b>, 0 unproven, 1 blocked" in section


def test_a_run_that_is_in_the_ledger_counts_once(made: Made, runs: Path) -> None:
    _section, alone = made()
    carry_out(RunStore(str(runs)), LedgerRequest("updated", str(runs / "ledger.json")))
    assert made()[1] == alone


def test_a_class_is_proven_after_as_many_reboots_as_asked_for(made: Made) -> None:
    assert made(proven_after=10_000)[1]["totals"] == {"classes": 3, "proven": 0, "unproven": 3, "blocked": 0}


def test_another_ledger(made: Made, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_bytes(encode(FAILED))
    assert X9.host_class in rows(made(ledger=str(tmp_path / "other.json"))[1])


def test_a_damaged_ledger_is_said_and_the_report_is_made(made: Made) -> None:
    section, values = made(b"{")
    assert values["notice"].startswith("LEDGER_DAMAGED: ")
    assert "The matrix has these runs only." in section
    assert set(rows(values)) >= {R7625}


def test_who_cleared_a_class_and_why(made: Made) -> None:
    cleared = FAILED.with_clearing([X9], Clearing(at(70), "kim", "a cable of web01"))
    section, values = made(cleared)
    assert rows(values)[X9.host_class]["standing"] == "unproven"
    assert "cleared 2026-11-24 by <bdi>kim</bdi>: <bdi>a cable of web01</bdi>" in section
    section, values = made(cleared, redact=True)
    assert "kim" not in section and "web01" not in section
    assert not re.search(r"kim|web01", json.dumps(values))


def test_a_redacted_report_does_not_name_the_directory_of_a_damaged_ledger(made: Made, runs: Path) -> None:
    section, values = made(b"{", redact=True)
    assert str(runs) not in section + json.dumps(values)


def test_many_runs_have_one_matrix(made: Made, runs: Path) -> None:
    older = Night(hosts=20, seed=3, run_id="20261117T015830Z-77aa", firmware=0.0, failures=0, refusals=0)
    _section, alone = made()
    write_journal(runs, records_of(older), started="2026-11-17T01:58:30.000Z")
    section, values = made(FAILED, runs=9)
    assert rows(values)[R7625]["kexec"] > rows(alone)[R7625]["kexec"]
    assert X9.host_class in section


def test_very_many_classes_are_in_the_json(made: Made) -> None:
    tallies = {LedgerClass("class %03d" % number, OLD, OLD): tally(LedgerResult.KEXEC) for number in range(200)}
    section, values = made(ledger_of(source(1, tallies=tallies)))
    assert section.count("<tr") == 101
    assert "and 103 more, which are in the JSON" in section
    assert len(values["classes"]) == 203


def test_what_users_call_a_class_is_only_text(made: Made) -> None:
    hostile = [text for text in HOSTILE if text.startswith(("<", '"', "]", "{{"))]
    tallies = {LedgerClass(text, text, text): tally(LedgerResult.KEXEC) for text in hostile}
    section, _values = made(ledger_of(source(1, tallies=tallies)))
    assert not re.search(r"<(?:script|img|svg|style)", section)
