# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided before any host is asked. Whole rollouts are in test_processes.py."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.fleet.kexec.plugins.module_utils._options import image_argument_spec
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.plain import PlainView
from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import samples as samples_module
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import Journal
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.samples import RUNS_REMEMBERED, samples_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.request import RebootRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout import run as run_module
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.arguments import rolling_argument_spec
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Phases
from ansible_collections.fleet.kexec.plugins.plugin_utils._text import ASCII

from ....outcomes import code_of
from ..stories import RELEASE, night, started, way
from .inventory import Inventory, trusted

NOON_S = 1_795_521_600.0


def rollout(
    directory: Path, *names: str, raw: dict[str, Any] | None = None, warned: list[str] | None = None, **options: Any
) -> run_module.Rolling:
    checked = ArgumentSpecValidator(rolling_argument_spec()).validate({"run_directory": str(directory), **options})
    assert not checked.error_messages, checked.error_messages
    return run_module.Rolling(
        options=checked.validated_parameters,
        raw=trusted(raw or {}),
        # A plan names these as refused, and connects to none.
        hosts=Inventory({name: {"ansible_connection": "local"} for name in names}),  # type: ignore[arg-type]  # as much of it as is asked
        names=names,
        unavailable=[],
        request=RebootRequest(
            checked.validated_parameters["method"],
            60.0,
            "",
            "",
            image={name: options[name] for name in image_argument_spec() if name in options},
        ),
        controller=run_module.Controller(
            name="admin",
            own_boot_id="mine",
            random=lambda count: "ab" * count,
            say=lambda line: None,
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


def test_a_plan_that_reboots_no_host_fails_and_tells_why(tmp_path: Path) -> None:
    with pytest.raises(RolloutError) as caught:
        asyncio.run(rollout(tmp_path, "a", "b").plan())
    result = caught.value.as_result()
    assert result["code"] == "ALL_REFUSED" and "the connection is local" in result["msg"]
    assert {name: host["code"] for name, host in result["hosts"].items()} == {"a": "CONTROL_NODE", "b": "CONTROL_NODE"}
    assert result["changed"] is False and result["waves"] == []
