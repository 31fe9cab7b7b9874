# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's way to hosts that are directories; tests/plays/hosts.py reads what was done to them."""

from __future__ import annotations

DOCUMENTATION = """
name: pretended
author: fleet.kexec contributors
short_description: hosts that are directories
description:
  - Answers the scripts and modules of a rolling reboot, and runs everything else on this machine.
  - Files are put where they are asked for, so each host needs a remote_tmp of its own.
extends_documentation_fragment: [connection_pipelining]
options:
  host:
    description: Name of the host.
    vars:
      - name: inventory_hostname
  remote_user:
    description: User to log in as.
    vars:
      - name: ansible_user
    keyword:
      - name: remote_user
  port:
    description: Port to connect to.
    type: int
    vars:
      - name: ansible_port
    keyword:
      - name: port
  password:
    description: Password to log in with.
    vars:
      - name: ansible_password
  refuses:
    description: Name of a module that the host refuses to run.
    vars:
      - name: pretended_refuses
  current:
    description: Whether the host needs no reboot.
    type: bool
    default: false
    vars:
      - name: pretended_current
  fails:
    description: Name of a module that fails on the host.
    vars:
      - name: pretended_fails
  packages:
    description: The host's package manager.
    default: apt
    vars:
      - name: pretended_packages
  updates:
    description: Whether there are packages to update.
    type: bool
    default: false
    vars:
      - name: pretended_updates
  down:
    description: Whether the host is down.
    type: bool
    default: false
    vars:
      - name: pretended_down
  directory:
    description: Directory of all hosts.
    vars:
      - name: pretended_directory
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.connection import ConnectionBase

from ansible_collections.fleet.kexec.tests.plays.hosts import PretendedHost

# The module that a payload or its file's name is of.
_MODULE = re.compile(rb"ansible_collections[./]fleet[./]kexec[./]plugins[./]modules[./](\w+)|ansible[./]modules[./](\w+)")
_CHECK = re.compile(rb"_ansible_check_mode\W*true")
_MODULE_FILE = re.compile(r"AnsiballZ_(\w+)\.py")


class Connection(ConnectionBase):
    """One host."""

    transport = "pretended"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command, or a module, which comes by standard input or was put into a file."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        host = PretendedHost(Path(self.get_option("directory")), self.get_option("host"))
        how = {
            "user": self.get_option("remote_user"),
            "port": self.get_option("port"),
            "password": self.get_option("password"),
            "become_pass": self.become.get_option("become_pass") if self.become else None,
            "become": self.become.get_option("become_user") or "root" if self.become and sudoable else None,
            "mark": next(iter(re.findall(r"\bMARK=(\w+)", cmd)), None),
            # Of modules.
            "check": bool(_CHECK.search(in_data or b"")),
        }
        if self.get_option("down") or not host.up:
            raise AnsibleConnectionFailure("%s is down" % host.name)
        module = self._module(cmd, in_data)
        if module is not None:
            host.note("module", module, how)
            if module == self.get_option("refuses"):
                raise AnsibleError("Incorrect sudo password")
            if module == self.get_option("fails"):
                return 1, json.dumps({"failed": True, "msg": "%s failed, as it should" % module}).encode(), b""
            need = in_data is None or b"gather_subset" not in in_data or b"reboot_needed" in in_data
            told = host.module(module, need=need, **{name: self.get_option(name) for name in ("current", "packages", "updates")})
            return 0, json.dumps(told).encode(), b""
        if "fleet-kexec" in cmd:
            script, said = host.script(cmd)
            host.note("script", script, how)
            begun = "fleet-kexec: begun\n" if "fleet-kexec: begun" in cmd else ""
            return 0, (begun + said).encode(), b""
        host.note("command", cmd, how)
        done = subprocess.run(["/bin/sh", "-c", cmd], input=in_data or b"", capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def _module(self, cmd: str, in_data: bytes | None) -> str | None:
        found: Any = _MODULE.search(in_data or b"")
        if found:
            return (found[1] or found[2]).decode()  # type: ignore[no-any-return]
        file = _MODULE_FILE.search(cmd)
        return file[1] if file and "chmod" not in cmd and "rm -f" not in cmd else None

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file."""
        shutil.copy(in_path, out_path)

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Nothing is fetched from anywhere."""
        raise NotImplementedError

    def close(self) -> None:
        """Close."""
        self._connected = False

    def reset(self) -> None:
        """There is nothing to reset."""
