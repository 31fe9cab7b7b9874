# SPDX-License-Identifier: GPL-3.0-or-later
"""The pace of probes against simulated firewalls, in a time of its own."""

from __future__ import annotations

import heapq

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.pace import (
    ADMITTED_MAX,
    FORGET_S,
    SLOW_S,
    STARTING_S,
    Outcome,
    Pace,
)

from .limits import Machine, Recent

INTERVAL_S = 0.05
ROUND_TRIP_S = 0.001
GIVEN_UP_AFTER_S = 0.3
DELAYS_S = [0.0, 0.1, 0.2, 0.22, 0.24, 0.26, 1.0, 3.0, 10.0, 19.0, 29.0, 35.0, 60.0]


def noticed_at(machine: Machine, pace: Pace | None = None, limit_s: float = 1000.0) -> float:
    """Probe a machine from time 0 on, until its banner comes."""
    pace = pace or Pace()
    # Outcomes that are under way: when they arrive, and when the probe was sent.
    coming: list[tuple[float, float, Outcome]] = []
    now = not_before = 0.0
    while now < limit_s:
        if coming and coming[0][0] <= max(now, not_before):
            now, started, outcome = heapq.heappop(coming)
            if outcome is Outcome.BANNER:
                return now
            wait_s = pace.take(outcome, started)
            not_before = max(not_before, now + wait_s)
            if pace.slow:
                coming.clear()
            continue
        now = max(now, not_before)
        outcome = machine.answer(now)
        heapq.heappush(coming, (now + (GIVEN_UP_AFTER_S if outcome is Outcome.SILENT else ROUND_TRIP_S), now, outcome))
        not_before = now + INTERVAL_S
    raise AssertionError("never noticed; %d connections" % machine.connections)


@pytest.mark.parametrize("delay_s", [each for each in DELAYS_S if each < STARTING_S])
@pytest.mark.parametrize("network_at", [0.02, 8.0, 400.0])
def test_where_nothing_limits_a_host_is_noticed_at_once(network_at: float, delay_s: float) -> None:
    machine = Machine(network_at, network_at + delay_s)
    assert noticed_at(machine, limit_s=500) - machine.listens_at < 0.1


@pytest.mark.parametrize("delay_s", [each for each in DELAYS_S if each >= STARTING_S])
def test_an_sshd_that_takes_very_long_to_start_is_noticed_within_seconds(delay_s: float) -> None:
    assert noticed_at(Machine(8.0, 8.0 + delay_s)) - 8.0 - delay_s <= SLOW_S + 0.1


@pytest.mark.parametrize("says", [Outcome.REJECTED, Outcome.SILENT])
@pytest.mark.parametrize("delay_s", DELAYS_S)
@pytest.mark.parametrize("network_at", [0.4, 8.0, 400.0])
def test_where_connections_are_limited_a_host_is_noticed_once_the_limit_allows(
    network_at: float, delay_s: float, says: Outcome
) -> None:
    machine = Machine(network_at, network_at + delay_s, Recent(says))
    noticed = noticed_at(machine)
    assert noticed <= max(machine.listens_at + SLOW_S, network_at + FORGET_S) + 0.8


@pytest.mark.parametrize("delay_s", DELAYS_S)
def test_a_limit_that_resets_connections_is_noticed_by_how_long_that_lasts(delay_s: float) -> None:
    machine = Machine(8.0, 8.0 + delay_s, Recent(Outcome.CLOSED))
    assert noticed_at(machine) <= max(machine.listens_at, 8.0 + STARTING_S + FORGET_S) + SLOW_S


@pytest.mark.parametrize("says", [Outcome.REJECTED, Outcome.SILENT])
@pytest.mark.parametrize("delay_s", [1.0, 20.0, 60.0])
def test_what_is_left_of_the_allowance_is_enough_to_log_in(delay_s: float, says: Outcome) -> None:
    limit = Recent(says)
    noticed = noticed_at(Machine(8.0, 8.0 + delay_s, limit))
    assert limit.admits(noticed + 0.1) and limit.admits(noticed + 0.3)


@pytest.mark.parametrize("says", [Outcome.REJECTED, Outcome.SILENT])
@pytest.mark.parametrize(("seconds", "hits"), [(60, 4), (10, 3), (120, 6), (30, 20)])
def test_other_limits(says: Outcome, seconds: float, hits: int) -> None:
    machine = Machine(8.0, 12.0, Recent(says, seconds, hits))
    assert noticed_at(machine) - machine.listens_at <= 4 * seconds + 60


def test_it_is_said_why() -> None:
    pace = Pace()
    noticed_at(Machine(8.0, 60.0, Recent(Outcome.REJECTED)), pace)
    assert pace.slow == "its firewall rejects the connection"


def test_an_sshd_that_ends_before_the_network_is_no_limit() -> None:
    pace = Pace()
    assert [pace.take(Outcome.CLOSED, at / 10) for at in range(20)] == [0.0] * 20
    assert pace.take(Outcome.SILENT, 3.0) == 0.0 and not pace.slow


def test_an_initramfs_that_has_a_network_for_a_while_is_no_limit() -> None:
    pace = Pace()
    pace.take(Outcome.SILENT, 0.0)
    for number in range(ADMITTED_MAX + 1):
        assert pace.take(Outcome.CLOSED, 1.0 + number / 20) == 0.0
    assert pace.take(Outcome.SILENT, 5.0) == 0.0 and not pace.slow
    assert pace.take(Outcome.CLOSED, 5.0 + STARTING_S) == 0.0, "it starts anew"


def test_a_probe_that_was_lost_before_others_were_refused_is_no_limit() -> None:
    pace = Pace()
    pace.take(Outcome.SILENT, 0.0)
    pace.take(Outcome.CLOSED, 0.3)
    assert pace.take(Outcome.SILENT, 0.2) == 0.0 and not pace.slow


def test_a_host_that_goes_again_while_probes_are_few_is_soon_probed_quickly() -> None:
    pace = Pace()
    pace.take(Outcome.SILENT, 0.0)
    now = pace.take(Outcome.REJECTED, 1.0)
    while pace.slow:
        now += pace.take(Outcome.SILENT, now)
    assert now < FORGET_S + 4 * SLOW_S


def test_a_refusing_sshd_is_left_alone() -> None:
    pace = Pace()
    assert pace.take(Outcome.REFUSING, 1.0) == SLOW_S
    assert pace.slow == "its sshd turns this controller away"
    assert Outcome.REFUSING.up and Outcome.BANNER.up
    assert not any(outcome.up for outcome in (Outcome.CLOSED, Outcome.REJECTED, Outcome.SILENT))
