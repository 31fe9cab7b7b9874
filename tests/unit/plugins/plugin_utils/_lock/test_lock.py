# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every backend, seen from several processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.interface import lock_options, make_lock
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.model import Holder, LockError

from ..etcd_server import EtcdServer
from .conftest import Start
from .driven import DrivenLock


@pytest.fixture
def lock_for(options: dict[str, Any], tmp_path: Path) -> Callable[..., DrivenLock]:
    def make(run_id: str, **changes: Any) -> DrivenLock:
        checked = lock_options({**options, **changes})
        return DrivenLock(make_lock(checked, run_id, "ctl of " + run_id, directory=str(tmp_path / "locks")))

    return make


def most_at_once(spans: list[list[float]]) -> int:
    """How many of the spans overlap at most."""
    changes = sorted((at, change) for began, ended in spans for at, change in ((began, 1), (ended, -1)))
    count = most = 0
    for _at, change in changes:
        count += change
        most = max(most, count)
    return most


def test_slots_are_taken_and_given_back(lock_for: Callable[..., DrivenLock]) -> None:
    one, other = lock_for("one"), lock_for("other")
    one.open()
    other.open()
    assert one.acquire("web1")
    assert one.acquire("web1")
    assert not other.acquire("web1"), "a host that another run holds"
    assert other.acquire("db/1 ä")
    assert not one.acquire("web2"), "all are taken"
    one.confirm("web1")
    for host in ("web2", "db/1 ä"):
        with pytest.raises(LockError) as caught:
            one.confirm(host)
        assert caught.value.reason.code == "LOCK_LOST"
    holders = one.holders()
    assert [(holder.host, holder.run_id, holder.controller) for holder in holders] == [
        ("db/1 ä", "other", "ctl of other"),
        ("web1", "one", "ctl of one"),
    ]
    assert len(holders[0].since) == len("2026-11-24T15:00:00Z")
    one.release("db/1 ä")
    assert not one.acquire("web2"), "somebody else's slot is not given back"
    one.release("web1")
    one.release("web1")
    assert one.acquire("web2")
    one.close()
    one.close()
    with pytest.raises(LockError) as caught:
        one.acquire("web3")
    assert caught.value.reason.code == "LOCK_LOST"
    assert [holder.host for holder in other.holders()] == ["db/1 ä", "web2"], "closing gives up the lease alone"
    other.close()


def test_the_slot_of_a_run_that_has_ended_is_given_back_for_it(lock_for: Callable[..., DrivenLock]) -> None:
    earlier, later = lock_for("earlier"), lock_for("later")
    earlier.open()
    later.open()
    assert earlier.acquire("web1")
    (holder,) = later.holders()
    assert later.lives("earlier") and not later.lives("nobody")
    assert not later.free(holder), "it may still need it"
    earlier.close()
    assert not later.lives("earlier")
    assert not later.free(Holder("web1", "earlier", "ctl of earlier", "2020-01-01T00:00:00Z")), "not the one that was seen"
    assert later.holders() == [holder]
    assert later.free(holder)
    assert later.holders() == [] and not later.free(holder)
    assert later.acquire("web1")
    later.close()


def test_a_run_that_was_closed_is_resumed(lock_for: Callable[..., DrivenLock]) -> None:
    earlier = lock_for("run")
    earlier.open()
    assert earlier.acquire("web1")
    assert earlier.acquire("web2")
    earlier.close()
    later = lock_for("run")
    later.open()
    later.release("web2")
    assert later.acquire("web1")
    later.confirm("web1")
    assert [holder.host for holder in later.holders()] == ["web1"]
    later.close()


def test_another_number_of_slots(lock_for: Callable[..., DrivenLock]) -> None:
    two = lock_for("two")
    two.open()
    five = lock_for("five", slots=5)
    with pytest.raises(LockError) as caught:
        five.open()
    assert caught.value.reason.code == "LOCK_MISMATCH"
    assert "2 slots recorded" in caught.value.reason.message
    assert "asks for 5 slots; slots taken: 0, other runs that live: 1" in caught.value.reason.message
    assert two.acquire("web1")
    two.close()
    with pytest.raises(LockError, match="slots taken: 1, other runs that live: 0"):
        five.open()
    two = lock_for("two")
    two.open()
    two.release("web1")
    two.close()
    five.open()
    assert all(five.acquire("web%d" % number) for number in range(5))
    assert not five.acquire("web5")
    five.close()


def test_the_slots_are_never_exceeded(start: Start, options: dict[str, Any], request: pytest.FixtureRequest) -> None:
    """Three processes at once, of which one dies by SIGKILL; counted by when each says it held a slot, and in etcd's history."""
    server: EtcdServer | None = request.getfixturevalue("etcd") if options["backend"] == "etcd" else None
    first_revision = server.revision() if server is not None else 0
    killed, others = start("k"), [start("a"), start("b")]
    for contender in (killed, *others):
        assert contender.call("open") is None
    assert killed.call("acquire", "k-down") is True
    for contender in (killed, *others):
        contender.order("churn", "12", "2")
    spans = [span for contender in (killed, *others) for span in contender.answer()]
    assert len(spans) == 36
    assert most_at_once(spans) == 1, "beside k-down"

    for contender in others:
        contender.order("churn", "12", "2")
    killed.process.kill()
    killed.process.wait()
    spans = [span for contender in others for span in contender.answer()]
    assert len(spans) == 24
    assert most_at_once(spans) == 1, "k-down still counts"
    assert others[0].call("acquire", "k-down") is False

    resumed = start("k")
    assert resumed.call("confirm", "k-down") == "LOCK_LOST"
    assert resumed.call("open") is None
    assert resumed.call("acquire", "k-down") is True
    assert resumed.call("confirm", "k-down") is None
    assert resumed.call("release", "k-down") is None
    assert others[0].call("acquire", "k-down") is True

    if server is not None:
        prefix = "/fleet.kexec/%s/slots/" % options["name"]
        counts = [len(server.keys(prefix, revision)) for revision in range(first_revision, server.revision() + 1)]
        assert len(counts) > 2 * (36 + 24)
        assert max(counts) == 2


def test_the_record_of_a_slot() -> None:
    holder = Holder("web1", "run", "ctl", "2026-11-24T15:00:00Z")
    assert Holder.from_record("web1", holder.record()) == holder
    damaged: object
    for damaged in (None, [], "x"):
        assert Holder.from_record("web1", damaged) == Holder("web1", "", "", "")
