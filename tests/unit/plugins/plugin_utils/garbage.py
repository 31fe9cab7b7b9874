# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that no M(fleet.kexec.boot_facts) gives."""

from __future__ import annotations

from typing import Any

from ansible_collections.fleet.kexec.tests.host_facts import whole_facts


def _answer(**facts: Any) -> dict[str, Any]:
    need = {"code": "PENDING_PACKAGES", "message": "updates", "hint": "Reboot the host.", "method": "soft"}
    known = whole_facts(reboot_needed={"needed": True, "reasons": [need]})
    return {"ansible_facts": {"fleet_kexec": known | facts}}


#: Name → answer.
GARBAGE: dict[str, dict[str, Any]] = {
    "nothing": {},
    "no facts": {"ansible_facts": {}},
    "facts are a list": {"ansible_facts": {"fleet_kexec": [1]}},
    "facts are none": {"ansible_facts": {"fleet_kexec": None}},
    "no boot": {"ansible_facts": {"fleet_kexec": {"kernel": {}}}},
    "boot_id is a list": _answer(boot={"boot_id": ["x"], "soft_reboots": 0, "path": "kexec"}),
    "panic is text": _answer(kernel={"release": "1", "panic_s": "0", "panic_on_oops": 0}),
    "blockers are text": _answer(blockers="none"),
    "a blocker lacks its hint": _answer(blockers=[{"code": "LOCKDOWN", "message": "locked"}]),
    "warnings are numbers": _answer(warnings=[1, 2]),
    "verdict is none": _answer(verdict=None),
    "a number is too large for one": _answer(verdict={**whole_facts()["verdict"], "predicted_ms": {"total": 10**400}}),
    "staged is true": _answer(staged=True),
    "container is a number": _answer(container=7),
    "needs are a dictionary": _answer(reboot_needed={"needed": True, "reasons": {}}),
    "soft has nothing": _answer(soft={}),
    "failed with a code that there is not": {"failed": True, "msg": "x", "code": "\x1b[31m"},
    "failed with a code of a type that there is not": {"failed": True, "msg": ["x"], "code": {}},
}
