# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""What a rollout's connections cost with the real ssh, to local sshds.

CPU is that of the playbook's worker and of the ssh clients that it waits for. The masters of shared connections,
the sshds and what they run are not in it: of those a real controller has only the first.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
START_TIMEOUT_S = 30.0
TIMEOUT_S = 600.0
TASK = "Connect"

_SSHD_CONFIG = """
HostKey %(directory)s/host_key
AuthorizedKeysFile %(directory)s/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
ListenAddress %(address)s:%(port)d
"""


def address_of(index: int) -> str:
    """Where a host listens."""
    return "127.32.%d.%d" % (index >> 8, index & 255)


def measure(hosts: int) -> list[dict[str, Any]]:
    """What each C(step) took for all hosts: C(wall_s) and C(cpu_s)."""
    # A path short enough for the sockets of ssh.
    with tempfile.TemporaryDirectory(prefix="ssh") as name:
        directory = Path(name)
        for key in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / key], check=True)
        with _sshds(directory, hosts) as port:
            return _play(directory, hosts, port)


@contextlib.contextmanager
def _sshds(directory: Path, hosts: int) -> Iterator[int]:
    """One for each host, each on an address of its own."""
    sshd = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin")
    if sshd is None:
        raise SystemExit("sshd is missing; install openssh-server")
    if os.geteuid() == 0:
        # Where it gives up its privileges; a service would have made it.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with socket.socket() as free:
        free.bind((address_of(0), 0))
        port = int(free.getsockname()[1])
    with contextlib.ExitStack() as stack:
        for index in range(hosts):
            config = directory / ("sshd_config.%d" % index)
            config.write_text(_SSHD_CONFIG % {"directory": directory, "address": address_of(index), "port": port})
            process = subprocess.Popen([sshd, "-D", "-f", config], stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        for index in range(hosts):
            _await(address_of(index), port)
        yield port


def _await(address: str, port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with socket.create_connection((address, port), 1) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            if time.monotonic() > deadline:
                raise
            # sshd tells nobody when it listens.
            time.sleep(0.05)


def _play(directory: Path, hosts: int, port: int) -> list[dict[str, Any]]:
    variables = {
        "ansible_port": port,
        "ansible_user": getpass.getuser(),
        "ansible_ssh_private_key_file": str(directory / "user_key"),
        "ansible_ssh_common_args": "-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
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
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(directory / "cp"),
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


def render(steps: Sequence[Mapping[str, Any]], hosts: int) -> str:
    """The table."""
    total = {"step": "all of it", **{key: sum(each[key] for each in steps) for key in ("cpu_s", "wall_s")}}
    width = max(len(each["step"]) for each in steps)
    lines = ["%d local sshds: CPU of the controller's side in ms a host, and seconds for all" % hosts]
    for each in [*steps, total]:
        lines.append("  %-*s %8.1f %8.2f" % (width, each["step"], each["cpu_s"] * 1000 / hosts, each["wall_s"]))
    return "\n".join(lines)
