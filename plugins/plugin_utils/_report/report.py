# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report put together: journals in, files out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._host.atomic import write_atomically

from .._errors import RolloutError
from .._journal.file import open_regular, replay
from .._journal.run_state import RunState
from .._journal.run_store import Run, RunStore
from .._values import Value
from .errors import ReportError
from .figures import Figures, figures_of, firmware_outages
from .metrics import as_metrics
from .page import headline, render, render_ways
from .read import HostReport, RunReport, read_run
from .values import as_json, values_of
from .ways import headline as ways_headline
from .ways import values_of as ways_values
from .ways import ways_of

#: Beside the journal, where nothing else is said.
PAGE = "report.html"

#: The node exporter reads metrics as another user. A page and its JSON have what hosts and hooks said.
MODES = {"html": 0o600, "json": 0o600, "metrics": 0o644}
WHATS = tuple(MODES)

# Runs that are looked through for reboots through firmware, and the number of those that is enough: to read a journal of
# 10,000 hosts takes seconds.
_RUNS_COMPARED = 20
_REBOOTS_COMPARED = 1000
# Larger texts are not shown as a difference; Ansible's own limit.
_DIFF_MAX_BYTES = 104_448


@dataclass(frozen=True)
class Request:
    """What is asked for.

    :ivar run_id: or C(latest).
    :ivar compare: another run, or None.
    :ivar ways: name → runs, where ways to reboot are compared, in place of one run.
    :ivar paths: C(html), C(json), C(metrics) → where to; without any the page goes beside the journal.
    :ivar mode: of the files; None: as they are, and new ones as :data:`MODES` has it.
    """

    run_id: str
    compare: str | None
    paths: Mapping[str, str]
    ways: Mapping[str, Sequence[str]] | None = None
    mode: int | None = None
    check: bool = False


def parse_mode(value: Any) -> int | None:
    """Permissions as users write them: C('0644'), or the number that YAML makes of C(0644).

    :raises ReportError: they are something else.
    """
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0o777:
        return value
    text = str(value).removeprefix("0o")
    if not re.fullmatch(r"0?[0-7]{3}", text):
        raise _option(value, "mode").wrong("octal permissions, such as '0644'")
    return int(text, 8)


def parse_ways(value: Any) -> dict[str, list[str]] | None:
    """Runs of each way as users write them: a name, or a list of names.

    :raises ReportError: they are something else, or a way has none.
    """
    if value is None:
        return None
    ways = _option(value, "ways")
    given = ways.dictionary("a dictionary of ways and their runs")
    if not given:
        raise ways.wrong("a dictionary of at least one way")
    return {
        str(name): [run.text() for run in ways.below(".%s" % name, runs).one_or_more("a run, or a list of at least one")]
        for name, runs in given.items()
    }


def _option(value: Any, name: str) -> Value:
    return Value(value, name, partial(ReportError, "REPORT_FAILED"))


def make_report(store: RunStore, request: Request) -> dict[str, Any]:
    """Make a report, and write what is not there already.

    :return: what M(fleet.kexec.report) returns.
    :raises CodedError: there is no such run, its journal can't be used, or a file can't be written.
    """
    if request.ways is not None:
        return _ways_report(store, request, request.ways)
    run = store.open(request.run_id)
    report = read_run(run.journal)
    other = store.open(request.compare) if request.compare else None
    figures = figures_of(report, _firmware_before(store, run.run_id))
    before = None
    if other is not None:
        compared = read_run(other.journal)
        before = (compared, figures_of(compared, _firmware_before(store, other.run_id)))
    made: dict[str, Callable[[], str]] = {
        "html": lambda: render(report, figures, before),
        "json": lambda: as_json(values_of(report, figures, before)),
        "metrics": lambda: as_metrics(report, figures),
    }
    paths, written = _write_all(request.paths or {"html": _beside(run)}, made, request)
    return {
        **written,
        "run_id": run.run_id,
        "journal": run.journal,
        "headline": headline(report, figures),
        **paths,
        **_summary(report, figures),
    }


def _ways_report(store: RunStore, request: Request, names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A report that compares ways."""
    if "metrics" in request.paths or not request.paths:
        raise ReportError("REPORT_FAILED", "ways takes html or json: give the path of at least one")
    groups = {name: [read_run(store.open(run_id).journal) for run_id in run_ids] for name, run_ids in names.items()}
    ways = ways_of(groups)
    runs = [run for group in groups.values() for run in group]
    made: dict[str, Callable[[], str]] = {
        "html": lambda: render_ways(ways, runs),
        "json": lambda: as_json(ways_values(ways)),
    }
    paths, written = _write_all(request.paths, made, request)
    return {**written, "headline": ways_headline(ways), **paths}


def _write_all(
    asked: Mapping[str, str], made: Mapping[str, Callable[[], str]], request: Request
) -> tuple[dict[str, str], dict[str, Any]]:
    """Make all files, then write them.

    :return: their paths; and what Ansible wants to know of changes.
    """
    paths = {what: os.path.realpath(path) for what, path in asked.items()}
    if len(set(paths.values())) < len(paths):
        raise ReportError("REPORT_FAILED", "two of html, json and metrics are the same file")
    # All are made before any is written.
    texts = {what: made[what]().encode("utf-8") for what in paths}
    written = [_write(paths[what], text, MODES[what], request) for what, text in texts.items()]
    return paths, {
        "changed": any(changed for changed, _diff in written),
        "diff": [diff for _changed, diff in written if diff],
    }


def _beside(run: Run) -> str:
    return os.path.join(run.directory, PAGE)


def _summary(report: RunReport, figures: Figures) -> dict[str, Any]:
    outage = figures.outage
    return {
        "counts": figures.statuses,
        "paths": figures.paths,
        "outage_p50_ms": outage.p50_ms if outage else None,
        "outage_p95_ms": outage.p95_ms if outage else None,
        "outage_longest_ms": outage.longest_ms if outage else None,
        "budget_held": figures.budget.held,
        "ended": report.state.ended,
    }


def _firmware_before(store: RunStore, but: str) -> dict[str, list[float]]:
    """Outages through firmware in the newest runs, by combination. A journal that can't be read tells nothing."""
    found: dict[str, list[float]] = {}
    for run in store.list()[:_RUNS_COMPARED]:
        if sum(map(len, found.values())) >= _REBOOTS_COMPARED:
            break
        if run.run_id == but or not _has_firmware(run.journal):
            continue
        state = RunState()
        try:
            replay(run.journal, state.read)
        except RolloutError:
            continue
        for combination, outages_ms in firmware_outages(HostReport(host, -1) for host in state.hosts.values()).items():
            found.setdefault(combination, []).extend(outages_ms)
    return found


def _has_firmware(journal: str) -> bool:
    """Whether a journal may have a reboot through firmware, without taking it apart."""
    try:
        with open(open_regular(journal, os.O_RDONLY), "rb") as stream:
            return any(b'"path":"firmware"' in line for line in stream)
    except OSError:
        return False


# Writing.


def _write(path: str, content: bytes, default_mode: int, request: Request) -> tuple[bool, dict[str, Any] | None]:
    """Write a file where it is not what it should be.

    :return: whether it was, or would be in check mode, and the difference.
    """
    try:
        before = _read(path)
        mode = request.mode if request.mode is not None else default_mode
        wrong_mode = before is not None and request.mode is not None and os.stat(path).st_mode & 0o7777 != request.mode
        if before == content and not wrong_mode:
            return False, None
        if not os.path.isdir(os.path.dirname(path)):
            raise ReportError("REPORT_FAILED", "%s: there is no directory %s" % (path, os.path.dirname(path)))
        if not os.access(os.path.dirname(path), os.W_OK | os.X_OK):
            raise ReportError("REPORT_FAILED", "%s: its directory can't be written to" % path)
        if not request.check:
            if before != content:
                write_atomically(path, content, mode)
            if request.mode is not None:
                os.chmod(path, request.mode)
    except OSError as error:
        raise ReportError("REPORT_FAILED", "%s: %s" % (path, error.strerror or error)) from error
    return True, _difference(path, before, content)


def _read(path: str) -> bytes | None:
    try:
        with open(open_regular(path, os.O_RDONLY), "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def _difference(path: str, before: bytes | None, content: bytes) -> dict[str, Any]:
    header = {"before_header": path if before is not None else "%s (not there)" % path, "after_header": path}
    if max(len(before or b""), len(content)) > _DIFF_MAX_BYTES:
        return {**header, "dst_larger": _DIFF_MAX_BYTES}
    return {**header, "before": (before or b"").decode("utf-8", "replace"), "after": content.decode("utf-8")}
