# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""What the failed canary left behind, on the guests and in the journal."""

from __future__ import annotations

import json
import os
from pathlib import Path

from testinfra.host import Host


def test_only_the_canary_was_drained_and_not_undrained(host: Host) -> None:
    # /run does not outlive a reboot, so the canary has neither mark.
    assert not host.file("/run/drained").exists
    assert not host.file("/run/undrained").exists


def test_nothing_is_staged(host: Host) -> None:
    assert host.file("/sys/kernel/kexec_loaded").content_string.strip() == "0"
    assert not host.file("/run/fleet-kexec/staged.json").exists


def test_the_journal_has_it_all() -> None:
    journal = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "runs/canary/journal.jsonl"
    assert journal.stat().st_mode & 0o777 == 0o600
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert {record["host"] for record in records if "host" in record} == {"kx1"}
    # By the condition of the task.
    (selected,) = (record for record in records if record["event"] == "run_selected")
    assert list(selected["left_out"]) == ["kx3"]
    hooks = [(record["hook"], record["ok"], record["attempts"]) for record in records if record["event"] == "hook_ended"]
    assert hooks == [("drain", True, 1), ("health", False, 2), ("page", True, 1)]
    # Where the time went is told once the host costs nothing any more.
    assert [record["event"] for record in records[-4:]] == ["host_failed", "run_stopping", "host_timeline", "run_ended"]
