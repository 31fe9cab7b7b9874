# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._report import sentences
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.figures import Figures, figures_of
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


def test_the_state_of_a_run(run: RunReport, figures: Figures) -> None:
    assert sentences.standing_of(run, figures).title == "Done"
    assert sentences.standing_of(run, replace(figures, hosts=7)).title == "Ended"
