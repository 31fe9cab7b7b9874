# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""The dashboard by Grafana's own model, and its queries by Prometheus' parser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from ansible_collections.fleet.kexec.tests.unit.promtool import complaints, names_in

from .written import ROOT, written_names

DASHBOARD: dict[str, Any] = json.loads((ROOT / "extensions/monitoring/fleet_kexec.dashboard.json").read_text())
# Grafana's grid has so many columns.
COLUMNS = 24


def as_grafana_has_it(dashboard: dict[str, Any]) -> Any:
    """Dashboard as the model of Grafana writes it after it has read it: what the model does not know is gone."""
    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(deepcopy(dashboard))))


def lost(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Places where a value is gone, or is another one."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key in after:
                yield from lost(value, after[key], "%s.%s" % (path, key))
            # A field without a value may be left out.
            elif value is not None:
                yield "%s.%s" % (path, key)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from lost(one, other, "%s[%d]" % (path, number))
    elif before != after:
        yield path


def expressions() -> list[str]:
    """Queries of the panels, with values for the variables of the dashboard."""
    found = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return [re.sub(r"\$\w+", "x", expression) for expression in found]


def test_grafana_knows_all_of_it() -> None:
    assert list(lost(DASHBOARD, as_grafana_has_it(DASHBOARD))) == []


@pytest.mark.parametrize(
    ("place", "key"),
    [
        (lambda each: each, "tittle"),
        (lambda each: each["panels"][0]["options"], "textMod"),
        (lambda each: each["panels"][0]["targets"][0], "expression"),
        (lambda each: each["panels"][6]["fieldConfig"]["defaults"]["custom"], "lineStil"),
    ],
)
def test_a_field_that_grafana_does_not_know_is_seen(place: Any, key: str) -> None:
    wrong = deepcopy(DASHBOARD)
    place(wrong)[key] = "x"
    assert [path.rpartition(".")[2] for path in lost(wrong, as_grafana_has_it(wrong))] == [key]


def test_the_queries_are_valid(tmp_path: Path) -> None:
    rules = [{"record": "query_%d" % number, "expr": each} for number, each in enumerate(expressions())]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    assert complaints("check", "rules", "--lint=none", str(path)) == ""
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": [{"record": "query", "expr": "sum by (run_id"}]}]}))
    assert complaints("check", "rules", "--lint=none", str(path)) != ""


def test_the_queries_name_metrics_that_are_written() -> None:
    variables = [each["query"] for each in DASHBOARD["templating"]["list"]]
    assert names_in([*expressions(), *variables]) <= written_names()


def test_panels_fill_the_grid_without_overlap() -> None:
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    rows = {y for _x, y in cells}
    assert len(set(cells)) == len(cells) == COLUMNS * len(rows)
    assert rows == set(range(len(rows))) and len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_every_panel_goes_by_the_data_source_and_the_controller_that_are_chosen() -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"] == chosen
            assert target["expr"].count('job="$job",instance="$instance"') == len(names_in([target["expr"]])), target["expr"]
