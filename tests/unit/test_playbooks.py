# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's playbooks as users run them, with a real ansible-playbook and hosts that are made up."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from .promtool import check_metrics

Play = Callable[..., subprocess.CompletedProcess[str]]

HERE = Path(__file__).parent


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Runs a playbook, with arguments and variables of single hosts; web1 and web2 are in web, db1 is in db, nobody in empty."""
    tree = next(path for path in map(Path, sys.path) if (path / "ansible_collections/fleet/kexec").exists())
    (tmp_path / "plugins").mkdir()
    (tmp_path / "state").mkdir()
    shutil.copy(HERE / "plugins/plugin_utils/puppet.py", tmp_path / "plugins/puppet.py")

    def run(
        playbook: str, *arguments: str, hosts: Mapping[str, Any] | None = None, more: Mapping[str, Any] | None = None
    ) -> subprocess.CompletedProcess[str]:
        own = hosts or {}
        inventory = {
            "all": {
                "vars": {
                    "ansible_connection": "puppet",
                    "puppet_state": str(tmp_path / "state"),
                    "rolling_reboot_run_directory": str(tmp_path / "runs"),
                },
                "children": {
                    "web": {"hosts": {"web1": own.get("web1"), "web2": own.get("web2")}},
                    "db": {"hosts": {"db1": own.get("db1")}},
                    "empty": {},
                    "more": {"hosts": more or {}},
                },
            }
        }
        (tmp_path / "inventory.yml").write_text(json.dumps(inventory))
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(tree),
            "ANSIBLE_CONNECTION_PLUGINS": str(tmp_path / "plugins"),
            "ANSIBLE_HOME": str(tmp_path / "home"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_PIPELINING": "true",
            "COLUMNS": "200",
            "XDG_STATE_HOME": str(tmp_path),
        }
        return subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), "--inventory", "inventory.yml", playbook, *arguments],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            # Against playbooks that hang; a machine may be busy, and stand still for minutes.
            timeout=600,
            check=False,
        )

    return run


def output(ended: subprocess.CompletedProcess[str]) -> str:
    """All of it, with white space collapsed, because Ansible wraps lines."""
    return " ".join((ended.stdout + ended.stderr).split())


ROOT = HERE.parents[1]
PLAYBOOKS = ROOT / "playbooks"
ACTING = ("benchmark", "patch", "prepare", "rolling_reboot")


def test_all_playbooks_check_the_request_alike() -> None:
    checks = {name: yaml.safe_load((PLAYBOOKS / (name + ".yml")).read_text())[0] for name in (*ACTING, "preflight")}
    (task,) = checks["preflight"]["tasks"]
    assert task.pop("vars") == {"hosts_by_default": "all"}
    assert checks == dict.fromkeys(checks, checks["prepare"])


def test_a_playbook_that_changes_hosts_wants_them_named(play: Play) -> None:
    ended = play("fleet.kexec.prepare", "--limit", "web1", "--tags", "fast_image")
    assert ended.returncode != 0 and "No hosts are named." in output(ended)


@pytest.mark.parametrize(
    "arguments", [("fleet_kexec_hosts=empty",), ("fleet_kexec_hosts=nosuch",), ("fleet_kexec_hosts=web", "--limit", "db1")]
)
def test_a_playbook_without_hosts_does_not_pass(play: Play, arguments: tuple[str, ...]) -> None:
    ended = play("fleet.kexec.rolling_reboot", "-e", *arguments)
    assert ended.returncode != 0 and "There is no host in fleet_kexec_hosts=" in output(ended)
    assert ("within --limit db1" in output(ended)) == ("--limit" in arguments)


def test_the_first_commands_of_the_readme(play: Play) -> None:
    block = re.search(r"^```shell\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert block
    commands = [shlex.split(line, comments=True) for line in block[1].splitlines() if line.startswith("ansible-playbook")]
    assert [command[:3] for command in commands] == [["ansible-playbook", "-i", "inventory"]] * 2
    preflight, plan = (play(*command[3:]) for command in commands)
    assert preflight.returncode == 0 and "2 hosts: 2 via kexec" in output(preflight), output(preflight)
    assert plan.returncode == 0 and "2 hosts in 1 wave, at most 1 at a time" in output(plan), output(plan)


def test_hosts_that_are_there_are_rebooted(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    # Another strategy would take the rollout for a task of each host.
    monkeypatch.setenv("ANSIBLE_STRATEGY", "free")
    ended = play("fleet.kexec.rolling_reboot", "-e", "fleet_kexec_hosts=web", "--limit", "web1:db1")
    assert ended.returncode == 0, output(ended)
    assert "web1 : ok=" in output(ended) and "web2 : ok=" not in output(ended) and "1 of 1 host done" in output(ended)


def test_a_benchmark_under_a_limit(play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_STRATEGY", "free")
    ways = json.dumps(
        {"fleet_kexec_hosts": "web", "benchmark_ways": [{"name": "kexec", "method": "kexec"}], "benchmark_repetitions": 1}
    )
    ended = play("fleet.kexec.benchmark", "-e", ways, "--limit", "web1")
    assert ended.returncode == 0, output(ended)
    assert (tmp_path / "benchmark.html").is_file()


def test_a_plan_that_reboots_no_host_does_not_pass(play: Play) -> None:
    here = {"ansible_connection": "local"}
    some = play("fleet.kexec.rolling_reboot", "-e", "fleet_kexec_hosts=web", "--check", hosts={"web1": here})
    assert some.returncode == 0, output(some)
    none = play("fleet.kexec.rolling_reboot", "-e", "fleet_kexec_hosts=web", "--check", hosts={"web1": here, "web2": here})
    assert none.returncode != 0 and "no host would be rebooted" in output(none)


@pytest.mark.parametrize(
    ("playbook", "strategy", "variable", "meant"),
    [
        ("fleet.kexec.rolling_reboot", "linear", "rolling_reboot_windwo", "rolling_reboot_window"),
        ("fleet.kexec.prepare", "free", "prepare_sate", "prepare_state"),
        ("fleet.kexec.preflight", "free", "fleet_kexec_polcy", "fleet_kexec_policy"),
    ],
)
def test_a_misspelt_variable_of_any_host_is_refused(
    play: Play, monkeypatch: pytest.MonkeyPatch, playbook: str, strategy: str, variable: str, meant: str
) -> None:
    monkeypatch.setenv("ANSIBLE_STRATEGY", strategy)
    ended = play(playbook, "-e", "fleet_kexec_hosts=web", hosts={"web2": {variable: 1}})
    assert ended.returncode != 0
    assert "%s means nothing here, but %s does" % (variable, meant) in output(ended)


@pytest.mark.parametrize("playbook", ["benchmark", "patch", "preflight", "report"])
def test_a_playbook_knows_the_variables_that_it_documents(playbook: str) -> None:
    text = (PLAYBOOKS / (playbook + ".yml")).read_text()
    tasks = [task for play in yaml.safe_load(text) for task in play["tasks"]]
    imported = [task["ansible.builtin.import_tasks"] for task in tasks if "ansible.builtin.import_tasks" in task]
    tasks += [task for file in imported for task in yaml.safe_load((PLAYBOOKS / file).read_text())]
    checks = [task["fleet.kexec.check_variables"] for task in tasks if "fleet.kexec.check_variables" in task]
    documented = sorted(set(re.findall(r"^#   (%s_\w+)" % playbook, text, re.MULTILINE)))
    assert {"prefix": playbook + "_", "known": documented, "shared": True} in checks


def test_only_hosts_that_need_it(play: Play) -> None:
    arguments = ("-e", "fleet_kexec_hosts=web", "-e", "rolling_reboot_only=pending")
    current = {"puppet_current": True}
    plan = play("fleet.kexec.rolling_reboot", *arguments, "--check", hosts={"web1": current})
    assert plan.returncode == 0, output(plan)
    assert "1 in need of a reboot, PENDING_KERNEL" in output(plan) and "1 not needed: web1" in output(plan)
    none = play("fleet.kexec.rolling_reboot", *arguments, hosts={"web1": current, "web2": current})
    assert none.returncode == 0 and "0 of 2 hosts done, 2 not needed" in output(none), output(none)


def test_the_plan_says_what_is_the_least_for_each_host(play: Play) -> None:
    arguments = ("-e", "fleet_kexec_hosts=web", "-e", "rolling_reboot_method=least")
    plan = play("fleet.kexec.rolling_reboot", *arguments, "--check", hosts={"web1": {"puppet_current": True}})
    assert plan.returncode == 0, output(plan)
    assert "1 host not rebooted, because nothing is pending" in output(plan) and "1 host via kexec" in output(plan)
    assert "1 in need of a reboot, PENDING_KERNEL" in output(plan)
    done = play("fleet.kexec.rolling_reboot", *arguments, hosts={"web1": {"puppet_current": True}})
    assert done.returncode == 0 and "1 of 2 hosts done, 1 not needed" in output(done), output(done)


@pytest.mark.parametrize("callback", ["default", "minimal"])
def test_no_callback_folds_the_table_of_preflight(play: Play, monkeypatch: pytest.MonkeyPatch, callback: str) -> None:
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", callback)
    monkeypatch.setenv("ANSIBLE_CALLBACK_RESULT_FORMAT", "yaml")
    ended = play("fleet.kexec.preflight", "-e", "fleet_kexec_hosts=db")
    assert ended.returncode == 0, output(ended)
    head, row = [line for line in ended.stdout.splitlines() if line.startswith(("HOST ", "db1   "))][:2]
    assert head.startswith("HOST  METHOD  ") and "  LAST BOOT  KERNEL  NEXT" in head
    assert row.startswith("db1   kexec   -      -")
    assert "1 host: 1 via kexec (0 with a fast image), 0 through firmware, 0 refused, 0 could not be read\n" in ended.stdout


DOCUMENT = """
import json
from ansible.plugins.callback import CallbackBase
class CallbackModule(CallbackBase):
    CALLBACK_TYPE, CALLBACK_NAME, found = "stdout", "json", []
    def v2_runner_on_ok(self, result):
        self.found.append(result._result)
    def v2_playbook_on_stats(self, stats):
        self._display.display(json.dumps(self.found, default=str))
"""


def test_no_table_gets_into_a_document(play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Writes as the one of ansible.posix does, and has its name.
    (tmp_path / "plugins/json.py").write_text(DOCUMENT)
    monkeypatch.setenv("ANSIBLE_CALLBACK_PLUGINS", str(tmp_path / "plugins"))
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "json")
    ended = play("fleet.kexec.preflight", "-e", "fleet_kexec_hosts=db")
    (shown,) = [each for each in json.loads(ended.stdout) if "totals" in each]
    assert shown["totals"]["kexec"] == 1 and shown["hosts"]["db1"]["method"] == "kexec"


def test_preflight_counts_and_its_exit_code_tells(play: Play, tmp_path: Path) -> None:
    arguments = ("-e", "fleet_kexec_hosts=web:db", "-e", "preflight_json=%s/it.json" % tmp_path)
    hosts = {"web1": {"puppet_method": "firmware", "puppet_current": True}, "web2": {"puppet_method": "refuse"}}
    ended = play("fleet.kexec.preflight", *arguments, "--check", hosts=hosts)
    assert ended.returncode != 0
    assert "3 hosts: 1 via kexec (0 with a fast image), 1 through firmware, 1 refused, 0 could not be read" in output(ended)
    assert "2 in need of a reboot" in output(ended) and "PENDING_KERNEL: the default entry boots 2, 1 runs" in output(ended)
    assert "fatal: [web2]" in ended.stdout and "fatal: [web1]" not in ended.stdout
    written = json.loads((tmp_path / "it.json").read_text())
    assert written["totals"] == {
        "hosts": 3,
        "kexec": 1,
        "fast_image": 0,
        "firmware": 1,
        "refused": 1,
        "soft": 0,
        "least_none": 1,
        "least_soft": 0,
        "least_kexec": 1,
        "least_firmware": 0,
        "unread": 0,
        "reboot_needed": 2,
        "unproven": 0,
        "class_failed": 0,
    }
    assert {name: host["method"] for name, host in written["hosts"].items()} == {
        "web1": "firmware",
        "web2": "refuse",
        "db1": "kexec",
    }
    assert written["hosts"]["db1"]["reboot_needed"]["reasons"][0]["code"] == "PENDING_KERNEL"
    options = ("-e", "preflight_failures=report", "-e", "preflight_checklist=x")
    reported = play("fleet.kexec.preflight", "-e", "fleet_kexec_hosts=web", *options, hosts=hosts)
    assert reported.returncode == 0, output(reported)
    # A variable of another role, as likely as not.
    assert "[WARNING]: preflight_checklist means nothing here" in output(reported)


def test_preflight_writes_metrics(play: Play, tmp_path: Path) -> None:
    strange = 'db"1\n{{ 7 }}'
    path = tmp_path / "kexec.prom"
    options = json.dumps({"fleet_kexec_hosts": "all", "preflight_metrics": str(path)})
    ended = play("fleet.kexec.preflight", "-e", options, hosts={"web1": {"puppet_current": True}}, more={strange: {}})
    assert ended.returncode == 0, output(ended)
    text = path.read_text()
    assert check_metrics(text) == "" and path.stat().st_mode & 0o777 == 0o644
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values['fleet_kexec_host_reboot_needed{host="web1"}'] == "0"
    assert values['fleet_kexec_host_reboot_needed{host="web2"}'] == "1"
    assert values['fleet_kexec_host_reboot_needed{host="db_1____7___"}'] == "1"
    assert values['fleet_kexec_preflight_hosts{method="kexec"}'] == "4"
    assert abs(float(values["fleet_kexec_preflight_timestamp_seconds"]) - time.time()) < 600


FAILED = {
    "format": "fleet.kexec ledger",
    "version": 1,
    "classes": [["R650", "1", "2"]],
    "failed": [{"class": 0, "at": "2026-11-24T15:00:00.000Z"}],
    "cleared": [],
    "sources": [],
}


def test_what_is_proven_is_kept_and_a_failed_class_is_blocked_until_it_is_cleared(play: Play, tmp_path: Path) -> None:
    hosts = {"web1": {"puppet_product": "R650"}, "web2": {"puppet_product": "R650"}}

    def at_work(playbook: str, **variables: Any) -> str:
        ended = play("fleet.kexec.%s" % playbook, "-e", json.dumps(variables), hosts=hosts)
        assert ended.returncode == 0, output(ended)
        return output(ended)

    preflight = {"fleet_kexec_hosts": "web", "preflight_run_directory": str(tmp_path / "runs")}
    ledger = {"ledger_run_directory": str(tmp_path / "runs")}
    assert "by the ledger, 2 of a class that is not proven, 0 of a class that failed" in at_work("preflight", **preflight)
    at_work("rolling_reboot", fleet_kexec_hosts="web1")
    assert "by the ledger" not in at_work("preflight", **preflight)
    said = at_work("ledger", **ledger, ledger_export=str(tmp_path / "export.json"))
    assert "proven: R650, 1 -> 2: 1 by kexec" in said and "1 class: 1 proven, 0 unproven, 0 blocked" in said
    assert (tmp_path / "export.json").read_text() == (tmp_path / "runs/ledger.json").read_text()

    (tmp_path / "other.json").write_text(json.dumps(FAILED))
    assert "1 class: 0 proven, 0 unproven, 1 blocked" in at_work("ledger", **ledger, ledger_merge=[str(tmp_path / "other.json")])
    said = at_work("preflight", **preflight)
    assert "0 of a class that is not proven, 2 of a class that failed" in said and "CLASS_FAILED: a kexec of this class" in said
    assert "2 hosts: 0 via kexec (0 with a fast image), 2 through firmware" in said
    at_work("ledger", **ledger, ledger_clear={"host_class": "R650", "reason": "a cable"})
    assert "2 hosts: 2 via kexec" in at_work("preflight", **preflight)


def test_hosts_of_unproven_classes_go_ahead_and_forecasts_draw_from_the_ledger(play: Play, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir(mode=0o700)
    # A class that takes an hour and a half, with another kernel.
    line = {"class": 0, "last_at": "2026-11-24T15:00:00.000Z", "kexec": 1, "durations": {"kexec": {"outage": {"179": 1}}}}
    known = {"id": "0" * 20, "kind": "run", "at": "2026-11-24T15:00:00.000Z", "version": 1, "failed": [], "lines": [line]}
    ledger = {**FAILED, "classes": [["R650", "0", "1"]], "failed": [], "sources": [known]}
    (tmp_path / "runs/ledger.json").write_text(json.dumps(ledger))
    options = json.dumps({"fleet_kexec_hosts": "web:db", "rolling_reboot_canaries": {"unproven": 1, "soak": 60}})
    hosts = {name: {"puppet_product": "X9" if name == "db1" else "R650"} for name in ("web1", "web2", "db1")}
    ended = play("fleet.kexec.rolling_reboot", "-e", options, "--check", hosts=hosts)
    assert ended.returncode == 0, output(ended)
    said = output(ended)
    assert "asking 3 hosts for their hardware and kernels" in said
    assert "canary: 2 hosts, then a pause of 60 s web1 db1 wave 1: 1 host web2" in said, said
    assert "3 at risk by the ledger, UNPROVEN" in said
    assert "web2 - - 1h34m" in said and "db1 5.0 s - 30 s" in said, said


def test_a_damaged_ledger_is_said_and_stops_nothing(play: Play, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir(mode=0o700)
    (tmp_path / "runs/ledger.json").write_text("{")
    ended = play("fleet.kexec.rolling_reboot", "-e", "fleet_kexec_hosts=web1", hosts={"web1": {"puppet_product": "R650"}})
    assert ended.returncode == 0, output(ended)
    assert "[WARNING]: LEDGER_DAMAGED: " in output(ended) and "1 of 1 host done" in output(ended)
    assert (tmp_path / "runs/ledger.json.damaged").read_text() == "{"
    assert "R650" in (tmp_path / "runs/ledger.json").read_text()
