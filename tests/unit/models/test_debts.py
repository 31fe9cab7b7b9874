# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs whose controllers die at any point, while all else fails, too: what was begun is given back or owed."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ..plugins.plugin_utils._rollout.worlds import HOOKS
from .debts import ERRORS, Cut, Owing, Process, Trouble
from .examples import tried

NAMES = ("a", "b", "c")
FATES = ("fine", "foreign", "degraded", "lost", "inhibited", "slow", "deaf", "hard of hearing", "stuck", "keeping")
CALLS = ("boot_facts", "stage", "machine", "trigger", "call off", "state", "restore panic", "drain", "undrain")
CUT_AT = (
    "host_preparing",
    "host_prepared",
    "host_draining",
    "host_drained",
    "host_intent",
    "host_triggered",
    "host_down",
    "host_owes",
)
LOCK_CALLS = ("acquire", "confirm", "release", "holders")
SOMETIMES = st.sampled_from([False, False, False, True])


@st.composite
def troubles(draw: st.DrawFn) -> Trouble:
    if draw(st.booleans()):
        return Trouble()
    one = st.sampled_from(NAMES)
    failing = st.tuples(st.sampled_from(sorted(ERRORS)), st.sampled_from([1, 2, 4, 40]))
    cuts = st.builds(
        Cut, st.sampled_from(CUT_AT), st.sampled_from([0.0, 0.1, 0.5, 3.0]), st.sampled_from([2.0, 20.0, 80.0, 300.0])
    )
    return Trouble(
        calls=draw(st.dictionaries(one, st.dictionaries(st.sampled_from(CALLS), failing, max_size=2), max_size=2)),
        refusing=draw(st.dictionaries(one, st.sets(st.sampled_from(["drain", "undrain"]), min_size=1), max_size=1)),
        cuts=draw(st.dictionaries(one, cuts, max_size=2)),
        lock_calls=draw(st.dictionaries(st.sampled_from(LOCK_CALLS), st.sampled_from([1, 3, 60]), max_size=1)),
        lost_answers=draw(st.sampled_from([0, 0, 0, 2])),
        unreadable=draw(st.sampled_from([(), (), (), (), NAMES])),
        full_at_s=draw(st.sampled_from([float("inf")] * 5 + [3.0, 10.0])),
    )


@st.composite
def processes(draw: st.DrawFn) -> Process:
    ends = draw(st.sampled_from(["killed after", "killed after", "killed at", "interrupted", "by itself"]))
    return Process(
        trouble=draw(troubles()),
        after_s=draw(st.sampled_from([0.0, 0.0, 5.0, 100.0, 500.0])),
        play=draw(st.one_of(st.none(), st.sets(st.sampled_from(NAMES), min_size=1))),
        retry_failed=draw(SOMETIMES),
        window=draw(st.integers(1, 3)),
        killed_after=draw(st.integers(1, 40)) if ends == "killed after" else None,
        killed_at_s=draw(st.floats(0.0, 90.0)) if ends == "killed at" else None,
        interrupted_at_s=draw(st.floats(0.0, 60.0)) if ends == "interrupted" else None,
    )


@tried(10)
@given(st.data())
def test_what_was_begun_is_given_back_or_owed(data: st.DataObject) -> None:
    fates = {name: data.draw(st.sampled_from(["fine", *FATES]), label=name) for name in NAMES}
    world = Owing(fates, beside=data.draw(st.booleans()), hooks=data.draw(st.sampled_from([HOOKS, HOOKS, HOOKS, {}])))
    world.fallback = data.draw(st.sampled_from(["none", "none", "firmware"]))
    for number in range(data.draw(st.integers(1, 4))):
        process = data.draw(processes())
        orderly = world.live_as(process if number else replace(process, play=None), resume=number > 0)
        assert world.stopped != "INTERNAL_ERROR"
        assert not world.wrongs(), world.wrongs()
        assert not orderly or not world.untold(), world.untold()
    for _again in range(2):
        # What is down for good, or for longer than anybody waits, is up the second time.
        world.mend()
        assert world.live_as(Process(after_s=500.0), resume=True)
        assert world.stopped is None, world.stopped
    assert not world.wrongs(), world.wrongs()
    assert not world.left(), world.left()
