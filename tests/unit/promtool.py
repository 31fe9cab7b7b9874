# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Prometheus' own check of metrics and rules."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "extensions/monitoring/fleet_kexec.rules.yml"


def promtool() -> str:
    """Path of the program. A test that needs it fails without it: skipped, it would prove nothing."""
    cache = os.environ.get("FLEET_KEXEC_CACHE") or "%s/fleet-kexec" % (os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = Path(cache) / "promtool"
    if not path.is_file():
        pytest.fail("There is no %s. Run `make unit`; FLEET_KEXEC_CACHE says where the cache is." % path, pytrace=False)
    return str(path)


def complaints(*arguments: str, text: str = "") -> str:
    """Output of promtool if it finds fault with its input; empty if it does not."""
    ended = subprocess.run([promtool(), *arguments], input=text.encode(), capture_output=True, timeout=60, check=False)
    output = ended.stdout.decode() + ended.stderr.decode()
    # About rules, it also says what is right.
    return output if ended.returncode or arguments[:2] == ("check", "metrics") else ""


def check_metrics(text: str) -> str:
    """What promtool has to say about metrics."""
    return complaints("check", "metrics", text=text)


def series_of(text: str) -> list[tuple[str, str]]:
    """Series and values of metrics in the text format, as the node exporter adds them to its own."""
    found = []
    for line in text.splitlines():
        if not line.startswith("#"):
            series, _space, value = line.rpartition(" ")
            name, _brace, labels = series.partition("{")
            own = [labels.removesuffix("}")] if labels else []
            found.append(("%s{%s}" % (name, ",".join(['job="node",instance="admin1:9100"', *own])), value))
    return found


def names_in(expressions: Iterable[str]) -> set[str]:
    """Metrics of this collection that PromQL expressions name."""
    return {name for each in expressions for name in re.findall(r"\bfleet_kexec_\w+", each)}


def write_test(path: Path, series: Iterable[tuple[str, str]], minutes: int, expected: Mapping[str, Any]) -> Path:
    """Write a test of the rules: series that keep their values for this long, and expressions with their samples then."""
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": "%sx%d" % (value, minutes)} for name, value in series],
        "promql_expr_test": [
            {"expr": expression, "eval_time": "%dm" % minutes, "exp_samples": samples} for expression, samples in expected.items()
        ],
    }
    path.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    return path
