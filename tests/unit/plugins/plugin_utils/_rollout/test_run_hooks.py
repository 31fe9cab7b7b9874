# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks of a run, in controllers that are processes of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.hook import Hook
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.run_hooks import RunHookLists

from ....outcomes import code_of
from .test_run import rollout
from .worker import POLL_S, Worker, ending, outages, staged

PATIENCE_S = 30.0
HOSTS = ["a1", "a2"]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Worker]]:
    """Starts rollouts, which end with the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    workers: list[Worker] = []

    def make(**options: Any) -> Worker:
        workers.append(Worker(tmp_path, HOSTS, options))
        return workers[-1]

    with ending(workers):
        yield make


def note(path: Path, then: str = "true") -> dict[str, Any]:
    """A hook that notes what it is run for."""
    line = '"$FLEET_KEXEC_PHASE $FLEET_KEXEC_RUN_ID $FLEET_KEXEC_CODE:$FLEET_KEXEC_HOST$FLEET_KEXEC_METHOD $FLEET_KEXEC_JOURNAL"'
    return {"name": "note", "controller_command": ["sh", "-c", "echo %s >> %s; %s" % (line, path, then)]}


def noted(path: Path) -> list[list[str]]:
    """Phase, run and code of each hook so far."""
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    assert all(line[3].endswith("runs/night/journal.jsonl") for line in lines)
    return [line[:3] for line in lines]


def until(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(POLL_S)
    return found


def events_of(worker: Worker) -> list[str]:
    return [record["event"] for record in worker.journal()]


def test_before_and_after_a_run(start: Callable[..., Worker], tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    worker = start(run_id="night", window=2, run_before=[note(notes)], run_after=[note(notes)])
    result = worker.wait(PATIENCE_S)
    assert not result.get("failed"), result
    assert noted(notes) == [["run_before", "night", ":"], ["run_after", "night", ":"]]
    assert [(hook["hook"], hook["phase"], hook["ok"]) for hook in result["run_hooks"]] == [
        ("note", "run_before", True),
        ("note", "run_after", True),
    ]
    events = events_of(worker)
    assert events.index("run_hook_ended") < events.index("host_preparing")
    assert events[-2:] == ["run_hook_ended", "run_ended"]
    assert "run_before" not in worker.journal()[0]["settings"]


def test_nothing_is_begun_if_a_hook_before_the_run_fails_and_a_resume_tries_it_again(
    start: Callable[..., Worker], tmp_path: Path
) -> None:
    notes, ready = tmp_path / "notes", tmp_path / "ready"
    hooks = {"run_before": [note(notes, then="test -e %s" % ready)], "run_after": [note(notes)]}
    refused = start(run_id="night", **hooks)
    result = refused.wait(PATIENCE_S)
    assert (result["failed"], result["code"]) == (True, "HOOK_FAILED")
    assert "run_before hook note: exit code 1" in result["stopped"]["message"]
    assert not outages(tmp_path) and not (tmp_path / "hosts.jsonl").exists(), "no host was asked anything"
    assert noted(notes) == [["run_before", "night", ":"], ["run_after", "night", "HOOK_FAILED:"]]
    assert "host_preparing" not in events_of(refused)

    ready.touch()
    resumed = start(resume="night", **hooks).wait(PATIENCE_S)
    assert {host["status"] for host in resumed["hosts"].values()} == {"done"}
    assert noted(notes)[2:] == [["run_before", "night", ":"], ["run_after", "night", ":"]]


def test_after_an_interrupt(start: Callable[..., Worker], tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    worker = start(run_id="night", window=1, run_before=[note(notes)], run_after=[note(notes)])
    until(lambda: outages(tmp_path))
    os.kill(worker.pid, signal.SIGINT)
    result = worker.wait(PATIENCE_S)
    assert result["stopped"]["code"] == "INTERRUPTED"
    assert "60 s" in result["stopped"]["message"]
    assert noted(notes)[-1] == ["run_after", "night", "INTERRUPTED:"]
    assert len(outages(tmp_path)) == 1


def test_an_interrupt_ends_a_hook_before_the_run(start: Callable[..., Worker], tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    worker = start(run_id="night", run_before=[note(notes, then="sleep 77")], run_after=[note(notes)])
    until(lambda: noted(notes))
    began = time.monotonic()
    os.kill(worker.pid, signal.SIGTERM)
    result = worker.wait(PATIENCE_S)
    assert time.monotonic() - began < 10
    assert result["stopped"]["code"] == "INTERRUPTED"
    assert noted(notes)[-1] == ["run_after", "night", "INTERRUPTED:"]
    assert not outages(tmp_path) and not staged(tmp_path, HOSTS)


def test_a_hook_after_the_run_that_fails_is_told_and_prevents_nothing(start: Callable[..., Worker], tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    failing = {"name": "unsilence", "controller_command": ["sh", "-c", "echo no route >&2; exit 4"]}
    result = start(run_id="night", window=2, run_after=[failing, note(notes)]).wait(PATIENCE_S)
    assert not result.get("failed")
    failed = result["run_hooks"][0]
    assert (failed["hook"], failed["ok"], failed["message"]) == ("unsilence", False, "exit code 4: no route")
    assert noted(notes) == [["run_after", "night", ":"]]


@pytest.mark.parametrize("method", ["plan", "run"])
@pytest.mark.parametrize(
    "hooks",
    [
        {"run_before": [{"command": ["x"]}]},
        {"run_after": [{"command": ["x"], "run_on": "host"}]},
        {"run_before": [{"module": {"name": "x"}, "run_on": "host"}]},
        {"run_before": [{"command": ["x"], "run_on": "lb1"}]},
        {"run_before": "x"},
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, method: str, hooks: dict[str, Any]) -> None:
    directory = tmp_path / "runs"
    assert code_of(lambda: asyncio.run(getattr(rollout(directory, "a", **hooks), method)())) == "SETTINGS_INVALID"
    assert not directory.exists()


def test_where_hooks_of_a_run_run() -> None:
    lists = RunHookLists.parse(
        {"run_before": [{"module": {"name": "x"}}, {"command": ["x"], "run_on": "lb1"}, {"controller_command": ["x"]}]}
    )
    places: list[str] = [hook.action.run_on for hook in lists.before]
    assert places == ["controller", "lb1", "controller"]
    none: tuple[Hook, ...] = RunHookLists.parse({"run_before": None}).before
    assert none == ()
    with pytest.raises(RolloutError, match=r"run_before\[0\] needs run_on: the host to run it on, since a run has none"):
        RunHookLists.parse({"run_before": [{"command": ["x"]}]})
