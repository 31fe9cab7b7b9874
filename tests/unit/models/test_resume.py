# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are cut at any byte of their journal and resumed with other limits: none reboots a host twice, and all end alike.

The model is that of a rollout (fleet.py), with what docs/rolling-reboot.md ("When the controller dies") and docs/journal.md
("What can be relied on", "What a resume does") add:

* "A killed controller may leave an incomplete last line. … It is ignored, and cut off when the run is resumed."
* "Hosts that were done stay done." Hosts whose intent is in the journal are asked what happened, and "none is rebooted twice".
* "What the run is comes from its journal: its hosts, waves and canaries with what they have been through, … and the deadline as a
  point in time." "Limits come from the options"; those "that are not given stay as they were".
* "A host that may be drained counts as unavailable at once, and goes first."
* "Hosts that had failed stay failed and count against the failure budget, unless `retry_failed` is given."
* "The play decides which hosts may be rebooted"; others "stay in the run undecided, until a resume has them".
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import read

from .examples import MEMORY, tried
from .fleet import KILLED, LEFT, Fleet, breaches, may_stop
from .test_fleet import AMOUNTS, fleets
from .worlds import Observed


def reread(world: Observed, torn: float) -> None:
    """Write the journal as its guide says, with the beginning of one more line, and have the run go on with what is read."""
    lines = [json.dumps({"v": 1, "seq": seq, **record}) for seq, record in enumerate(world.disk, 1)]
    last = json.dumps({"v": 1, "seq": len(lines) + 1, "at": "2026-11-24T12:00:00.000Z", "event": "host_released", "host": "a"})
    with TemporaryDirectory(dir=MEMORY) as directory:
        path = Path(directory) / "journal.jsonl"
        path.write_text("".join(line + "\n" for line in lines) + last[: int(torn * len(last))])
        path.chmod(0o600)
        world.disk, _torn = read(str(path))
    assert len(world.disk) == len(lines)


@st.composite
def other_limits(draw: st.DrawFn, fleet: Fleet) -> Fleet:
    """What is asked of a process that resumes the run; the deadline in the same words means the same time."""
    return replace(
        fleet,
        window=draw(AMOUNTS),
        failure_budget=draw(st.sampled_from([fleet.failure_budget, 1, "100%"])),
        max_unavailable=draw(st.sampled_from([fleet.max_unavailable, dict.fromkeys(fleet.max_unavailable, 3)])),
    )


def triggers(world: Observed) -> dict[str, int]:
    return {name: world.triggers(name) for name in world.hosts}


@tried(10)
@given(st.data())
def test_a_run_that_is_cut_ends_as_one_that_is_not(data: st.DataObject) -> None:
    fleet = data.draw(fleets())
    world = Observed(fleet)
    try:
        world.conduct(kill_after=data.draw(st.integers(1, 80)))
    except RolloutError as error:
        assert error.reason.code == "LIMIT_UNSATISFIABLE", error.reason
        return
    resumed: list[Fleet] = []
    for attempt in range(data.draw(st.integers(1, 3))):
        last = attempt == 2
        asked = data.draw(other_limits(fleet))
        play = (
            set(fleet.hosts) if last or data.draw(st.booleans()) else data.draw(st.sets(st.sampled_from(fleet.hosts), min_size=1))
        )
        kill_after = None if last else data.draw(st.one_of(st.none(), st.integers(1, 40)))
        reread(world, data.draw(st.sampled_from([0.0, 0.0, 0.3, 0.99])))
        world.now += data.draw(st.sampled_from([0.0, 5.0, 300.0]))
        before = triggers(world)
        done = {name for name in world.hosts if "host_released" in world.events(name)}
        resumed.append(asked)
        try:
            world.resume(asked, only=play, kill_after=None if kill_after is None else len(world.disk) + kill_after)
        except RolloutError as error:
            assert error.reason.code == "LIMIT_UNSATISFIABLE", error.reason
            return
        rebooted = {name for name, count in triggers(world).items() if count > before[name]}
        assert rebooted <= play - done, "only hosts of the play that are not done are rebooted"
    whole = all(each.event != "host_left_out" for each in world.seen)
    stopped = KILLED if not world.statuses else world.stopped or (None if whole else LEFT)
    assert breaches(fleet, world.seen, stopped, resumed) == []
    if world.statuses:
        allowed = may_stop(replace(fleet, failure_budget=0))
        canaries = fleet.ordered()[: fleet.canaries]
        if canaries and not any("host_released" in world.events(name) for name in canaries):
            # The play did not have them.
            allowed.add("CANARY_FAILED")
        assert world.stopped in allowed
    for name, host in world.hosts.items():
        assert host.boots_so_far <= 1, "%s was rebooted twice" % name
        if world.statuses:
            ended = world.events(name)
            failed = "host_failed" in ended
            assert not host.boots_so_far or failed or "host_released" in ended, "%s was not seen through" % name
            assert host.staged is None or (failed and not host.up_at < world.now), "an image is loaded on %s" % name
            assert failed or not world.drained(name), "%s is drained" % name
            assert failed or name not in world.budget.held, "%s holds a slot" % name
