# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Harm that is done to a fleet and its controllers: what, when, to whom and for how long, by lot. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

#: Name of the controllers' disk, as a target.
DISK = "disk"


class Kind(StrEnum):
    """Kind of harm."""

    KILL_CONTROLLER = "controller killed, and run again"
    STOP_CONTROLLER = "controller stopped"
    FILL_CONTROLLER = "disk of the controllers full"
    CUT = "packets dropped"
    LINK = "link down"
    FILL = "disk of a guest full"
    PAUSE = "guest paused by its hypervisor"
    STOP_GUEST = "hypervisor stopped"
    SUDO = "sudo broken"


CONTROLLER_KINDS = frozenset({Kind.KILL_CONTROLLER, Kind.STOP_CONTROLLER})
#: Kinds that make a guest unreachable from outside.
AWAY = frozenset({Kind.CUT, Kind.LINK, Kind.PAUSE, Kind.STOP_GUEST})

#: Seconds that harm of a kind lasts, at least and at most. A controller that is stopped for longer than its lease (roll.yml) has
#: lost it; nothing lasts as long as a reboot may take.
LASTS_S: Mapping[Kind, tuple[int, int]] = {
    Kind.KILL_CONTROLLER: (2, 40),
    Kind.STOP_CONTROLLER: (5, 60),
    Kind.FILL_CONTROLLER: (10, 30),
    Kind.CUT: (10, 60),
    Kind.LINK: (10, 60),
    Kind.FILL: (20, 90),
    Kind.PAUSE: (10, 60),
    Kind.STOP_GUEST: (10, 60),
    Kind.SUDO: (60, 60),
}
#: Seconds from one harm to the next.
GAP_S = (5.0, 20.0)
#: Guests that are harmed at the same time.
GUESTS_AT_ONCE = 2


@dataclass(frozen=True)
class Harm:
    """One thing that is done, and undone again.

    :ivar at_s: seconds from the beginning of the rollouts.
    :ivar target: a guest, a controller, or :data:`DISK`.
    """

    at_s: float
    kind: Kind
    target: str
    for_s: float

    @property
    def until_s(self) -> float:
        """When it is undone."""
        return self.at_s + self.for_s


def harms(seed: int, guests: Sequence[str], of_ops: Sequence[str], controllers: Sequence[str], until_s: float) -> list[Harm]:
    """Draw harm until so many seconds after the beginning, in order of time.

    Of every kind there is one before any comes a second time. Nothing is harmed by two things at once, and no more than
    :data:`GUESTS_AT_ONCE` guests are.

    :param of_ops: guests that are reached by an account that is not root, the only ones that need sudo.
    """
    draw = random.Random(seed)
    drawn: list[Harm] = []
    bag: list[Kind] = []
    kinds = [kind for kind in Kind if kind is not Kind.SUDO or of_ops]
    at_s = 0.0
    while True:
        at_s = round(at_s + draw.uniform(*GAP_S), 1)
        if not bag:
            bag = draw.sample(kinds, len(kinds))
        kind = bag.pop()
        for_s = float(draw.randint(*LASTS_S[kind]))
        target = draw.choice(_targets(kind, guests, of_ops, controllers))
        if at_s + for_s > until_s:
            return drawn
        last = [harm for harm in drawn if harm.until_s >= at_s]
        if any(harm.target == target for harm in last) or (
            target in guests and sum(harm.target in guests for harm in last) >= GUESTS_AT_ONCE
        ):
            # Its turn comes later.
            bag.insert(0, kind)
            continue
        drawn.append(Harm(at_s, kind, target, for_s))


def _targets(kind: Kind, guests: Sequence[str], of_ops: Sequence[str], controllers: Sequence[str]) -> Sequence[str]:
    if kind is Kind.FILL_CONTROLLER:
        return [DISK]
    if kind in CONTROLLER_KINDS:
        return controllers
    return of_ops if kind is Kind.SUDO else guests


def racks(guests: Sequence[str]) -> dict[str, list[str]]:
    """Failure domains: two guests each, in their order."""
    return {"r%d" % (number // 2 + 1): list(guests[number : number + 2]) for number in range(0, len(guests), 2)}


def shares(guests: Sequence[str], controllers: Sequence[str]) -> dict[str, list[str]]:
    """Guests of each controller, whole racks, because each counts a rack's guests for itself."""
    shared: dict[str, list[str]] = {name: [] for name in controllers}
    for members in racks(guests).values():
        shared[min(controllers, key=lambda name: len(shared[name]))] += members
    return shared
