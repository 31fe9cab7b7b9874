# SPDX-License-Identifier: GPL-3.0-or-later
"""What came back different, in figures, page, JSON and a comparison of two runs."""

from __future__ import annotations

import json
from collections.abc import Callable

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Record
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.difference import ReportedDifference
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.compare import compared
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.figures import Figures, figures_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.page import render
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.read import RunReport, run_from_records
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.values import as_json, values_of

from .. import stories
from .journals import stamped


def lost(host: str) -> tuple[ReportedDifference, ...]:
    message = "eth1 of %s has no carrier" % host
    return (ReportedDifference("NIC_NO_CARRIER", "eth1", "up", "down", "fail", message),)


def clock(_host: str) -> tuple[ReportedDifference, ...]:
    return (ReportedDifference("CLOCKSOURCE_CHANGED", "", "tsc", "hpet", "warn", "the clock source was tsc and is hpet"),)


def run_of(*groups: tuple[int, str, Callable[[str], tuple[ReportedDifference, ...]]]) -> tuple[RunReport, Figures]:
    """A run over groups of hosts: how many, of which model, with which differences."""
    records: list[Record] = []
    names: list[str] = []
    for number, model, found in groups:
        for _each in range(number):
            name = "web%03d" % len(names)
            names.append(name)
            comparison = events.HostCompared(
                host=name, compared=True, model=model, differences=found(name), more=0, settled_ms=1, duration_ms=900
            )
            records += [*stories.way(name)[:10], comparison.as_record(), *stories.way(name)[10:]]
    run = run_from_records(stamped([(float(at_s), each) for at_s, each in enumerate([stories.started(names), *records])]))
    return run, figures_of(run, {})


def nothing(_host: str) -> tuple[ReportedDifference, ...]:
    return ()


def test_differences_are_counted_by_code_and_model() -> None:
    _run, figures = run_of((3, "R9", lost), (7, "R9", nothing), (1, "X1", lost), (2, "X1", clock), (5, "Z", nothing))
    machines = figures.machines
    assert (machines.compared, machines.different) == (18, 6)
    assert [(each.code, each.effect, each.hosts) for each in machines.codes] == [
        ("NIC_NO_CARRIER", "fail", 4),
        ("CLOCKSOURCE_CHANGED", "warn", 2),
    ]
    assert [(each.model, each.hosts, each.compared) for each in machines.codes[0].models] == [("R9", 3, 10), ("X1", 1, 3)]


def test_the_page_folds_what_many_hosts_have() -> None:
    run, figures = run_of((300, "R9", lost), (1, "<script>", clock))
    page = render(run, figures)
    assert "What came back different" in page and "301 of 301 compared hosts" in page
    assert page.count("eth1 of the host has no carrier") == 1
    assert "<bdi>R9</bdi>: 300 of 300 hosts" in page
    assert "<script>" not in page
    assert "What came back different" not in render(*run_of((2, "R9", nothing)))


def test_json_has_all_of_it() -> None:
    made = json.loads(as_json(values_of(*run_of((1, "R9", lost)))))
    (code,) = made["figures"]["machines"]["codes"]
    assert code["found"] == [
        {
            "host": "web000",
            "model": "R9",
            "subject": "eth1",
            "before": "up",
            "after": "down",
            "message": "eth1 of web000 has no carrier",
            "down": False,
        }
    ]
    (host,) = made["hosts"]
    assert [each["code"] for each in host["differences"]] == ["NIC_NO_CARRIER"] and host["model"] == "R9"


def test_two_runs_are_compared_by_how_many_came_back_different() -> None:
    now, before = run_of((2, "R9", lost), (1, "R9", nothing)), run_of((3, "R9", nothing))
    (row,) = [each for each in compared(*now, *before).rows if each.title == "Came back different"]
    assert (row.before, row.now, row.difference) == ("0", "2", "+2")


def test_what_a_host_differed_in_last_counts() -> None:
    records = [
        stories.started(["web1"]),
        *stories.way("web1")[:10],
        events.HostCompared(
            host="web1", compared=True, model="R9", differences=lost("web1"), more=2, settled_ms=1, duration_ms=9
        ).as_record(),
        stories.intent("web1"),
        events.HostCompared(
            host="web1", compared=True, model="R9", differences=(), more=0, settled_ms=1, duration_ms=9
        ).as_record(),
    ]
    run = run_from_records(stamped([(float(at_s), each) for at_s, each in enumerate(records)]))
    machines = figures_of(run, {}).machines
    assert (machines.compared, machines.different, machines.more, machines.codes) == (1, 0, 0, [])
