# SPDX-License-Identifier: GPL-3.0-or-later
"""Random rollouts in virtual time, held against what the guide promises to somebody who looks from outside."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError

from .examples import tried
from .fleet import BY_NAME, Bystander, Fleet, breaches, may_stop
from .worlds import Observed

AMOUNTS = st.one_of(st.integers(1, 4), st.sampled_from(["20%", "34%", "50%", "100%"]))
RACKS = ("r0", "r1", "r2")


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """Small fleets with narrow limits."""
    hosts = tuple(draw(st.permutations("abcdefgh")))[: draw(st.integers(1, 7))]
    only = draw(st.sampled_from(["all", "all", "pending"]))
    kinds = [name for name in BY_NAME if only == "pending" or name != "needless"]
    fates = {name: draw(st.sampled_from([*["fine"] * 2 * len(kinds), *kinds])) for name in hosts}
    bystanders = []
    for number in range(draw(st.integers(0, 3))):
        down_at_s = draw(st.sampled_from([math.inf, 0.0, 0.0, 30.0]))
        up_at_s = draw(st.sampled_from([math.inf, 60.0, 200.0]))
        bystanders.append(Bystander("x%d" % number, draw(st.sampled_from(RACKS)), down_at_s, up_at_s))
    values: dict[str, Any] = {
        "window": draw(AMOUNTS),
        "max_unavailable": draw(st.dictionaries(st.sampled_from(["rack", "all"]), AMOUNTS)),
        "min_available": draw(st.one_of(st.none(), st.integers(0, 6), st.sampled_from(["50%", "75%"]))),
        "canaries": draw(st.integers(0, 2)),
        "canary_soak_s": draw(st.sampled_from([0, 20])),
        "waves": draw(st.sampled_from([(), (1,), ("10%", "50%"), (2, 4)])),
        "wave_soak_s": draw(st.sampled_from([0, 15])),
        "failure_budget": draw(st.sampled_from([0, 1, 2, "50%", "100%"])),
        "deadline_s": draw(st.sampled_from([None, None, None, 100, 200, 260, 400])),
        "order": draw(st.sampled_from(["inventory", "reverse", "sorted"])),
        "stall_s": draw(st.sampled_from([60, 600])),
    }
    racks = {name: draw(st.sampled_from(RACKS)) for name in hosts}
    return Fleet(hosts, racks, fates, tuple(bystanders), only=only, **values)


@tried(12)
@given(fleets())
def test_a_rollout_keeps_what_the_guide_promises(fleet: Fleet) -> None:
    world = Observed(fleet)
    impossible = [names for _words, names, most in fleet.limits() if most < 1 and set(names) & set(fleet.hosts)]
    try:
        world.conduct()
    except RolloutError as error:
        assert error.reason.code == "LIMIT_UNSATISFIABLE" and impossible, error.reason
        return
    assert not impossible
    assert breaches(fleet, world.seen, world.stopped) == []
    assert world.stopped in may_stop(fleet)
    for name, host in world.hosts.items():
        assert host.boots_so_far == (fleet.fate(name).reboots and not fleet.fate(name).down and world.triggers(name) > 0), name
        assert world.triggers(name) <= 1
