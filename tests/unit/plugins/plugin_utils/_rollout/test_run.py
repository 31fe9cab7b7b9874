# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided before any host is asked. Whole rollouts are in test_processes.py."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.fleet.kexec.plugins.module_utils._options import image_argument_spec
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.plain import PlainView
from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import samples as samples_module
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import Journal, time_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.outcome import outcome_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.samples import RUNS_REMEMBERED, remembered
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.interface import lock_options, make_lock
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.request import RebootRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout import opening
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout import run as run_module
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.arguments import rolling_argument_spec
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.controller import Controller
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.results import result_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Phases
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.plan import Plan
from ansible_collections.fleet.kexec.plugins.plugin_utils._text import ASCII

from ....outcomes import code_of
from ..stories import LOST, PANIC, RELEASE, night, started, way
from .inventory import Inventory, trusted

NOON_S = 1_795_521_600.0


def rollout(
    directory: Path,
    *names: str,
    raw: dict[str, Any] | None = None,
    others: Sequence[str] = (),
    said: list[str] | None = None,
    warned: list[str] | None = None,
    **options: Any,
) -> run_module.Rolling:
    """A rollout; C(others) are in the inventory and not in the play."""
    checked = ArgumentSpecValidator(rolling_argument_spec()).validate({"run_directory": str(directory), **options})
    assert not checked.error_messages, checked.error_messages
    return run_module.Rolling(
        options=checked.validated_parameters,
        raw=trusted(raw or {}),
        hosts=Inventory({name: {} for name in (*names, *others)}),  # type: ignore[arg-type]  # as much of it as is asked
        names=names,
        unavailable=[],
        request=RebootRequest(
            checked.validated_parameters["method"],
            60.0,
            "",
            "",
            image={name: options[name] for name in image_argument_spec() if name in options},
        ),
        controller=Controller(
            name="admin",
            own_boot_id="mine",
            operator="alice",
            random=lambda count: "ab" * count,
            say=(said if said is not None else []).append,
            warn=(warned if warned is not None else []).append,
            progress=lambda host, text: None,
            columns=80,
            glyphs=ASCII,
            view=lambda state, predictions: PlainView(lambda text: None, state, glyphs=ASCII, predictions=predictions),
        ),
    )


def begun(store: RunStore, run_id: str, *records: Any, at_s: float = NOON_S) -> Path:
    run = store.new(run_id, at_s, lambda count: "ab" * count)
    with Journal(run.journal, clock=lambda: at_s) as journal:
        journal.append(list(records))
    return Path(run.journal)


@pytest.mark.parametrize("method", ["plan", "run"])
@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("SETTINGS_INVALID", {"window": 0}),
        ("SETTINGS_INVALID", {"window": "many"}),
        ("SETTINGS_INVALID", {"connections": 0}),
        ("SETTINGS_INVALID", {"failure_budget": -1}),
        ("SETTINGS_INVALID", {"deadline": "yesterday"}),
        ("DOMAIN_UNKNOWN", {"max_unavailable": {"rack": 1}}),
        ("LIMIT_UNSATISFIABLE", {"min_available": {"all": 2}}),
        ("SETTINGS_INVALID", {"raw": {"domains": "{{ rack }}"}}),
        ("SETTINGS_INVALID", {"connections": 0}),
        ("SETTINGS_INVALID", {"reboot_timeout": 0}),
        ("SETTINGS_INVALID", {"connect_timeout": 0}),
        ("SETTINGS_INVALID", {"retry_failed": True}),
        ("SETTINGS_INVALID", {"resume": "latest", "run_id": "night"}),
        ("SETTINGS_INVALID", {"canaries": {"soak": 60}}),
        ("SETTINGS_INVALID", {"method": "firmware", "kernel": "newest"}),
        ("SETTINGS_INVALID", {"fallback": "power_hook"}),
        ("SETTINGS_INVALID", {"fallback": "power_hook", "raw": {"power_hook": {"command": ["ipmitool"]}}}),
        ("LOCK_INVALID", {"lock": {"backend": "etcd", "slots": 2}}),
        ("LOCK_INVALID", {"lock": {"slots": 0}}),
        ("RUN_NOT_FOUND", {"resume": "latest"}),
        ("RUN_ID_INVALID", {"resume": "../night"}),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_touched(
    tmp_path: Path, code: str, options: dict[str, Any], method: str
) -> None:
    directory = tmp_path / "runs"
    assert code_of(lambda: asyncio.run(getattr(rollout(directory, "a", "b", **options), method)())) == code
    assert not directory.exists()


@pytest.mark.parametrize(
    ("told", "options"),
    [
        ("power_hook has no effect", {"raw": {"power_hook": {"controller_command": ["ipmitool"]}}}),
        ("fallback: firmware has no effect", {"fallback": "firmware", "method": "firmware"}),
        ("image has no effect", {"method": "firmware", "image": "fast"}),
        ("wave_soak has no effect", {"wave_soak": 60}),
        ("stall_timeout has no effect", {"stall_timeout": 60}),
        ("order: spread has no effect", {"order": "spread"}),
        ("canaries.each_host_class takes a single host", {"canaries": {"each_host_class": True}}),
    ],
)
def test_an_option_that_does_nothing_is_named(tmp_path: Path, told: str, options: dict[str, Any]) -> None:
    warned: list[str] = []
    assert code_of(lambda: asyncio.run(rollout(tmp_path, "a", "b", warned=warned, **options).plan())) == "ALL_REFUSED"
    assert len(warned) == 1 and warned[0].startswith(told)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "fallback": "power_hook",
            "raw": {"power_hook": {"controller_command": ["ipmitool"]}, "domains": {"rack": "r1"}, "host_class": "R640"},
            "waves": [1],
            "wave_soak": 60,
            "stall_timeout": 60,
            "max_unavailable": {"rack": 1},
            "order": "spread",
            "canaries": {"each_host_class": True, "soak": 60},
            "image": "fast",
        },
    ],
)
def test_nothing_is_said_of_options_that_do_something(tmp_path: Path, options: dict[str, Any]) -> None:
    warned: list[str] = []
    assert code_of(lambda: asyncio.run(rollout(tmp_path, "a", "b", warned=warned, **options).plan())) == "ALL_REFUSED"
    assert warned == []


@pytest.mark.parametrize("method", ["plan", "run"])
def test_a_run_of_other_hosts_is_not_resumed(tmp_path: Path, method: str) -> None:
    journal = begun(RunStore(str(tmp_path / "runs")), "night", *night())
    before = journal.read_bytes()
    stranger = rollout(tmp_path / "runs", "stranger", resume="night")
    with pytest.raises(RolloutError, match="none of the play's hosts, such as stranger"):
        asyncio.run(getattr(stranger, method)())
    assert journal.read_bytes() == before


def test_two_runs_at_once_on_one_journal(tmp_path: Path) -> None:
    journal = begun(RunStore(str(tmp_path / "runs")), "night", *night())
    names = ["web%d" % number for number in range(1, 7)]
    with Journal(str(journal)):
        assert code_of(lambda: asyncio.run(rollout(tmp_path / "runs", *names, resume="night").run())) == "RUN_LOCKED"


def test_a_run_that_its_lock_refuses_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    store = RunStore(str(tmp_path / "runs"))
    journal = begun(store, "before", started(["a", "b"]), *way("a"))
    left = journal.read_bytes()
    ways: list[dict[str, Any]] = [{"run_id": "refused"}, {}, {"resume": "latest"}]

    async def refused_by_another_run() -> list[str]:
        other = make_lock(lock_options({"slots": 2}), "other", "ctl")
        await other.open()
        codes = []
        for options in ways:
            with pytest.raises(CodedError) as caught:
                await rollout(tmp_path / "runs", "a", "b", lock={"slots": 3}, **options).run()
            codes.append(caught.value.reason.code)
        await other.close()
        return codes

    assert asyncio.run(refused_by_another_run()) == ["LOCK_MISMATCH"] * len(ways)
    assert store.open("latest").run_id == "before" and journal.read_bytes() == left
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["before"]


def test_the_plan_of_a_run_that_is_over_shows_how_it_ended(tmp_path: Path) -> None:
    begun(RunStore(str(tmp_path / "runs")), "night", started(["a", "b"]), *way("a"), *way("b"))
    plan = asyncio.run(rollout(tmp_path / "runs", "a", "b", resume="latest").plan())
    assert plan["hosts"] == {"a": {"status": "done"}, "b": {"status": "done"}}
    assert not plan["changed"] and plan["waves"] == []


def ended(*hosts: str) -> list[Any]:
    """A run that is over."""
    records = [started(list(hosts)), *(record for host in hosts for record in way(host))]
    return [*records, events.RunEnded(counts={"done": len(hosts)}, duration_ms=5000).as_record()]


@pytest.mark.parametrize("options", [{}, {"retry_failed": True}])
def test_a_resume_after_everything_was_done_says_so_and_succeeds(tmp_path: Path, options: dict[str, Any]) -> None:
    journal = begun(RunStore(str(tmp_path / "runs")), "night", *ended("a", "b"))
    before = journal.read_bytes()
    said: list[str] = []
    again = rollout(tmp_path / "runs", "a", "b", resume="latest", said=said, **options)
    result = asyncio.run(again.run())
    assert said[:3] == ["run night: nothing is left to do", "", "night: 2 of 2 hosts done"]
    assert (result["changed"], result.get("failed"), result["counts"]) == (False, None, {"done": 2})
    assert {name: host["status"] for name, host in result["hosts"].items()} == {"a": "done", "b": "done"}
    assert journal.read_bytes() == before


def test_hosts_that_are_undecided_fail_no_resume_that_does_not_have_them(tmp_path: Path) -> None:
    hosts = ["a", "b", "gone"]
    finish = events.RunEnded(counts={"done": 1, "skipped": 2}, duration_ms=5000).as_record()
    begun(RunStore(str(tmp_path / "runs")), "night", started(hosts), *way("a"), finish)
    result = asyncio.run(rollout(tmp_path / "runs", "a", resume="latest", others=["b"]).run())
    assert "failed" not in result
    assert {name: (host["status"], host.get("code")) for name, host in result["hosts"].items()} == {
        "a": ("done", None),
        "b": ("skipped", "HOST_NOT_SELECTED"),
        "gone": ("skipped", "HOST_NOT_IN_INVENTORY"),
    }


def test_a_host_that_failed_fails_a_resume_that_has_it(tmp_path: Path) -> None:
    lost = events.HostFailed(host="b", reason=LOST, down=True, phase="down").as_record()
    finish = events.RunEnded(counts={"done": 1, "failed": 1}, duration_ms=5000).as_record()
    begun(RunStore(str(tmp_path / "runs")), "night", started(["a", "b"]), *way("a"), lost, finish)
    result = asyncio.run(rollout(tmp_path / "runs", "a", "b", resume="latest").run())
    assert result["failed"] and result["code"] == "REBOOT_TIMEOUT"
    assert "failed" not in asyncio.run(rollout(tmp_path / "runs", "a", resume="latest", others=["b"]).run())


def test_the_plan_of_a_resume_has_what_is_left_of_the_waves(tmp_path: Path) -> None:
    hosts = ["a", "b", "c", "d", "gone", "away"]
    records = [started(hosts), *way("a"), *way("b")[:7], *way("gone")[:3]]
    begun(RunStore(str(tmp_path / "runs")), "night", *records)
    said: list[str] = []
    planned = rollout(tmp_path / "runs", "a", "b", "c", "d", "new", resume="latest", others=["away"], said=said, order="sorted")
    with pytest.raises(RolloutError, match="order=inventory, and order=sorted"):
        asyncio.run(planned.plan())
    planned = rollout(tmp_path / "runs", "a", "b", "c", "d", "new", resume="latest", others=["away"], said=said)
    plan = asyncio.run(planned.plan())
    # Nobody can be connected to, so that those that would be prepared are refused.
    assert {name: (host["status"], host.get("code")) for name, host in plan["hosts"].items()} == {
        "a": ("done", None),
        "b": ("unfinished", None),
        "c": ("refused", "CONNECTION_FAILED"),
        "d": ("refused", "CONNECTION_FAILED"),
        "gone": ("unfinished", "HOST_NOT_IN_INVENTORY"),
        "away": ("skipped", "HOST_NOT_SELECTED"),
        "new": ("not_selected", "HOST_NOT_IN_RUN"),
    }
    assert plan["waves"] == [{"name": "rest", "hosts": ["b"], "soak_s": 0.0}]
    assert "run night does not have these hosts of the play, which are left as they are: new" in said


def test_a_plan_of_a_resume_needs_no_lock(tmp_path: Path) -> None:
    journal = begun(RunStore(str(tmp_path / "runs")), "night", *ended("a"))
    with Journal(str(journal)):
        assert asyncio.run(rollout(tmp_path / "runs", "a", resume="latest").plan())["changed"] is False


def test_why_and_by_whom_a_run_was_made_is_in_its_journal(tmp_path: Path) -> None:
    planned = rollout(tmp_path / "runs", "a", reason="security update", ticket="CHG-1")
    assert planned._terms is not None
    state = RunState()
    state.apply(opening.started("night", planned._controller, planned._terms, Plan((), (), 1, {})), "")
    assert (state.operator, state.reason, state.ticket) == ("alice", "security update", "CHG-1")
    # A resume that gives neither keeps them.
    state.apply(events.RunResumed(controller="c", pid=1, settings={"ticket": "CHG-2"}), "")
    assert (state.reason, state.ticket) == ("security update", "CHG-2")


def test_the_deadline_of_a_run_is_in_its_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = rollout(tmp_path / "runs", "a", deadline="06:00")
    assert planned._terms is not None
    first = opening.started("night", planned._controller, planned._terms, Plan((), (), 1, {}))
    assert isinstance(first, events.RunStarted)
    assert first.deadline is not None and first.settings["deadline"] == "06:00"
    assert 0 < time_of(first.deadline) - time.time() <= 24 * 3600


VIA_KEXEC = ("kexec", "qemu/" + RELEASE)


def test_what_earlier_runs_took(tmp_path: Path) -> None:
    store = RunStore(str(tmp_path / "runs"))
    begun(store, "first", *night())
    begun(store, "second", started(["a", "b"]), *way("a"), *way("b")[:9], at_s=NOON_S + 1)
    damaged = begun(store, "damaged", started(["a"]), *way("a"), at_s=NOON_S + 2)
    damaged.write_bytes(damaged.read_bytes().replace(b'"outage_ms":', b'"outage_ms";'))
    took = Phases(2.1, 0.32, 8.4, 0.33)
    assert remembered(store).samples == {VIA_KEXEC: [took, took]}, "one host of each run came to its end"
    assert remembered(store, "first").samples == {VIA_KEXEC: [took]}
    assert remembered(store).outages_s == {VIA_KEXEC: [8.4, 8.4]}


def test_reboots_are_remembered_with_the_parts_that_they_had(tmp_path: Path) -> None:
    store = RunStore(str(tmp_path / "runs"))

    def timeline(host: str, **values: Any) -> dict[str, Any]:
        return events.HostTimeline(host=host, timeline={"phases": [], **values}).as_record()

    parts, none = timeline("a", boot_parts=["quiet", "initrd"]), timeline("b", boot_parts=[])
    begun(store, "first", started(["a", "b"]), *way("a"), timeline("a"), *way("b"), timeline("b", boot_parts="quiet"))
    begun(store, "second", started(["a", "b"]), *way("a"), parts, *way("b"), none, at_s=NOON_S + 1)
    begun(store, "third", started(["a"]), *way("a"), timeline("a", boot_parts=["initrd"]), at_s=NOON_S + 2)
    found, took = remembered(store), Phases(2.1, 0.32, 8.4, 0.33)
    assert found.boot_parts == {"a": ("initrd",), "b": ()}
    assert found.prepared_samples == {
        (*VIA_KEXEC, ("initrd",)): [took],
        (*VIA_KEXEC, ("initrd", "quiet")): [took],
        (*VIA_KEXEC, ()): [took],
    }
    assert len(found.samples[VIA_KEXEC]) == 5, "those that do not tell count where nothing is known of a host"


def test_runs_of_long_ago_are_forgotten(tmp_path: Path) -> None:
    store = RunStore(str(tmp_path / "runs"))
    for number in range(RUNS_REMEMBERED + 3):
        begun(store, "run%02d" % number, started(["a"]), *way("a"), at_s=NOON_S + number)
    assert len(remembered(store).samples[VIA_KEXEC]) == RUNS_REMEMBERED


def test_no_more_runs_are_read_than_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples_module, "HOSTS_REMEMBERED", 3)
    store = RunStore(str(tmp_path / "runs"))
    for number in range(5):
        begun(store, "run%02d" % number, started(["a", "b"]), *way("a"), *way("b"), at_s=NOON_S + number)
    assert len(remembered(store).samples[VIA_KEXEC]) == 4


def test_the_version_is_that_of_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "plugins/plugin_utils/_rollout"
    here.mkdir(parents=True)
    monkeypatch.setattr(opening, "__file__", str(here / "opening.py"))
    assert opening.collection_version() == "", "a checkout"
    manifest = tmp_path / "MANIFEST.json"
    for content, version in (({"collection_info": {"version": "1.2.3"}}, "1.2.3"), ({}, ""), ([], ""), ("", "")):
        manifest.write_text(json.dumps(content))
        assert opening.collection_version() == version


@pytest.mark.parametrize("failures", ["fail", "report"])
def test_what_is_owed_alone_fails_the_task_unless_failures_are_only_reported(failures: str) -> None:
    owes = events.HostOwes(host="a", debt="panic", reason=PANIC).as_record()
    state = RunState.from_records([started(["a"]), *way("a"), owes])
    result = result_of(state, {"a": "done"}, {}, failures=failures, asked_for={"a"})
    assert result["hosts"]["a"]["owed"] == [{"debt": "panic", **PANIC.as_dict()}]
    assert result.get("failed", False) is (failures == "fail")
    assert result.get("code") == ("DEBT_OWED" if failures == "fail" else None)
    assert outcome_of(state.hosts["a"]).status == "done"


def test_a_plan_that_reboots_no_host_fails_and_tells_why(tmp_path: Path) -> None:
    with pytest.raises(RolloutError) as caught:
        asyncio.run(rollout(tmp_path, "a", "b").plan())
    result = caught.value.as_result()
    assert result["code"] == "ALL_REFUSED" and "can't be connected to" in result["msg"]
    assert {name: host["code"] for name, host in result["hosts"].items()} == {"a": "CONNECTION_FAILED", "b": "CONNECTION_FAILED"}
    assert result["changed"] is False and result["waves"] == []
