# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole reboot against a simulated host, on a simulated clock: milliseconds for minutes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.trigger import GOING_DOWN_RC
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CATALOGUE, CodedError
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.errors import RebootError
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.service_watch import ServiceWatch
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import SessionError, SessionLost

from ..garbage import GARBAGE
from ..simulated import STAGED, TOKEN, Host
from .reboots import BLOCKED, LOCKED, PROBE, reboot, rebooted


@pytest.fixture
def host() -> Host:
    return Host()


def code_of(host: Host, method: str = "kexec", **options: Any) -> str:
    with pytest.raises(RebootError) as caught:
        reboot(host, method, **options)
    assert caught.value.reason.code in CATALOGUE
    return caught.value.reason.code


def test_a_kexec_is_proven_and_everything_is_told(host: Host) -> None:
    result = reboot(host)
    assert result["changed"] and result["rebooted"]
    assert (result["method"], result["path"]) == ("kexec", "kexec")
    assert result["proof"]["proven"]
    assert (result["before"], result["after"]) == (
        {"boot_id": "old-host", "soft_reboots": 0, "release": "1"},
        {"boot_id": "new-host", "soft_reboots": 0, "release": "2"},
    )
    assert 0 <= result["outage_ms"] - 6000 <= result["outage_error_ms"] <= 1000
    assert result["reasons"] == []
    assert host.panic == ("0", "0"), "put back"
    assert host.log == ["stage {}", "trigger kexec 0.500", "committed", "test", "restore", "restore"]


def test_the_timeline_is_told_what_was_seen_from_here(host: Host) -> None:
    host.ahead_s = 40.0
    result = reboot(host, utc_ns=lambda: round(host.now * 1e9))
    assert result["timeline"] == host.timeline
    (seen,) = host.timelines_asked
    assert (seen["token"], seen["boot_id_before"], seen["release_before"]) == (TOKEN, "old-host", "1")
    # A round trip takes 200 ms, and the clock is read at the end of it.
    for clock in (seen["clock_before"], seen["clock_after"]):
        assert clock["offset_ns"] == pytest.approx(40_100_000_000, abs=10_000_000)
        assert clock["error_ns"] == pytest.approx(100_000_000, abs=10_000_000)
    assert seen["stage"]["duration_ns"] == pytest.approx(1_000_000_000, abs=10_000_000)
    outage = seen["outage"]
    assert outage["duration_ns"] == result["outage_ms"] * 10**6 and outage["error_ns"] == result["outage_error_ms"] * 10**6
    assert outage["seen_by"] == "ssh"
    assert seen["stage"]["start_ns"] < outage["start_ns"] < outage["start_ns"] + outage["duration_ns"] < seen["healthy_ns"]
    assert "drain" not in seen and "host_class" not in seen, "not of a reboot by itself"


def test_all_times_are_of_one_clock_however_that_is_set_meanwhile(host: Host) -> None:
    asked = []

    def utc_ns() -> int:
        asked.append(1_795_000_000 * 10**9)
        return asked[-1]

    reboot(host, utc_ns=utc_ns)
    assert len(asked) == 1
    assert 0 <= host.timelines_asked[0]["healthy_ns"] - asked[0] < 60 * 10**9


def test_a_timeline_that_cannot_be_had_fails_nothing(host: Host) -> None:
    host.timeline = None
    result = reboot(host)
    assert result["rebooted"] and result["timeline"] is None


def test_a_reboot_takes_as_long_as_it_takes_to_be_healthy(host: Host) -> None:
    quick = reboot(host)["elapsed_ms"]
    slow = Host()
    slow.timeline_s = 50.0
    assert reboot(slow)["elapsed_ms"] == quick


def test_what_is_staged_already_is_used(host: Host) -> None:
    host.staged = dict(STAGED, token="12" * 8)
    assert reboot(host)["staged"]["token"] == "12" * 8
    assert not any(line.startswith("stage") for line in host.log)


def test_image_options_stage_anew(host: Host) -> None:
    host.staged = dict(STAGED, token="12" * 8)
    assert reboot(host, image={"kernel": "2"})["staged"]["token"] == TOKEN
    assert host.log[0] == "stage {'kernel': '2'}"


def test_firmware_unstages_first(host: Host) -> None:
    host.staged = dict(STAGED)
    result = reboot(host, "firmware")
    assert (result["path"], result["proof"], result["staged"]) == ("firmware", None, None)
    assert host.log[:2] == ["stage {'state': 'unstaged'}", "trigger reboot 0.500"]


def test_an_image_that_nobody_can_unload_does_not_keep_a_host_from_firmware(host: Host) -> None:
    host.staged, host.load_disabled = dict(STAGED), True
    result = reboot(host, "firmware")
    assert (result["path"], host.log[1]) == ("firmware", "trigger reboot 0.500")
    assert [note["code"] for note in result["notes"]] == ["UNLOAD_DISABLED"]


def test_check_mode_triggers_nothing(host: Host) -> None:
    result = reboot(host, check_mode=True)
    assert (result["changed"], result["rebooted"], result["method"]) == (True, False, "kexec")
    assert host.log == ["stage {}", "restore"]


def test_a_host_that_cannot_kexec(host: Host) -> None:
    host.stage_error = LOCKED
    assert code_of(host) == "LOCKDOWN"
    result = reboot(host, "auto")
    assert (result["method"], result["path"]) == ("firmware", "firmware")
    assert [reason["code"] for reason in result["reasons"]] == ["LOCKDOWN"]


def test_a_wrong_option_is_an_error_with_auto_too(host: Host) -> None:
    host.stage_error = {"code": "KERNEL_NOT_FOUND", "msg": "no kernel"}
    assert code_of(host, "auto", image={"kernel": "2"}) == "KERNEL_NOT_FOUND"
    assert not any("trigger" in line for line in host.log)


def test_what_the_default_entry_lacks_leads_through_firmware(host: Host) -> None:
    host.stage_error = {"code": "KERNEL_NOT_FOUND", "msg": "no kernel"}
    result = reboot(host, "auto")
    assert (result["method"], [each["code"] for each in result["reasons"]]) == ("firmware", ["KERNEL_NOT_FOUND"])


@pytest.mark.parametrize("staged", [None, dict(STAGED)])
@pytest.mark.parametrize("image", [{}, {"kernel": "2"}])
def test_a_blocked_risk_goes_through_firmware_with_auto(host: Host, staged: dict[str, Any] | None, image: dict[str, Any]) -> None:
    host.blockers, host.staged = [BLOCKED], staged
    result = reboot(host, "auto", image=image)
    assert (result["method"], result["path"], result["staged"]) == ("firmware", "firmware", None)
    assert result["reasons"] == [BLOCKED]
    assert host.log[:2] == ["stage {'state': 'unstaged'}", "trigger reboot 0.500"]


@pytest.mark.parametrize("staged", [None, dict(STAGED)])
def test_a_blocked_risk_fails_a_kexec_before_anything_is_staged(host: Host, staged: dict[str, Any] | None) -> None:
    host.blockers, host.staged = [BLOCKED, dict(BLOCKED, code="XEN_DOM0", message="this is a Xen host")], staged
    with pytest.raises(RebootError) as caught:
        reboot(host, "kexec")
    assert caught.value.reason.code == "DRIVER_RISK"
    assert caught.value.reason.message == "nvidia drives 0000:3b:00.0; this is a Xen host"
    assert host.log == ["restore"]
    assert host.staged == staged


def test_a_blocked_risk_is_no_matter_to_firmware(host: Host) -> None:
    host.blockers = [BLOCKED]
    result = reboot(host, "firmware")
    assert (result["path"], result["reasons"]) == ("firmware", [])


def test_a_blocked_risk_in_check_mode(host: Host) -> None:
    host.blockers = [BLOCKED]
    assert reboot(host, "auto", check_mode=True)["method"] == "firmware"
    with pytest.raises(RebootError) as caught:
        reboot(host, "kexec", check_mode=True)
    assert caught.value.reason.code == "DRIVER_RISK"


def test_what_is_not_possible_is_left_to_staging(host: Host) -> None:
    """It knows the loader that was asked for."""
    host.blockers = [{"code": "LOCKDOWN", "message": "locked down", "hint": ""}]
    assert reboot(host, "kexec")["path"] == "kexec"


def test_the_policy_is_the_hosts_unless_one_is_given(host: Host) -> None:
    reboot(host)
    assert host.asked == [{"gather_subset": ["min", "container", "hardware", "kexec", "verdict"]}]
    host = Host()
    reboot(host, policy={"DRIVER_RISK": "allow"})
    assert host.asked[0]["policy"] == {"DRIVER_RISK": "allow"}
    # Staging heeds it, too: it may keep an image out of the crash reservation.
    assert "stage {'policy': {'DRIVER_RISK': 'allow'}}" in host.log


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_an_answer_that_is_none_is_an_error_of_the_host(host: Host, answer: dict[str, Any], check_mode: bool) -> None:
    host.instead["boot_facts"] = answer
    with pytest.raises(RebootError) as caught:
        reboot(host, "least", check_mode=check_mode)
    assert caught.value.reason.code == "FACTS_UNREADABLE"
    assert host.log == ["boot_facts is answered", "restore"]


@pytest.mark.parametrize(
    "answer",
    [
        {"changed": True},
        {"changed": True, "staged": None},
        {"changed": True, "staged": {"release": "2"}},
        {"changed": True, "staged": {"release": 2, "loader": "kexec_load", "token": "x"}},
        {"changed": True, "staged": dict(STAGED), "notes": [3]},
        {"changed": True, "staged": dict(STAGED), "predicted_ms": {"total": "soon"}},
        {"failed": True, "code": "NO_SUCH_CODE", "msg": "x"},
    ],
    ids=str,
)
def test_an_answer_of_staging_that_is_none_is_an_error_of_the_host(host: Host, answer: dict[str, Any]) -> None:
    host.instead["stage"] = answer
    assert code_of(host, "auto") == "FACTS_UNREADABLE"
    assert host.boots_so_far == 0 and "call off" in host.log


@pytest.mark.parametrize("blocker", [dict(BLOCKED, code="NO_SUCH_CODE"), dict(BLOCKED, code="\x1b[31m")])
def test_a_code_that_is_not_in_the_catalogue_is_no_code(host: Host, blocker: dict[str, str]) -> None:
    host.refuses, host.blockers = True, [blocker]
    assert code_of(host, "auto") == "FACTS_UNREADABLE"


def test_a_policy_that_means_nothing_is_told_by_its_code(host: Host) -> None:
    host.facts_error = {"code": "POLICY_INVALID", "msg": "policy has NONE, which is no risk"}
    assert code_of(host, "auto") == "POLICY_INVALID"
    assert host.log == ["restore"]
    host.facts_error = {"msg": "no python"}
    assert code_of(host, "auto") == "FACTS_UNREADABLE"


def test_the_control_node_is_spared(host: Host) -> None:
    host.boot_id = "mine"
    assert code_of(host, "firmware") == "CONTROL_NODE"
    assert host.log == ["restore"]


def test_a_container_is_refused_by_every_method(host: Host) -> None:
    host.refuses = True
    host.blockers = [{"code": "CONTAINER", "message": "a container", "hint": ""}]
    for method in ("kexec", "firmware", "auto"):
        assert code_of(host, method) == "CONTAINER"


@pytest.mark.parametrize("boots", ["firmware", "foreign"])
def test_another_boot_than_staged_is_no_success(host: Host, boots: str) -> None:
    host.boots = boots
    with pytest.raises(RebootError) as caught:
        reboot(host)
    result = caught.value.as_result()
    assert result["code"] == "NOT_PROVEN"
    assert result["rebooted"] and result["changed"]
    assert result["path"] == ("firmware" if boots == "firmware" else "kexec")
    assert not result["proof"]["proven"]


def test_auto_takes_a_fallback_through_firmware_and_says_so(host: Host) -> None:
    host.boots = "firmware"
    result = reboot(host, "auto")
    assert result["path"] == "firmware"
    assert [reason["code"] for reason in result["reasons"]] == ["NOT_PROVEN"]
    host = Host()
    host.boots = "foreign"
    assert code_of(host, "auto") == "NOT_PROVEN"


def test_firmware_that_was_a_kexec_is_no_success(host: Host) -> None:
    host.boots = "somebody's kexec"
    assert code_of(host, "firmware") == "NOT_PROVEN"


def test_firmware_that_starts_linux_by_kexec_is_no_failure() -> None:
    host = Host()
    host.boots = "linuxboot"
    assert reboot(host, "firmware")["path"] == "unknown"
    host = Host()
    host.boots = "linuxboot"
    result = reboot(host, "auto")
    assert (result["path"], [reason["code"] for reason in result["reasons"]]) == ("unknown", ["NOT_PROVEN"])
    host = Host()
    host.boots = "linuxboot"
    assert code_of(host, "kexec") == "NOT_PROVEN"


def test_a_host_that_stays_away(host: Host) -> None:
    host.comes_back = False
    assert code_of(host, reboot_timeout_s=60) == "REBOOT_TIMEOUT"
    assert host.took_s < 70


@pytest.mark.parametrize("stopped_for_s", [30, 100, 4000])
def test_a_controller_that_is_stopped_for_longer_than_the_timeout_looks_once_more(host: Host, stopped_for_s: float) -> None:
    host.stopped_for_s = stopped_for_s
    result = reboot(host, reboot_timeout_s=60)
    assert result["rebooted"] and result["proof"]["proven"]


def test_a_host_that_is_not_back_even_then(host: Host) -> None:
    host.stopped_for_s = 4000
    host.comes_back = False
    with pytest.raises(RebootError, match=r"not back in time \(60 s\)$"):
        reboot(host, reboot_timeout_s=60)
    assert host.took_s < 4100


def test_a_host_that_never_begins(host: Host) -> None:
    host.shutdown_s = 1e9
    assert code_of(host, reboot_timeout_s=60) == "NOT_REBOOTED"
    assert host.staged is None
    assert "call off" in host.log


def test_a_session_that_hangs_after_the_reboot_cannot_outlast_the_timeout(host: Host) -> None:
    host.hangs = True
    assert code_of(host, reboot_timeout_s=60) == "REBOOT_TIMEOUT"
    assert host.took_s < 65
    assert host.abandoned


@pytest.mark.parametrize(
    "said", ["Host key verification failed.", "ssh: Could not resolve hostname web1: Temporary failure in name resolution"]
)
def test_why_a_host_that_is_back_could_not_be_asked_is_told(host: Host, said: str) -> None:
    host.distrusted = "Failed to connect to the host via ssh: %s\n%s\n" % ("@" * 400, said)
    with pytest.raises(RebootError) as caught:
        reboot(host, reboot_timeout_s=60)
    assert caught.value.reason.code == "LOGIN_FAILED"
    assert "its sshd has answered, but the host could not be asked: " in caught.value.reason.message
    assert caught.value.reason.message.endswith(said)
    assert len(caught.value.reason.message) < 500


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_why_is_told_of_a_host_whose_sshd_has_had_enough_of_us(host: Host, patience: int) -> None:
    host.distrusted, host.patience = "Host key verification failed.", patience
    with pytest.raises(RebootError, match="could not be asked: Host key verification failed"):
        reboot(host, reboot_timeout_s=60)


def test_a_host_that_stays_away_is_said_to_be_away(host: Host) -> None:
    host.comes_back = False
    with pytest.raises(RebootError, match=r"not back in time \(60 s\)$"):
        reboot(host, reboot_timeout_s=60)


def test_a_trigger_that_is_refused_is_called_off(host: Host) -> None:
    host.trigger_rc = 1
    assert code_of(host) == "TRIGGER_FAILED"
    assert host.staged is None


def test_a_host_that_somebody_else_reboots_meanwhile_is_watched(host: Host) -> None:
    host.trigger_rc = GOING_DOWN_RC
    assert reboot(host)["proof"]["proven"], "what was staged is what it came back with"
    assert "call off" not in host.log


def test_a_trigger_that_fails_on_the_host_is_noticed_early(host: Host) -> None:
    host.trigger_fails_later = True
    with pytest.raises(RebootError) as caught:
        reboot(host)
    assert caught.value.reason.code == "TRIGGER_FAILED"
    assert "Access denied" in caught.value.reason.message
    assert host.took_s < 20
    assert host.staged is None


def test_a_trigger_that_was_lost_on_the_way_is_said_again(host: Host) -> None:
    host.lost_triggers = 1
    assert reboot(host)["proof"]["proven"]
    host = Host()
    host.lost_triggers = 2
    assert code_of(host) == "TRIGGER_FAILED"


def test_an_interrupt_before_the_point_of_no_return_unloads(host: Host) -> None:
    host.interrupted_at = 10.0
    with pytest.raises(asyncio.CancelledError):
        reboot(host, pre_reboot_delay_s=30)
    assert host.staged is None
    assert host.log[-2:] == ["call off", "restore"]


def test_a_reboot_held_back_by_an_inhibitor_is_under_way(host: Host) -> None:
    host.inhibited_s = 60.0
    assert reboot(host)["proof"]["proven"]
    assert host.log.count("trigger kexec 0.500") == 1
    assert "call off" not in host.log


def test_a_call_off_that_fails_is_told(host: Host) -> None:
    host.shutdown_s = 1e9
    host.call_off_rc = 1
    with pytest.raises(RebootError) as caught:
        reboot(host, reboot_timeout_s=60)
    result = caught.value.as_result()
    assert (result["code"], result["rebooted"]) == ("REBOOT_TIMEOUT", None)


def test_an_image_that_nobody_can_unload_is_no_reboot_that_may_still_come(host: Host) -> None:
    host.load_disabled, host.trigger_rc = True, 1
    with pytest.raises(RebootError) as caught:
        reboot(host)
    result = caught.value.as_result()
    assert (result["code"], result["rebooted"], host.staged) == ("TRIGGER_FAILED", False, STAGED)
    assert "may still happen" not in result["msg"]
    assert [note["code"] for note in result["notes"]] == ["UNLOAD_DISABLED"]


@pytest.mark.parametrize("lost", range(4))
def test_a_call_off_that_is_not_heard_is_said_again(host: Host, lost: int) -> None:
    host.interrupted_at = 5.0
    host.lost_call_offs = lost
    with pytest.raises(asyncio.CancelledError):
        reboot(host, pre_reboot_delay_s=30)
    assert host.staged is None and host.boots_so_far == 0


@pytest.mark.parametrize("call", ["trigger", "stage", "boot_facts"])
def test_a_host_that_refuses_before_its_reboot_begins_is_put_back(host: Host, call: str) -> None:
    host.raises[call] = (SessionError("BECOME_FAILED", "sudo: LDAP is away"), 1)
    with pytest.raises(CodedError) as raised:
        reboot(host)
    assert raised.value.reason.code == "BECOME_FAILED"
    assert host.boots_so_far == 0 and host.staged is None
    assert ("call off" in host.log) is (call != "boot_facts")
    assert not raised.value.details.get("notes")


def test_an_image_that_could_not_be_unloaded_is_told(host: Host) -> None:
    away = SessionError("BECOME_FAILED", "sudo: LDAP is away")
    host.raises = {"trigger": (away, 1), "call off": (away, 9)}
    with pytest.raises(CodedError) as raised:
        reboot(host)
    assert raised.value.reason.code == "BECOME_FAILED"
    assert host.staged and host.boots_so_far == 0
    assert [note["code"] for note in raised.value.details["notes"]] == ["IMAGE_OWED"]


@pytest.mark.parametrize("times", [1, 2])
def test_a_panic_setting_that_stays_fails_no_healthy_host(host: Host, times: int) -> None:
    host.raises["restore panic"] = (SessionError("BECOME_FAILED", "sudo: LDAP is away"), times)
    result = reboot(host)
    assert result["rebooted"]
    assert [note["code"] for note in result["notes"]] == (["PANIC_OWED"] if times == 2 else [])
    assert host.panic == (("10", "1") if times == 2 else ("0", "0"))


def test_another_host_key_is_waited_out_and_told(host: Host) -> None:
    host.raises["state"] = (SessionError("HOST_KEY_CHANGED", "REMOTE HOST IDENTIFICATION HAS CHANGED"), 10**6)
    assert code_of(host, reboot_timeout_s=60) == "HOST_KEY_CHANGED"
    # As that of an initrd which unlocks the disk.
    other = Host()
    other.raises["state"] = (SessionError("HOST_KEY_CHANGED", "REMOTE HOST IDENTIFICATION HAS CHANGED"), 3)
    assert reboot(other, reboot_timeout_s=60)["rebooted"]


def test_an_interrupt_calls_off_a_reboot_without_an_image(host: Host) -> None:
    host.interrupted_at = 5.0
    with pytest.raises(asyncio.CancelledError):
        reboot(host, method="firmware", pre_reboot_delay_s=30.0)
    assert "call off" in host.log


def test_an_sshd_that_answers_before_the_real_one_ends_nothing(host: Host) -> None:
    """In an initramfs, say: there are banners, but nobody to log in to, and then it goes again."""
    host.outage_s = 20.0
    host.glimpse = (3.0, 4.0)
    result = reboot(host)
    assert 0 <= result["outage_ms"] - 20000 <= result["outage_error_ms"] + 50
    assert result["login_ms"] < 1000


def test_the_users_own_panic_setting_stays(host: Host) -> None:
    host.one_boot_args = ""
    reboot(host)
    assert host.panic == ("10", "1")


def test_a_failed_test_still_tells_how_the_host_came_back(host: Host) -> None:
    host.test_failures = 10**6
    with pytest.raises(RebootError) as caught:
        reboot(host, reboot_timeout_s=60)
    result = caught.value.as_result()
    assert result["proof"]["proven"] and result["rebooted"]
    assert result["path"] == "kexec"
    assert result["elapsed_ms"] > result["outage_ms"] > 0


def test_a_lost_connection_while_staging_is_cleaned_up(host: Host) -> None:
    host.lost_while_staging = True
    with pytest.raises(SessionLost):
        reboot(host)
    assert "call off" in host.log


def test_the_test_command_gets_its_time_and_no_more(host: Host) -> None:
    host.test_failures = 3
    assert reboot(host)["rebooted"]
    assert host.log.count("test") == 4
    host = Host()
    host.test_failures = 10**6
    assert code_of(host, reboot_timeout_s=60) == "TEST_COMMAND_FAILED"
    assert host.took_s < 70


def test_without_probes_the_host_is_asked(host: Host) -> None:
    host.direct = False
    result = reboot(host)
    assert result["detected_by"] == "connection"
    assert result["proof"]["proven"]
    assert 5000 <= result["outage_ms"] <= 8000


def test_an_sshd_that_shall_not_be_probed_is_left_alone(host: Host) -> None:
    result = reboot(host, probe_ssh=False)
    assert (result["detected_by"], result["proof"]["proven"]) == ("connection", True)


def probed(result: dict[str, Any]) -> tuple[int | None, list[str]]:
    assert result["probe_seen_by"] == "tcp 443"
    return result["probe_outage_ms"], [note["code"] for note in result["notes"]]


def test_a_service_is_watched_until_it_answers_again(host: Host) -> None:
    # The test command asks for it, as a user's should.
    host.test_failures = 5
    result = reboot(host, probe=PROBE)
    outage_ms, notes = probed(result)
    assert outage_ms is not None and 8950 <= outage_ms <= 9100 and notes == []
    assert 40 <= result["probe_outage_error_ms"] <= 100


def test_without_a_probe_nothing_is_told_of_one(host: Host) -> None:
    assert not any(key.startswith("probe") for key in reboot(host))


def test_nobody_waits_for_a_service(host: Host) -> None:
    host.service_lag_s = 1e6
    with_probe = reboot(host, probe=PROBE)
    assert probed(with_probe) == (None, ["PROBE_STILL_DOWN"])
    assert with_probe["probe_outage_error_ms"] is None
    assert with_probe["elapsed_ms"] == reboot(Host())["elapsed_ms"]


def test_a_service_that_is_back_before_sshd(host: Host) -> None:
    host.service_lag_s = 0.0
    outage_ms, notes = probed(reboot(host, probe=PROBE))
    assert outage_ms is not None and 5950 <= outage_ms <= 6100 and notes == []


@pytest.mark.parametrize("direct", [True, False])
def test_a_service_that_was_down_before_is_said_to_be(host: Host, direct: bool) -> None:
    host.serves_before, host.service_lag_s, host.direct = False, 0.0, direct
    assert probed(reboot(host, probe=PROBE)) == (None, ["PROBE_NOT_UP"])


def test_where_sshd_cannot_be_probed_the_service_can(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolved(watch: ServiceWatch, name: str) -> None:
        watch._probe([(2, (name, 443))])

    monkeypatch.setattr(ServiceWatch, "_resolve", resolved)
    host.direct, host.test_failures = False, 5
    outage_ms, notes = probed(reboot(host, probe={"port": 443, "address": host.name}))
    assert outage_ms is not None and 8950 <= outage_ms <= 9100 and notes == []


def test_behind_a_jump_host_an_address_has_to_be_given(host: Host) -> None:
    host.direct = False
    host.service_lag_s = 0.0
    assert probed(reboot(host, probe=PROBE)) == (None, ["PROBE_NOT_UP"])


def test_a_host_that_stays_away_takes_its_service_along(host: Host) -> None:
    host.comes_back = False
    with pytest.raises(RebootError) as caught:
        reboot(host, probe=PROBE)
    assert probed(caught.value.details) == (None, ["PROBE_STILL_DOWN"])


def test_a_reboot_that_never_began_has_no_outage(host: Host) -> None:
    host.trigger_rc = 1
    with pytest.raises(RebootError) as caught:
        reboot(host, probe=PROBE)
    assert probed(caught.value.details) == (None, [])


def test_an_interrupt_ends_the_watch_of_the_service(host: Host) -> None:
    host.interrupted_at = 3.0
    with pytest.raises(asyncio.CancelledError):
        reboot(host, probe=PROBE, pre_reboot_delay_s=30.0)
    assert "call off" in host.log


def test_check_mode_probes_nothing(host: Host) -> None:
    assert "probe_seen_by" not in reboot(host, check_mode=True, probe=PROBE)


# What an sshd with PerSourcePenalties says to who has made it too many connections, and a firewall that limits them.
PENALISED = "kex_exchange_identification: banner line contains invalid characters: Not allowed at this time"
LIMITED = "ssh: connect to host web1 port 22: Connection refused"


@pytest.mark.parametrize("said", [PENALISED, LIMITED])
def test_a_host_that_is_up_and_turns_us_away_is_no_host_that_is_down(host: Host, said: str) -> None:
    host.distrusted = said
    with pytest.raises(RebootError) as caught:
        reboot(host, reboot_timeout_s=90)
    assert caught.value.reason.code == "LOGIN_FAILED"
    assert said in caught.value.reason.message


def test_an_sshd_that_refuses_before_the_reboot_is_up_and_the_reboot_is_called_off(host: Host) -> None:
    """The trigger is unheard, and so is every question, until the penalty is over; then the call-off is heard."""
    host.penalty = (1002.5, 1085.0)
    assert code_of(host, reboot_timeout_s=90) == "NOT_REBOOTED"
    assert host.staged is None and "call off" in host.log
    assert not any("trigger" in line for line in host.log)


def test_a_call_off_outlasts_a_ban_of_half_a_minute(host: Host) -> None:
    # From before the trigger until half a minute after the reboot is given up.
    host.penalty = (1002.5, 1002.5 + 90.0 + 31.0)
    assert code_of(host, reboot_timeout_s=90) == "NOT_REBOOTED"
    assert host.staged is None and "call off" in host.log


def test_before_a_host_is_given_up_it_is_asked_whatever_probes_say(host: Host) -> None:
    host.probes_reach = False
    result = reboot(host, reboot_timeout_s=60)
    assert result["proof"]["proven"]
    assert 60 <= host.took_s < 80


def test_a_host_that_never_went_down_though_probes_say_so_is_called_off(host: Host) -> None:
    host.probes_reach, host.shutdown_s = False, 1e9
    assert code_of(host, reboot_timeout_s=60) == "NOT_REBOOTED"
    assert host.staged is None and "call off" in host.log


def test_without_probes_a_host_that_refuses_logins_is_up(host: Host) -> None:
    host.direct, host.distrusted = False, PENALISED
    assert code_of(host, reboot_timeout_s=90) == "LOGIN_FAILED"


@pytest.mark.parametrize("timeline", [["phases"], "phases", 7])
def test_a_timeline_that_is_none_is_left_out(host: Host, timeline: Any) -> None:
    host.timeline = timeline
    assert rebooted(host).timeline is None
