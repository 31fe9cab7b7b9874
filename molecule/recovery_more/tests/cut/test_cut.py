# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Nothing gets through any more, at the worst moments: packets are dropped, and nobody is told."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

from shared.cuts import cut_off
from shared.guests import INVENTORY, guests
from shared.rollouts import DIRECTORY, Rollout

PLAYBOOK = Path(__file__).resolve().parents[2] / "roll.yml"
# More than it takes to log in and to start Python, less than a module that stages.
SENT_WHILE_STAGING_BYTES = 100_000
# Several times what it takes to ask a host that answers.
CUT_S = 20.0

GUESTS = guests()


def sent_bytes(guest: str) -> int:
    """What went to a guest on the connections that there are."""
    total = 0
    for address in (GUESTS[guest]["lab_ipv4"], GUESTS[guest]["lab_ipv6"]):
        shown = subprocess.check_output(["ss", "--no-header", "--tcp", "--info", "--numeric", "dst", f"[{address}]"], text=True)
        total += sum(map(int, re.findall(r"\bbytes_sent:(\d+)", shown)))
    return total


def answers(guest: str) -> bool:
    """Whether its sshd says who it is."""
    with contextlib.suppress(OSError), socket.create_connection((GUESTS[guest]["lab_ipv4"], 22), timeout=1) as stream:
        return stream.recv(4) == b"SSH-"
    return False


def wait_until_it_answers_again(rollout: Rollout, guest: str, process: subprocess.Popen[str]) -> None:
    rollout.wait_for("host_down", process)
    rollout.wait_until(lambda: answers(guest), "sshd's answer", process)


@pytest.fixture(autouse=True)
def host(guest: str) -> Host:
    """The one that a test is about, and whose console is shown if it fails."""
    return testinfra.get_host("ansible://" + guest, ansible_inventory=str(INVENTORY))


@pytest.mark.parametrize("guest", ["kx1"])
def test_in_the_middle_of_staging(guest: str, host: Host) -> None:
    boot_id = host.file("/proc/sys/kernel/random/boot_id").content_string
    rollout = Rollout("staging", PLAYBOOK)
    process = rollout.begin(rolled=guest)
    rollout.wait_for("host_preparing", process)
    before = sent_bytes(guest)
    rollout.wait_until(lambda: sent_bytes(guest) > before + SENT_WHILE_STAGING_BYTES, "module on its way", process)
    with cut_off(guest):
        rollout.wait_for("host_failed", process)
    assert rollout.finish(process) != 0
    [failed] = [record for record in rollout.journal() if record["event"] == "host_failed"]
    assert (failed["reason"]["code"], failed["down"]) == ("UNREACHABLE", True)
    assert not rollout.hosts_with("host_intent")
    assert host.file("/proc/sys/kernel/random/boot_id").content_string == boot_id
    # As the hint of the failure has it.
    unstaged = host.ansible("fleet.kexec.stage", "state=unstaged", become=True, check=False)
    assert unstaged["staged"] is None
    assert host.file("/sys/kernel/kexec_loaded").content_string.strip() == "0"


def rebooted_once(rollout: Rollout, guest: str) -> None:
    """It went the way that was staged, and was told as often as it took."""
    assert rollout.hosts_with("host_released") == {guest}, rollout.output()
    [verified] = [record for record in rollout.journal() if record["event"] == "host_verified"]
    assert verified["path"] == "kexec" and verified["proof"]["proven"]


@pytest.mark.parametrize("guest", ["kx2"])
def test_at_the_trigger(guest: str) -> None:
    rollout = Rollout("trigger", PLAYBOOK)
    process = rollout.begin(rolled=guest)
    rollout.wait_for("host_intent", process)
    with cut_off(guest):
        rollout.wait_for("host_down", process)
    assert rollout.finish(process) == 0
    rebooted_once(rollout, guest)


@pytest.mark.parametrize("guest", ["kx3"])
def test_while_it_is_verified(guest: str) -> None:
    rollout = Rollout("verifying", PLAYBOOK)
    process = rollout.begin(rolled=guest)
    wait_until_it_answers_again(rollout, guest, process)
    with cut_off(guest):
        rollout.goes_without("host_verified", process, CUT_S)
    assert rollout.finish(process) == 0
    rebooted_once(rollout, guest)


@pytest.mark.parametrize("guest", ["kx1"])
def test_names_that_do_not_resolve_any_more(guest: str) -> None:
    names = DIRECTORY / "hosts"
    address, name = GUESTS[guest]["lab_ipv4"], f"{guest}.lab.example"
    known = f"127.0.0.1 localhost\n{address} {name}\n"
    names.write_text(known)
    # A name service of its own, for this playbook alone.
    own = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(names))
    rollout = Rollout("names", PLAYBOOK, prefix=own)
    # Guests' keys are known by their addresses.
    process = rollout.begin(rolled=guest, ansible_host=name, ansible_ssh_extra_args=f"-oHostKeyAlias={address}")
    rollout.wait_for("host_down", process)
    names.write_text("127.0.0.1 localhost\n")
    wait_until_it_answers_again(rollout, guest, process)
    rollout.goes_without("host_back", process, CUT_S)
    names.write_text(known)
    assert rollout.finish(process) == 0
    rebooted_once(rollout, guest)
