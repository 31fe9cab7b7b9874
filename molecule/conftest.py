# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""What the tests of all scenarios share."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from shared.guests import ends_of_consoles

# In the order of a timeline. Through firmware, what is in place of the jump is one phase or two.
PHASES = {
    "kexec": ["stop_units", "jump", "kernel", "initrd", "userspace", "network", "ssh", "healthy"],
    "firmware": ["stop_units", "firmware", "kernel", "initrd", "userspace", "network", "ssh", "healthy"],
    "soft": ["stop_units", "reexec", "userspace", "healthy"],
}
# Phases that need not be there: firmware that tells no times, and addresses that the kernel has kept.
OPTIONAL: dict[str, set[str]] = {"kexec": set(), "firmware": {"loader"}, "soft": {"network", "ssh"}}
# Times are rounded to microseconds.
ROUNDING_MS = 0.002


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure the end of the console of the guest that the test is about, or of all guests."""
    report = yield
    if report.failed:
        host = getattr(item, "funcargs", {}).get("host")
        names = [host.ansible.get_variables()["inventory_hostname"]] if host is not None else []
        report.sections.append(("consoles", ends_of_consoles(names)))
    return report


@pytest.fixture
def remembered(host: Host) -> Callable[[str], dict[str, Any]]:
    """Reads a value that the playbook kept for this guest."""

    def read(name: str) -> dict[str, Any]:
        guest = host.ansible.get_variables()["inventory_hostname"]
        directory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
        value: dict[str, Any] = json.loads((directory / f"{guest}.{name}.json").read_text())
        return value

    return read


@pytest.fixture
def complete_timeline() -> Callable[[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Checks the timeline in the result of a reboot, and returns its phases by name."""

    def check(reboot: dict[str, Any]) -> dict[str, dict[str, Any]]:
        timeline = reboot["timeline"]
        assert timeline == reboot["ansible_facts"]["fleet_kexec"]["last_boot"]["timeline"]
        assert (timeline["path"], timeline["notes"]) == (reboot["path"], [])
        assert (timeline["boot_id_before"], timeline["boot_id"]) == (reboot["before"]["boot_id"], reboot["after"]["boot_id"])
        phases = {phase["name"]: phase for phase in timeline["phases"]}
        # The stage is before the outage.
        chain = [phase for phase in timeline["phases"] if phase["name"] != "stage" and phase["within"] is None]
        path = reboot["path"]
        assert [phase["name"] for phase in chain if phase["name"] not in OPTIONAL[path]] == PHASES[path]
        for first, last in itertools.pairwise(chain):
            assert abs(_end_ms(first) - last["start_ms"]) <= ROUNDING_MS
        _adds_up(timeline, chain, reboot)
        return phases

    return check


def _end_ms(span: dict[str, Any]) -> float:
    end: float = span["start_ms"] + span["duration_ms"]
    return end


def _adds_up(timeline: dict[str, Any], chain: list[dict[str, Any]], reboot: dict[str, Any]) -> None:
    """Between the last and the first answer of sshd the phases are as long as the outage that the controller saw.

    It timed that on its own clock. The old system's part of the phases lies where the old system's clocks say, and the
    new one's where its own do.
    """
    outage = timeline["outage"]
    assert (outage["duration_ms"], outage["error_ms"]) == (reboot["outage_ms"], reboot["outage_error_ms"])
    inside = [
        (phase, max(0.0, min(_end_ms(phase), _end_ms(outage)) - max(phase["start_ms"], outage["start_ms"]))) for phase in chain
    ]
    error_ms = sum(phase["error_ms"] for phase, duration_ms in inside if duration_ms) + outage["error_ms"]
    assert abs(sum(duration_ms for _phase, duration_ms in inside) - outage["duration_ms"]) <= error_ms
    # sshd answered until it was stopped, which is after the reboot began and before all units had stopped.
    stop = chain[0]
    assert stop["start_ms"] - error_ms <= outage["start_ms"] <= _end_ms(stop) + error_ms


@pytest.fixture
def changes(host: Host) -> Callable[[str], list[list[str]]]:
    """Reads which tasks changed something on this guest, for each time that a play ran."""

    def read(play: str) -> list[list[str]]:
        guest = host.ansible.get_variables()["inventory_hostname"]
        lines = (Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "changes.jsonl").read_text().splitlines()
        return [run["changed"].get(guest, []) for run in map(json.loads, lines) if run["play"] == play]

    return read
