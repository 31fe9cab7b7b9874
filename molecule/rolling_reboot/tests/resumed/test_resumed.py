# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""A run whose controller is killed in the middle, and that another one goes on with.

From outside, every guest's sshd is probed all the time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from shared.guests import guests
from shared.rollouts import HOOK_LOG, Rollout, workers_of


class Probes:
    """Who answers, about once a second: more would be held against us."""

    def __init__(self) -> None:
        self._addresses = {name: values["lab_ipv4"] for name, values in guests().items()}
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


KILLED = Rollout("killed")


@pytest.fixture(scope="module")
def resumed() -> Iterator[Probes]:
    """A run that is killed as soon as a guest is down, and then gone on with."""
    probes = Probes()
    process = KILLED.begin()
    KILLED.wait_for("host_down", process)
    workers = workers_of(process)
    assert workers
    for pid in (process.pid, *workers):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    assert KILLED.finish(KILLED.start(rolling_reboot_resume="latest")) == 0
    probes.end()
    yield probes


def test_everybody_is_done(resumed: Probes) -> None:
    released = [record["host"] for record in KILLED.journal() if record["event"] == "host_released"]
    assert sorted(released) == ["kx1", "kx2", "kx3"]
    assert any(record["event"] == "run_resumed" for record in KILLED.journal())


def test_nobody_was_rebooted_twice(resumed: Probes, host: Host) -> None:
    name = host.ansible.get_variables()["inventory_hostname"]
    records = [record for record in KILLED.journal() if record.get("host") == name]
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
    for record in KILLED.journal():
        if record["event"] == "host_intent":
            drained = [line for line in lines if line[1:] == ["drain", record["host"]]]
            assert drained, "drained before it was told to reboot"


def test_how_long_the_web_servers_were_away(resumed: Probes) -> None:
    records = KILLED.journal()
    resumed_at = next(record["seq"] for record in records if record["event"] == "run_resumed")
    intents = {record["host"]: record["seq"] for record in records if record["event"] == "host_intent"}
    outages_ms = {record["host"]: record["outage_ms"] for record in records if record["event"] == "host_back"}
    # One rack has two guests, and lets one go at a time.
    whole = [host for host, seq in intents.items() if seq > resumed_at]
    assert whole
    for host in whole:
        (probed,) = (record for record in records if record["event"] == "host_probed" and record["host"] == host)
        assert probed["note"] is None
        assert probed["probe_seen_by"].startswith("http http://")
        # It goes and comes at another time than sshd, in the same reboot.
        assert outages_ms[host] / 2 < probed["probe_outage_ms"] < outages_ms[host] + 60_000
        assert 0 < probed["probe_outage_error_ms"] < 5_000


def test_nothing_is_staged(resumed: Probes, host: Host) -> None:
    assert host.file("/sys/kernel/kexec_loaded").content_string.strip() == "0"
