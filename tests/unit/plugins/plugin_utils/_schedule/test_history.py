# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier runs say about hosts."""

from __future__ import annotations

from random import Random

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.least import METHODS
from ansible_collections.fleet.kexec.plugins.plugin_utils._host_facts import PreparedBoot
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.history import DEFAULT, History
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Phases, Prediction
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.percentiles import percentile


def test_each_phase_for_itself() -> None:
    samples = [Phases(float(number), 1.0, 200.0 - number, 2.0) for number in range(1, 101)]
    prediction = History({("kexec", "c"): samples}).prediction(METHODS, "c")
    assert prediction == Prediction(p50=Phases(50, 1, 149, 2), p95=Phases(95, 1, 194, 2))


def test_without_samples_there_is_the_default() -> None:
    assert History({("kexec", "c"): []}).prediction(METHODS, "c") == DEFAULT
    own = Prediction(DEFAULT.p95, DEFAULT.p95)
    assert History({}, own).prediction(METHODS, "c") == own


def test_a_host_has_the_durations_of_the_methods_by_which_it_may_be_rebooted() -> None:
    soft, kexec = Phases(1, 0, 6, 1), Phases(5, 0, 20, 1)
    history = History({("soft", "c"): [soft] * 3, ("kexec", "c"): [kexec] * 3, ("kexec", "d"): [kexec]})
    assert history.prediction(("soft",), "c") == Prediction(soft, soft)
    assert history.prediction(("kexec", "firmware"), "c") == Prediction(kexec, kexec)
    assert history.prediction(("firmware",), "c") == history.prediction(("soft",), "d") == DEFAULT
    assert history.outages_s(("soft", "kexec"), "c") == [6, 6, 6, 20, 20, 20]
    random = Random(1)
    assert {history.draw(("soft",), "c", random) for _draw in range(20)} == {soft}


def test_draws_are_hosts_that_were() -> None:
    samples = [Phases(1, 1, 1, 1), Phases(9, 9, 9, 9)]
    history = History({("kexec", "c"): samples})
    random = Random(1)
    assert {history.draw(METHODS, "c", random) for _draw in range(50)} == set(samples)


def test_draws_from_the_default_have_its_percentiles() -> None:
    history = History({})
    random = Random(1)
    drawn = sorted((history.draw(METHODS, "c", random) for _draw in range(5000)), key=lambda phases: phases.outage_s)
    outages = [phases.outage_s for phases in drawn]
    assert 0.9 < percentile(outages, 50) / DEFAULT.p50.outage_s < 1.1
    assert 0.9 < percentile(outages, 95) / DEFAULT.p95.outage_s < 1.1
    assert {phases.drain_s for phases in drawn} == {0.0}


QUIET = PreparedBoot(("quiet",), 4.0)
BEFORE = [Phases(1, 0, 20, 1), Phases(1, 0, 3, 1)]


def test_parts_that_no_reboot_has_tried_shorten_the_prediction() -> None:
    history = History({("kexec", "c"): BEFORE, ("firmware", "c"): [Phases(1, 0, 180, 1)]})
    assert history.prediction(("kexec",), "c", QUIET).p95.outage_s == 16
    assert history.prediction(("kexec",), "c", QUIET).p50.outage_s == 0.0, "no outage is shorter than none"
    assert history.prediction(("kexec",), "c", QUIET).p50.prepare_s == 1
    assert history.prediction(("kexec", "firmware"), "c", QUIET).p95.outage_s == 180, "through firmware, nothing is known of them"
    assert {history.draw(("kexec",), "c", Random(seed), QUIET).outage_s for seed in range(20)} == {0.0, 16.0}
    assert history.outages_s(("kexec",), "c") == [20, 3]
    assert history.prediction(("kexec",), "c") == history.prediction(("kexec",), "c", PreparedBoot())
    assert history.spared_s(("kexec", "firmware"), "c", QUIET) == 4.0
    assert history.spared_s(("firmware",), "c", QUIET) == history.spared_s(("kexec",), "c", None) == 0.0


def test_once_there_are_reboots_with_the_same_parts_these_count() -> None:
    came = [Phases(1, 0, 18, 1)]
    prepared = {("kexec", "c", ("quiet",)): came, ("kexec", "c", ()): BEFORE[:1]}
    history = History({("kexec", "c"): [*BEFORE, *came]}, prepared=prepared)
    assert history.prediction(("kexec",), "c", QUIET) == Prediction(came[0], came[0]), "less came than was predicted"
    assert history.spared_s(("kexec",), "c", QUIET) == 0.0
    assert history.prediction(("kexec",), "c", PreparedBoot()) == Prediction(BEFORE[0], BEFORE[0])
    # Nobody has tried both.
    both = PreparedBoot(("initrd", "quiet"), 1.0)
    assert history.prediction(("kexec",), "c", both).p95.outage_s == 19
    assert history.prediction(("kexec",), "c").p95.outage_s == 20
    assert history.prediction(("kexec",), "other", QUIET) == DEFAULT, "of a guess, nothing is taken away"
    assert history.spared_s(("kexec",), "other", QUIET) == 0.0
