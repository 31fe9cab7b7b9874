# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's way to the simulated hosts of tests/bench/simulated_fleet.py."""

from __future__ import annotations

DOCUMENTATION = """
name: simulated
author: fleet.kexec contributors
short_description: simulated hosts
description:
  - Connects to the host for every command, and reads its banner, without starting a process.
  - What a command would have printed is made up from the state of the host.
options:
  host:
    description: Name of the host.
    vars:
      - name: inventory_hostname
  timeout:
    description: Seconds to connect within.
    type: int
    default: 10
    vars:
      - name: ansible_timeout
  fleet:
    description: Directory of the simulated hosts.
    vars:
      - name: simulated_fleet
  down_s:
    description: How long a reboot lasts.
    type: float
    vars:
      - name: simulated_down_s
"""

import json
import socket
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

from ansible_collections.fleet.kexec.tests.bench.simulated_fleet import Control, State, address_of, index_of, port_of

# As long as M(fleet.kexec.rolling_reboot) gives the answer of its trigger to get out.
GRACE_S = 0.5

# What the modules that reboot calls would say: the first name that is found in the module, and its result.
_RESULTS: dict[bytes, dict[str, Any]] = {
    b"ansible.modules.setup": {
        "ansible_facts": {"ansible_distribution": "Debian", "ansible_distribution_version": "13", "ansible_os_family": "Debian"}
    },
    b"ansible.modules.find": {"files": [{"path": "/usr/sbin/shutdown"}], "examined": 1, "matched": 1},
}


class Connection(ConnectionBase):
    """One simulated host."""

    transport = "fleet.kexec.simulated"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command, or a module that comes by standard input."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        directory = Path(self.get_option("fleet"))
        index = index_of(self.get_option("host"))
        self._reach(address_of(index), port_of(directory))
        state = State(directory)
        if in_data:
            result = next(result for name, result in _RESULTS.items() if name in in_data)
            return 0, json.dumps(result).encode(), b""
        if "boot_id" in cmd:
            if state.boots(index):
                # There is no earlier sign of life for who does not probe.
                state.noticed(index)
                state.asked(index)
            return 0, state.boot_id(index).encode(), b""
        if "shutdown" in cmd:
            Control(directory).reboot(index, GRACE_S, self.get_option("down_s"))
        return 0, b"", b""

    def _reach(self, address: str, port: int) -> None:
        try:
            with socket.create_connection((address, port), self.get_option("timeout")) as connection:
                if connection.recv(4):
                    return
        except OSError as error:
            raise AnsibleConnectionFailure("%s: %s" % (address, error)) from error
        raise AnsibleConnectionFailure("%s: no banner" % address)

    def put_file(self, in_path: str, out_path: str) -> None:
        """Nothing is put anywhere."""
        raise NotImplementedError

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Nothing is fetched from anywhere."""
        raise NotImplementedError

    def close(self) -> None:
        """There is nothing to close."""
        self._connected = False

    def reset(self) -> None:
        """There is nothing to reset."""
