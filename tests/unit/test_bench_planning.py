# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning takes time and memory in proportion to the hosts, measured with a real ansible-playbook."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ansible_collections.fleet.kexec.tests.bench.planning import Planned, plan
from ansible_collections.fleet.kexec.tests.bench.rollout import judge_plan

FEW, MANY = 150, 600
# Before variables were dropped, a host took 60 KB, and more among more hosts.
HOST_MAX_BYTES = 30_000
CPU_MAX_RATIO = 1.6

GOOD = Planned(10_000, 12.0, 8.0, 90.0, 400 << 20)


def test_a_host_costs_as_much_among_many(tmp_path: Path) -> None:
    found = []
    for hosts in (FEW, MANY):
        (tmp_path / str(hosts)).mkdir()
        # What few connections take at once hardly varies.
        found.append(plan(tmp_path / str(hosts), hosts, connections=4))
    few, many = found
    assert many.before_cpu_s / MANY <= CPU_MAX_RATIO * few.before_cpu_s / FEW
    assert (many.peak_bytes - few.peak_bytes) / (MANY - FEW) <= HOST_MAX_BYTES


def test_bars_of_a_plan() -> None:
    assert all(each.met for each in judge_plan(GOOD))
    assert [each.met for each in judge_plan(replace(GOOD, before_s=20.1))] == [False, True]
    assert [each.met for each in judge_plan(replace(GOOD, peak_bytes=501 << 20))] == [True, False]
