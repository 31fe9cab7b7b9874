# SPDX-License-Identifier: GPL-3.0-or-later
"""Which steps a night has, when a result of one still counts, and in which order they come."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.tests.night.plan import (
    PlanError,
    Step,
    allowed_s,
    in_order,
    of_fleets,
    of_guest,
    state_of,
    takes_s,
)

GUEST = Path("molecule/lab/night/secure-boot.yml")
OTHER = Path("molecule/lab/night/other.yml")


def step(name: str, bound_s: float = 100.0, *, alone: bool = False) -> Step:
    return Step(name, "night", "", (), bound_s, alone)


def test_a_guest_goes_through_the_night_and_its_own_scenarios() -> None:
    night, kdump = of_guest(GUEST, {"night": {"summary": "Secure Boot", "scenarios": ["kdump"], "bound_s": 900}}, 7)
    assert (night.name, kdump.name) == ("secure-boot-night", "secure-boot-kdump")
    assert night.make == ("lab-image", "scenarios", "LAB_VARS=" + str(GUEST), "SCENARIO=night", "NIGHT_SEED=7")
    assert (night.about, night.bound_s, night.variables) == ("Secure Boot", 900.0, GUEST)


@pytest.mark.parametrize(
    "variables", [{}, {"night": None}, {"night": {"summary": None}}, {"night": {"summary": "a", "offer": {}}}]
)
def test_a_guest_without_words_or_with_unknown_ones_is_refused(variables: dict[str, object]) -> None:
    with pytest.raises(PlanError, match="secure-boot"):
        of_guest(GUEST, variables, 1)


def test_fleets_have_a_step_for_each_seed_and_take_both_cores() -> None:
    soak, models, *chaos = of_fleets([1, 2], 100, "/cache/soak.json")
    assert models.make == ("models", "EXAMPLES=10000", "SEED=1")
    assert "SOAK_REBOOTS=100" in soak.make and not soak.alone
    assert [each.name for each in chaos] == ["fleet-chaos-1", "fleet-chaos-2"]
    assert all(each.alone for each in chaos)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("plugins/a.py", "molecule/night/ways.yml", GUEST, OTHER, "docs/page.md", "tests/unit/test_a.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("one")
    return tmp_path


@pytest.mark.parametrize("name", ["plugins/a.py", "molecule/night/ways.yml", str(GUEST), "plugins/new.py"])
def test_what_a_step_depends_on_changes_its_state(checkout: Path, name: str) -> None:
    [mine] = of_guest(GUEST, {"night": {"summary": ""}}, 1)
    before = state_of(checkout, mine)
    (checkout / name).write_text("two")
    assert state_of(checkout, mine) != before


@pytest.mark.parametrize(
    "name", ["docs/page.md", "tests/unit/test_a.py", str(OTHER), "plugins/__pycache__/a.pyc", "molecule/.ruff_cache/a"]
)
def test_what_it_does_not_depend_on_leaves_its_result_valid(checkout: Path, name: str) -> None:
    [mine] = of_guest(GUEST, {"night": {"summary": ""}}, 1)
    before = state_of(checkout, mine)
    (checkout / name).parent.mkdir(exist_ok=True)
    (checkout / name).write_text("two")
    assert state_of(checkout, mine) == before


def test_another_seed_is_another_state(checkout: Path) -> None:
    [one], [two] = (of_guest(GUEST, {"night": {"summary": ""}}, seed) for seed in (1, 2))
    assert state_of(checkout, one) != state_of(checkout, two)


def test_the_longest_comes_first_and_who_takes_both_cores_last() -> None:
    steps = [step("alone", 900, alone=True), step("short", 800), step("long", 100)]
    assert [each.guest for each in in_order(steps, {"short-night": 10, "long-night": 300})] == ["long", "short", "alone"]


def test_two_lanes_share_what_is_left_and_wait_for_each_other_before_those_that_take_both() -> None:
    steps = [step("a", 300), step("b", 200), step("c", 200), step("d", 50, alone=True)]
    assert takes_s(steps, {}, 2) == 450
    assert takes_s(steps, {"c-night": 90}, 2) == 350
    assert takes_s([], {}, 2) == 0


def test_a_step_has_no_more_time_than_the_night() -> None:
    assert allowed_s(step("a", 100), 500) == 100
    assert allowed_s(step("a", 100), 30) == 30
    assert allowed_s(step("a", 100), -1) == 0
