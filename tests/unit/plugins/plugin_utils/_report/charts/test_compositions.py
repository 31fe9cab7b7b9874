# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.fleet.kexec.plugins.plugin_utils._report.charts.compositions import composition_of_ways, compositions
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.read import run_from_records

from ..journals import Night, big, records_of, stamped


def test_outages_by_path_the_longest_first() -> None:
    run = run_from_records(stamped(records_of(Night(hosts=20, failures=0, refusals=0, firmware=0.3, timelines=1))))
    kexec, firmware = compositions(run)
    assert (kexec.path, firmware.path) == ("kexec", "firmware")
    outages_ms = {host.name: host.state.outage_ms or 0 for host in run.hosts}
    names = [label.text for label in kexec.labels]
    assert names == sorted(names, key=lambda name: -outages_ms[name])
    assert [entry.title for entry in kexec.legend][:2] == ["Stop units", "Jump"]
    assert kexec.note == "" and kexec.rows.count('class="value"') == len(names)


def test_an_outage_without_a_timeline_is_undivided() -> None:
    run = run_from_records(stamped(records_of(Night(hosts=3, failures=0, refusals=0, firmware=0, timelines=0))))
    [made] = compositions(run)
    assert [entry.title for entry in made.legend] == ["Undivided"]


def test_many_rows_have_no_names() -> None:
    run = run_from_records(stamped(big(1400, refusals=0, timelines=0, firmware=0)))
    [made] = compositions(run)
    assert made.labels == [] and made.note == "Each row stands for 2 hosts."


def test_a_row_for_each_way() -> None:
    made = composition_of_ways([("fast", [("jump", 1.0), ("kernel", 2.0)], 3200.0), ("slow", [("firmware", 60.0)], 61_000.0)])
    assert [label.text for label in made.labels] == ["fast", "slow"]
    assert ">3.2 s<" in made.rows and [entry.title for entry in made.legend] == ["Jump", "Firmware", "Kernel"]
