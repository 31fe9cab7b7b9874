# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""A run whose controller is killed in the middle, and that another one goes on with.

From outside, every guest's sshd is probed all the time.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from testinfra.host import Host

HERE = Path(__file__).resolve().parents[2]
DIRECTORY = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
RUNS = DIRECTORY / "runs"
HOOK_LOG = DIRECTORY / "hooks.log"
INVENTORY = Path(os.environ["LAB_RUN"]) / "inventory.yml"
EVENT_TIMEOUT_S = 400.0


class Probes:
    """Who answers, about once a second: more would be held against us."""

    def __init__(self) -> None:
        hosts = yaml.safe_load(INVENTORY.read_text())["lab"]["hosts"]
        self._addresses = {name: values["lab_ipv4"] for name, values in hosts.items()}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._probe, daemon=True)
        #: Who was down, each time.
        self.down: list[set[str]] = []
        self._thread.start()

    def _probe(self) -> None:
        while not self._over.wait(1.2):
            self.down.append({name for name, address in self._addresses.items() if not self._answers(address)})

    @staticmethod
    def _answers(address: str) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((address, 22), timeout=1.0) as sock:
            sock.settimeout(5.0)
            return sock.recv(4) == b"SSH-"
        return False

    def end(self) -> None:
        """Stop."""
        self._over.set()
        self._thread.join()


def start(*more: str) -> subprocess.Popen[bytes]:
    """Start the playbook, with a session of its own."""
    argv = ["ansible-playbook", "--inventory", str(INVENTORY), str(HERE / "roll.yml")]
    for variable in (f"rolling_reboot_run_directory={RUNS}", f"hook_log={HOOK_LOG}", *more):
        argv += ["--extra-vars", variable]
    return subprocess.Popen(argv, start_new_session=True)


def journal() -> list[dict[str, Any]]:
    """What the run's journal says so far."""
    path = RUNS / "killed/journal.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def wait_for(event: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the journal has an event."""
    deadline = time.monotonic() + EVENT_TIMEOUT_S
    while not any(record["event"] == event for record in journal()):
        assert process.poll() is None, "the playbook ended before there was any %s" % event
        assert time.monotonic() < deadline, "no %s within %g s" % (event, EVENT_TIMEOUT_S)
        time.sleep(0.1)


def workers_of(process: subprocess.Popen[bytes]) -> set[int]:
    """The processes that a playbook has begun, each in a session of its own."""
    found: set[int] = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[1]) == process.pid:
                found.add(int(status.parent.name))
    return found


@pytest.fixture(scope="module")
def resumed() -> Iterator[Probes]:
    """A run that is killed as soon as a guest is down, and then gone on with."""
    probes = Probes()
    process = start("rolling_reboot_run_id=killed")
    wait_for("host_down", process)
    workers = workers_of(process)
    assert workers
    for pid in (process.pid, *workers):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    assert start("rolling_reboot_resume=latest").wait(600) == 0
    probes.end()
    yield probes


def test_everybody_is_done(resumed: Probes) -> None:
    released = [record["host"] for record in journal() if record["event"] == "host_released"]
    assert sorted(released) == ["kx1", "kx2", "kx3"]
    assert any(record["event"] == "run_resumed" for record in journal())


def test_nobody_was_rebooted_twice(resumed: Probes, host: Host) -> None:
    name = host.ansible.get_variables()["inventory_hostname"]
    records = [record for record in journal() if record.get("host") == name]
    first = next(record for record in records if record["event"] == "host_intent")
    last = next(record for record in reversed(records) if record["event"] == "host_verified")
    # journald has one boot between the one that was to end and the present one: none.
    boots = [line.split()[1].replace("-", "") for line in host.check_output("journalctl --list-boots --no-pager -q").splitlines()]
    before, after = first["boot_id"].replace("-", ""), last["boot_id"].replace("-", "")
    assert host.file("/proc/sys/kernel/random/boot_id").content_string.strip() == last["boot_id"]
    if before in boots:
        assert boots.index(after) == boots.index(before) + 1
    assert last["proof"]["proven"]


def test_the_limit_of_a_rack_was_held(resumed: Probes) -> None:
    assert any(resumed.down)
    assert not any({"kx1", "kx2"} <= down for down in resumed.down)


def test_hooks_ran_around_each_reboot(resumed: Probes) -> None:
    lines = [line.split() for line in HOOK_LOG.read_text().splitlines()]
    for name in ("kx1", "kx2", "kx3"):
        ran = [what for _at, what, host in lines if host == name]
        assert ran[0] == "drain" and ran[-1] == "undrain"
    for record in journal():
        if record["event"] == "host_intent":
            drained = [line for line in lines if line[1:] == ["drain", record["host"]]]
            assert drained, "drained before it was told to reboot"


def test_nothing_is_staged(resumed: Probes, host: Host) -> None:
    assert host.file("/sys/kernel/kexec_loaded").content_string.strip() == "0"
