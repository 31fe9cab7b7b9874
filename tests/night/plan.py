# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Steps of a night: what is run on which guests, for how long at most, and in which order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Of a step on a guest whose file gives no bound: an image that has to be built, and twenty reboots under emulation.
GUEST_BOUND_S = 3600.0
SOAK_BOUND_S = 5 * 3600.0
CHAOS_BOUND_S = 5400.0
MODELS_BOUND_S = 2 * 3600.0
MODEL_EXAMPLES = 10_000

#: Directories and files that decide what a scenario does, below the checkout. Guests' own files count for their own steps only.
INPUTS = ("galaxy.yml", "meta", "molecule", "playbooks", "plugins", "requirements/dev.txt", "roles")
GUESTS = Path("molecule/lab/night")
STOCK = Path("molecule/lab/stock.yml")

_KEYS = frozenset(
    (
        *("summary", "arrange", "verdict", "offers", "refuses", "policy", "reservation", "holds", "volatile"),
        *("faults", "skip", "scenarios", "bound_s"),
    )
)


class PlanError(Exception):
    """What is wrong with a guest's file, for the person at the terminal."""


@dataclass(frozen=True)
class Step:
    """One run of a target of the Makefile.

    :ivar guest: name of the guest or of the fleet.
    :ivar about: what that is, in words.
    :ivar make: arguments of make, without the lab's name.
    :ivar bound_s: how long it may take.
    :ivar alone: whether it takes both cores.
    :ivar variables: file of the guest's variables, below the checkout.
    :ivar inputs: files and directories below the checkout that decide what it does.
    """

    guest: str
    scenario: str
    about: str
    make: tuple[str, ...]
    bound_s: float
    alone: bool = False
    variables: Path | None = None
    inputs: tuple[str, ...] = INPUTS

    @property
    def name(self) -> str:
        """Name in results and of log files."""
        return "%s-%s" % (self.guest, self.scenario)


def of_guest(path: Path, variables: Mapping[str, Any], seed: int) -> list[Step]:
    """Steps of one guest, by its file of variables.

    :raises PlanError: the file has no C(night), or something in it that is not known.
    """
    night = variables.get("night")
    if not isinstance(night, Mapping) or not isinstance(night.get("summary"), str):
        raise PlanError("%s: no night.summary, which says in words what the guest is" % path)
    if unknown := sorted(set(night) - _KEYS):
        raise PlanError("%s: night has no %s; known: %s" % (path, ", ".join(unknown), ", ".join(sorted(_KEYS))))
    bound_s = float(night.get("bound_s", GUEST_BOUND_S))
    return [
        Step(
            path.stem,
            scenario,
            night["summary"],
            ("lab-image", "scenarios", "LAB_VARS=%s" % path, "SCENARIO=%s" % scenario, "NIGHT_SEED=%d" % seed),
            bound_s,
            variables=path,
        )
        for scenario in ("night", *night.get("scenarios", ()))
    ]


def of_fleets(seeds: Sequence[int], soak_reboots: int, soak_result: str) -> list[Step]:
    """Steps that no guest's file asks for: the soak, the fleet under faults, and the models.

    :param seeds: of the fleets; the models have the first one.
    """
    soak = Step(
        "stock",
        "soak",
        "Debian 13 as its installer leaves it, %d reboots in a row" % soak_reboots,
        (
            *("lab-image", "scenarios", "LAB_VARS=%s" % STOCK, "LAB_GUESTS=1", "SCENARIO=soak"),
            *("SOAK_REBOOTS=%d" % soak_reboots, "SOAK_RESULT=%s" % soak_result),
        ),
        SOAK_BOUND_S,
        variables=STOCK,
    )
    chaos = [
        Step(
            "fleet",
            "chaos-%d" % seed,
            "a fleet under faults, seed %d" % seed,
            ("chaos-scenario", "SEED=%d" % seed),
            CHAOS_BOUND_S,
            alone=True,
            variables=Path("molecule/lab/chaos.yml"),
        )
        for seed in seeds
    ]
    models = Step(
        "controller",
        "models",
        "random worlds against models written from the documentation, %d of each" % MODEL_EXAMPLES,
        ("models", "EXAMPLES=%d" % MODEL_EXAMPLES, *("SEED=%d" % seed for seed in seeds[:1])),
        MODELS_BOUND_S,
        inputs=("plugins", "tests/unit/models"),
    )
    return [soak, models, *chaos]


def state_of(root: Path, step: Step) -> str:
    """Digest of all that decides what a step does: of the collection, the scenarios and the lab, and of the step itself.

    A result counts for as long as this stays the same. Other guests' files, documentation and unit tests are not part of it.
    """
    digest = hashlib.sha256(repr((step.make, step.alone)).encode())
    paths = [path for name in step.inputs for path in _files(root / name)]
    for path in sorted(paths):
        name = path.relative_to(root)
        if name.parent == GUESTS and name != step.variables:
            continue
        digest.update(b"%s\0%d\0" % (str(name).encode(), path.stat().st_mode & 0o111))
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _files(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    # Caches of tools are no inputs.
    return [
        each
        for each in path.rglob("*")
        if each.is_file() and not any(part.startswith((".", "__pycache__")) for part in each.relative_to(path).parts)
    ]


def in_order(steps: Iterable[Step], took_s: Mapping[str, float]) -> list[Step]:
    """Steps with the longest first, and those that take both cores last.

    :param took_s: how long steps took earlier, by name; a step that is not there counts with its bound.
    """
    return sorted(steps, key=lambda step: (step.alone, -took_s.get(step.name, step.bound_s), step.name))


def takes_s(steps: Sequence[Step], took_s: Mapping[str, float], lanes: int) -> float:
    """How long the steps take in all, in that order: each lane takes the next one as soon as it is free."""
    ends = [0.0] * lanes
    for step in steps:
        took = took_s.get(step.name, step.bound_s)
        if step.alone:
            ends = [max(ends) + took] * lanes
        else:
            first = ends.index(min(ends))
            ends[first] += took
    return max(ends)


def allowed_s(step: Step, left_s: float) -> float:
    """How long a step may run that begins with so much of the night left; 0 if it may not begin."""
    return max(0.0, min(step.bound_s, left_s))
