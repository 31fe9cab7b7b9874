# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""A run whose controller is killed in the middle, and that another one goes on with.

kx3 is down by then, and kx2, of the same rack as kx1, drained and not yet triggered. From outside, each guest's web server is
connected to all the time: its sshd penalises whoever connects without a login, and such a refusal looks like an outage.
"""

from __future__ import annotations

import itertools
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from shared.guests import guests
from shared.notes import noted
from shared.rollouts import HOOK_LOG, Rollout, kill
from shared.watch import Watch

RACK = {"kx1", "kx2"}
HELD = "kx2"


KILLED = Rollout("killed")


def first_of(event: str, host: str | None = None, after: int = 0) -> dict[str, Any]:
    """Earliest record of an event, of a host, after a number."""
    return next(
        record for record in KILLED.journal() if record["event"] == event and record.get("host") == host and record["seq"] > after
    )


def seconds(record: dict[str, Any]) -> float:
    """Time of a record, in seconds since 1970."""
    return datetime.fromisoformat(record["at"]).timestamp()


@pytest.fixture(scope="module")
def resumed() -> Watch:
    """A run that is killed once one guest is down and another one drained, and then gone on with in another order."""
    watch = Watch()
    hold = Path(f"{HOOK_LOG}.{HELD}")
    hold.touch()
    process = KILLED.begin(rolling_reboot_order="reverse")
    KILLED.wait_until(
        lambda: KILLED.hosts_with("host_down") == {"kx3"} and any(each[1:] == ("drain", HELD) for each in noted(HOOK_LOG)),
        "guest that is down and guest that is drained",
        process,
    )
    kill(process)
    assert not KILLED.hosts_with("host_intent") & RACK
    # The hook outlives who called it.
    hold.unlink()
    assert KILLED.finish(KILLED.start(rolling_reboot_resume="latest")) == 0
    watch.end()
    return watch


def test_everybody_is_done(resumed: Watch) -> None:
    released = [record["host"] for record in KILLED.journal() if record["event"] == "host_released"]
    assert sorted(released) == ["kx1", "kx2", "kx3"]
    assert any(record["event"] == "run_resumed" for record in KILLED.journal())


def test_nobody_was_rebooted_twice(resumed: Watch, host: Host) -> None:
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


def test_who_was_drained_is_unavailable_until_it_is_undrained(resumed: Watch) -> None:
    """No other guest of its rack is drained meanwhile, by the journal and by the hooks."""
    released = first_of("host_released", HELD)
    assert first_of("host_draining", "kx1")["seq"] > released["seq"]
    out: set[str] = set()
    for _at, what, host in noted(HOOK_LOG):
        out = out | {host} if what == "drain" else out - {host}
        assert not out >= RACK
        assert len(out) <= 2, "as the window has it"


def test_who_was_drained_is_drained_again(resumed: Watch) -> None:
    resumed_at = first_of("run_resumed")
    intent = first_of("host_intent", HELD)
    assert intent["seq"] > resumed_at["seq"]
    drains = [each.at for each in noted(HOOK_LOG) if each[1:] == ("drain", HELD)]
    assert len(drains) == 2
    assert drains[0] < seconds(resumed_at) < drains[1] < seconds(intent)


def test_the_limit_of_a_rack_was_held(resumed: Watch) -> None:
    assert all(resumed.absences.values())
    for one, other in itertools.product(*(resumed.absences[name] for name in sorted(RACK))):
        assert one.until < other.since or other.until < one.since, (one, other)


def test_hooks_ran_around_each_reboot(resumed: Watch) -> None:
    for name in guests():
        ran = [each.what for each in noted(HOOK_LOG) if each.host == name]
        assert ran == ["drain"] * (2 if name == HELD else 1) + ["undrain"]
        drained_at = next(each.at for each in noted(HOOK_LOG) if each[1:] == ("drain", name))
        assert drained_at < seconds(first_of("host_intent", name)), "drained before it was told to reboot"


def test_how_long_the_web_servers_were_away(resumed: Watch) -> None:
    records = KILLED.journal()
    resumed_at = first_of("run_resumed")["seq"]
    intents = {record["host"]: record["seq"] for record in records if record["event"] == "host_intent"}
    outages_ms = {record["host"]: record["outage_ms"] for record in records if record["event"] == "host_back"}
    # One rack has two guests, and lets one go at a time.
    whole = [host for host, seq in intents.items() if seq > resumed_at]
    assert set(whole) == RACK
    for host in whole:
        (probed,) = (record for record in records if record["event"] == "host_probed" and record["host"] == host)
        assert probed["note"] is None
        assert probed["probe_seen_by"].startswith("http http://")
        # It goes and comes at another time than sshd, in the same reboot.
        assert outages_ms[host] / 2 < probed["probe_outage_ms"] < outages_ms[host] + 60_000
        assert 0 < probed["probe_outage_error_ms"] < 5_000


def test_nothing_is_staged(resumed: Watch, host: Host) -> None:
    assert host.file("/sys/kernel/kexec_loaded").content_string.strip() == "0"
