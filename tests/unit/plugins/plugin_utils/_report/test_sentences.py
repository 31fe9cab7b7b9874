# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._report import sentences
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.figures import (
    Baseline,
    Figures,
    KernelChange,
    Savings,
    figures_of,
)
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.read import RunReport, run_from_records

from .journals import Night, records_of, stamped


@pytest.fixture(scope="module")
def run() -> RunReport:
    return run_from_records(stamped(records_of(Night(hosts=6, failures=0, refusals=0, firmware=0.5))))


@pytest.fixture(scope="module")
def figures(run: RunReport) -> Figures:
    return figures_of(run, {})


def test_the_headline(run: RunReport, figures: Figures) -> None:
    said = sentences.headline(run, figures)
    assert said.startswith("6 of 6 hosts rebooted; ")
    assert " via kexec, " in said and " through firmware; outage p50 " in said
    assert "; capacity within limits; took " in said


@pytest.mark.parametrize(
    ("held", "word", "text"),
    [
        (True, "within limits", "all limits were kept."),
        (False, "exceeded", "limits were exceeded."),
        (None, "not known", "this can't be judged."),
    ],
)
def test_capacity(run: RunReport, figures: Figures, held: bool | None, word: str, text: str) -> None:
    capacity = replace(figures.capacity, held=held)
    assert sentences.held(capacity) == word
    said = sentences.capacity_text(run, capacity)
    assert said.startswith("At most 1 host in flight at a time, with a window of 1") and said.endswith(text)


def test_limits_that_a_resume_changed(run: RunReport, figures: Figures) -> None:
    capacity = replace(figures.capacity, windows=[4, 2], allowed=[None, 3], most_unavailable=5, limits=1)
    assert sentences.capacity_text(run, capacity) == (
        "At most 1 host in flight at a time, with a window of 4, then 2; at most 5 of the whole fleet unavailable, with "
        "max_unavailable at no limit, then 3; and 1 limit by domain or group: all limits were kept."
    )


def test_shorter_is_said_only_against_what_was_measured(run: RunReport, figures: Figures) -> None:
    saved = Savings(1.0, 13, 32, {"R7625": Baseline(171_000, 4)}, 12_400, 171_000, 171_000 / 12_400)
    claim = sentences.shorter(saved)
    assert claim is not None and claim.text == "Median outage 12.4 s instead of 2m51s through firmware: 14 times shorter."
    assert claim.basis.startswith("13 of 32 hosts via kexec, against 4 reboots through firmware that were measured")
    slower = sentences.shorter(replace(saved, hosts=32, kexec_p50_ms=180_000, times_shorter=None))
    assert slower is not None and slower.text.endswith("through firmware: no shorter.")
    assert sentences.shorter(None) is None


def test_kernels_are_counted() -> None:
    changes = [KernelChange("6.1", "6.12", 38), KernelChange("6.12", "6.12", 2), *[KernelChange("", "7", 1)] * 3]
    assert sentences.kernels_text(changes) == "6.1 → 6.12: 38 hosts; 6.12 as before: 2 hosts; unknown → 7: 1 host; and 2 more"
    assert sentences.kernels_text([]) == ""


def test_hosts_beside_the_window_are_explained(run: RunReport, figures: Figures) -> None:
    given_up = run_from_records(stamped(records_of(Night(hosts=40, failures=0.1, seed=4))))
    assert "come on top of it, up to 3 at a time" in sentences.capacity_text(given_up, figures_of(given_up, {}).capacity)
    assert "on top of it" not in sentences.capacity_text(run, figures.capacity)


def test_the_state_of_a_run(run: RunReport, figures: Figures) -> None:
    assert sentences.standing_of(run, figures).title == "Done"
    assert sentences.standing_of(run, replace(figures, hosts=7)).title == "Ended"
