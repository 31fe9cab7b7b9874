# SPDX-License-Identifier: GPL-3.0-or-later
"""Single reboots whose results are golden: one of every outcome."""

from __future__ import annotations

import asyncio
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.trigger import GOING_DOWN_RC

from .._reboot.reboots import BLOCKED, LOCKED, PROBE, rebooted
from ..simulated import STAGED, Host
from .rollouts import EPOCH_S, TIMELINE, in_ms
from .subject import RebootError, SessionLost, flat, task_result

# What the host is like, and what is asked.
REBOOTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "kexec": ({}, {}),
    "kexec, timeline": ({"timeline": TIMELINE}, {}),
    "kexec, no timeline": ({"timeline": None}, {}),
    "kexec, check mode": ({}, {"check_mode": True}),
    "kexec, staged already": ({"staged": dict(STAGED, token="12" * 8)}, {}),
    "kexec, staged anew": ({"staged": dict(STAGED, token="12" * 8)}, {"image": {"kernel": "2"}}),
    "kexec, delays": ({}, {"pre_reboot_delay_s": 30.0, "post_reboot_delay_s": 20.0}),
    "kexec, asked only": ({"direct": False}, {}),
    "kexec, trigger lost": ({"lost_triggers": 1}, {}),
    "kexec, held back": ({"inhibited_s": 60.0}, {}),
    "kexec, going down already": ({"trigger_rc": GOING_DOWN_RC}, {}),
    "kexec, another sshd first": ({"outage_s": 20.0, "glimpse": (3.0, 4.0)}, {}),
    "kexec, controller stopped": ({"stopped_for_s": 100.0}, {"reboot_timeout_s": 40}),
    "kexec, tested until it works": ({"test_failures": 3}, {}),
    "firmware": ({"staged": dict(STAGED)}, {"method": "firmware"}),
    "firmware, check mode": ({"blockers": [BLOCKED]}, {"method": "auto", "check_mode": True}),
    "firmware, a risk": ({"blockers": [BLOCKED]}, {"method": "auto"}),
    "firmware, cannot kexec": ({"stage_error": LOCKED}, {"method": "auto"}),
    "firmware, fell through": ({"boots": "firmware"}, {"method": "auto"}),
    "probed": ({"test_failures": 5}, {"probe": PROBE}),
    "probed, still down": ({"service_lag_s": 1e6}, {"probe": PROBE}),
    "probed, not up": ({"serves_before": False}, {"probe": PROBE}),
    "probed, host away": ({"comes_back": False}, {"probe": PROBE, "reboot_timeout_s": 40}),
    "probed, never began": ({"trigger_rc": 1}, {"probe": PROBE}),
    "refused, locked": ({"stage_error": LOCKED}, {}),
    "refused, wrong option": (
        {"stage_error": {"code": "KERNEL_NOT_FOUND", "msg": "no kernel"}},
        {"method": "auto", "image": {"kernel": "2"}},
    ),
    "refused, stage without code": ({"stage_error": {"msg": "no python"}}, {"method": "auto"}),
    "refused, a risk": ({"blockers": [BLOCKED, dict(BLOCKED, code="XEN_DOM0", message="this is a Xen host")]}, {}),
    "refused, policy": ({"facts_error": {"code": "POLICY_INVALID", "msg": "policy has NONE, which is no risk"}}, {}),
    "refused, no facts": ({"facts_error": {"msg": "no python"}}, {}),
    "refused, control node": ({"boot_id": "mine"}, {}),
    "refused, container": ({"refuses": True, "blockers": [{"code": "CONTAINER", "message": "a container", "hint": ""}]}, {}),
    "not proven, firmware": ({"boots": "firmware"}, {}),
    "not proven, foreign": ({"boots": "foreign"}, {}),
    "not proven, foreign with auto": ({"boots": "foreign"}, {"method": "auto"}),
    "not proven, a kexec": ({"boots": "somebody's kexec"}, {"method": "firmware"}),
    "timeout, away": ({"comes_back": False}, {"reboot_timeout_s": 40}),
    "timeout, controller stopped": ({"comes_back": False, "stopped_for_s": 4000}, {"reboot_timeout_s": 40}),
    "timeout, hangs": ({"hangs": True}, {"reboot_timeout_s": 40}),
    "timeout, distrusted": ({"distrusted": "Host key verification failed.", "patience": 2}, {"reboot_timeout_s": 40}),
    "timeout, not called off": ({"shutdown_s": 1e9, "call_off_rc": 1}, {"reboot_timeout_s": 40}),
    "not rebooted": ({"shutdown_s": 1e9}, {"reboot_timeout_s": 40}),
    "trigger failed": ({"trigger_rc": 1}, {}),
    "trigger failed, not called off": ({"trigger_rc": 1, "call_off_rc": 1}, {}),
    "trigger failed, later": ({"trigger_fails_later": True}, {}),
    "trigger failed, lost twice": ({"lost_triggers": 2}, {}),
    "test failed": ({"test_failures": 10**6}, {"reboot_timeout_s": 40}),
    "lost while staging": ({"lost_while_staging": True}, {}),
    "interrupted": ({"interrupted_at": 10.0}, {"pre_reboot_delay_s": 30.0}),
    "interrupted, not called off": ({"interrupted_at": 5.0, "lost_call_offs": 2}, {"pre_reboot_delay_s": 30.0}),
}


def results() -> dict[str, Any]:
    """What comes of each."""
    return {name: _result(changes, asked) for name, (changes, asked) in REBOOTS.items()}


def _result(changes: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    host = Host()
    host.ahead_s = EPOCH_S + 40.0
    for name, value in changes.items():
        assert hasattr(host, name), name
        setattr(host, name, value)
    came: dict[str, Any] = {}
    try:
        done = rebooted(host, utc_ns=lambda: round((host.now + EPOCH_S) * 1e9), **asked)
        came["result"] = flat(task_result(done))
    except RebootError as error:
        came["error"] = flat(error.as_result())
    except SessionLost as error:
        came["lost"] = str(error)
    except asyncio.CancelledError:
        came["interrupted"] = True
    timelines = [in_ms(seen) for seen in host.timelines_asked]
    return {**came, "log": host.log, "timelines": timelines, "staged": host.staged, "panic": host.panic}
