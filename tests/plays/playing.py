# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""A playbook run by a real C(ansible-playbook), with pretended hosts, and what became of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from .hosts import Done, PretendedHost, done_to, name_of_task

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
# Against playbooks that hang; a machine may be busy, and stand still for minutes.
TIMEOUT_S = 900.0


@dataclass(frozen=True)
class TaskResult:
    """How a task ended on a host: C(ok), C(failed), C(skipped) or C(unreachable)."""

    play: str
    task: str
    host: str
    ended: str
    result: Mapping[str, Any]


@dataclass(frozen=True)
class Played:
    """A playbook that was run."""

    directory: Path
    rc: int
    output: str

    @cached_property
    def done(self) -> list[Done]:
        """What was done to the hosts."""
        return done_to(self.directory / "hosts")

    @cached_property
    def results(self) -> list[TaskResult]:
        """How the tasks ended."""
        lines = (self.directory / "results").read_text().splitlines()
        return [TaskResult(**{**found, "task": name_of_task(found["task"])}) for found in map(json.loads, lines)]

    def rebooted(self, play: str) -> dict[str, int]:
        """How often hosts of a play were rebooted, those that were not left out. Names of hosts begin with the play's."""
        hosts = sorted({each.host for each in self.done if each.host.startswith(play)})
        boots = {host: len(PretendedHost(self.directory / "hosts", host).boots) for host in hosts}
        return {host: times for host, times in boots.items() if times}

    def planned(self, play: str) -> dict[str, int]:
        """The same in check mode: how often it was found out how hosts would be rebooted."""
        assert not self.rebooted(play)
        return dict(Counter(each.host for each in self.done if each.host.startswith(play) and each.what == "boot_facts"))

    def touched(self, play: str) -> set[str]:
        """Hosts of a play that anything was done to."""
        return {each.host for each in self.done if each.host.startswith(play)}

    def ended(self, play: str, task: str) -> dict[str, str]:
        """How a task ended, by host."""
        return {each.host: each.ended for each in self.results if (each.play, each.task) == (play, task)}

    def result(self, play: str, task: str) -> Mapping[str, Any]:
        """Result of a task that ran for one host."""
        found = [each.result for each in self.results if (each.play, each.task) == (play, task)]
        assert len(found) == 1, found
        return found[0]

    def journals(self) -> list[list[dict[str, Any]]]:
        """Records of all runs, in no order."""
        paths = (self.directory / "state").glob("fleet.kexec/runs/*/journal.jsonl")
        return [list(map(json.loads, path.read_text().splitlines())) for path in paths]

    def left_behind(self, host: str) -> list[str]:
        """Files in a host's directory of temporary files."""
        return sorted(str(path) for path in (self.directory / "remote_tmp" / host).rglob("*"))


def play(
    executable: Path,
    directory: Path,
    playbook: str,
    hosts: Mapping[str, Mapping[str, Any]],
    *,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Played:
    """Run a playbook.

    :param executable: the C(ansible-playbook).
    :param directory: of this run alone.
    :param hosts: variables by the host's name; each host is also in a group of its name without its last character.
    """
    groups: dict[str, dict[str, Any]] = {}
    for name, variables in hosts.items():
        usual = {"ansible_connection": "pretended", "ansible_remote_tmp": str(directory / "remote_tmp" / name)}
        # A variable that is null is not set.
        own = {variable: value for variable, value in {**usual, **variables}.items() if value is not None}
        groups.setdefault(name[:-1], {"hosts": {}})["hosts"][name] = own
    everywhere = {
        "ansible_python_interpreter": "/usr/bin/python3",
        "pretended_directory": str(directory / "hosts"),
    }
    (directory / "hosts").mkdir(parents=True)
    (directory / "collections/ansible_collections/fleet").mkdir(parents=True)
    (directory / "collections/ansible_collections/fleet/kexec").symlink_to(CHECKOUT)
    (directory / "inventory.yml").write_text(yaml.safe_dump({"pretended": {"children": groups, "vars": everywhere}}))
    (directory / "playbook.yml").write_text(playbook)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
    done = subprocess.run(
        [executable, "--inventory", directory / "inventory.yml", *arguments, directory / "playbook.yml"],
        env={
            **kept,
            "ANSIBLE_COLLECTIONS_PATH": str(directory / "collections"),
            "ANSIBLE_CONNECTION_PLUGINS": str(HERE / "connection_plugins"),
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "results",
            "ANSIBLE_LOCAL_TEMP": str(directory / "local_tmp"),
            "ANSIBLE_PIPELINING": "1",
            "PLAYS_RESULTS": str(directory / "results"),
            "XDG_STATE_HOME": str(directory / "state"),
            **(environment or {}),
        },
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    (directory / "output").write_text(done.stdout)
    return Played(directory, done.returncode, done.stdout)
