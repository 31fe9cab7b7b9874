# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""A real ansible-rulebook, with pretended hosts."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.fleet.kexec.tests.plays.hosts import PretendedHost

ROOT = Path(__file__).resolve().parents[2]
PLAYS = ROOT / "tests/plays"
RULEBOOKS = sorted((ROOT / "extensions/eda/rulebooks").glob("*.yml"))
# Against what hangs; a machine may be busy, and stand still for minutes.
TIMEOUT_S = 900.0


@dataclass
class Controller:
    """Directory of a controller, with the collection installed and hosts that are pretended."""

    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
        return {
            **kept,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": str(self.directory),
            "ANSIBLE_COLLECTIONS_PATH": str(self.directory / "collections"),
            "ANSIBLE_CONNECTION_PLUGINS": str(PLAYS / "connection_plugins"),
            "ANSIBLE_LOCAL_TEMP": str(self.directory / "local_tmp"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_PIPELINING": "1",
            "XDG_STATE_HOME": str(self.directory / "state"),
        }

    @property
    def runs(self) -> Path:
        return self.directory / "state/fleet.kexec/runs"

    def journals(self) -> list[Path]:
        """Journals of the runs, beside which the ledger is."""
        return list(self.runs.glob("*/journal.jsonl"))

    def reboots(self) -> dict[str, int]:
        """How often each host was rebooted."""
        hosts = self.directory / "hosts"
        return {name: len(PretendedHost(hosts, name).boots) for name in self.hosts}

    @property
    def hosts(self) -> list[str]:
        return list(yaml.safe_load((self.directory / "inventory.yml").read_text())["all"]["hosts"])


def make_controller(directory: Path, hosts: Mapping[str, Mapping[str, Any]]) -> Controller:
    """Make a controller of hosts, with variables by the name of the host."""
    (directory / "hosts").mkdir(parents=True)
    fleet = directory / "collections/ansible_collections/fleet"
    fleet.mkdir(parents=True)
    (fleet / "kexec").symlink_to(ROOT)
    usual = {name: {"ansible_remote_tmp": str(directory / "remote_tmp" / name), **own} for name, own in hosts.items()}
    everywhere = {
        "ansible_connection": "pretended",
        "ansible_python_interpreter": "/usr/bin/python3",
        "pretended_directory": str(directory / "hosts"),
    }
    (directory / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": usual, "vars": everywhere}}))
    return Controller(directory)


@dataclass
class Rulebook:
    """An ansible-rulebook that runs."""

    process: subprocess.Popen[bytes]
    log: Path

    def wait(self, until: Callable[[], object], what: str) -> None:
        """Wait until something has happened, and fail with the output if it does not, or if the program ends before."""
        end_s = time.monotonic() + TIMEOUT_S
        while not until():
            assert self.process.poll() is None, "it ended: " + self.output
            assert time.monotonic() < end_s, "%s: %s" % (what, self.output)
            time.sleep(0.1)

    @property
    def output(self) -> str:
        return self.log.read_text()


@contextlib.contextmanager
def running(controller: Controller, rulebook: str, variables: Mapping[str, Any]) -> Iterator[Rulebook]:
    """Run a rulebook, until the end of the block."""
    path = controller.directory / "vars.yml"
    path.write_text(yaml.safe_dump(dict(variables)))
    program = shutil.which("ansible-rulebook", path=controller.environment["PATH"])
    assert program, "there is no ansible-rulebook"
    log = controller.directory / "output"
    arguments = ["--rulebook", rulebook, "--inventory", "inventory.yml", "--vars", str(path), "--verbose"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [program, *arguments],
            cwd=controller.directory,
            env=controller.environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Rulebook(process, log)
        finally:
            process.terminate()
            process.wait(TIMEOUT_S)
