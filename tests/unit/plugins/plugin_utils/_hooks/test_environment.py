# SPDX-License-Identifier: GPL-3.0-or-later
"""What hooks find in their environment, with real processes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import replace

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.hook import BEFORE, ON_FAILURE, Hook, HookPhase, HookSubject
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.runner import HookOutcome

from .hosts import SUBJECT, Host, hook, outcome_of, run, sessions

PRINT = "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('FLEET_KEXEC_')}))"
KINDS = ("command", "controller_command")
# What a host may say of its failure, and what a name may be.
EVIL = "$(touch /tmp/x) `id` '\"; \\ --\nFLEET_KEXEC_HOST=other\n\x1b[31mred\x00 end"


@pytest.fixture(autouse=True)
def no_variables_of_the_test_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what the Makefile exports: hooks of the controller inherit its environment."""
    for name in os.environ:
        if name.startswith("FLEET_KEXEC_"):
            monkeypatch.delenv(name)


def found(kind: str, phase: HookPhase, subject: HookSubject) -> dict[str, str]:
    outcome = run(hook(**{kind: [sys.executable, "-c", PRINT]}), phase=phase, subject=subject)
    assert outcome.ok, outcome.message
    return dict(json.loads(outcome.message))


@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_knows_what_it_is_run_for(kind: str) -> None:
    assert found(kind, BEFORE, SUBJECT) == {
        "FLEET_KEXEC_HOST": "web1",
        "FLEET_KEXEC_RUN_ID": "night",
        "FLEET_KEXEC_PHASE": "before",
        "FLEET_KEXEC_CODE": "",
        "FLEET_KEXEC_MESSAGE": "",
        "FLEET_KEXEC_METHOD": "kexec",
        "FLEET_KEXEC_JOURNAL": "/runs/night/journal.jsonl",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_what_others_say_is_data_and_never_code(kind: str) -> None:
    subject = replace(SUBJECT, host="-- web $(id)", failure=reason("NOT_PROVEN", EVIL))
    variables = found(kind, ON_FAILURE, subject)
    assert variables["FLEET_KEXEC_HOST"] == "-- web $(id)"
    assert variables["FLEET_KEXEC_CODE"] == "NOT_PROVEN"
    assert variables["FLEET_KEXEC_MESSAGE"] == (
        "$(touch /tmp/x) `id` '\"; \\ --\\nFLEET_KEXEC_HOST=other\\n\\x1b[31mred\\x00 end"
    )
    long = found(kind, ON_FAILURE, replace(SUBJECT, failure=reason("NOT_PROVEN", "x" * 200_000)))
    assert len(long["FLEET_KEXEC_MESSAGE"]) < 500


@pytest.mark.parametrize("kind", KINDS)
def test_a_command_that_looks_like_a_variable(kind: str) -> None:
    outcome = run(hook(**{kind: ["A=B", "--"]}))
    assert not outcome.ok
    assert "A=B" in outcome.message


def test_the_rest_of_the_controller_s_environment_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPMI_PASSWORD", "known")
    assert run(hook(controller_command=["sh", "-c", 'test "$IPMI_PASSWORD" = known'])).ok


def test_a_hook_runs_on_another_host() -> None:
    own, lb, controller = Host(), Host({"msg": "drained"}), Host()

    def moved(wanted: Hook) -> HookOutcome:
        return asyncio.run(outcome_of(wanted, among=sessions(own, controller, lb1=lb)))

    assert moved(hook(module={"name": "x"}, run_on="lb1")).message == "drained"
    # It knows whom it is for.
    said = moved(hook(command=["sh", "-c", "echo drain $FLEET_KEXEC_HOST"], run_on="lb1"))
    assert said.message == "drain web1"
    assert [len(each.asked) for each in (own, lb, controller)] == [0, 2, 0]


def test_where_a_hook_runs_is_known_beforehand() -> None:
    assert hook(command=["x"]).runs_on("web1")
    assert hook(command=["x"], run_on="web1").runs_on("web1")
    assert not hook(command=["x"], run_on="lb1").runs_on("web1")
    assert not hook(controller_command=["x"]).runs_on("web1")
    assert not hook(module={"name": "x"}, run_on="controller").runs_on("web1")
    others = [hook(command=["x"], run_on=place).other_host for place in ("host", "lb1")]
    assert others == [None, "lb1"]
