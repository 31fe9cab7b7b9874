# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger sends hosts of unproven classes ahead, and keeps those of failed classes from a kexec. In virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.model import (
    Clearing,
    Ledger,
    LedgerClass,
    LedgerResult,
)
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Status

from .._ledger.ledgers import at, ledger_of, source, tally
from .worlds import World

# Kernels of the simulated hosts.
OLD, NEW = "1", "2"


def hardware(product: str) -> dict[str, Any]:
    drivers: dict[str, list[str]] = {"network": [], "storage": [], "display": []}
    return {"vendor": "", "product": product, "board": "", "firmware_version": "", "drivers": drivers}


def world_of(
    ledger: Ledger | None = None, *, policy: dict[str, str] | None = None, method: str = "auto", **options: Any
) -> World:
    """Four hosts, two of each of two classes."""
    world = World("a1", "a2", "b1", "b2", **options)
    world.ledger, world.method = ledger or Ledger(), method
    for name, host in world.hosts.items():
        host.facts = {
            "hardware": hardware(name[0].upper()),
            "verdict": {"method": "kexec", "release": NEW},
            "policy": policy or {},
        }
        world.to_prove[name] = name[0]
    return world


def key_of(product: str) -> LedgerClass:
    return LedgerClass(product, OLD, NEW)


FAILED = ledger_of(source(1, tallies={key_of("A"): tally(LedgerResult.FAILED)}, failed={key_of("A"): at(9)}))
PROVEN = ledger_of(source(1, tallies={key_of("A"): tally(LedgerResult.KEXEC), key_of("B"): tally(LedgerResult.KEXEC)}))
ALL_DONE = dict.fromkeys(("a1", "a2", "b1", "b2"), Status.DONE)


def records(world: World, event: str) -> list[dict[str, Any]]:
    return [record for record in world.disk if record["event"] == event]


def codes(world: World, host: str, field: str = "notes") -> list[str]:
    return [each["code"] for each in next(each for each in records(world, "host_prepared") if each["host"] == host)[field]]


def methods(world: World) -> dict[str, str]:
    return {record["host"]: record["method"] for record in records(world, "host_intent")}


def test_an_unproven_class_is_warned_of_until_it_is_proven() -> None:
    world = world_of().conduct()
    assert world.statuses == ALL_DONE
    # The next host is prepared while one is in flight.
    assert [codes(world, name) for name in world.hosts] == [["UNPROVEN"], ["UNPROVEN"], ["UNPROVEN"], ["UNPROVEN"]]
    assert {key.host_class: each.of(LedgerResult.KEXEC) for key, each in world.fold.tallies.items()} == {"A": 2, "B": 2}


def test_the_journal_has_class_and_hardware() -> None:
    prepared = records(world_of().conduct(), "host_prepared")[0]
    assert (prepared["host_class"], prepared["hardware"]) == ("A", hardware("A"))


def test_a_proven_class_is_not_mentioned() -> None:
    world = world_of(PROVEN).conduct()
    assert [codes(world, name) for name in world.hosts] == [[], [], [], []]


def test_the_first_host_of_each_unproven_class_goes_ahead_and_the_rest_follow_after_the_soak() -> None:
    world = world_of(canaries={"unproven": 1, "soak": 600}, window=4).conduct()
    assert world.statuses == ALL_DONE
    (first,) = records(world, "run_started")
    assert [(wave["name"], wave["hosts"]) for wave in first["waves"]] == [("canary", ["a1", "b1"]), ("wave 1", ["a2", "b2"])]
    went = {record["host"]: record["at"] for record in records(world, "host_intent")}
    released = [record["at"] for record in records(world, "host_released") if record["host"] in ("a1", "b1")]
    assert max(went["a1"], went["b1"]) < max(released) < min(went["a2"], went["b2"])


def test_hosts_of_proven_classes_do_not_go_ahead() -> None:
    world = world_of(PROVEN, canaries={"unproven": 1, "soak": 600})
    world.to_prove = {"b1": "b", "b2": "b"}
    world.conduct()
    (first,) = records(world, "run_started")
    assert first["waves"][0]["hosts"] == ["b1"]


def test_nothing_follows_a_canary_that_failed() -> None:
    world = world_of(canaries={"unproven": 1}, window=4)
    world.hosts["b1"].comes_back = False
    world.conduct()
    assert world.stopped == "CANARY_FAILED"
    assert (world.statuses["a2"], world.statuses["b2"]) == (Status.SKIPPED, Status.SKIPPED)


@pytest.mark.parametrize(("method", "ends"), [("auto", Status.DONE), ("kexec", Status.REFUSED)])
def test_nothing_follows_a_canary_that_proved_nothing(method: str, ends: Status) -> None:
    world = world_of(canaries={"unproven": 1}, window=4, method=method)
    world.hosts["b1"].blockers = [{"code": "DRIVER_RISK", "message": "a GPU", "hint": ""}]
    world.conduct()
    assert (world.statuses["a2"], world.statuses["b2"]) == (Status.DONE, ends)
    assert methods(world).get("b2") == {"auto": "firmware", "kexec": None}[method]
    if method == "kexec":
        assert world.code("b2") == "UNPROVEN"
    else:
        assert codes(world, "b2", "reasons") == ["UNPROVEN"]


def test_a_policy_that_blocks_unproven_classes_lets_canaries_prove_them() -> None:
    policy = {"UNPROVEN": "block"}
    world = world_of(policy=policy, canaries={"unproven": 1}).conduct()
    assert world.statuses == ALL_DONE
    assert set(methods(world).values()) == {"kexec"}
    world = world_of(policy=policy).conduct()
    assert set(methods(world).values()) == {"firmware"}
    world = world_of(policy=policy, canaries={"unproven": 1})
    world.proven_after = 2
    assert methods(world.conduct()) == {"a1": "kexec", "b1": "kexec", "a2": "firmware", "b2": "firmware"}


def test_a_policy_that_allows_is_heeded() -> None:
    world = world_of(FAILED, policy={"UNPROVEN": "allow", "CLASS_FAILED": "allow"}).conduct()
    assert set(methods(world).values()) == {"kexec"}
    assert [codes(world, name) for name in world.hosts] == [[], [], [], []]


def test_a_class_that_failed_goes_through_firmware() -> None:
    world = world_of(FAILED).conduct()
    assert world.statuses == ALL_DONE
    assert methods(world) == {"a1": "firmware", "a2": "firmware", "b1": "kexec", "b2": "kexec"}
    assert codes(world, "a1", "reasons") == ["CLASS_FAILED"]
    assert not any(line.startswith("stage {}") for line in world.hosts["a1"].log), "nothing is staged"


def test_a_class_that_failed_is_refused_if_it_has_to_be_kexec() -> None:
    world = world_of(FAILED, method="kexec").conduct()
    assert world.statuses == {"a1": Status.REFUSED, "a2": Status.REFUSED, "b1": Status.DONE, "b2": Status.DONE}
    assert world.code("a1") == "CLASS_FAILED"


def test_a_class_that_was_cleared_goes_by_kexec() -> None:
    world = world_of(FAILED.with_clearing([key_of("A")], Clearing(at(10), "kim", "a cable"))).conduct()
    assert set(methods(world).values()) == {"kexec"}


def test_a_class_that_fails_during_the_run_is_blocked_from_then_on() -> None:
    world = world_of(PROVEN, failure_budget=4)
    world.hosts["a1"].comes_back = False
    world.conduct()
    # It was staged while a1 was in flight, and is put back.
    assert world.statuses == {"a1": Status.FAILED, "a2": Status.REFUSED, "b1": Status.DONE, "b2": Status.DONE}
    assert world.code("a2") == "CLASS_FAILED"
    assert world.hosts["a2"].staged is None
    world.conduct(resume=True)
    assert world.statuses["a2"] == Status.DONE
    assert methods(world)["a2"] == "firmware"


def test_a_resume_knows_what_the_run_has_seen() -> None:
    world = world_of(canaries={"unproven": 1})
    world.conduct(kill_at=("host_released", "b1"))
    # The ledger of the run itself would be older than its journal.
    world.ledger = ledger_of(world.fold.source(1))
    world.conduct(resume=True)
    assert world.statuses == ALL_DONE
    assert set(methods(world).values()) == {"kexec"}
    assert {key.host_class: each.of(LedgerResult.KEXEC) for key, each in world.fold.tallies.items()} == {"A": 2, "B": 2}


def test_a_resume_keeps_blocked_what_failed_before() -> None:
    world = world_of(PROVEN, failure_budget=4)
    world.hosts["a1"].comes_back = False
    world.conduct(kill_at=("host_failed", "a1"))
    world.conduct(resume=True)
    assert methods(world)["a2"] == "firmware"
