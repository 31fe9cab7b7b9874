# SPDX-License-Identifier: GPL-3.0-or-later
"""Soft reboots of a simulated host."""

from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.errors import RebootError

from ..simulated import STAGED, Host
from .reboots import reboot

BOOT_ID = "old-host"
UNSUPPORTED = {"code": "SOFT_UNSUPPORTED", "message": "systemd 252 knows no soft reboot", "hint": "Use another"}


@pytest.fixture
def host() -> Host:
    return Host()


def code_of(host: Host, **options: object) -> str:
    with pytest.raises(RebootError) as caught:
        reboot(host, "soft", **options)
    return caught.value.reason.code


def test_a_soft_reboot_is_proven_by_the_count_of_systemd(host: Host) -> None:
    result = reboot(host, "soft")
    assert (result["method"], result["path"], result["staged"], result["rebooted"]) == ("soft", "soft", None, True)
    assert result["proof"] == {"boot_id_kept": True, "soft_reboots": True, "userspace": True, "proven": True, "missing": []}
    assert (result["before"], result["after"]) == (
        {"boot_id": BOOT_ID, "soft_reboots": 0, "release": "1"},
        {"boot_id": BOOT_ID, "soft_reboots": 1, "release": "1"},
    )
    assert 0 <= result["outage_ms"] - 6000 <= result["outage_error_ms"] <= 1000
    assert host.log == ["stage {'state': 'unstaged'}", "trigger soft-reboot 0.500", "committed", "test", "restore", "restore"]
    assert host.machine.asked == [("remembered", BOOT_ID), ("compared", BOOT_ID + "+1")]


def test_one_soft_reboot_after_another_is_told_from_it(host: Host) -> None:
    assert reboot(host, "soft")["after"]["soft_reboots"] == 1
    assert reboot(host, "soft")["after"]["soft_reboots"] == 2
    assert reboot(host, "firmware")["after"] == {"boot_id": "new3-host", "soft_reboots": 0, "release": "1"}


def test_a_loaded_image_is_unloaded_so_that_nothing_runs_it(host: Host) -> None:
    host.staged = dict(STAGED)
    assert reboot(host, "soft")["staged"] is None and host.staged is None


def test_a_host_that_cannot_is_refused_with_the_code(host: Host) -> None:
    host.soft = {"blockers": [UNSUPPORTED], "warnings": []}
    assert code_of(host) == "SOFT_UNSUPPORTED"
    assert not any(line.startswith("trigger") for line in host.log)


def test_auto_does_not_ask_for_it(host: Host) -> None:
    assert reboot(host, "auto")["method"] == "kexec"
    assert "soft" not in host.asked[0]["gather_subset"]


def test_a_trigger_that_is_lost_is_sent_again_and_reboots_once(host: Host) -> None:
    host.lost_triggers = 1
    result = reboot(host, "soft")
    assert result["after"]["soft_reboots"] == 1 and result["proof"]["proven"]


def test_a_host_that_does_not_go_down_is_called_off(host: Host) -> None:
    host.inhibited_s = 1e6
    assert code_of(host, reboot_timeout_s=60) == "NOT_REBOOTED"
    assert host.log[-2:] == ["call off", "restore"] or "call off" in host.log


def test_a_host_that_boots_another_kernel_instead_is_not_proven(host: Host) -> None:
    host.boots = "somebody's kexec"
    assert code_of(host) == "NOT_PROVEN"
