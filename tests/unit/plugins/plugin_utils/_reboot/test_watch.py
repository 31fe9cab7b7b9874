# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.watch import ASK_BLIND_S, ASK_WHILE_UP_S, Outage, Watch
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.prober import Observation


def seen(at: float, up: bool) -> Observation:
    return Observation("host", at, up)


def test_an_outage_is_measured_from_last_to_first_answer() -> None:
    watch = Watch(100.0, 700.0, probing=True)
    watch.observe(seen(100.2, True))
    watch.observe(seen(100.3, False))
    watch.observe(seen(100.4, False))
    assert watch.next_ask() is None, "nobody to ask"
    assert watch.outage is None
    watch.observe(seen(106.2, True))
    assert watch.next_ask() == 106.2
    assert watch.outage == Outage(6000, 100, 100.2)


def test_a_host_that_stays_up_is_asked_now_and_then() -> None:
    watch = Watch(100.0, 700.0, probing=True)
    assert watch.next_ask() == 100.0 + ASK_WHILE_UP_S
    watch.same_boot(105.5)
    assert watch.next_ask() == 105.5 + ASK_WHILE_UP_S


def test_a_network_that_blinks_is_no_reboot() -> None:
    watch = Watch(100.0, 700.0, probing=True)
    watch.observe(seen(101.0, False))
    watch.observe(seen(102.0, True))
    watch.same_boot(102.5)
    assert not watch.went_down
    watch.observe(seen(103.0, True))
    watch.observe(seen(104.0, False))
    watch.observe(seen(109.0, True))
    assert watch.outage == Outage(6000, 1000, 103.0)


def test_an_answer_that_does_not_last() -> None:
    watch = Watch(100.0, 700.0, probing=True)
    watch.observe(seen(101.0, False))
    watch.observe(seen(102.0, True))
    watch.observe(seen(101.5, False))
    assert watch.is_back, "old news"
    watch.observe(seen(103.0, False))
    assert not watch.is_back
    watch.observe(seen(108.0, True))
    assert watch.outage == Outage(8000, 1000, 100.0)


def test_refused_logins_are_retried_ever_more_slowly() -> None:
    watch = Watch(100.0, 700.0, probing=True)
    watch.observe(seen(101.0, False))
    watch.observe(seen(110.0, True))
    waits = []
    for _count in range(6):
        watch.no_answer(110.0)
        asked = watch.next_ask()
        assert asked is not None
        waits.append(asked - 110.0)
    assert waits == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]


def test_without_probes_asking_has_to_do() -> None:
    watch = Watch(100.0, 700.0, probing=False)
    assert watch.next_ask() == 100.0 + ASK_BLIND_S
    watch.same_boot(101.2)
    watch.no_answer(103.2)
    assert watch.went_down
    watch.no_answer(104.0)
    watch.new_boot(108.2)
    assert watch.outage == Outage(7000, 2000, 101.2)
