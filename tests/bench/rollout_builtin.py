# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""The same simulated hosts, rebooted by ansible.builtin.reboot, and what that took."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.fleet.kexec.tests.bench.processes import shares_bytes
from ansible_collections.fleet.kexec.tests.bench.simulated_fleet import name_of

HERE = Path(__file__).parent
# Adding up what hundreds of processes share takes a second of CPU.
SAMPLE_EVERY_S = 10.0
TIMEOUT_S = 3600.0

PLAYBOOK = [
    {
        "name": "Reboot",
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"name": "Reboot", "ansible.builtin.reboot": {"reboot_timeout": 3000}}],
    }
]


def reboot(directory: Path, fleet: Path, down_s: Sequence[float], forks: int) -> dict[str, Any]:
    """Reboot all hosts, and measure it.

    :param directory: to put playbook and inventory into.
    :param fleet: directory of the hosts that run.
    :return: C(peak_rss_bytes) is the largest sum of the processes' proportional shares (PSS) that was sampled.
    """
    hosts = {name_of(index): {"simulated_down_s": seconds} for index, seconds in enumerate(down_s)}
    variables = {
        "ansible_connection": "simulated",
        "ansible_python_interpreter": "/usr/bin/python3",
        "simulated_fleet": str(fleet),
    }
    inventory, playbook = directory / "inventory.yml", directory / "playbook.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": variables}}), encoding="utf-8")
    playbook.write_text(yaml.safe_dump(PLAYBOOK), encoding="utf-8")
    argv = ["ansible-playbook", "--inventory", str(inventory), "--forks", str(forks), str(playbook)]
    before, began, peak_bytes = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), 0
    with Path(directory, "log").open("wb") as log:
        process = subprocess.Popen(argv, env=_environment(), cwd=directory, stdout=log, stderr=log)
        try:
            while process.poll() is None:
                peak_bytes = max(peak_bytes, shares_bytes(process.pid))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(SAMPLE_EVERY_S)
                if time.monotonic() - began > TIMEOUT_S:
                    raise SystemExit("ansible.builtin.reboot takes longer than %d s" % TIMEOUT_S)
        finally:
            process.kill()
            process.wait()
    wall_s = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        tail = Path(directory, "log").read_text(encoding="utf-8", errors="replace")[-3000:]
        raise SystemExit("ansible.builtin.reboot failed:\n" + tail)
    return {
        "wall_s": wall_s,
        "user_s": after.ru_utime - before.ru_utime,
        "system_s": after.ru_stime - before.ru_stime,
        "peak_rss_bytes": peak_bytes,
    }


def _environment() -> dict[str, str]:
    """Nothing that was set for other playbooks."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return {
        **kept,
        "ANSIBLE_CONNECTION_PLUGINS": str(HERE / "connection_plugins"),
        "ANSIBLE_PIPELINING": "1",
    }
