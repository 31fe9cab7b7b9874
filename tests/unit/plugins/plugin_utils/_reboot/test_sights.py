# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a host's clock is from this machine's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.axis import Offset
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.sights import ROUNDS, measure, offset_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import SessionLost

AHEAD = 5_000_000


@pytest.mark.parametrize(("there_ns", "back_ns"), [(100, 100), (900, 100), (0, 1000), (1000, 0)])
def test_the_true_offset_is_within_the_error(there_ns: int, back_ns: int) -> None:
    """However the two ways compare."""
    sent = 1_795_000_000_000_000_000
    read = sent + there_ns + AHEAD
    offset = offset_of(sent, read, read + 50, sent + there_ns + 50 + back_ns)
    assert offset is not None
    assert abs(offset.offset_ns - AHEAD) <= offset.error_ns <= (there_ns + back_ns + 1) // 2


def test_times_that_cannot_be_of_one_exchange() -> None:
    """The host says that it took longer than it did."""
    assert offset_of(0, 10, 500, 100) is None


def measured(answers: Sequence[tuple[int, CommandResult]]) -> Offset | None:
    """:param answers: how long each takes, and what it is."""
    left = iter(answers)
    now = [0]

    async def ask() -> CommandResult:
        took, answer = next(left)
        now[0] += took
        return answer

    return asyncio.run(measure(ask, lambda: now[0]))


def said(*times: int) -> CommandResult:
    return CommandResult(0, "0 updates\n" + "".join("clock=%d\r\n" % each for each in times), "")


def test_the_best_of_a_few_counts() -> None:
    slow, quick = (1000, said(AHEAD + 900, AHEAD + 900)), (10, said(AHEAD + 1005, AHEAD + 1005))
    late = (1000, said(AHEAD + 1500, AHEAD + 1500))
    assert len((slow, quick, late)) == ROUNDS
    assert measured([slow, quick, late]) == Offset(AHEAD, 5)


@pytest.mark.parametrize("answers_first", [False, True])
def test_a_host_that_stops_answering(answers_first: bool) -> None:
    """What was measured until then counts, and nobody waits twice."""
    asked = []

    async def ask() -> CommandResult:
        asked.append(1)
        if answers_first and len(asked) == 1:
            return said(AHEAD, AHEAD)
        raise SessionLost("no answer")

    assert asyncio.run(measure(ask, lambda: 0)) == (Offset(AHEAD, 0) if answers_first else None)
    assert len(asked) == 1 + answers_first


@pytest.mark.parametrize(
    "answer", [CommandResult(1, "", "no date"), said(5), said(1, 2, 3), CommandResult(0, "clock=5N\nclock=5N\n", "")]
)
def test_a_host_that_cannot_tell(answer: CommandResult) -> None:
    assert measured([(1, answer)] * ROUNDS) is None
