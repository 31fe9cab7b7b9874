# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Results of steps, kept so that a night can be gone on with, and their summary."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from .plan import Step


class Outcome(StrEnum):
    """End of a step."""

    PASSED = "passed"
    FAILED = "failed"
    #: It took longer than its bound.
    TOO_LONG = "too long"
    #: The night was over before it had ended, or began.
    NOT_RUN = "not run"


#: Ends that a step need not be run again after.
FINAL = frozenset({Outcome.PASSED, Outcome.FAILED, Outcome.TOO_LONG})


@dataclass(frozen=True)
class Result:
    """End of a step, for a state of its inputs.

    :ivar ended_at: date and time in UTC, ISO 8601.
    :ivar details: what the scenario kept for the summary: C(versions), C(ways), C(faults), C(skipped).
    """

    step: str
    state: str
    outcome: Outcome
    took_s: float
    ended_at: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One row of the summary: a guest, a scenario, and what came of it.

    :ivar ended_at: date and time in UTC, ISO 8601; empty if it was not run.
    :ivar details: see :class:`Result`.
    :ivar changed_since: whether what decides the result has changed since then.
    """

    guest: str
    about: str
    scenario: str
    outcome: Outcome
    took_s: float = 0.0
    ended_at: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    changed_since: bool = False

    @property
    def step(self) -> tuple[str, str]:
        """What it is about: guest and scenario."""
        return self.guest, self.scenario


@dataclass(frozen=True)
class Summary:
    """All steps of a night, which may have taken several runs.

    :ivar date: of the newest result; empty if there is none.
    :ivar versions: of what is the same for all guests: C(qemu), C(cores).
    """

    date: str
    versions: Mapping[str, str]
    rows: tuple[Row, ...]

    def as_json(self) -> str:
        """Text of the file that it is kept in."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


def outcome_of(returncode: int | None, step: Step, allowed_s: float) -> Outcome:
    """End of a step whose command returned so, or None if it was ended after the time that it was allowed."""
    if returncode is None:
        return Outcome.TOO_LONG if allowed_s >= step.bound_s else Outcome.NOT_RUN
    return Outcome.FAILED if returncode else Outcome.PASSED


def read(path: Path) -> list[Result]:
    """Results so far, in their order; none if there is no file. A last line that was cut off is left out."""
    if not path.exists():
        return []
    lines = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    return [Result(**{**record, "outcome": Outcome(record["outcome"])}) for record in map(json.loads, lines)]


def append(path: Path, result: Result) -> None:
    """Keep one more result."""
    whole = not path.exists() or path.stat().st_size == 0 or path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as stream:
        stream.write(("" if whole else "\n") + json.dumps(asdict(result)) + "\n")


def latest(results: Iterable[Result]) -> dict[tuple[str, str], Result]:
    """The newest result of each step and state."""
    return {(result.step, result.state): result for result in results}


def left(steps: Iterable[Step], states: Mapping[str, str], results: Iterable[Result], *, again: bool = False) -> list[Step]:
    """Steps that have no final result for their state.

    :param states: state by the step's name.
    :param again: whether those that did not pass are left, too.
    """
    known = latest(results)
    wanted = {Outcome.PASSED} if again else FINAL
    return [
        step
        for step in steps
        if (found := known.get((step.name, states[step.name]))) is None or found.outcome not in wanted
    ]  # fmt: skip


def took_s(results: Iterable[Result]) -> dict[str, float]:
    """How long each step took when it last ran to its end, by name."""
    return {result.step: result.took_s for result in results if result.outcome in FINAL}


def summarise(
    steps: Sequence[Step], states: Mapping[str, str], results: Iterable[Result], versions: Mapping[str, str]
) -> Summary:
    """The summary of all steps, in their order: the newest result for the present state, or else the newest one of all."""
    every = [result for result in results if result.outcome in FINAL]
    known = latest(every)
    newest = {result.step: result for result in every}
    rows = []
    for step in steps:
        found = known.get((step.name, states[step.name])) or newest.get(step.name)
        if found is None:
            rows.append(Row(step.guest, step.about, step.scenario, Outcome.NOT_RUN))
            continue
        changed = found.state != states[step.name]
        about = (step.guest, step.about, step.scenario)
        rows.append(Row(*about, found.outcome, found.took_s, found.ended_at, found.details, changed))
    return _summary(rows, versions)


def gone_on_with(earlier: Summary, later: Summary) -> Summary:
    """The later summary, with the earlier one's results of the steps that were not run since."""
    known = {row.step: replace(row, changed_since=True) for row in earlier.rows}
    rows = [known.get(row.step, row) if row.outcome is Outcome.NOT_RUN else row for row in later.rows]
    return _summary(rows, later.versions)


def _summary(rows: Sequence[Row], versions: Mapping[str, str]) -> Summary:
    return Summary(max((row.ended_at for row in rows), default="")[:10], versions, tuple(rows))


def summary_of(text: str) -> Summary:
    """The summary in a file's text."""
    read_back = json.loads(text)
    rows = tuple(Row(**{**row, "outcome": Outcome(row["outcome"])}) for row in read_back["rows"])
    return Summary(read_back["date"], read_back["versions"], rows)
