# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.result import (
    DONE,
    KnownSystem,
    OutageMs,
    ProbedOutage,
    RebootResult,
    with_last_boot,
)

OLD, NEW = KnownSystem(SystemId("old"), "1"), KnownSystem(SystemId("new"), "2")
STAGED = {"release": "2"}
LOCKED = reason("LOCKDOWN", "locked down")


def done(**known: Any) -> RebootResult:
    came_back = {"path": "kexec", "before": OLD, "after": NEW, "detected_by": "banner", "outage": OutageMs(5, 1)}
    return RebootResult(status=DONE, rebooted=True, method="kexec", staged=STAGED, **{**came_back, **known})


def test_a_refused_host_has_no_more_than_was_found_out() -> None:
    assert RebootResult(notes=()).as_result() == {"notes": []}
    assert RebootResult(before=OLD).as_result() == {"notes": [], "before": {"boot_id": "old", "soft_reboots": 0, "release": "1"}}


def test_check_mode_would_change() -> None:
    result = RebootResult(rebooted=False, method="firmware", reasons=(LOCKED,), before=OLD).as_result()
    assert (result["rebooted"], result["changed"]) == (False, True)
    assert (result["method"], result["staged"], result["reasons"]) == ("firmware", None, [LOCKED.as_dict()])
    assert "predicted_ms" not in result and "path" not in result


def test_what_cannot_be_told_of_a_reboot_is_null() -> None:
    result = done(outage=None).as_result()
    for name in ("proof", "outage_ms", "outage_error_ms", "login_ms", "predicted_ms", "timeline"):
        assert result[name] is None, name
    assert not any(name.startswith("probe") for name in result)


def test_a_reboot_that_failed_has_no_timeline() -> None:
    result = RebootResult(rebooted=True, path="kexec", after=NEW, elapsed_ms=7, timeline={"phases": []}).as_result()
    assert "timeline" not in result and result["elapsed_ms"] == 7


def test_what_is_not_known_is_left_out_of_an_outcome() -> None:
    outcome = done(probe=ProbedOutage("tcp 443", None), failure=LOCKED, down=False).as_outcome()
    assert outcome == {
        "status": "done",
        "method": "kexec",
        "path": "kexec",
        "staged": STAGED,
        "reasons": [],
        "outage_ms": 5,
        "outage_error_ms": 1,
        "probe_seen_by": "tcp 443",
        "detected_by": "banner",
        "down": False,
        "before": OLD.as_dict(),
        "after": NEW.as_dict(),
        "code": "LOCKDOWN",
        "msg": "locked down",
        "hint": LOCKED.hint,
    }
    assert done(notes=()).as_outcome()["notes"] == [], "it is known that there are none"


def test_the_fact_of_a_reboot_leaves_the_others() -> None:
    task_vars: dict[str, Any] = {"ansible_facts": {"fleet_kexec": {"boot": {}}}}
    result = done(timeline={"phases": []}, notes=({"code": "VIRTIO_NO_RESET"},))
    facts = result.as_facts(task_vars)["ansible_facts"]["fleet_kexec"]
    last_boot = {name: value for name, value in result.as_outcome().items() if name != "notes"}
    assert facts == {"boot": {}, "last_boot": last_boot}
    assert last_boot["status"] == "done" and last_boot["timeline"] == {"phases": []} and "proof" not in last_boot
    assert with_last_boot({}, {})["ansible_facts"] == {"fleet_kexec": {"last_boot": {}}}


def test_no_reboot_is_no_fact() -> None:
    assert RebootResult(rebooted=False).as_facts({}) == RebootResult().as_facts({}) == {}
