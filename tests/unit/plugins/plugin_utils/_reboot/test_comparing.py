# SPDX-License-Identifier: GPL-3.0-or-later
"""A reboot of one host whose machine comes back as it was, or not."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.errors import RebootError
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.request import SETTLE_MAX_S, RebootRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import SessionError, SessionLost

from ..machines import MODEL, difference
from ..simulated import Host
from .reboots import reboot

LOST = difference("NIC_NO_CARRIER", "eth1")
CHANGED = difference("CLOCKSOURCE_CHANGED", "tsc", "warn")


@pytest.fixture
def host() -> Host:
    return Host()


def failed(host: Host, **options: Any) -> RebootError:
    with pytest.raises(RebootError) as caught:
        reboot(host, **options)
    return caught.value


def test_a_machine_is_remembered_before_the_trigger_and_compared_before_the_test(host: Host) -> None:
    result = reboot(host)
    assert host.machine.asked == [("remembered", "old-host"), ("compared", "new-host")], "two runs of a module, and no more"
    assert host.machine.args[1] == {"state": "compared", "settle": 30, "system": "old-host"}
    assert (result["differences"], result["model"]) == ([], MODEL)


def test_a_degraded_host_fails_and_is_not_tested(host: Host) -> None:
    host.machine.differs = {1: [CHANGED, LOST]}
    error = failed(host)
    assert (error.reason.code, error.reason.message) == (
        "DEGRADED",
        "the machine did not come back as it was: NIC_NO_CARRIER eth1",
    )
    assert error.details["differences"] == [LOST, CHANGED]
    assert error.details["rebooted"] is True and error.details["proof"]["proven"]
    assert "test" not in host.log
    assert host.panic == ("0", "0"), "it stays up, so its settings are put back"


def test_what_only_warns_fails_nothing(host: Host) -> None:
    host.machine.differs = {1: [CHANGED]}
    assert reboot(host)["differences"] == [CHANGED]


def test_it_can_be_left_out(host: Host) -> None:
    host.machine.differs = {1: [LOST]}
    result = reboot(host, compare=False)
    assert host.machine.asked == []
    assert "differences" not in result and "model" not in result


def test_check_mode_remembers_nothing(host: Host) -> None:
    reboot(host, check_mode=True)
    assert host.machine.asked == []


def test_options_are_passed_on(host: Host) -> None:
    reboot(host, settle_s=90, policy={"NIC_NO_CARRIER": "warn"})
    policy = {"NIC_NO_CARRIER": "warn"}
    remembered = {"state": "remembered", "policy": policy}
    assert host.machine.args == [remembered, {"state": "compared", "settle": 90, "system": "old-host", "policy": policy}]
    for wrong in (-1, SETTLE_MAX_S + 1):
        request = RebootRequest("kexec", 600, "true", "m", settle_s=wrong)
        with pytest.raises(RebootError) as caught:
            request.check()
        assert caught.value.reason.code == "SETTINGS_INVALID"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"failed": True, "msg": "no", "code": "NO_SPACE"}, "NO_SPACE"),
        ({"failed": True, "msg": "no"}, "FACTS_UNREADABLE"),
        ({"failed": True, "msg": "no", "code": "\x1b[31m"}, "FACTS_UNREADABLE"),
        ({"failed": True, "msg": "no", "code": ["NO_SPACE"]}, "FACTS_UNREADABLE"),
        ({"changed": True}, "FACTS_UNREADABLE"),
        ({"machine": {"boot_id": "", "model": ""}}, "FACTS_UNREADABLE"),
        ({"machine": {"boot_id": "x", "model": 3}}, "FACTS_UNREADABLE"),
        ({"machine": "x"}, "FACTS_UNREADABLE"),
    ],
)
def test_a_host_that_is_not_remembered_is_put_back(host: Host, answer: dict[str, Any], code: str) -> None:
    host.machine.answers["remembered"] = answer
    assert failed(host).reason.code == code
    assert host.staged is None and host.log[:2] == ["stage {}", "call off"]
    assert not any(line.startswith("trigger") for line in host.log)


UNWRITTEN = {"failed": True, "msg": "machine.json can't be written: Read-only file system", "code": "MACHINE_NOT_REMEMBERED"}


def test_a_host_that_cannot_write_is_rebooted_and_known_to_be_unknown(host: Host) -> None:
    host.machine.answers["remembered"] = UNWRITTEN
    result = reboot(host)
    assert result["rebooted"] is True
    assert host.machine.asked == [("remembered", "old-host"), ("compared", "new-host")]
    assert host.machine.args[-1]["system"] == "old-host", "no other snapshot will do"


def test_a_host_that_cannot_write_is_put_back_where_the_policy_has_all_machines_compared(host: Host) -> None:
    host.machine.answers["remembered"] = UNWRITTEN
    assert failed(host, policy={"MACHINE_UNKNOWN": "fail"}).reason.code == "MACHINE_NOT_REMEMBERED"
    assert host.staged is None and not any(line.startswith("trigger") for line in host.log)


def test_a_host_that_is_lost_before_the_trigger_is_put_back(host: Host) -> None:
    host.raises["machine"] = (SessionLost("gone"), 1)
    with pytest.raises(SessionError):
        reboot(host)
    assert host.staged is None and "call off" in host.log


@pytest.mark.parametrize("error", [SessionLost("gone"), SessionError("BECOME_FAILED", "sssd is not up yet")])
def test_a_host_that_cannot_be_compared_yet_is_asked_again(host: Host, error: SessionError) -> None:
    def remembered() -> None:
        host.raises["machine"] = (error, 3)

    host.timeline_s = 0.0
    when_back(host, remembered)
    assert reboot(host)["differences"] == []
    assert host.machine.args[-1]["settle"] < 30, "of which a part is over"


@pytest.mark.parametrize("error", [SessionLost("gone"), SessionError("BECOME_FAILED", "no")])
def test_a_host_that_cannot_be_compared_fails_in_time(host: Host, error: SessionError) -> None:
    when_back(host, lambda: host.raises.update(machine=(error, 10**6)))
    failure = failed(host)
    assert failure.reason.code == "NOT_COMPARED"
    assert failure.details["rebooted"] is True and "differences" not in failure.details
    assert host.took_s < 30 + 60 + 30
    assert "test" not in host.log


@pytest.mark.parametrize(
    "answer",
    [
        {"failed": True, "msg": "no", "code": "NOT_ROOT"},
        {"failed": True},
        {"changed": False},
        {"compared": True, "model": "", "settled_ms": 0, "differences": ["NIC_NO_CARRIER"]},
    ],
)
def test_an_answer_that_is_none_is_no_proof(host: Host, answer: dict[str, Any]) -> None:
    host.machine.answers["compared"] = answer
    assert failed(host).reason.code == "NOT_COMPARED"


def test_the_time_of_the_comparison_is_not_taken_from_the_test(host: Host) -> None:
    when_back(host, lambda: host.raises.update(machine=(SessionLost("gone"), 5)))
    assert reboot(host, reboot_timeout_s=12, settle_s=3)["rebooted"]


def when_back(host: Host, act: Any) -> None:
    """Act once the host has booted."""
    boot = host._boot

    def booted() -> None:
        boot()
        act()

    host._boot = booted  # type: ignore[method-assign]
