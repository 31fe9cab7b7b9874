# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's way to hosts that answer at once, so that a plan costs the controller's part alone (tests/bench/planning.py)."""

from __future__ import annotations

DOCUMENTATION = """
name: planned
author: fleet.kexec contributors
short_description: hosts that only a plan is made of
description:
  - Answers the modules that a plan calls, from memory.
  - Notes when the first host is asked, and what that process had used by then.
options:
  first_asked:
    description: File to note that in.
    vars:
      - name: planned_first_asked
  host:
    description: Name of the host.
    vars:
      - name: inventory_hostname
"""

import contextlib
import json
import time
from pathlib import Path
from typing import Any

from ansible.plugins.connection import ConnectionBase

from ansible_collections.fleet.kexec.tests.host_facts import whole_facts

_STAGED = {"kernel": "/boot/vmlinuz-2", "initrd": "/boot/initrd.img-2", "release": "2", "cmdline": "ro", "loader": "kexec_load"}


class Connection(ConnectionBase):
    """One host."""

    transport = "planned"
    has_pipelining = True
    _asked = False

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Answer a module."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        if not Connection._asked:
            Connection._asked = True
            # Another thread may be as quick.
            with contextlib.suppress(FileExistsError), Path(self.get_option("first_asked")).open("x") as stream:
                json.dump({"at": time.monotonic(), "cpu_s": time.process_time()}, stream)
        result: dict[str, Any] = {"changed": True, "staged": dict(_STAGED, token="ab" * 8), "notes": [], "predicted_ms": None}
        if b"fleet.kexec.plugins.modules.boot_facts" in (in_data or b""):
            boot = {"boot_id": "boot of %s" % self.get_option("host")}
            facts = whole_facts(boot=boot, kernel={"release": "1"}, verdict={"release": None})
            result = {"ansible_facts": {"fleet_kexec": facts}}
        return 0, json.dumps(result).encode(), b""

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
