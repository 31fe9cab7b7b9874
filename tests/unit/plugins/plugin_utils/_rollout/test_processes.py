# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers in processes of their own, which are killed, stopped, and lose their parent."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.process import PARENT_CHECK_S

from ..etcd_server import EtcdServer
from .worker import OUTAGE_S, POLL_S, Worker, ending, most_at_once, outages, staged

# A process that shares its core with virtual machines begins late.
PATIENCE_S = 120.0

Start = Callable[..., Worker]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts rollouts, which end with the test."""
    # The lock of whoever else runs these tests has runs of the same names.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    workers: list[Worker] = []

    def make(hosts: Sequence[str], *, with_parent: bool = False, **options: Any) -> Worker:
        workers.append(Worker(tmp_path, hosts, options, with_parent=with_parent))
        return workers[-1]

    with ending(workers):
        yield make


def until(holds: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < deadline, "in vain: " + what
        time.sleep(POLL_S)


def named(fleet: str, count: int) -> list[str]:
    return ["%s%d" % (fleet, number) for number in range(1, count + 1)]


def events(worker: Worker, event: str) -> list[str]:
    return [record["host"] for record in worker.journal() if record["event"] == event]


class Shared:
    """The shared slots, as etcd has them."""

    def __init__(self, etcd: EtcdServer, name: str) -> None:
        self._etcd = etcd
        self._root = "/fleet.kexec/%s/" % name
        self.first = etcd.revision()

    def slots(self, run_id: str) -> set[str]:
        """Hosts of a run that hold one."""
        return {host for host, holder in self._holders(0).items() if holder == run_id}

    def alive(self, run_id: str) -> bool:
        """Whether the lease of a run lives."""
        return self._root + "runs/" + run_id in self._etcd.keys(self._root + "runs/")

    def most(self) -> int:
        """How many slots were taken at once, at most, by etcd's history."""
        return max(len(self._holders(revision)) for revision in range(self.first, self._etcd.revision() + 1))

    def _holders(self, revision: int) -> dict[str, str]:
        prefix = self._root + "slots/"
        return {key[len(prefix) :]: json.loads(value)["run_id"] for key, value in self._etcd.keys(prefix, revision).items()}


def in_flight(worker: Worker) -> set[str]:
    """Its hosts that were told to reboot and are not back."""
    return {each.host for each in outages(worker.world, worker.hosts) if each.lasts}


def stop_with_hosts_out(worker: Worker, shared: Shared) -> set[str]:
    """Stop a process while it has hosts out, and none that it is just about to tell.

    :returns: those that are out.
    """

    def stopped() -> set[str]:
        if not in_flight(worker):
            return set()
        os.kill(worker.pid, signal.SIGSTOP)
        os.waitpid(worker.pid, os.WUNTRACED)
        out = in_flight(worker)
        if out == shared.slots(worker.run_id):
            return out
        os.kill(worker.pid, signal.SIGCONT)
        return set()

    return set(until(stopped, "%s has hosts out" % worker.run_id))


def statuses(result: dict[str, Any]) -> dict[str, str]:
    return {name: host["status"] for name, host in result["hosts"].items()}


def test_three_controllers_share_slots_while_one_is_killed_and_one_stopped(
    etcd: EtcdServer, etcd_options: dict[str, Any], start: Start, tmp_path: Path
) -> None:
    shared = Shared(etcd, etcd_options["name"])
    lock = {**etcd_options, "slots": 3}
    # None of the first two can have all slots, so that the other can be caught with a host out, too; and on a busy machine it
    # takes a while to catch one, in which they should not run out of hosts.
    killed = start(named("k", 8), run_id="killed", lock=lock, window=2)
    stopped = start(named("s", 16), run_id="stopped", lock=lock, window=2)
    left = start(named("l", 3), run_id="left", lock=lock, window=5)

    # One is killed, and one stopped for longer than its lease. The slots of both stay taken.
    out_of_killed = stop_with_hosts_out(killed, shared)
    killed.end()
    out = stop_with_hosts_out(stopped, shared)
    told = {each.host for each in outages(tmp_path, stopped.hosts)}
    until(lambda: not shared.alive("killed") and not shared.alive("stopped"), "their leases run out")
    assert shared.slots("killed") == out_of_killed != set()
    assert shared.slots("stopped") == out != set()

    # A resume takes them back. The stopped one sees through what is under way when it goes on, and tells nobody else.
    resumed = start(killed.hosts, resume="killed", lock=lock, window=2)
    os.kill(stopped.pid, signal.SIGCONT)
    result = stopped.wait(PATIENCE_S)
    assert result["stopped"]["code"] == "LOCK_LOST"
    assert {each.host for each in outages(tmp_path, stopped.hosts)} == told
    assert {name for name, status in statuses(result).items() if status == "done"} == told
    assert {statuses(result)[name] for name in set(stopped.hosts) - told} <= {"discarded", "skipped"}
    assert told < set(stopped.hosts)
    assert not shared.slots("stopped")
    assert not staged(tmp_path, stopped.hosts)

    last = start(stopped.hosts, resume="stopped", lock=lock, window=5)
    for worker in (left, resumed, last):
        result = worker.wait(PATIENCE_S)
        assert set(statuses(result).values()) == {"done"}, result
        assert not result.get("failed"), result
    found = outages(tmp_path)
    assert sorted(each.host for each in found) == sorted([*killed.hosts, *stopped.hosts, *left.hosts]), "each once"
    assert 1 < most_at_once(found) <= lock["slots"] == shared.most()


def test_a_controller_that_is_stopped_for_a_while_goes_on(start: Start, tmp_path: Path) -> None:
    stopped = start(named("a", 3), run_id="night", window=1)
    out = until(lambda: in_flight(stopped), "it has a host out")
    os.kill(stopped.pid, signal.SIGSTOP)
    os.waitpid(stopped.pid, os.WUNTRACED)
    # For as long as all of it would have taken.
    until(lambda: not in_flight(stopped), "the host is back")
    stopped_at = time.monotonic()
    until(lambda: time.monotonic() - stopped_at > 3 * OUTAGE_S, "time passes")
    told = {each.host for each in outages(tmp_path)}
    assert out <= told
    os.kill(stopped.pid, signal.SIGCONT)
    result = stopped.wait(PATIENCE_S)
    assert statuses(result) == dict.fromkeys(stopped.hosts, "done")
    assert len(told) == 1, "nobody was told meanwhile"
    assert [each.host for each in outages(tmp_path)] == stopped.hosts, "each once"


# --- a playbook that is gone -------------------------------------------------------------


def test_a_worker_whose_playbook_is_killed_stops_and_a_resume_goes_on(start: Start, tmp_path: Path) -> None:
    orphan = start(named("a", 3), run_id="night", window=1, with_parent=True)
    until(lambda: in_flight(orphan), "it has a host out")
    orphan.kill()
    lost_at = time.monotonic()
    assert orphan.wait(PATIENCE_S)["code"] == "ORPHANED"
    assert time.monotonic() - lost_at < 2 * PARENT_CHECK_S + 2.0, "with some room for a busy machine"
    told = outages(tmp_path)
    assert len(told) == 1, "nobody else was told after that"
    assert not events(orphan, "run_ended")

    resumed = start(orphan.hosts, resume="night", window=2, max_unavailable=2)
    assert statuses(resumed.wait(PATIENCE_S)) == dict.fromkeys(orphan.hosts, "done")
    assert [each.host for each in outages(tmp_path)] == orphan.hosts, "each once"
    terms = [record for record in orphan.journal() if record["event"] == "run_terms"]
    assert [each["window"] for each in terms] == [1, 2]
    fleet = {"of": "the fleet (max_unavailable 2)", "most": 2, "hosts": orphan.hosts}
    assert [each["limits"] for each in terms] == [[], [fleet]], "what each process went by"
    assert all(0 < each["forecast"]["total_p50_s"] <= each["forecast"]["total_p95_s"] for each in terms)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_was_told_to_stop_finishes_though_its_playbook_is_gone(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    orphan = start(named("a", 3), run_id="night", window=1, with_parent=True)
    until(lambda: in_flight(orphan), "it has a host out")
    os.kill(orphan.child, number)
    until(lambda: any(record["event"] == "run_stopping" for record in orphan.journal()), "it heard that")
    orphan.kill()
    result = orphan.wait(PATIENCE_S)
    assert result["stopped"]["code"] == "INTERRUPTED"
    assert statuses(result) == {"a1": "done", "a2": "discarded", "a3": "skipped"}
    assert [each.host for each in outages(tmp_path)] == ["a1"]
    assert not staged(tmp_path, orphan.hosts)


def test_a_run_that_is_alive_is_not_resumed(start: Start) -> None:
    alive = start(named("a", 1), run_id="night")
    until(alive.journal, "it began")
    assert start(alive.hosts, resume="night").wait(PATIENCE_S)["code"] == "RUN_LOCKED"
    assert statuses(alive.wait(PATIENCE_S)) == {"a1": "done"}


def test_only_hosts_that_need_it_are_rebooted_and_the_others_are_no_failure(start: Start, tmp_path: Path) -> None:
    some = start(["current1", "web1", "current2"], run_id="some", only="pending", canaries={"count": 1}, window="100%")
    result = some.wait(PATIENCE_S)
    assert not result.get("failed")
    assert result["counts"] == {"done": 1, "not_needed": 2}
    assert {name: host["status"] for name, host in result["hosts"].items()} == {
        "current1": "not_needed",
        "web1": "done",
        "current2": "not_needed",
    }
    assert result["hosts"]["web1"]["needed"][0]["code"] == "PENDING_KERNEL"
    assert [each.host for each in outages(tmp_path)] == ["web1"], "the canary is a host that is rebooted"
    assert events(some, "host_not_needed") == ["current1", "current2"]
    (begun,) = [record for record in some.journal() if record["event"] == "run_started"]
    assert [wave["hosts"] for wave in begun["waves"]] == [["web1"]] and begun["bystanders"] == []
    again = start(["current1", "web1", "current2"], resume="some", only="pending").wait(PATIENCE_S)
    assert not again.get("failed") and again["counts"] == {"done": 1, "not_needed": 2}
    none = start(["current1"], run_id="none", only="pending").wait(PATIENCE_S)
    assert not none.get("failed") and not none["changed"] and none["counts"] == {"not_needed": 1}
