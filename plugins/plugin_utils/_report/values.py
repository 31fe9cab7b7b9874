# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as plain values: the JSON that C(docs/report.md) describes.

Within a version fields are only added.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from .._journal.file import utc
from .._journal.outcome import outcome_of
from .boots import Boot
from .figures import Figures
from .page import headline
from .read import HostReport, RunReport

VERSION = 1


def values_of(run: RunReport, figures: Figures, before: tuple[RunReport, Figures] | None = None) -> dict[str, Any]:
    """A report.

    :param before: another run to compare it with, and its figures.
    """
    made: dict[str, Any] = {
        "version": VERSION,
        "headline": headline(run, figures),
        "run": _run(run),
        "figures": asdict(figures),
        "capacity": [{"at_s": round(each.at_s, 3), "out": each.out, "unavailable": each.unavailable} for each in run.levels],
        "hosts": [_host(run, host) for host in run.hosts],
    }
    if before is not None:
        made["compared_with"] = {"run": _run(before[0]), "figures": asdict(before[1])}
    return made


def as_json(values: dict[str, Any]) -> str:
    """Values as a text of JSON, in ASCII."""
    return json.dumps(values, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


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
        "combination": host.combination,
        **outcome_of(host.state).as_outcome(),
        "stages": [
            {"stage": each.stage.value, "start_s": round(each.start_s, 3), "end_s": round(each.end_s, 3)}
            for each in host.stretches
        ],
        "boot": _boot(host.boot) if host.boot else None,
    }


def _boot(boot: Boot) -> dict[str, Any]:
    return asdict(boot)
