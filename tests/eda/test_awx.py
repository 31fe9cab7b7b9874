# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""AWX's job templates and surveys: made by the real modules of awx.awx, and what they mean to the collection."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .awx_server import AwxServer, serving
from .rulebooks import ROOT, TIMEOUT_S

AWX = ROOT / "extensions/awx"
THERE = {
    "organizations": ["Default"],
    "projects": ["Reboots"],
    "inventories": ["Fleet"],
    "credentials": ["Root"],
    "execution_environments": ["fleet.kexec"],
}
VARIABLES = {
    "awx_organization": "Default",
    "awx_project": "Reboots",
    "awx_inventory": "Fleet",
    "awx_credential": "Root",
    "awx_execution_environment": "fleet.kexec",
    "awx_run_directory": "/var/lib/fleet-kexec/runs",
}
# What AWX has (https://docs.ansible.com/automation-controller/latest/html/userguide/job_templates.html#surveys).
TYPES = {"text", "textarea", "password", "integer", "float", "multiplechoice", "multiselect"}
FIELDS = {"variable", "question_name", "question_description", "type", "required", "default", "min", "max", "choices"}


def collections() -> Path:
    """Where awx.awx is, which the Makefile takes out of the distribution C(ansible)."""
    path = os.environ.get("AWX_COLLECTIONS")
    if not path or not (Path(path) / "ansible_collections/awx/awx").is_dir():
        pytest.fail("AWX_COLLECTIONS does not lead to awx.awx. Run `make eda`.", pytrace=False)
    return Path(path)


def set_up(server: AwxServer, directory: Path) -> str:
    """Run the playbook that makes the job templates, and return its output."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "CONTROLLER_", "TOWER_"))
    }
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            str(AWX / "setup.yml"),
            "--extra-vars",
            yaml.safe_dump(VARIABLES, default_flow_style=True),
        ],
        env={
            **environment,
            "ANSIBLE_COLLECTIONS_PATH": str(collections()),
            "ANSIBLE_HOME": str(directory / "home"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "CONTROLLER_HOST": server.url,
            "CONTROLLER_OAUTH_TOKEN": "x",
        },
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """AWX after the playbook has run."""
    with serving(THERE) as made:
        set_up(made, tmp_path_factory.mktemp("awx"))
        yield made


def questions(server: AwxServer) -> list[dict[str, Any]]:
    return [question for survey in server.surveys.values() for question in survey["spec"]]


def test_the_job_templates_are_made(server: AwxServer) -> None:
    made = {each["name"]: each for each in server.objects["job_templates"]}
    assert set(made) == {"fleet.kexec preflight", "fleet.kexec rolling reboot", "fleet.kexec resume"}
    for each in made.values():
        assert (AWX / "project" / each["playbook"]).is_file()
        assert {each[kind] for kind in ("organization", "project", "inventory", "execution_environment")} == {1}
        assert each["survey_enabled"] and each["job_slice_count"] == 1 and not each["allow_simultaneous"]
        assert yaml.safe_load(each["extra_vars"]) == {"rolling_reboot_run_directory": "/var/lib/fleet-kexec/runs"}
    assert server.linked == {name: [1] for name in made}


def test_a_survey_is_as_awx_wants_it(server: AwxServer) -> None:
    assert len(server.surveys) == len(server.objects["job_templates"])
    for survey in server.surveys.values():
        assert set(survey) == {"name", "description", "spec"}
        names = [question["variable"] for question in survey["spec"]]
        assert len(set(names)) == len(names)
    for question in questions(server):
        assert set(question) <= FIELDS and question["type"] in TYPES, question
        assert question["question_name"] and question["required"] is True
        assert isinstance(question["default"], str)
        if question["type"] == "multiplechoice":
            assert question["default"] in question["choices"]
        else:
            assert question["choices"] == "" and question["min"] >= 1
            assert question["variable"] == "fleet_kexec_hosts" or question["min"] <= len(question["default"]) <= question["max"]


def test_a_survey_asks_for_variables_of_the_role_with_its_choices(server: AwxServer) -> None:
    options = yaml.safe_load((ROOT / "roles/rolling_reboot/meta/argument_specs.yml").read_text())["argument_specs"]["main"][
        "options"
    ]
    asked = {question["variable"]: question for question in questions(server)}
    assert set(asked) - {"fleet_kexec_hosts"} <= set(options)
    for name, question in asked.items():
        if question["type"] == "multiplechoice":
            assert question["choices"] == options[name]["choices"]
        if "default" in options.get(name, ()):
            assert question["default"] == str(options[name]["default"])


def test_nothing_is_made_twice(server: AwxServer, tmp_path: Path) -> None:
    set_up(server, tmp_path)
    assert len(server.objects["job_templates"]) == 3 and len(server.linked["fleet.kexec resume"]) == 1
