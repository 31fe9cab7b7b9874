# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided before any host is asked. Whole rollouts are in test_processes.py."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.fleet.kexec.plugins.plugin_utils._console.plain import PlainView
from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import samples as samples_module
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import Journal
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.outcome import outcome_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.samples import RUNS_REMEMBERED, samples_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.request import RebootRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout import run as run_module
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.arguments import rolling_argument_spec
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Phases, Status
from ansible_collections.fleet.kexec.plugins.plugin_utils._text import ASCII

from ....outcomes import code_of
from ..stories import PANIC, RELEASE, night, started, way
from .inventory import Inventory, trusted

NOON_S = 1_795_521_600.0


def rollout(directory: Path, *names: str, raw: dict[str, Any] | None = None, **options: Any) -> run_module.Rolling:
    checked = ArgumentSpecValidator(rolling_argument_spec()).validate({"run_directory": str(directory), **options})
    assert not checked.error_messages, checked.error_messages
    return run_module.Rolling(
        options=checked.validated_parameters,
        raw=trusted(raw or {}),
        hosts=Inventory({name: {} for name in names}),  # type: ignore[arg-type]  # as much of it as is asked
        names=names,
        unavailable=[],
        request=RebootRequest("auto", 60.0, "", ""),
        controller=run_module.Controller(
            name="admin",
            own_boot_id="mine",
            random=lambda count: "ab" * count,
            say=lambda line: None,
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


@pytest.mark.parametrize("method", ["plan", "run"])
def test_a_run_is_resumed_for_its_own_hosts_only(tmp_path: Path, method: str) -> None:
    journal = begun(RunStore(str(tmp_path / "runs")), "night", *night())
    before = journal.read_bytes()
    stranger = rollout(tmp_path / "runs", "web1", "stranger", resume="night")
    with pytest.raises(RolloutError, match="stranger"):
        asyncio.run(getattr(stranger, method)())
    assert journal.read_bytes() == before


def test_two_runs_at_once_on_one_journal(tmp_path: Path) -> None:
    journal = begun(RunStore(str(tmp_path / "runs")), "night", *night())
    names = ["web%d" % number for number in range(1, 7)]
    with Journal(str(journal)):
        assert code_of(lambda: asyncio.run(rollout(tmp_path / "runs", *names, resume="night").run())) == "RUN_LOCKED"


def test_the_plan_of_a_run_that_is_over_shows_how_it_ended(tmp_path: Path) -> None:
    begun(RunStore(str(tmp_path / "runs")), "night", started(["a", "b"]), *way("a"), *way("b"))
    plan = asyncio.run(rollout(tmp_path / "runs", "a", "b", resume="latest").plan())
    assert plan["hosts"] == {"a": {"status": "done"}, "b": {"status": "done"}}
    assert not plan["changed"] and plan["waves"] == []


def test_what_earlier_runs_took(tmp_path: Path) -> None:
    store = RunStore(str(tmp_path / "runs"))
    begun(store, "first", *night())
    begun(store, "second", started(["a", "b"]), *way("a"), *way("b")[:9], at_s=NOON_S + 1)
    damaged = begun(store, "damaged", started(["a"]), *way("a"), at_s=NOON_S + 2)
    damaged.write_bytes(damaged.read_bytes().replace(b'"outage_ms":', b'"outage_ms";'))
    took = Phases(2.1, 0.32, 8.4, 0.33)
    assert samples_of(store) == {"qemu/" + RELEASE: [took, took]}, "one host of each run came to its end"
    assert samples_of(store, "first") == {"qemu/" + RELEASE: [took]}


def test_runs_of_long_ago_are_forgotten(tmp_path: Path) -> None:
    store = RunStore(str(tmp_path / "runs"))
    for number in range(RUNS_REMEMBERED + 3):
        begun(store, "run%02d" % number, started(["a"]), *way("a"), at_s=NOON_S + number)
    assert len(samples_of(store)["qemu/" + RELEASE]) == RUNS_REMEMBERED


def test_no_more_runs_are_read_than_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples_module, "HOSTS_REMEMBERED", 3)
    store = RunStore(str(tmp_path / "runs"))
    for number in range(5):
        begun(store, "run%02d" % number, started(["a", "b"]), *way("a"), *way("b"), at_s=NOON_S + number)
    assert len(samples_of(store)["qemu/" + RELEASE]) == 4


def test_the_version_is_that_of_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "plugins/plugin_utils/_rollout"
    here.mkdir(parents=True)
    monkeypatch.setattr(run_module, "__file__", str(here / "run.py"))
    assert run_module.collection_version() == "", "a checkout"
    manifest = tmp_path / "MANIFEST.json"
    for content, version in (({"collection_info": {"version": "1.2.3"}}, "1.2.3"), ({}, ""), ([], ""), ("", "")):
        manifest.write_text(json.dumps(content))
        assert run_module.collection_version() == version


@pytest.mark.parametrize("failures", ["fail", "report"])
def test_what_is_owed_alone_fails_the_task_unless_failures_are_only_reported(tmp_path: Path, failures: str) -> None:
    rolling = rollout(tmp_path / "runs", "a", failures=failures)
    owes = events.HostOwes(host="a", debt="panic", reason=PANIC).as_record()
    state = RunState.from_records([started(["a"]), *way("a"), owes])
    result = rolling._result(state, {"a": Status.DONE}, {})
    assert result["hosts"]["a"]["owed"] == [{"debt": "panic", **PANIC.as_dict()}]
    assert result.get("failed", False) is (failures == "fail")
    assert result.get("code") == ("DEBT_OWED" if failures == "fail" else None)
    assert outcome_of(state.hosts["a"]).status == "done"
