# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboots of a simulated host by the least method that applies what is pending."""

from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.errors import RebootError

from ..simulated import STAGED, Host
from .reboots import LOCKED, reboot

UNSUPPORTED = {"code": "SOFT_UNSUPPORTED", "message": "systemd 252 knows no soft reboot", "hint": "Use another"}
RISKY = {"code": "DRIVER_RISK", "message": "nvidia drives 0000:3b:00.0", "hint": "See the report"}


def need(method: str) -> dict[str, str]:
    return {"code": "PENDING_PACKAGES", "message": "updates", "hint": "Reboot the host.", "method": method}


def host_in_need(*methods: str) -> Host:
    host = Host()
    host.needs = [need(method) for method in methods]
    return host


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_host_on_which_nothing_is_pending_is_left_as_it_is(check_mode: bool) -> None:
    host = Host()
    result = reboot(host, "least", check_mode=check_mode)
    assert (result["changed"], result["rebooted"], result["method"], result["needed"]) == (False, False, None, [])
    assert result["msg"] == "nothing is pending on this host that a reboot would apply"
    assert host.log == ["restore"] and host.boots_so_far == 0


@pytest.mark.parametrize("method", ["soft", "kexec", "firmware"])
def test_it_takes_the_least_that_applies_it(method: str) -> None:
    host = host_in_need("soft", method)
    result = reboot(host, "least")
    assert (result["method"], result["path"], result["reasons"]) == (method, method, [])
    assert [each["code"] for each in result["needed"]] == ["PENDING_PACKAGES"] * 2
    assert "method" not in result["needed"][0]


@pytest.mark.parametrize("request_of", [{"method": "least"}, {"method": "auto", "only": "pending"}])
def test_what_somebody_staged_need_not_apply_it(request_of: dict[str, str]) -> None:
    host = host_in_need("kexec")
    host.staged = {**STAGED, "token": "12" * 8, "release": "1"}
    result = reboot(host, **request_of)
    assert (result["staged"]["release"], host.log[0]) == (STAGED["release"], "stage {}")


@pytest.mark.parametrize(
    ("risks", "method", "codes"),
    [([], "kexec", ["SOFT_UNSUPPORTED"]), ([RISKY], "firmware", ["SOFT_UNSUPPORTED", "DRIVER_RISK"])],
)
def test_where_one_is_not_possible_the_next_is_taken(risks: list[dict[str, str]], method: str, codes: list[str]) -> None:
    host = host_in_need("soft")
    host.soft, host.blockers = {"blockers": [UNSUPPORTED], "warnings": []}, risks
    result = reboot(host, "least")
    assert (result["method"], result["path"]) == (method, method)
    assert [each["code"] for each in result["reasons"]] == codes


def test_a_kexec_that_turns_out_impossible_ends_in_firmware_and_never_in_less() -> None:
    host = host_in_need("kexec")
    host.stage_error = LOCKED
    result = reboot(host, "least")
    assert (result["method"], [each["code"] for each in result["reasons"]]) == ("firmware", ["LOCKDOWN"])


def test_check_mode_tells_the_method() -> None:
    host = host_in_need("soft")
    result = reboot(host, "least", check_mode=True)
    assert (result["method"], result["rebooted"], result["changed"]) == ("soft", False, True)


def test_a_need_that_is_not_understood_takes_the_method_that_applies_everything() -> None:
    assert reboot(host_in_need("by magic"), "least")["method"] == "firmware"


def test_a_host_that_cannot_be_asked_is_not_rebooted() -> None:
    host = host_in_need("soft")
    host.facts_error = {"code": "NOT_ROOT", "msg": "this needs root"}
    with pytest.raises(RebootError) as caught:
        reboot(host, "least")
    assert caught.value.reason.code == "NOT_ROOT" and host.boots_so_far == 0


def test_other_methods_do_not_ask() -> None:
    host = host_in_need("firmware")
    result = reboot(host, "auto")
    assert result["method"] == "kexec" and "needed" not in result
    assert "reboot_needed" not in host.asked[0]["gather_subset"]
