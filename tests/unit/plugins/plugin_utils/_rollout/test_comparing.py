# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts over machines that come back as they were, or not."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.host_state import HostState
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.outcome import outcome_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Status
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import SessionError, SessionLost

from ..machines import MODEL, difference
from ..simulated import Host
from .worlds import HOOKS, World, command

LOST = difference("NIC_NO_CARRIER", "eth1")
CHANGED = difference("CLOCKSOURCE_CHANGED", "tsc", "warn")

# Of a host that came back and is compared.
AFTER_TRIGGER = ("host_intent", "host_triggered", "host_down", "host_back", "host_verified", "host_compared")


def state_of(world: World, name: str = "a") -> HostState:
    return RunState.from_records(world.disk).hosts[name]


def outcome(world: World, name: str = "a") -> dict[str, Any]:
    return outcome_of(state_of(world, name)).as_outcome()


def degraded(fallback: str = "none", boots: tuple[int, ...] = (1,), **options: Any) -> World:
    """A world of one host, degraded in these boots."""
    world = World("a", hooks=HOOKS, fallback=fallback, **options)
    world.hosts["a"].machine.differs = {boot: [LOST, CHANGED] for boot in boots}
    return world


def test_a_machine_is_remembered_once_drained_and_compared_before_it_is_undrained() -> None:
    world = World("a", hooks=HOOKS)
    host = world.hosts["a"]
    host.answers["undrain"] = (0, "")
    world.conduct()
    assert world.statuses["a"] is Status.DONE
    assert host.machine.asked == [("remembered", "old-a"), ("compared", "new-a")], "two runs of a module, and no more"
    events = world.events("a")
    assert events.index("host_verified") + 1 == events.index("host_compared") < events.index("host_healthy")
    (compared,) = (record for record in world.disk if record["event"] == "host_compared")
    assert (compared["compared"], compared["model"], compared["differences"]) == (True, MODEL, [])
    assert compared["settled_ms"] == 40 and 1000 <= compared["duration_ms"] <= 1100
    assert (outcome(world)["differences"], outcome(world)["model"]) == ([], MODEL)


def test_a_degraded_host_fails_up_and_stays_drained() -> None:
    world = degraded().conduct()
    host = world.hosts["a"]
    assert (world.code("a"), state_of(world).down) == ("DEGRADED", False)
    assert host.log[-1] == "run page someone" and "run lb undrain" not in host.log
    assert state_of(world).maybe_drained
    assert host.panic == ("0", "0") and not world.budget.held
    known = outcome(world)
    assert known["differences"] == [LOST, CHANGED]
    assert known["msg"] == "the machine did not come back as it was: NIC_NO_CARRIER eth1"
    assert known["proof"]["proven"], "it is the system that was asked for"


def test_what_only_warns_is_told_and_fails_nothing() -> None:
    world = World("a", hooks=HOOKS)
    world.hosts["a"].machine.differs = {1: [CHANGED]}
    world.conduct()
    assert world.statuses["a"] is Status.DONE
    assert outcome(world)["differences"] == [CHANGED]


def test_without_comparison_nothing_is_asked() -> None:
    world = degraded()
    world.compare = False
    world.conduct()
    assert world.statuses["a"] is Status.DONE
    assert world.hosts["a"].machine.asked == [] and "host_compared" not in world.events("a")
    assert "differences" not in outcome(world)


def test_firmware_mends_a_degraded_host_and_what_was_found_stays_a_reason() -> None:
    world = degraded("firmware").conduct()
    host = world.hosts["a"]
    assert world.statuses["a"] is Status.DONE
    assert [line for line in host.log if line.startswith("trigger")] == ["trigger kexec 0.500", "trigger reboot 0.500"]
    # The snapshot is that of the machine as it was at first.
    assert host.machine.asked == [("remembered", "old-a"), ("compared", "new-a"), ("compared", "new2-a")]
    known = outcome(world)
    assert (known["path"], known["differences"]) == ("firmware", [])
    assert [(each["code"], "NIC_NO_CARRIER eth1" in each["message"]) for each in known["reasons"]] == [("DEGRADED", True)]
    assert [record["differences"] for record in world.disk if record["event"] == "host_compared"] == [[LOST, CHANGED], []]


@pytest.mark.parametrize("fallback", ["firmware", "power_hook"])
def test_firmware_is_tried_once(fallback: str) -> None:
    world = degraded(fallback, boots=(1, 2, 3)).conduct()
    assert (world.code("a"), world.triggers("a")) == ("DEGRADED", 2)
    assert state_of(world).maybe_drained


def test_a_host_that_came_through_firmware_already_is_not_sent_there_again() -> None:
    for boots, method in (("staged", "firmware"), ("firmware", "auto")):
        world = degraded("firmware")
        world.method, world.hosts["a"].boots = method, boots
        world.conduct()
        assert (world.code("a"), world.triggers("a")) == ("DEGRADED", 1)

    world = World("a", fallback="power_hook", hooks={"power": [command("ipmi", "cycle")]})
    host = world.hosts["a"]
    host.comes_back, host.beside = False, {"cycle"}
    host.machine.differs = {1: [LOST]}
    ran = host._answer

    def cycle(script: str, args: Any, become: bool) -> Any:
        if args and args[-1] == "cycle":
            host.up_at, host.boots = host.now + 20, "firmware"
        return ran(script, args, become)

    host._answer = cycle  # type: ignore[method-assign]
    world.conduct()
    assert (world.code("a"), world.triggers("a")) == ("DEGRADED", 1)
    assert [each["code"] for each in outcome(world)["reasons"]] == ["POWER_CYCLED"]


def test_a_host_that_is_proven_only_by_the_fallback_is_compared_with_what_it_was_at_first() -> None:
    world = World("a", fallback="firmware")
    host = world.hosts["a"]
    host.boots = "foreign"
    host.machine.differs = {2: [LOST]}
    world.conduct()
    assert host.machine.asked == [("remembered", "old-a"), ("compared", "new2-a")]
    assert world.code("a") == "DEGRADED"


def test_a_degraded_host_that_cannot_be_prepared_again_is_degraded() -> None:
    world = degraded("firmware")
    when_back(world.hosts["a"], lambda host: host.raises.update(boot_facts=(SessionLost("gone"), 1)))
    world.conduct()
    assert world.code("a") == "DEGRADED"
    assert next(record for record in world.disk if record["event"] == "host_failed")["down"], "until it is seen up"
    assert "could not be prepared for another reboot" in outcome(world)["msg"]


@pytest.mark.parametrize("error", [SessionLost("gone"), SessionError("BECOME_FAILED", "no")])
def test_a_host_that_cannot_be_compared_is_not_proven(error: SessionError) -> None:
    world = World("a", hooks=HOOKS, fallback="firmware")
    when_back(world.hosts["a"], lambda host: host.raises.update(machine=(error, 10**6)))
    world.conduct()
    assert (world.code("a"), world.triggers("a")) == ("NOT_COMPARED", 1)
    assert "run lb undrain" not in world.hosts["a"].log
    # Only one that was heard of last is up.
    assert state_of(world).compared is None
    failed = next(record for record in world.disk if record["event"] == "host_failed")
    assert failed["down"] is isinstance(error, SessionLost)


@pytest.mark.parametrize(
    "answer", [{"failed": True, "msg": "no", "code": "NOT_ROOT"}, {"differences": [1]}, {"differences": [{}] * 10**5}]
)
def test_a_hostile_answer_harms_only_its_host(answer: dict[str, Any]) -> None:
    world = World("a", "b", window=2, failure_budget=1)
    world.hosts["a"].machine.answers["compared"] = answer
    world.conduct()
    assert (world.code("a"), world.statuses["b"]) == ("NOT_COMPARED", Status.DONE)


@pytest.mark.parametrize(
    ("raises", "answers", "code", "down"),
    [
        ((SessionLost("gone"), 1), {}, "UNREACHABLE", True),
        ((SessionError("MODULE_FAILED", "no python"), 1), {}, "MODULE_FAILED", False),
        (None, {"remembered": {"failed": True, "msg": "full", "code": "NO_SPACE"}}, "NO_SPACE", False),
        (None, {"remembered": {}}, "FACTS_UNREADABLE", False),
    ],
)
def test_a_host_that_is_not_remembered_is_put_back(raises: Any, answers: dict[str, Any], code: str, down: bool) -> None:
    world = World("a", hooks=HOOKS)
    host = world.hosts["a"]
    host.machine.answers = answers
    if raises:
        host.raises["machine"] = raises
    world.conduct()
    assert (world.code("a"), world.triggers("a")) == (code, 0)
    assert host.staged is None and "run lb undrain" in host.log and not world.budget.held
    failed = next(record for record in world.disk if record["event"] == "host_failed")
    assert failed["down"] is down


def test_an_interrupt_while_it_is_remembered_puts_it_back() -> None:
    world = World("a", hooks=HOOKS)
    world.interrupt_at(2.5)
    world.conduct()
    assert world.hosts["a"].machine.asked and world.triggers("a") == 0
    assert world.hosts["a"].staged is None and world.hosts["a"].log[-1] == "run lb undrain"


def test_an_interrupt_while_it_is_compared_sees_it_through() -> None:
    world = World("a", hooks=HOOKS)
    verified_s = World("a", hooks=HOOKS).conduct()
    at = next(index for index, record in enumerate(verified_s.disk) if record["event"] == "host_verified")
    assert verified_s.disk[at + 1]["event"] == "host_compared"
    when_back(world.hosts["a"], lambda host: setattr(host, "module_s", 5.0))
    world.interrupt_at(15.0)
    world.conduct()
    assert world.statuses["a"] is Status.DONE and "host_compared" in world.events("a")


# A controller that is killed.


@pytest.mark.parametrize("fallback", ["none", "firmware"])
@pytest.mark.parametrize("event", ["host_preparing", "host_prepared", "host_draining", "host_drained", *AFTER_TRIGGER])
def test_a_killed_controller_has_the_machine_compared_with_what_it_was(event: str, fallback: str) -> None:
    world = degraded(fallback)
    world.conduct(kill_at=(event, "a")).conduct(resume=True)
    host = world.hosts["a"]
    assert world.code("a") == ("DEGRADED" if fallback == "none" else None)
    assert world.triggers("a") == (1 if fallback == "none" else 2)
    assert {boot for state, boot in host.machine.asked if state == "remembered"} == {"old-a"}
    assert host.machine.remembered == "old-a"


@pytest.mark.parametrize("event", AFTER_TRIGGER)
def test_a_controller_killed_in_the_fallback_does_not_take_the_damage_for_the_machine(event: str) -> None:
    whole = degraded("firmware", boots=(1, 2, 3)).conduct()
    second = [number for number, record in enumerate(whole.disk, start=1) if record["event"] == event][1]
    world = degraded("firmware", boots=(1, 2, 3))
    world.conduct(kill_after=second).conduct(resume=True)
    assert world.code("a") == "DEGRADED"
    assert world.hosts["a"].machine.remembered == "old-a"


def test_a_host_that_starts_over_is_compared_with_what_it_was_at_first() -> None:
    world = degraded(boots=(1, 2)).conduct()
    world.conduct(resume=True, retry_failed=True)
    host = world.hosts["a"]
    assert (world.code("a"), host.machine.remembered) == ("DEGRADED", "old-a")
    host.machine.differs = {}
    world.conduct(resume=True, retry_failed=True)
    assert world.statuses["a"] is Status.DONE and world.code("a") is None


def test_a_host_that_was_put_back_is_remembered_anew() -> None:
    world = World("a", hooks=HOOKS)
    world.conduct(kill_at=("host_intent", "a"))
    world.conduct(resume=True)
    assert world.statuses["a"] is Status.DONE
    assert [state for state, _boot in world.hosts["a"].machine.asked] == ["remembered", "remembered", "compared"]


def test_a_run_that_remembered_nothing_does_not_compare_with_what_another_did() -> None:
    world = degraded()
    world.compare = False
    world.conduct(kill_at=("host_triggered", "a"))
    world.hosts["a"].machine.remembered = "a year ago"
    world.compare = True
    world.conduct(resume=True)
    assert world.statuses["a"] is Status.DONE
    assert state_of(world).compared is False, "which is said, not taken for a proof"
    assert "differences" not in outcome(world)
    assert world.hosts["a"].machine.asked == []


def when_back(host: Host, act: Any) -> None:
    """Act once the host has booted."""
    boot = host._boot

    def booted() -> None:
        boot()
        act(host)

    host._boot = booted  # type: ignore[method-assign]
