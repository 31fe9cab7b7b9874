# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans, in which each host is asked how it would be rebooted."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._host_facts import PreparedBoot
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.host_reboot import HostReboot
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.request import RebootRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.preview import (
    Needs,
    Preview,
    ask_for_needs,
    facts_of,
    look_at,
    methods_of,
)

from ...virtual_time import run
from ..garbage import GARBAGE
from ..simulated import Host, Network

NEEDED = {"code": "PENDING_PACKAGES", "message": "updates", "hint": "Reboot the host.", "method": "soft"}


def reboot_of(host: Host) -> HostReboot:
    network: Any = Network(host)
    return HostReboot(session=host, prober=network, own_boot_id="mine", new_token=lambda: "cd" * 8, progress=lambda text: None)


def request_of(_name: str) -> RebootRequest:
    return RebootRequest("least", 600, "true", "m")


@pytest.fixture
def hosts() -> dict[str, Host]:
    found = {name: Host(name) for name in ("good", "bad", "other")}
    for host in found.values():
        host.needs = [NEEDED]
    return found


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_a_host_that_answers_garbage_keeps_no_other_out(hosts: dict[str, Host], answer: dict[str, Any]) -> None:
    hosts["bad"].instead["boot_facts"] = answer

    async def ask(asking: Any) -> Any:
        return await asking(hosts, lambda name: reboot_of(hosts[name]), request_of, at_once=2)

    looked: dict[str, Preview] = run(ask(look_at))
    assert {name: each.method for name, each in looked.items()} == {"good": "soft", "bad": None, "other": "soft"}
    assert (looked["bad"].failure and looked["bad"].failure.code) == "FACTS_UNREADABLE"
    assert looked["good"].auto == "kexec"
    # Before a rollout, it is left to its preparation, which says why.
    assert run(ask(ask_for_needs)) == ([], {"good": "soft", "other": "soft"})
    classes = run(ask(facts_of))
    assert classes["good"] is not None


def test_a_host_that_is_spared_says_what_auto_would_have_done(hosts: dict[str, Host]) -> None:
    hosts["good"].needs = []
    hosts["bad"].facts = {"verdict": {"method": "firmware", "release": None}}

    async def ask() -> dict[str, Preview]:
        return await look_at(hosts, lambda name: reboot_of(hosts[name]), request_of, at_once=2)

    assert {name: (each.not_needed, each.auto) for name, each in run(ask()).items()} == {
        "good": (True, "kexec"),
        "bad": (False, "firmware"),
        "other": (False, "kexec"),
    }


def test_a_host_says_what_shortens_its_outage(hosts: dict[str, Host]) -> None:
    hosts["good"].prepared = {"parts": ["quiet"], "untried_ms": 4012.3}

    async def ask() -> dict[str, Preview]:
        return await look_at(hosts, lambda name: reboot_of(hosts[name]), request_of, at_once=2)

    assert {name: each.prepared for name, each in run(ask()).items()} == {
        "good": PreparedBoot(("quiet",), 4.0),
        "bad": None,
        "other": None,
    }


def test_a_host_whose_class_may_be_proven_by_then_has_no_method_yet() -> None:
    unproven = reason("UNPROVEN", "no host of this class has come back from a kexec yet")
    looked = {
        "a": Preview(method="soft"),
        "b": Preview(method="firmware", reasons=(unproven,)),
        "c": Preview(not_needed=True),
        "d": Preview(failure=unproven),
    }
    assert methods_of(looked) == {"a": "soft"}


def test_hosts_are_asked_for_the_least_that_they_need(hosts: dict[str, Host]) -> None:
    unsupported = {"code": "SOFT_UNSUPPORTED", "message": "systemd 252", "hint": "Use another."}
    hosts["good"].needs, hosts["other"].soft = [], {"blockers": [unsupported], "warnings": []}

    async def ask() -> Needs:
        return await ask_for_needs(hosts, lambda name: reboot_of(hosts[name]), request_of, at_once=2)

    assert run(ask()) == (["good"], {"bad": "soft", "other": "kexec"})
    assert "soft" in hosts["bad"].asked[0]["gather_subset"] and hosts["bad"].log == []
