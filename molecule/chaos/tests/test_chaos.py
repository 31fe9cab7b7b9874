# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Two controllers reboot a fleet that is harmed all the time: nobody is lost, rebooted twice or left as nobody says."""

from __future__ import annotations

import collections
import os

import pytest
from testinfra.host import Host

from chaos.fleet import Seen, keep, run
from chaos.judge import drained, excesses, failed, spared, still_drained, told, unexplained, unpaid
from chaos.plan import racks

SLOTS = 3
SEED = int(os.environ.get("CHAOS_SEED") or "1")


@pytest.fixture(scope="module")
def seen() -> Seen:
    """What came of it."""
    found = run(SEED)
    keep(found, sorted(reported_by(found)))
    print(collections.Counter(str(harm.kind) for harm, _span in found.harmed))
    return found


def reported_by(seen: Seen) -> dict[str, str]:
    """Hosts that failed for good, by the runs themselves, and why."""
    return {host: code for records in seen.journals.values() for host, code in failed(records).items()}


@pytest.fixture
def name(host: Host) -> str:
    """The guest's."""
    return str(host.ansible.get_variables()["inventory_hostname"])


def test_harm_was_done(seen: Seen) -> None:
    assert len(seen.harmed) > len(seen.missed)
    assert len({harm.kind for harm, _span in seen.harmed}) > 4


def test_everybody_is_done_or_reported(seen: Seen) -> None:
    released = {record["host"] for records in seen.journals.values() for record in records if record["event"] == "host_released"}
    everybody = {host for hosts in seen.shares.values() for host in hosts}
    left = {host for name, records in seen.journals.items() for host in spared(seen.shares[name], records)}
    assert released | reported_by(seen).keys() | left == everybody
    # Who failed before it was told to reboot was begun with again.
    for name, records in seen.journals.items():
        assert failed(records).keys() <= told(records) | spared(seen.shares[name], records)


def test_limits_were_held(seen: Seen) -> None:
    out = [*drained(seen.notes, seen.ended_at), *unexplained(seen.absences, seen.away())]
    everybody = [host for hosts in seen.shares.values() for host in hosts]
    groups = {"all": everybody, **racks(sorted(everybody))}
    assert excesses(out, groups, {group: SLOTS if group == "all" else 1 for group in groups}) == []


def test_slots_were_never_too_many_and_all_were_given_back(seen: Seen) -> None:
    assert 0 < seen.slots_most <= SLOTS
    assert seen.slots == {}


def test_nobody_is_drained_but_who_is_reported(seen: Seen) -> None:
    assert still_drained(seen.notes) <= reported_by(seen).keys()


def test_every_debt_is_paid_or_reported(seen: Seen) -> None:
    owed = {debt for records in seen.journals.values() for debt in unpaid(records)}
    # What is left of a host that is given up is with whoever looks after it.
    assert {host for host, _debt in owed} <= reported_by(seen).keys()


def test_nobody_was_rebooted_twice(seen: Seen, host: Host, name: str) -> None:
    boots = host.file("/var/lib/lab-boots").content_string.split()
    # The first is the one that it was arranged in.
    untouched = {host for name, records in seen.journals.items() for host in set(seen.shares[name]) - told(records)}
    assert len(set(boots)) == len(boots) == (1 if name in untouched else 2)
    assert host.file("/proc/sys/kernel/random/boot_id").content_string.strip() == boots[-1]


def test_nobody_is_down_or_staged(seen: Seen, host: Host) -> None:
    assert host.file("/sys/kernel/kexec_loaded").content_string.strip() == "0"
    assert not host.file("/run/fleet-kexec/staged.json").exists
    assert host.check_output("systemctl is-active lab-web.service") == "active"


def test_no_harm_is_left(seen: Seen, host: Host) -> None:
    assert not host.file("/var/tmp/lab-hog").exists
    assert not host.file("/var/tmp/lab-pam-sudo").exists
    host.check_output("runuser -u ops -- sudo --non-interactive id -u")


def test_the_kernels_settings_are_the_hosts_own(seen: Seen, host: Host, name: str) -> None:
    if name in reported_by(seen):
        pytest.skip("it was given up")
    assert host.check_output("cat /proc/sys/kernel/panic /proc/sys/kernel/panic_on_oops") == "0\n0"
