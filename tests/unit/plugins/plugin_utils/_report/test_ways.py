# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to reboot, held against each other."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.options import ReportRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.read import read_run
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.report import make_report
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.ways import ways_of

from ....outcomes import code_of
from .. import stories
from .journals import Night, records_of, write_journal

NIGHT = Night(hosts=4, firmware=0.0, failures=0, refusals=0)
RUNS = {
    "fast0": NIGHT,
    "fast1": replace(NIGHT, seed=2),
    "slow0": replace(NIGHT, seed=3, slower=2.0),
    "firmware0": replace(NIGHT, seed=4, firmware=1.0),
}
WAYS = {"fast": ["fast0", "fast1"], "slow": ["slow0"], "firmware": ["firmware0"]}
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """Runs by three ways."""
    for run_id, night in RUNS.items():
        write_journal(tmp_path / "runs", records_of(replace(night, run_id=run_id)))
    return RunStore(str(tmp_path / "runs"))


def report(store: RunStore, ways: dict[str, list[str]] | None, **paths: Any) -> dict[str, Any]:
    """Make the report, with the paths that are given."""
    return make_report(store, ReportRequest("latest", None, paths, ways=ways))


def test_reboots_of_one_way_are_pooled(store: RunStore) -> None:
    fast, slow, firmware = ways_of(
        {name: [read_run(store.open(run_id).journal) for run_id in run_ids] for name, run_ids in WAYS.items()}
    )
    assert (fast.reboots, fast.hosts, fast.runs) == (8, 4, ["fast0", "fast1"])
    assert fast.outage is not None and slow.outage is not None and firmware.outage is not None
    assert fast.outage.count == 8 and slow.outage.count == 4
    assert fast.outage.p50_ms < slow.outage.p50_ms < firmware.outage.p50_ms
    assert firmware.times_shorter is None
    assert fast.times_shorter == firmware.outage.p50_ms / fast.outage.p50_ms
    assert "firmware" in dict(firmware.parts) and "jump" in dict(fast.parts) and "stub" not in dict(fast.parts)


def test_page_and_json(store: RunStore, tmp_path: Path) -> None:
    made = report(store, WAYS, html=str(tmp_path / "ways.html"), json=str(tmp_path / "ways.json"))
    page, values = (tmp_path / "ways.html").read_text(), json.loads((tmp_path / "ways.json").read_text())
    assert made["changed"] and made["headline"].startswith("fast: outage p50 ")
    assert all("<bdi>%s</bdi>" % name in page for name in WAYS)
    assert "default-src 'none'" in page and "<script" not in page
    assert [way["name"] for way in values["ways"]] == list(WAYS)
    assert not report(store, WAYS, html=str(tmp_path / "ways.html"), json=str(tmp_path / "ways.json"))["changed"]


def test_a_hostile_name_is_a_name(store: RunStore, tmp_path: Path) -> None:
    report(store, {HOSTILE: ["fast0"], "slow": ["slow0"]}, html=str(tmp_path / "ways.html"))
    page = (tmp_path / "ways.html").read_text()
    assert "<script" not in page and "<img" not in page
    assert "&lt;script&gt;" in page


def test_hosts_that_could_not_go_a_way_are_counted(store: RunStore, tmp_path: Path) -> None:
    write_journal(tmp_path / "runs", records_of(replace(NIGHT, run_id="refused0", refusals=1.0)))
    report(store, {"fast": ["fast0"], "refused": ["refused0"]}, html=str(tmp_path / "ways.html"))
    page = (tmp_path / "ways.html").read_text()
    assert re.search(r"<td>[1-4] refused ", page)
    assert 'class="problem refused"' in page


def test_a_way_by_which_nothing_was_rebooted_has_no_figures(store: RunStore, tmp_path: Path) -> None:
    write_journal(tmp_path / "runs", [(0.0, stories.started(["web1"]))], run_id="nobody")
    made = report(store, {"fast": ["fast0"], "none": ["nobody"]}, html=str(tmp_path / "ways.html"))
    assert "none: no outage was seen" in made["headline"]
    assert '<td class="n" colspan="3">n/a</td>' in (tmp_path / "ways.html").read_text()


@pytest.mark.parametrize(
    ("ways", "files", "code"),
    [
        (WAYS, [], "REPORT_FAILED"),
        (WAYS, ["html", "metrics"], "REPORT_FAILED"),
        ({"fast": ["nobody"]}, ["html"], "RUN_NOT_FOUND"),
    ],
)
def test_what_can_not_be(store: RunStore, tmp_path: Path, ways: dict[str, list[str]], files: list[str], code: str) -> None:
    paths = {what: str(tmp_path / what) for what in files}
    assert code_of(lambda: report(store, ways, **paths)) == code
    assert not any((tmp_path / what).exists() for what in files)
