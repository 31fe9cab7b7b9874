# SPDX-License-Identifier: GPL-3.0-or-later
"""A night of steps that take no virtual machine, by real makes: results, logs, bounds, and what is left of a lab."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.tests.night.plan import Step, state_of
from ansible_collections.fleet.kexec.tests.night.results import Outcome, read
from ansible_collections.fleet.kexec.tests.night.run import Night, NightError

MAKEFILE = """
.RECIPEPREFIX = >
CACHE := %s
.PHONY: passes fails hangs changes lab-fresh
passes:
> @mkdir -p $(CACHE)/molecule/$(LAB_NAME); echo '{"ways": []}' > $(CACHE)/molecule/$(LAB_NAME)/kx1.night_ways.json; echo done
fails:
> @mkdir -p $(CACHE)/run/$(LAB_NAME)/kx1; echo 'Kernel panic' > $(CACHE)/run/$(LAB_NAME)/kx1/console.log; false
hangs:
> @sleep 600
changes:
> @mkdir -p plugins; echo two > plugins/a.py
lab-fresh:
> @rm -rf $(CACHE)/run/$(LAB_NAME) $(CACHE)/molecule/$(LAB_NAME)
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "Makefile").write_text(MAKEFILE % (tmp_path / "cache"))
    return root


def step(target: str, bound_s: float = 60.0, *, alone: bool = False) -> Step:
    return Step(target, "night", "", (target,), bound_s, alone)


def outcomes(checkout: Path, steps: list[Step], for_s: float = 60.0) -> dict[str, Outcome]:
    """Run them; the outcome of each that has one."""
    cache = checkout.parent / "cache"
    states = {each.name: state_of(checkout, each) for each in steps}
    Night(checkout, cache, states, time.monotonic() + for_s, 2).run(steps)
    return {result.step: result.outcome for result in read(cache / "night/results.jsonl")}


def test_each_step_has_its_result_and_its_log(checkout: Path) -> None:
    found = outcomes(checkout, [step("passes"), step("fails"), step("hangs", 1.0, alone=True)])
    assert found == {
        "passes-night": Outcome.PASSED,
        "fails-night": Outcome.FAILED,
        "hangs-night": Outcome.TOO_LONG,
    }
    cache = checkout.parent / "cache"
    [passed] = [result for result in read(cache / "night/results.jsonl") if result.outcome is Outcome.PASSED]
    assert passed.details == {"ways": []}
    assert (cache / "night/logs/passes-night.log").read_text() == "done\n"


def test_the_log_of_a_failure_ends_with_the_console(checkout: Path) -> None:
    outcomes(checkout, [step("fails")])
    assert "Kernel panic" in (checkout.parent / "cache/night/logs/fails-night.log").read_text()


def test_nothing_of_the_labs_is_left(checkout: Path) -> None:
    outcomes(checkout, [step("passes"), step("fails")])
    assert not list((checkout.parent / "cache/run").iterdir())


def test_what_the_night_is_too_short_for_is_left_for_the_next_one(checkout: Path) -> None:
    assert outcomes(checkout, [step("hangs", 60.0), step("passes", alone=True)], for_s=1.0) == {"hangs-night": Outcome.NOT_RUN}


def test_a_checkout_that_changes_ends_the_night_without_a_result(checkout: Path) -> None:
    began = time.monotonic()
    with pytest.raises(NightError, match="has changed"):
        outcomes(checkout, [step("hangs", 600.0), step("changes")], for_s=600.0)
    assert time.monotonic() - began < 60, "what still ran was ended, too"
    assert read(checkout.parent / "cache/night/results.jsonl") == []
