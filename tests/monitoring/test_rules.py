# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Alert rules by Prometheus' own tool, with series written by hand and with the metrics of whole runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.fleet.kexec.tests.unit.plugins.plugin_utils import stories
from ansible_collections.fleet.kexec.tests.unit.plugins.plugin_utils._report.journals import Night, Timed, records_of, stamped
from ansible_collections.fleet.kexec.tests.unit.promtool import RULES, complaints, names_in, series_of, write_test

from .written import ROOT, metrics_of, written_names

# In promtool's tests, the time begins here.
BEGINNING = "1970-01-01T00:00:00.000Z"
NIGHT: list[Timed] = [(float(at_s), record) for at_s, record in enumerate(stories.night())]


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def test_the_rules_are_valid() -> None:
    assert complaints("check", "rules", "--lint=all", "--lint-fatal", str(RULES)) == ""


def test_each_alert_begins_and_ends_when_it_should() -> None:
    assert complaints("test", "rules", str(Path(__file__).with_name("alerts.yml"))) == ""


def test_each_alert_is_tested_and_documented() -> None:
    tests = yaml.safe_load(Path(__file__).with_name("alerts.yml").read_text())["tests"]
    tested = {each["alertname"] for test in tests for each in test["alert_rule_test"] if each["exp_alerts"]}
    documentation = (ROOT / "docs/monitoring.md").read_text()
    assert tested == {rule["alert"] for rule in rules()}
    for rule in rules():
        assert "| `%s` | %s |" % (rule["alert"], rule["labels"]["severity"]) in documentation, rule["alert"]


def test_the_rules_name_metrics_that_are_written() -> None:
    texts = [rule["expr"] for rule in rules()] + [rule["annotations"]["description"] for rule in rules()]
    assert names_in(texts) <= written_names()


@pytest.mark.parametrize(
    ("timed", "minutes", "expected"),
    [
        # web2 is down, the drain of web4 is owed, and more hosts are in flight than the window has room for.
        (NIGHT, 5, {"FleetKexecHostsLeftDown", "FleetKexecOwed", "FleetKexecBudgetExceeded"}),
        # Before its resume.
        (NIGHT[:-4], 5, {"FleetKexecHostsLeftDown", "FleetKexecOwed", "FleetKexecBudgetExceeded", "FleetKexecRunStopped"}),
        (NIGHT[:20], 30, set()),
        (NIGHT[:20], 90, {"FleetKexecRunNotEnded"}),
        (records_of(Night(hosts=6, failures=0, refusals=0)), 90, set()),
    ],
    ids=["night", "stopped", "going on", "controller gone", "well"],
)
def test_what_whole_runs_raise(timed: list[Timed], minutes: int, expected: set[str], tmp_path: Path) -> None:
    text = metrics_of(stamped(timed, BEGINNING))
    samples = [{"labels": '{alertname="%s"}' % name, "value": 1} for name in expected]
    firing = {'count by (alertname) (ALERTS{alertstate="firing"})': samples}
    test = write_test(tmp_path / "test.yml", series_of(text), minutes, firing)
    assert complaints("test", "rules", str(test)) == ""
