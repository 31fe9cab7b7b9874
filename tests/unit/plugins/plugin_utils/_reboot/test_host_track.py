# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.host_track import (
    ASK_BLIND_MAX,
    ASK_BLIND_S,
    ASK_FIRST_S,
    ASK_WHILE_UP_S,
    RETRY_CONNECTION_S,
    RETRY_LOGIN_S,
    HostOutage,
    HostTrack,
)
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.unanswered import Refusal
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.observation import Observation


def seen(at: float, up: bool) -> Observation:
    return Observation("host", at, up)


def test_an_outage_is_measured_from_last_to_first_answer() -> None:
    track = HostTrack(100.0, 700.0, probing=True)
    track.observe(seen(100.2, True))
    track.observe(seen(100.3, False))
    track.observe(seen(100.4, False))
    assert track.next_ask() is None, "nobody to ask"
    assert track.outage is None
    track.observe(seen(106.2, True))
    assert track.next_ask() == 106.2
    assert track.outage == HostOutage(6000, 100, 100.2)


def test_a_host_that_stays_up_is_asked_now_and_then() -> None:
    track = HostTrack(100.0, 700.0, probing=True)
    assert track.next_ask() == 100.0 + ASK_FIRST_S
    track.same_boot(105.5)
    assert track.next_ask() == 105.5 + ASK_WHILE_UP_S


def test_a_network_that_blinks_is_no_reboot() -> None:
    track = HostTrack(100.0, 700.0, probing=True)
    track.observe(seen(101.0, False))
    track.observe(seen(102.0, True))
    track.same_boot(102.5)
    assert not track.went_down
    track.observe(seen(103.0, True))
    track.observe(seen(104.0, False))
    track.observe(seen(109.0, True))
    assert track.outage == HostOutage(6000, 1000, 103.0)


def test_an_answer_that_does_not_last() -> None:
    track = HostTrack(100.0, 700.0, probing=True)
    track.observe(seen(101.0, False))
    track.observe(seen(102.0, True))
    track.observe(seen(101.5, False))
    assert track.is_back, "old news"
    track.observe(seen(103.0, False))
    assert not track.is_back
    track.observe(seen(108.0, True))
    assert track.outage == HostOutage(8000, 1000, 100.0)


def test_refused_logins_are_retried_ever_more_slowly() -> None:
    track = HostTrack(100.0, 700.0, probing=True)
    track.observe(seen(101.0, False))
    track.observe(seen(110.0, True))
    waits = []
    for _count in range(6):
        track.no_answer(110.0)
        asked = track.next_ask()
        assert asked is not None
        waits.append(asked - 110.0)
    assert waits == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]


def test_without_probes_asking_has_to_do() -> None:
    track = HostTrack(100.0, 700.0, probing=False)
    assert track.next_ask() == 100.0 + ASK_BLIND_S
    track.same_boot(101.2)
    track.no_answer(103.2)
    assert track.went_down
    track.no_answer(104.0)
    track.new_boot(108.2)
    assert track.outage == HostOutage(7000, 2000, 101.2)


def waits_of(track: HostTrack, count: int, why: Refusal) -> list[float]:
    waits = []
    for _time in range(count):
        track.no_answer(200.0, why)
        asked = track.next_ask()
        assert asked is not None
        waits.append(asked - 200.0)
    return waits


@pytest.mark.parametrize(
    ("why", "waits"),
    [(Refusal.NOT_LET_IN, RETRY_LOGIN_S), (Refusal.REFUSED, RETRY_CONNECTION_S), (Refusal.TURNED_AWAY, RETRY_CONNECTION_S)],
)
def test_questions_that_are_counted_against_us_become_few(why: Refusal, waits: tuple[float, ...]) -> None:
    track = HostTrack(100.0, 700.0, probing=True)
    track.observe(seen(101.0, False))
    track.observe(seen(110.0, True))
    assert waits_of(track, len(waits) + 1, why) == [*waits, waits[-1]]


@pytest.mark.parametrize("why", [Refusal.REFUSED, Refusal.NOT_LET_IN, Refusal.TURNED_AWAY])
def test_where_asking_is_all_there_is_refusals_are_few_too(why: Refusal) -> None:
    track = HostTrack(100.0, 700.0, probing=False)
    waits = waits_of(track, ASK_BLIND_MAX + 2, why)
    assert waits == [ASK_BLIND_S] * ASK_BLIND_MAX + [ASK_WHILE_UP_S] * 2
    assert track.went_down is (why is Refusal.REFUSED), "an answer is no silence"
    assert waits_of(track, 1, Refusal.UNREACHABLE) == [ASK_BLIND_S]


def test_a_host_that_is_only_asked_and_stays_up_is_asked_less_often() -> None:
    track = HostTrack(100.0, 700.0, probing=False)
    for _time in range(ASK_BLIND_MAX + 1):
        track.same_boot(200.0)
    assert track.next_ask() == 200.0 + ASK_WHILE_UP_S
