# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Ctrl-C while hosts are down: they are seen through, and nothing else begins."""

from __future__ import annotations

import os
import signal

import pytest
from testinfra.host import Host

from shared.rollouts import HOOK_LOG, Rollout

INTERRUPTED = Rollout("interrupted")


@pytest.fixture(scope="module")
def interrupted() -> Rollout:
    """A run that is interrupted as soon as a guest is down, in the way of a terminal."""
    process = INTERRUPTED.begin()
    INTERRUPTED.wait_for("host_down", process)
    os.killpg(process.pid, signal.SIGINT)
    assert INTERRUPTED.finish(process) != 0
    return INTERRUPTED


def test_whoever_was_triggered_was_seen_through(interrupted: Rollout) -> None:
    assert interrupted.hosts_with("host_intent") == interrupted.hosts_with("host_released") != set()
    assert not interrupted.hosts_with("host_failed")


def test_nobody_else_was_begun(interrupted: Rollout) -> None:
    journal = interrupted.journal()
    stopping = next(record for record in journal if record["event"] == "run_stopping")
    assert stopping["reason"]["code"] == "INTERRUPTED"
    begun_after = {"host_draining", "host_intent"}
    assert not [record for record in journal if record["seq"] > stopping["seq"] and record["event"] in begun_after]
    # The rack of two holds one of them back.
    assert interrupted.hosts_with("host_intent") < {"kx1", "kx2", "kx3"}
    assert journal[-1]["event"] == "run_ended"


def test_nothing_is_left_on_anybody(interrupted: Rollout, host: Host) -> None:
    assert host.file("/sys/kernel/kexec_loaded").content_string.strip() == "0"
    assert not host.file("/run/fleet-kexec/staged.json").exists


def test_drained_hosts_are_undrained(interrupted: Rollout) -> None:
    last = {line.split()[2]: line.split()[1] for line in HOOK_LOG.read_text().splitlines()}
    assert set(last.values()) == {"undrain"}


def test_what_is_left_is_planned_and_done(interrupted: Rollout) -> None:
    left = {"kx1", "kx2", "kx3"} - interrupted.hosts_with("host_released")
    assert interrupted.finish(interrupted.resume("--check")) == 0
    plan = interrupted.output().rpartition("PLAY [Roll]")[2]
    assert all(name in plan for name in left)
    assert interrupted.finish(interrupted.resume()) == 0
    assert interrupted.hosts_with("host_released") == {"kx1", "kx2", "kx3"}
