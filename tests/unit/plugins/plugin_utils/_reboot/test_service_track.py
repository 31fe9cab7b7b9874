# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.service_track import ServiceTrack
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.observation import Observation


def track(*seen: tuple[float, bool]) -> ServiceTrack:
    made = ServiceTrack()
    observe(made, *seen)
    return made


def observe(made: ServiceTrack, *seen: tuple[float, bool]) -> None:
    for at, up in seen:
        made.observe(Observation("web", at, up))


def test_the_outage_is_the_gap_between_good_answers_and_its_error_what_no_failing_probe_covers() -> None:
    made = track((1.0, True), (1.05, True), (1.1, False), (1.15, False), (6.0, False))
    made.host_goes()
    observe(made, (6.04, True))
    assert not made.is_over, "the host may still be the old one"
    made.host_is_back(since=6.2)
    observe(made, (6.25, True))
    assert made.is_over and made.outage is not None
    assert (made.outage.last_good, made.outage.first_good) == (1.05, 6.04)
    assert made.outage.duration_ms == 4990
    assert made.outage.error_ms == 90, "50 ms until the first failed, 40 ms after the last did"


def test_failures_may_be_told_in_another_order_than_they_began() -> None:
    made = track((1.0, True), (1.2, False), (1.1, False), (3.0, False), (2.0, False), (3.1, True))
    assert made.outage is not None and made.outage.down_s == pytest.approx(1.9)


def test_a_host_that_is_back_before_its_service_is_waited_for() -> None:
    made = track((1.0, True), (1.1, False))
    made.host_goes()
    made.host_is_back(since=5.0)
    assert not made.is_over and made.is_failing
    observe(made, (9.0, False), (9.1, True))
    assert made.is_over and made.outage is not None and made.outage.duration_ms == 8100


def test_a_service_that_answers_since_its_host_is_back_needs_no_more_probes() -> None:
    made = track((1.0, True), (1.1, False), (4.9, False), (5.0, True), (5.05, True))
    made.host_is_back(since=5.02)
    assert made.is_over and made.outage is not None and made.outage.duration_ms == 4000


def test_one_probe_that_fails_before_the_service_goes_is_not_its_outage() -> None:
    made = track((1.0, True), (1.05, False), (1.1, True), (1.15, False), (7.0, False), (7.1, True), (7.15, False), (7.2, True))
    made.host_is_back(since=7.2)
    assert made.outage is not None and (made.outage.last_good, made.outage.first_good) == (1.1, 7.1)


def test_what_was_not_up_before_is_not_waited_for() -> None:
    made = track((1.0, False), (1.1, False))
    assert not made.is_over
    made.host_goes()
    assert made.is_over and made.outage is None and made.was_up is False


def test_a_probe_that_hangs_since_before_the_reboot_does_not_count_as_an_answer_after_it() -> None:
    """The answer to it is not there yet, so the last one is good, and of the old system."""
    made = track((1.0, True))
    made.host_goes()
    made.host_is_back(since=9.0)
    assert not made.is_over
    observe(made, (1.1, False), (9.5, True))
    assert made.is_over and made.outage is not None
    assert (made.outage.duration_ms, made.outage.error_ms) == (8500, 8500), "one failing probe says of no time that it was down"


def test_a_service_that_never_failed_has_an_outage_that_could_have_been_missed() -> None:
    made = track((1.0, True), (1.04, True), (1.1, True))
    made.host_goes()
    observe(made, (1.15, True))
    made.host_is_back(since=1.12)
    assert made.is_over and made.outage is not None
    assert made.outage.duration_ms == made.outage.error_ms == 60
