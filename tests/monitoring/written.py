# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Metrics that the collection writes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Record
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.figures import figures_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.metrics import as_metrics
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.read import run_from_records

ROOT = Path(__file__).resolve().parents[2]


def metrics_of(records: Iterable[Record]) -> str:
    """Metrics of a run, without a history."""
    run = run_from_records(records)
    return as_metrics(run, figures_of(run, {}))


def written_names() -> set[str]:
    """Names of all series, those that a summary consists of among them; a test compares the table with what is written."""
    rows = re.findall(r"^\| (`fleet_kexec_.*?) \|", (ROOT / "docs/monitoring.md").read_text(), re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    return names | {"fleet_kexec_run_outage_seconds" + part for part in ("_sum", "_count")}
