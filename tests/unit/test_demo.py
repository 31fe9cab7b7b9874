# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of C(make demo), which says what was proven, from a report as it is written."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ansible_collections.fleet.kexec.plugins.plugin_utils._report.figures import figures_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.read import run_from_records
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.values import as_json, values_of

from .plugins.plugin_utils._report.journals import Night, records_of, stamped

PROVEN = Path(__file__).resolve().parents[2] / "molecule/lab/proven.jq"


def said(night: Night) -> subprocess.CompletedProcess[str]:
    run = run_from_records(stamped(records_of(night)))
    text = as_json(values_of(run, figures_of(run, {})))
    return subprocess.run(["jq", "--raw-output", "--from-file", PROVEN], input=text, capture_output=True, text=True, check=False)


def test_it_says_what_was_proven_in_five_lines() -> None:
    proven = said(Night(hosts=3, failures=0, refusals=0, firmware=0))
    assert proven.returncode == 0, proven.stderr
    assert len(proven.stdout.splitlines()) == 5
    assert proven.stdout.startswith("3 hosts rebooted by kexec") and "null" not in proven.stdout


def test_nothing_is_proven_of_no_hosts() -> None:
    none = said(Night(hosts=3, refusals=1))
    assert none.returncode == 1 and not none.stdout


def test_it_fails_if_a_host_took_another_path() -> None:
    other = said(Night(hosts=3, failures=0, refusals=0, firmware=1))
    assert other.returncode == 1 and not other.stdout
    assert other.stderr.startswith("not proven: ") and other.stderr.count(",") == 2
