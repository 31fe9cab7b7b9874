# SPDX-License-Identifier: GPL-3.0-or-later
"""Order, waves, and limits that make no sense for a fleet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Bystander, HostSpec, Prediction
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.plan import Plan, make_plan
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.settings import settings_from

from ..fleets import PREDICTION, bystander, host


def plan(hosts: Sequence[HostSpec], bystanders: Sequence[Bystander] = (), seed: int = 0, **options: Any) -> Plan:
    return make_plan(hosts, bystanders, settings_from(options), seed)


def waves(made: Plan) -> dict[str, str]:
    return {wave.name: " ".join(each.name for each in wave.hosts) for wave in made.waves}


def named(names: str) -> list[HostSpec]:
    return [host(name) for name in names]


def test_one_wave_in_the_order_of_the_inventory() -> None:
    made = plan(named("bca"))
    assert waves(made) == {"wave 1": "b c a"}
    assert made.window == 1


def test_orders() -> None:
    hosts = named("bdca")
    assert waves(plan(hosts, order="reverse")) == {"wave 1": "a c d b"}
    assert waves(plan(hosts, order="sorted")) == {"wave 1": "a b c d"}
    shuffled = {waves(plan(hosts, order="shuffle", seed=seed))["wave 1"] for seed in range(20)}
    assert len(shuffled) > 5
    assert waves(plan(hosts, order="shuffle", seed=7)) == waves(plan(hosts, order="shuffle", seed=7))


def test_the_quickest_first() -> None:
    slow = replace(PREDICTION.p50, outage_s=100.0)
    # What is done before a host goes out costs nothing.
    staged_slowly = replace(PREDICTION.p50, prepare_s=100.0, outage_s=1.0)
    hosts = [
        host("slow", predicted=Prediction(slow, slow)),
        host("usual"),
        host("quick", predicted=Prediction(staged_slowly, staged_slowly)),
    ]
    assert waves(plan(hosts, order="quickest")) == {"wave 1": "quick usual slow"}


def test_spread_over_the_domains_of_the_first_limit() -> None:
    hosts = [host(name, rack="r%d" % (number // 3), zone="z") for number, name in enumerate("abcdefg")]
    hosts.append(host("x", zone="z"))
    assert waves(plan(hosts, order="spread")) == {"wave 1": "a d g x b e c f"}
    assert waves(plan(hosts, order="spread", max_unavailable={"all": 3, "zone": 1})) == {"wave 1": "a b c d e f g x"}


def test_canaries_waves_and_those_that_go_last() -> None:
    hosts = [host("jump", last=True), *named("abcdefghijkl")]
    made = plan(hosts, canaries={"count": 2, "soak": 60}, waves=[1, "50%"], wave_soak=30)
    assert waves(made) == {"canary": "a b", "wave 1": "c", "wave 2": "d e f g", "wave 3": "h i j k l", "last": "jump"}
    assert [wave.soak_s for wave in made.waves] == [60, 30, 30, 30, 0]


def test_a_canary_of_each_host_class() -> None:
    hosts = [host("a", "x"), host("b", "x"), host("c", "y"), host("d", "y"), host("e", "z", last=True)]
    assert waves(plan(hosts, canaries={"each_host_class": True})) == {"canary": "a c", "wave 1": "b d", "last": "e"}
    assert waves(plan(hosts, canaries={"each_host_class": True, "count": 2}))["canary"] == "a b c"


def test_waves_of_few_hosts() -> None:
    assert waves(plan(named("abc"), waves=[1, "10%", "50%"])) == {"wave 1": "a", "wave 2": "b c"}
    assert waves(plan(named("abc"), waves=["1%", "2%"])) == {"wave 1": "a", "wave 2": "b c"}, "a wave has at least one host"
    assert waves(plan(named("abc"), waves=[5, 7])) == {"wave 1": "a b c"}
    assert waves(plan(named("ab"), canaries={"count": 5, "soak": 9})) == {"canary": "a b"}
    assert plan(named("ab"), canaries={"count": 5, "soak": 9}).waves[0].soak_s == 0, "nothing follows"
    assert waves(plan([])) == {}


def test_the_window() -> None:
    assert plan(named("abcdefgh"), window="50%").window == 4
    assert plan(named("abc"), window="1%").window == 1


def test_limits_count_bystanders() -> None:
    made = plan([host("a", rack="r", groups=["web"])], [bystander("b", rack="r", groups=["web"]), bystander("c")],
                max_unavailable={"rack": "50%"}, min_available={"web": "50%"})  # fmt: skip
    assert [limit.most for limit in made.limits["a"]] == [1, 1]
    assert made.limits["a"] == made.limits["b"]
    assert made.limits["c"] == ()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"max_unavailable": {"row": 1}}, "DOMAIN_UNKNOWN", "no host has a domain row; there are: all, rack"),
        ({"failure_budget": {"total": 1, "each_domain": {"row": 1}}}, "DOMAIN_UNKNOWN", "there are: all, rack"),
        ({"min_available": {"db": 1}}, "GROUP_UNKNOWN", "no host is in group db; there are: web"),
        ({"max_unavailable": {"rack": "40%"}}, "LIMIT_UNSATISFIABLE", "rack r1 (max_unavailable 40%)"),
        ({"max_unavailable": 0}, "LIMIT_UNSATISFIABLE", "the fleet (max_unavailable 0)"),
        ({"min_available": {"web": 2}}, "LIMIT_UNSATISFIABLE", "group web (min_available 2)"),
        ({"min_available": {"web": "51%"}}, "LIMIT_UNSATISFIABLE", "group web (min_available 51%)"),
    ],
)
def test_limits_that_can_not_be(options: dict[str, Any], code: str, message: str) -> None:
    hosts = [host("a", rack="r1", groups=["web"]), host("b", rack="r1", groups=["web"])]
    with pytest.raises(RolloutError) as caught:
        plan(hosts, **options)
    assert caught.value.reason.code == code
    assert message in caught.value.reason.message


def test_a_limit_of_nobody_who_reboots_does_not_matter() -> None:
    assert plan([host("a", rack="r1")], [bystander("b", rack="r2")], max_unavailable={"rack": "100%"}, min_available={})
    assert plan([host("a")], [bystander("b", groups=["db"])], min_available={"db": 1})


def test_a_name_that_is_there_twice_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="twice"):
        plan([host("a")], [bystander("a")])
