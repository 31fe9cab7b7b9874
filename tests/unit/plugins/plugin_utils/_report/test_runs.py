# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.options import ReportRequest, parse_runs
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.report import make_report

from .journals import HOSTILE, Night, hostile_run, records_of, write_journal

ALL = sys.maxsize


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Four runs, the third of them damaged."""
    for week in range(4):
        night = Night(hosts=12, failures=0.2, refusals=0.1, seed=week, run_id="week%d" % week)
        timed = records_of(night)
        timed[0][1].update(operator="alice")
        timed[0][1]["settings"].update(reason="update %d" % week, ticket="CHG-%d" % week)
        journal = write_journal(tmp_path / "runs", timed, started="2026-11-%02dT01:58:30.000Z" % (3 + 7 * week))
        if week == 2:
            journal.write_bytes(journal.read_bytes().replace(b'"seq":9,', b'"seq":7,', 1))
    return tmp_path / "runs"


def made(runs: Path, which: Any = ALL, **more: Any) -> dict[str, Any]:
    return make_report(RunStore(str(runs)), ReportRequest("latest", None, more.pop("paths", {}), runs=which, **more))


def test_the_index_lies_beside_the_runs_and_links_to_their_pages(runs: Path) -> None:
    make_report(RunStore(str(runs)), ReportRequest("week1", None, {}))
    result = made(runs)
    assert result["html"] == str(runs / "index.html") and result["changed"] and "run_id" not in result
    page = (runs / "index.html").read_text()
    assert re.findall(r'href="([^"]*)"', page)[1:] == ["week1/report.html"]
    assert result["headline"].startswith("3 runs from 2026-11-03 to 2026-11-24; ")
    # Named, because a trend with a gap that nobody sees is a wrong one.
    assert "<bdi>week2</bdi> is not counted" in page
    assert [re.search("update %d</bdi>, <bdi>CHG-%d" % (week, week), page) is not None for week in (0, 1, 3)] == [True] * 3
    assert made(runs)["changed"] is False
    # A directory of runs with an index is one of runs still.
    assert len(RunStore(str(runs)).list()) == 4


def test_a_page_elsewhere_links_from_there(runs: Path, tmp_path: Path) -> None:
    make_report(RunStore(str(runs)), ReportRequest("week1", None, {}))
    (tmp_path / "www").mkdir()
    made(runs, paths={"html": str(tmp_path / "www/all.html")})
    assert 'href="../runs/week1/report.html"' in (tmp_path / "www/all.html").read_text()


def test_the_newest_or_named_ones(runs: Path, tmp_path: Path) -> None:
    for which, names in ((1, ["week3"]), (["week3", "week0"], ["week0", "week3"])):
        made(runs, which, paths={"json": str(tmp_path / "json")})
        values = json.loads((tmp_path / "json").read_text())
        assert [each["run_id"] for each in values["runs"]] == names
    newest = values["runs"][-1]
    assert newest["operator"] == "alice" and newest["hosts"] == 12 and newest["outage"]["p50_ms"] > 0
    assert sum(each["hosts"] for each in values["codes"]) == sum(
        run["statuses"].get("failed", 0) + run["statuses"].get("refused", 0) for run in values["runs"]
    )


def test_no_run_that_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir(mode=0o700)
    assert made(tmp_path / "runs")["headline"] == "No run can be read."


def test_nobody_is_named_if_that_is_asked(runs: Path) -> None:
    make_report(RunStore(str(runs)), ReportRequest("week1", None, {}))
    page = Path(made(runs, redact=True)["html"])
    assert page.name == "index-redacted.html"
    assert not re.search(r"week\d|alice|web\d|report\.html", page.read_text())


def test_hostile_texts_are_only_text(tmp_path: Path) -> None:
    write_journal(tmp_path / "runs", hostile_run())
    page = Path(made(tmp_path / "runs")["html"]).read_text()
    assert "<script" not in page and "<img" not in page and "onmouseover='" not in page
    assert HOSTILE[0].replace("<", "&lt;").replace(">", "&gt;") in page


def test_metrics_are_those_of_one_run(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(CodedError, match="metrics are those of one run"):
        made(runs, paths={"metrics": str(tmp_path / "m.prom")})


@pytest.mark.parametrize(("value", "meant"), [("all", ALL), (20, 20), ("20", 20), ("week1", ["week1"]), (["a", "b"], ["a", "b"])])
def test_runs_as_users_write_them(value: Any, meant: Any) -> None:
    assert parse_runs(value) == meant


@pytest.mark.parametrize("value", [0, -1, [], {}, [1.5], True])
def test_runs_that_are_none(value: Any) -> None:
    with pytest.raises(CodedError):
        parse_runs(value)
