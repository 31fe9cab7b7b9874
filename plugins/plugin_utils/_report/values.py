# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report as JSON, described in C(docs/report.md). Within a version, fields are only added."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from .._journal.file import utc
from .._journal.outcome import outcome_of
from .caption import Caption, caption_of
from .certification import Certification
from .figures import Figures
from .read import HostReport, RunReport
from .sentences import headline

VERSION = 1

# Keys that differ from the names of the fields, because the keys are a contract.
_KEYS = {"capacity": "budget", "most_in_flight": "most_out", "unavailable": "missing"}


def values_of(
    run: RunReport,
    figures: Figures,
    before: tuple[RunReport, Figures] | None = None,
    caption: Caption | None = None,
    certification: Certification | None = None,
) -> dict[str, Any]:
    """Build the values of a report, compared with another run if C(before) is given.

    :param caption: None for that of the journal.
    """
    made: dict[str, Any] = {
        "version": VERSION,
        "headline": headline(run, figures),
        "caption": asdict(caption or caption_of(run)),
        "run": _run(run),
        "figures": _figures(figures),
        "capacity": [
            {"at_s": round(each.at_s, 3), "out": each.in_flight, "unavailable": each.unavailable} for each in run.levels
        ],
        "hosts": [_host(run, host) for host in run.hosts],
        "certification": (certification or Certification()).as_values(),
    }
    if before is not None:
        made["compared_with"] = {"run": _run(before[0]), "figures": _figures(before[1])}
    return made


def as_json(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _figures(figures: Figures) -> dict[str, Any]:
    return asdict(figures, dict_factory=lambda items: {_KEYS.get(name, name): value for name, value in items})


def _run(run: RunReport) -> dict[str, Any]:
    state = run.state
    return {
        "run_id": state.run_id,
        "controller": state.controller,
        "collection_version": state.collection_version,
        "started": utc(run.started_s),
        "ended": utc(run.started_s + run.end_s) if state.ended else None,
        "last_record": utc(run.started_s + run.end_s),
        "torn": run.torn,
        "resumes": state.resumes,
        "without_controller": [{"start_s": round(start_s, 3), "end_s": round(end_s, 3)} for start_s, end_s in run.absences],
        "stopped": state.stop_reason.as_dict() if state.stop_reason else None,
        "waves": [asdict(wave) for wave in run.waves],
    }


def _host(run: RunReport, host: HostReport) -> dict[str, Any]:
    return {
        "host": host.name,
        "wave": run.waves[host.wave].name if host.wave >= 0 else None,
        "host_class": host.host_class,
        **outcome_of(host.state).as_outcome(),
        "stages": [
            {"stage": each.stage.value, "start_s": round(each.start_s, 3), "end_s": round(each.end_s, 3)}
            for each in host.stretches
        ],
        "boot": asdict(host.timeline) if host.timeline else None,
    }
