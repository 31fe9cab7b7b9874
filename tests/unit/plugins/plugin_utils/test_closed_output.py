# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ansible-playbook whose output is closed while it runs, as by C(ansible-playbook … | head), ends by itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
# Each takes half a second at least, one after the other.
HOSTS = 40
LIMIT_S = 240.0


def play(tmp_path: Path, lines: int, *arguments: str) -> list[dict[str, Any]]:
    """Run a rollout whose output is closed once so many lines of it were read; return the records of its journal."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "collections/ansible_collections/fleet").mkdir(parents=True)
    (tmp_path / "collections/ansible_collections/fleet/kexec").symlink_to(ROOT)
    shutil.copy(Path(__file__).with_name("puppet.py"), tmp_path / "plugins" / "puppet.py")
    variables = {"ansible_connection": "puppet", "puppet_state": str(tmp_path / "state")}
    task = {"fleet.kexec.rolling_reboot": {"run_id": "night", "run_directory": str(tmp_path / "runs")}}
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "vars": variables, "tasks": [task]}]))
    environment = dict(
        os.environ,
        ANSIBLE_CONNECTION_PLUGINS=str(tmp_path / "plugins"),
        ANSIBLE_COLLECTIONS_PATH=str(tmp_path / "collections"),
        ANSIBLE_LOCAL_TEMP=str(tmp_path / "temporary"),
        ANSIBLE_PIPELINING="1",
        ANSIBLE_NOCOLOR="1",
    )
    names = ",".join("web%d" % number for number in range(HOSTS))
    with subprocess.Popen(
        ["ansible-playbook", *arguments, "--inventory", names, str(tmp_path / "play.yml")],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as playbook:
        assert playbook.stdout is not None
        for _each in range(lines):
            assert playbook.stdout.readline(), "it ended too early"
        playbook.stdout.close()
        try:
            playbook.wait(LIMIT_S)
        finally:
            playbook.kill()
    journal = tmp_path / "runs/night/journal.jsonl"
    return [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []


# The header alone, and in the middle of the plan.
@pytest.mark.parametrize("lines", [2, 5])
def test_a_plan_that_nobody_reads_to_its_end(tmp_path: Path, lines: int) -> None:
    assert play(tmp_path, lines, "--check") == []


def test_a_rollout_that_nobody_reads_is_ended_as_by_an_interrupt(tmp_path: Path) -> None:
    records = play(tmp_path, 6)
    (stopping,) = (record for record in records if record["event"] == "run_stopping")
    assert stopping["reason"]["code"] == "INTERRUPTED"
    assert stopping["reason"]["message"] == "nobody reads the playbook's output any more"
    assert records[-1]["event"] == "run_ended"
    assert records[-1]["counts"].get("done", 0) < HOSTS
    went = {record["host"] for record in records if record["event"] == "host_triggered"}
    assert went == {record["host"] for record in records if record["event"] == "host_released"}
