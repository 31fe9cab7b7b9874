# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports: journals in, files out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from .._errors import RolloutError
from .._journal.file import open_regular, replay
from .._journal.run_state import RunState
from .._journal.run_store import Run, RunStore
from .._ledger.file import default_path
from .caption import caption_of
from .certification import Certification, certification_of
from .errors import ReportError
from .figures import Figures, figures_of, firmware_outages
from .files import write_file
from .history import history_of
from .metrics import as_metrics
from .options import ReportRequest
from .page import render
from .read import HostReport, RunReport, read_run
from .redact import Redactor
from .runs import RunSeries, UnreadableRun, in_order, measured
from .runs import headline as runs_headline
from .runs import values_of as runs_values
from .runs_page import render_runs
from .sentences import headline
from .values import as_json, values_of
from .ways import headline as ways_headline
from .ways import values_of as ways_values
from .ways import ways_of
from .ways_page import render_ways

_PAGE = "report.html"
_REDACTED_PAGE = "report-redacted.html"
_INDEX = "index.html"
_REDACTED_INDEX = "index-redacted.html"

# New files: the node exporter reads metrics as another user; page and JSON contain output of hosts and hooks.
_MODES = {"html": 0o600, "json": 0o600, "metrics": 0o644}

# Maximum number of earlier runs searched for reboots through firmware, and the number of reboots that is enough: reading a
# journal of 10,000 hosts takes seconds.
_RUNS_COMPARED = 20
_REBOOTS_COMPARED = 1000


def make_report(store: RunStore, request: ReportRequest) -> dict[str, Any]:
    """Make a report, and write the files that would change; returns the result of M(fleet.kexec.report).

    :raises CodedError: there is no such run, its journal can't be used, or a file can't be written.
    """
    redactor = Redactor() if request.redact else None
    if request.ways is not None:
        return _ways_report(store, request, request.ways, redactor)
    if request.runs is not None:
        return _runs_report(store, request, request.runs, redactor)
    run = store.open(request.run_id)
    report = read_run(run.journal, redactor)
    other = store.open(request.compare) if request.compare else None
    figures = figures_of(report, _firmware_before(store, run.run_id, redactor))
    before = None
    if other is not None:
        compared = read_run(other.journal, redactor)
        before = (compared, figures_of(compared, _firmware_before(store, other.run_id, redactor)))
    caption = caption_of(report, request.title, request.reason, request.ticket)
    certification = _certification(store, request, [run], redactor)
    made: dict[str, Callable[[], str]] = {
        "html": lambda: render(report, figures, before, caption, certification),
        "json": lambda: as_json(values_of(report, figures, before, caption, certification)),
        # The history names other runs.
        "metrics": lambda: as_metrics(report, figures, [] if request.redact else history_of(store)),
    }
    paths, written = _write_all(
        request.paths or {"html": os.path.join(run.directory, _REDACTED_PAGE if request.redact else _PAGE)}, made, request
    )
    return {
        **written,
        "run_id": run.run_id,
        "journal": run.journal,
        "headline": headline(report, figures),
        **paths,
        **_summary(report, figures),
    }


def _ways_report(
    store: RunStore, request: ReportRequest, names: Mapping[str, Sequence[str]], redactor: Redactor | None
) -> dict[str, Any]:
    if "metrics" in request.paths or not request.paths:
        raise ReportError("REPORT_FAILED", "ways takes html or json: give the path of at least one")
    groups = {name: [read_run(store.open(run_id).journal, redactor) for run_id in run_ids] for name, run_ids in names.items()}
    ways = ways_of(groups)
    runs = [run for group in groups.values() for run in group]
    made: dict[str, Callable[[], str]] = {
        "html": lambda: render_ways(ways, runs),
        "json": lambda: as_json(ways_values(ways)),
    }
    paths, written = _write_all(request.paths, made, request)
    return {**written, "headline": ways_headline(ways), **paths}


def _runs_report(store: RunStore, request: ReportRequest, runs: Sequence[str] | int, redactor: Redactor | None) -> dict[str, Any]:
    if "metrics" in request.paths:
        raise ReportError("REPORT_FAILED", "runs takes html or json: metrics are those of one run")
    found = store.list()[:runs] if isinstance(runs, int) else [store.open(run_id) for run_id in runs]
    paths = request.paths or {"html": os.path.join(store.directory, _REDACTED_INDEX if request.redact else _INDEX)}
    measured_runs, unreadable = [], []
    # Oldest first, one at a time: only the figures of each stay in memory.
    for run in reversed(found):
        try:
            page = "" if redactor is not None or "html" not in paths else _page_of(run, paths["html"])
            measured_runs.append(measured(read_run(run.journal, redactor), page))
        except RolloutError as error:
            message, run_id = error.reason.message, run.run_id
            unreadable.append(UnreadableRun(run_id, message) if redactor is None else UnreadableRun("a run", error.reason.code))
    series = RunSeries(in_order(measured_runs), unreadable)
    certification = _certification(store, request, found, redactor)
    made: dict[str, Callable[[], str]] = {
        "html": lambda: render_runs(series, request.title, certification),
        "json": lambda: as_json({**runs_values(series), "certification": certification.as_values()}),
    }
    written_paths, written = _write_all(paths, made, request)
    return {**written, "headline": runs_headline(series), **written_paths}


def _certification(store: RunStore, request: ReportRequest, runs: Sequence[Run], redactor: Redactor | None) -> Certification:
    path = request.ledger or default_path(store.directory)
    return certification_of(path, runs, request.proven_after, redactor)


def _page_of(run: Run, index: str) -> str:
    """Address of the page of a run, relative to the page of the runs; empty if it has none beside its journal."""
    page = os.path.join(run.directory, _PAGE)
    return quote(os.path.relpath(page, os.path.dirname(os.path.realpath(index)))) if os.path.isfile(page) else ""


def _write_all(
    asked: Mapping[str, str], made: Mapping[str, Callable[[], str]], request: ReportRequest
) -> tuple[dict[str, str], dict[str, Any]]:
    """Make all files, then write them; returns the path of each format, and C(changed) and C(diff) for the result."""
    paths = {what: os.path.realpath(path) for what, path in asked.items()}
    if len(set(paths.values())) < len(paths):
        raise ReportError("REPORT_FAILED", "two of html, json and metrics are the same file")
    texts = {what: made[what]().encode("utf-8") for what in paths}
    written = [
        write_file(paths[what], text, request.mode, new_mode=_MODES[what], check=request.check) for what, text in texts.items()
    ]
    return paths, {
        "changed": any(changed for changed, _diff in written),
        "diff": [diff for _changed, diff in written if diff],
    }


def _summary(report: RunReport, figures: Figures) -> dict[str, Any]:
    outage = figures.outage
    return {
        "counts": figures.statuses,
        "paths": figures.paths,
        "outage_p50_ms": outage.p50_ms if outage else None,
        "outage_p95_ms": outage.p95_ms if outage else None,
        "outage_longest_ms": outage.longest_ms if outage else None,
        "budget_held": figures.capacity.held,
        "ended": report.state.ended,
    }


def _firmware_before(store: RunStore, run_id: str, redactor: Redactor | None) -> dict[str, list[float]]:
    """Outages through firmware in the newest runs, by host class. Unreadable journals are left out."""
    found: dict[str, list[float]] = {}
    for run in store.list()[:_RUNS_COMPARED]:
        if sum(map(len, found.values())) >= _REBOOTS_COMPARED:
            break
        if run.run_id == run_id or not _has_firmware(run.journal):
            continue
        state = RunState()
        try:
            replay(run.journal, state.read)
        except RolloutError:
            continue
        for host_class, outages_ms in firmware_outages(HostReport(host, -1) for host in state.hosts.values()).items():
            known_as = host_class if redactor is None else redactor.text(host_class)
            found.setdefault(known_as, []).extend(outages_ms)
    return found


def _has_firmware(journal: str) -> bool:
    """Whether a journal may contain a reboot through firmware, without parsing it."""
    try:
        with open(open_regular(journal, os.O_RDONLY), "rb") as stream:
            return any(b'"path":"firmware"' in line for line in stream)
    except OSError:
        return False
