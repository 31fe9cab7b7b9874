# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Jobs as AWX runs them: by ansible-runner, with the playbooks of its project and the answers of its surveys."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ansible_runner
import pytest
import yaml

from .rulebooks import ROOT, Controller, make_controller

PROJECT = ROOT / "extensions/awx/project"
SETUP = yaml.safe_load((ROOT / "extensions/awx/setup.yml").read_text())[0]


def answers(job_template: str, **given: str) -> dict[str, str]:
    """Answers to a survey: the given ones, or else its defaults."""
    (survey,) = [each["survey"] for each in SETUP["vars"]["job_templates"] if each["name"] == job_template]
    asked = [question for question in survey["spec"] if isinstance(question, dict)]
    return {**{question["variable"]: question["default"] for question in asked}, "fleet_kexec_hosts": "web*", **given}


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    hosts = {"web1": {}, "web2": {"pretended_current": True}, "web3": {}}
    return make_controller(tmp_path / "controller", hosts)


class Job:
    """A job that was run, and what ansible-runner told of it."""

    def __init__(self, controller: Controller, playbook: str, variables: Mapping[str, object], *, check: bool = False) -> None:
        data = controller.directory / "data"
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(PROJECT, data / "project")
        self.runner = ansible_runner.run(
            private_data_dir=str(data),
            playbook=playbook,
            inventory=str(controller.directory / "inventory.yml"),
            extravars={**variables, "rolling_reboot_run_directory": str(controller.runs)},
            # Job type Check.
            cmdline="--check" if check else None,
            envvars=controller.environment,
            quiet=True,
        )
        self.output = Path(self.runner.config.artifact_dir, "stdout").read_text()

    def results(self, action: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Event and result of each task of a module."""
        for event in self.runner.events:
            if event["event"].startswith("runner_on_") and event["event_data"].get("task_action") == action:
                yield event["event"], event["event_data"].get("res", {})


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """ansible-runner finds ansible-playbook beside this Python."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")


def test_the_job_type_check_is_the_plan(controller: Controller) -> None:
    job = Job(controller, "rolling_reboot.yml", answers("fleet.kexec rolling reboot"), check=True)
    assert (job.runner.status, job.runner.rc) == ("successful", 0), job.output
    ((event, result),) = [each for each in job.results("fleet.kexec.rolling_reboot") if each[0] != "runner_on_start"]
    assert event == "runner_on_ok" and not result.get("failed")
    statuses = {host: outcome["status"] for host, outcome in result["hosts"].items()}
    assert statuses == {"web1": "planned", "web2": "not_needed", "web3": "planned"}
    assert set(controller.reboots().values()) == {0} and not controller.runs.exists()


def test_a_job_and_the_one_after_it(controller: Controller) -> None:
    job = Job(controller, "rolling_reboot.yml", answers("fleet.kexec rolling reboot"))
    assert (job.runner.status, job.runner.rc) == ("successful", 0), job.output
    assert controller.reboots() == {"web1": 1, "web2": 0, "web3": 1}
    # Its output is read later, by a browser.
    assert "2 of 3 hosts done, 1 not needed" in " ".join(job.output.split())
    assert "\x1b[2J" not in job.output and "\x1b[?25l" not in job.output and "\r\x1b" not in job.output
    resumed = Job(controller, "rolling_reboot.yml", answers("fleet.kexec resume"))
    assert (resumed.runner.status, resumed.runner.rc) == ("successful", 0), resumed.output
    assert controller.reboots() == {"web1": 1, "web2": 0, "web3": 1} and len(controller.journals()) == 1


def test_a_job_whose_host_fails(controller: Controller) -> None:
    variables = answers("fleet.kexec rolling reboot")
    failing = {**variables, "rolling_reboot_before": [{"name": "drain", "controller_command": ["false"]}]}
    job = Job(controller, "rolling_reboot.yml", failing)
    assert (job.runner.status, job.runner.rc) == ("failed", 2), job.output
    failed = {event["event_data"]["host"] for event in job.runner.events if event["event"] == "runner_on_failed"}
    assert failed and failed <= {"web1", "web3"}
    assert set(controller.reboots().values()) == {0}


def test_a_preflight(controller: Controller) -> None:
    job = Job(controller, "preflight.yml", answers("fleet.kexec preflight"), check=True)
    results = [event for event, _result in job.results("fleet.kexec.boot_facts") if event != "runner_on_start"]
    assert results == ["runner_on_ok"] * 3
