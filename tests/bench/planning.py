# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Cost of planning a rollout of many hosts: a real C(ansible-playbook --check), inventory and all, whose hosts answer at once.

Before a rollout asks the first host, it has read the inventory and every host's variables and options, made the plan and
forecast its course. In check mode it then asks all hosts how they would be rebooted; what matters of that here is memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.arguments import CONNECTIONS
from ansible_collections.fleet.kexec.tests.bench.processes import shares_bytes
from ansible_collections.fleet.kexec.tests.bench.simulated_fleet import name_of

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
SAMPLE_EVERY_S = 0.25
TIMEOUT_S = 1800.0
RACK_HOSTS = 40

PLAYBOOK = """
- name: Plan
  hosts: all
  gather_facts: false
  tasks:
    - name: Reboot
      fleet.kexec.rolling_reboot:
        method: kexec
        window: 2%
        connections: "{{ connections }}"
        domains:
          rack: "{{ rack }}"
        max_unavailable:
          rack: 10
        before:
          - command: [lbctl, drain, "{{ inventory_hostname }}"]
        after:
          - command: [lbctl, undrain, "{{ inventory_hostname }}"]
        on_failure:
          - command: [page, "{{ team }}"]
"""


@dataclass(frozen=True)
class Planned:
    """One plan.

    :ivar before_s: from the start of the playbook until the first host was asked.
    :ivar before_cpu_s: CPU that the task's worker had used by then.
    :ivar wall_s: until the playbook had ended.
    :ivar peak_bytes: largest sum of the processes' proportional shares of memory (PSS) that was sampled.
    """

    hosts: int
    before_s: float
    before_cpu_s: float
    wall_s: float
    peak_bytes: int


def plan(directory: Path, hosts: int, connections: int = CONNECTIONS) -> Planned:
    """Plan a rollout of so many hosts.

    :param directory: empty, of this plan alone.
    """
    first_asked = directory / "first_asked"
    inventory, playbook = directory / "inventory.ini", directory / "playbook.yml"
    inventory.write_text(_inventory(hosts, connections, first_asked), encoding="utf-8")
    playbook.write_text(PLAYBOOK, encoding="utf-8")
    (directory / "collections/ansible_collections/fleet").mkdir(parents=True)
    (directory / "collections/ansible_collections/fleet/kexec").symlink_to(CHECKOUT)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "ANSIBLE_COLLECTIONS_PATH": str(directory / "collections"),
        "ANSIBLE_CONNECTION_PLUGINS": str(HERE / "connection_plugins"),
        "ANSIBLE_LOCAL_TEMP": str(directory / "local_tmp"),
        "ANSIBLE_PIPELINING": "1",
        "XDG_STATE_HOME": str(directory / "state"),
    }
    argv = ["ansible-playbook", "--check", "--inventory", str(inventory), str(playbook)]
    began, peak_bytes = time.monotonic(), 0
    with Path(directory, "log").open("wb") as log:
        process = subprocess.Popen(argv, env=environment, cwd=directory, stdout=log, stderr=log)
        try:
            while process.poll() is None:
                peak_bytes = max(peak_bytes, shares_bytes(process.pid))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(SAMPLE_EVERY_S)
                if time.monotonic() - began > TIMEOUT_S:
                    raise SystemExit("a plan takes longer than %d s" % TIMEOUT_S)
        finally:
            process.kill()
            process.wait()
    wall_s = time.monotonic() - began
    said = Path(directory, "log").read_text(encoding="utf-8", errors="replace")
    if process.returncode or "%d hosts in 1 wave" % hosts not in said:
        raise SystemExit("the rollout can't be planned:\n" + said[-3000:])
    first = json.loads(first_asked.read_text(encoding="ascii"))
    return Planned(hosts, first["at"] - began, first["cpu_s"], wall_s, peak_bytes)


def _inventory(hosts: int, connections: int, first_asked: Path) -> str:
    variables = {
        "ansible_connection": "planned",
        "ansible_python_interpreter": "/usr/bin/python3",
        "planned_first_asked": str(first_asked),
        "connections": str(connections),
        "team": "web",
    }
    return "\n".join(
        [
            "[web]",
            *("%s ansible_host=192.0.2.1 rack=r%d" % (name_of(index), index // RACK_HOSTS) for index in range(hosts)),
            "[web:vars]",
            *("%s=%s" % item for item in variables.items()),
            "",
        ]
    )


def render(planned: Planned) -> str:
    """One line."""
    return "%d hosts planned: %.1f s until the first is asked, %.1f s in check mode, at most %.0f MiB" % (
        planned.hosts,
        planned.before_s,
        planned.wall_s,
        planned.peak_bytes / 2**20,
    )
