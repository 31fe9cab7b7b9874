# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection plugin to hosts that do nothing but say what they should, for playbooks that really run.

A test copies it to where its ansible-playbook looks for plugins.
"""

from __future__ import annotations

DOCUMENTATION = """
name: puppet
author: fleet.kexec contributors
short_description: hosts that are made up
description:
  - Answers what a rollout asks, as a host would that reboots at once.
options:
  state:
    description: Directory that keeps which hosts have rebooted.
    vars:
      - name: puppet_state
  current:
    description: Whether the host needs no reboot.
    type: bool
    default: false
    vars:
      - name: puppet_current
  method:
    description: The verdict on how it should reboot.
    default: kexec
    vars:
      - name: puppet_method
  product:
    description: Name of the machine. If omitted, nothing is known of it.
    vars:
      - name: puppet_product
  host:
    description: Name of the host.
    vars:
      - name: inventory_hostname
"""

import json
from pathlib import Path
from typing import Any

from ansible.plugins.connection import ConnectionBase

from ansible_collections.fleet.kexec.tests.host_facts import whole_facts

TOKEN = "ab" * 8


class Connection(ConnectionBase):
    """One made-up host."""

    transport = "puppet"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Answer a command, or a module that comes by standard input."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        rebooted = Path(self.get_option("state")) / self.get_option("host")
        if in_data:
            return 0, json.dumps(self._module(in_data)).encode(), b""
        if "systemd-run" in cmd:
            rebooted.touch()
        # As a script that began prints it first.
        said = "fleet-kexec: begun\n" if "fleet-kexec: begun" in cmd else ""
        if "bootloader_type" in cmd:
            said += _state(self._boot_id(rebooted.exists()), rebooted.exists())
        return 0, said.encode(), b""

    def _module(self, payload: bytes) -> dict[str, Any]:
        current = self.get_option("current")
        if b"fleet.kexec.plugins.modules.boot_facts" in payload:
            product = self.get_option("product")
            hardware = {**dict.fromkeys(("vendor", "board", "firmware_version"), ""), "product": product, "drivers": {}}
            facts = whole_facts(
                boot={"boot_id": self._boot_id(False)},
                kernel={"release": "1"},
                verdict={
                    **dict.fromkeys(("image", "integrity", "loader", "placement", "predicted_ms")),
                    "method": self.get_option("method"),
                    "release": "2",
                },
                soft={"possible": False},
                reboot_needed={"needed": not current, "reasons": [] if current else [NEED]},
                hardware=hardware if product else None,
            )
            return {"ansible_facts": {"fleet_kexec": facts}}
        if b"fleet.kexec.plugins.modules.stage" in payload:
            staged = {"kernel": "/boot/vmlinuz-2", "initrd": None, "release": "2", "cmdline": "ro", "loader": "kexec_load"}
            return {"changed": True, "staged": dict(staged, token=TOKEN)}
        if b"fleet.kexec.plugins.modules.machine" in payload:
            machine = {"boot_id": self._boot_id(False), "soft_reboots": 0, "taken_at": "2026-11-24T15:00:00Z", "model": "made up"}
            comparison = {"compared": True, "before": machine, "settled_ms": 0, "differences": []}
            return {"changed": False, "machine": machine, "model": "made up", **comparison}
        return {"changed": False, "failed": True, "msg": "no"}

    def _boot_id(self, rebooted: bool) -> str:
        """Boot ID; no two machines have the same."""
        return "%s of %s" % ("new" if rebooted else "old", self.get_option("host"))

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


NEED = {"code": "PENDING_KERNEL", "message": "the default entry boots 2, 1 runs", "hint": "Reboot the host.", "method": "kexec"}


def _state(boot_id: str, rebooted: bool) -> str:
    return "\n".join(
        [
            "boot_id=%s" % boot_id,
            "release=%s" % ("2" if rebooted else "1"),
            "bootloader_type=%d" % (0xD0 if rebooted else 0x72),
            "panic_s=0",
            "panic_on_oops=0",
            "timer=inactive",
            "trigger=inactive",
            "system=running",
            "preparing=b false",
            "cmdline=ro fleet_kexec.token=%s" % TOKEN,
        ]
    )
