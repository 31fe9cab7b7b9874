# SPDX-License-Identifier: GPL-3.0-or-later
"""Which harm is drawn for a fleet, and how it is split over controllers."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.fleet.kexec.molecule.chaos.plan import (
    CONTROLLER_KINDS,
    DISK,
    GUESTS_AT_ONCE,
    LASTS_S,
    Harm,
    Kind,
    harms,
    racks,
    shares,
)

GUESTS = ["kx%d" % number for number in range(1, 10)]
OF_OPS = GUESTS[1::2]
CONTROLLERS = ["one", "other"]
UNTIL_S = 900.0
SEEDS = range(1, 51)


def drawn(seed: int, guests: list[str] = GUESTS, of_ops: list[str] = OF_OPS) -> list[Harm]:
    return harms(seed, guests, of_ops, CONTROLLERS, UNTIL_S)


def test_a_seed_decides_it() -> None:
    assert drawn(1) == drawn(1) != drawn(2)


@pytest.mark.parametrize("seed", SEEDS)
def test_each_kind_is_there_and_all_of_it_ends(seed: int) -> None:
    found = drawn(seed)
    assert {harm.kind for harm in found} == set(Kind)
    assert all(harm.until_s <= UNTIL_S for harm in found)
    assert found == sorted(found, key=lambda harm: harm.at_s)


@pytest.mark.parametrize("seed", SEEDS)
def test_each_lasts_as_long_as_its_kind_may(seed: int) -> None:
    for harm in drawn(seed):
        least, most = LASTS_S[harm.kind]
        assert least <= harm.for_s <= most


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_harmed_twice_at_once_and_few_guests_are(seed: int) -> None:
    for harm in (found := drawn(seed)):
        others = [other for other in found if other is not harm and other.at_s <= harm.at_s <= other.until_s]
        assert harm.target not in {other.target for other in others}
        if harm.target in GUESTS:
            assert sum(other.target in GUESTS for other in others) < GUESTS_AT_ONCE


@pytest.mark.parametrize("seed", SEEDS)
def test_each_kind_has_targets_of_its_own(seed: int) -> None:
    for harm in drawn(seed):
        if harm.kind in CONTROLLER_KINDS:
            assert harm.target in CONTROLLERS
        elif harm.kind is Kind.FILL_CONTROLLER:
            assert harm.target == DISK
        else:
            assert harm.target in (OF_OPS if harm.kind is Kind.SUDO else GUESTS)


def test_sudo_is_broken_only_where_it_is_needed() -> None:
    assert Kind.SUDO not in {harm.kind for harm in drawn(1, ["kx1"], [])}


@pytest.mark.parametrize("number", range(1, 10))
def test_racks_are_whole_and_shared_fairly(number: int) -> None:
    guests = GUESTS[:number]
    shared = shares(guests, CONTROLLERS)
    assert sorted(itertools.chain(*shared.values())) == guests
    assert all(any(set(members) <= set(share) for share in shared.values()) for members in racks(guests).values())
    assert abs(len(shared["one"]) - len(shared["other"])) <= 2
