# SPDX-License-Identifier: GPL-3.0-or-later
"""A browser, and pages to show in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.options import ReportRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.report import make_report
from ansible_collections.fleet.kexec.tests.unit.plugins.plugin_utils._report.journals import (
    Night,
    Timed,
    records_of,
    write_journal,
)

from .chromium import Browser

#: Makes the page of a run, or of two that are compared: the path of a file.
Page = Callable[..., Path]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests: it takes longer to start than to show a page."""
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures are left for people to look at: C(SCREENSHOTS), if that is set."""
    directory = os.environ.get("SCREENSHOTS")
    return Path(directory) if directory else tmp_path_factory.mktemp("screenshots")


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """Makes pages."""

    def make(timed: list[Timed], before: list[Timed] | None = None, *, redact: bool = False) -> Path:
        runs = tmp_path_factory.mktemp("runs")
        run_id = timed[0][1]["run_id"]
        write_journal(runs, timed)
        if before is not None:
            write_journal(runs, before, started="2026-11-17T01:58:30.000Z")
        other = before[0][1]["run_id"] if before is not None else None
        return Path(make_report(RunStore(str(runs)), ReportRequest(run_id, other, {}, redact=redact))["html"])

    return make


@pytest.fixture(scope="session")
def page_of_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Page of twelve runs, of which the newest has a page that it links to."""
    runs = tmp_path_factory.mktemp("many")
    for week in range(12):
        night = Night(failures=0.02 * (week % 4), seed=week, run_id="week%02d" % week)
        write_journal(runs, records_of(night), started="2026-%02d-%02dT01:58:30.000Z" % (9 + week // 4, 1 + 7 * (week % 4)))
    store = RunStore(str(runs))
    make_report(store, ReportRequest("latest", None, {}))
    return Path(make_report(store, ReportRequest("latest", None, {}, runs=12))["html"])
