# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""What a rollout's connections cost with the real ssh, to local sshds.

CPU is that of the playbook's worker and of the ssh clients that it waits for. The masters of shared connections,
the sshds and what they run are not in it: of those a real controller has only the first.
"""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.fleet.kexec.tests.sshd import SSH_ARGS, sshds

HERE = Path(__file__).parent
TIMEOUT_S = 600.0
TASK = "Connect"
# Key exchanges by name, as options of ssh. With its own choice, they are most of what some ssh versions cost.
EXCHANGES = {"own choice": "", "curve25519": " -o KexAlgorithms=curve25519-sha256"}


def address_of(index: int) -> str:
    """Where a host listens."""
    return "127.32.%d.%d" % (index >> 8, index & 255)


def measure(hosts: int) -> dict[str, list[dict[str, Any]]]:
    """What each C(step) took for all hosts, C(wall_s) and C(cpu_s), by name of the key exchange."""
    # A path short enough for the sockets of ssh.
    with tempfile.TemporaryDirectory(prefix="ssh") as name:
        directory = Path(name)
        with sshds(directory, [address_of(index) for index in range(hosts)]) as port:
            return {name: _play(directory, hosts, port, SSH_ARGS + option) for name, option in EXCHANGES.items()}


def _play(directory: Path, hosts: int, port: int, ssh_args: str) -> list[dict[str, Any]]:
    variables = {
        "ansible_port": port,
        "ansible_user": getpass.getuser(),
        "ansible_ssh_private_key_file": str(directory / "user_key"),
        "ansible_ssh_common_args": ssh_args,
        "ansible_python_interpreter": sys.executable,
    }
    inventory, playbook = directory / "inventory.yml", directory / "playbook.yml"
    named = {"host%03d" % index: {"ansible_host": address_of(index)} for index in range(hosts)}
    inventory.write_text(yaml.safe_dump({"all": {"hosts": named, "vars": variables}}), encoding="utf-8")
    play = {"name": TASK, "hosts": "all", "gather_facts": False, "tasks": [{"name": TASK, "bench_connections": None}]}
    playbook.write_text(yaml.safe_dump([play]), encoding="utf-8")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "ANSIBLE_COLLECTIONS_PATH": os.environ["PYTHONPATH"],
        "ANSIBLE_ACTION_PLUGINS": str(HERE / "action_plugins"),
        "ANSIBLE_PIPELINING": "1",
        # One of their own, so that connections are not those of another key exchange.
        "ANSIBLE_SSH_CONTROL_PATH_DIR": tempfile.mkdtemp(prefix="cp", dir=directory),
        "ANSIBLE_TIMEOUT": "60",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
    }
    argv = ["ansible-playbook", "--check", "-v", "--inventory", str(inventory), str(playbook)]
    done = subprocess.run(argv, env=environment, cwd=directory, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_S, check=False)
    for line in done.stdout.splitlines():
        before, found, result = line.partition(" => ")
        if found and before.startswith("ok:") and done.returncode == 0:
            steps: list[dict[str, Any]] = json.loads(result)["steps"]
            return steps
    raise SystemExit("the connections can't be measured:\n" + done.stdout[-3000:])


def cpu_ms(steps: Sequence[Mapping[str, Any]], hosts: int) -> float:
    """CPU of a host in all steps."""
    return sum(float(each["cpu_s"]) for each in steps) * 1000 / hosts


def render(measured: Mapping[str, Sequence[Mapping[str, Any]]], hosts: int) -> str:
    """The table."""
    names = [each["step"] for each in next(iter(measured.values()))]
    width = max(map(len, names))
    lines = ["%d local sshds: CPU of the controller's side in ms a host, by key exchange" % hosts]
    lines.append("  %-*s %12s" % (width, "", " ".join("%12s" % name for name in measured)))
    for index, name in enumerate(names):
        figures = [cpu_ms([steps[index]], hosts) for steps in measured.values()]
        lines.append("  %-*s %s" % (width, name, " ".join("%12.1f" % figure for figure in figures)))
    totals = [cpu_ms(steps, hosts) for steps in measured.values()]
    lines.append("  %-*s %s" % (width, "all of it", " ".join("%12.1f" % total for total in totals)))
    return "\n".join(lines)
