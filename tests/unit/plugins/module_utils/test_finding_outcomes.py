# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of what findings had predicted."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._finding_outcomes import last_pair, outcomes_of, predicted_by


def finding(code: str, time_ms: Any, gain_ms: Any, basis: Any = "measured") -> dict[str, Any]:
    return {"code": code, "time_ms": time_ms, "gain_ms": gain_ms, "basis": basis}


def timeline(*findings: Any, path: str = "kexec", **more: Any) -> dict[str, Any]:
    return {"path": path, "findings": list(findings), **more}


def test_each_finding_is_compared_with_the_next_reboot() -> None:
    before = timeline(
        finding("DHCP", 3000.0, 2500.0),
        finding("SMP_BRINGUP", 800, None, None),
        finding("CONSOLE_SERIAL", 5000, 4000, "modelled"),
    )
    after = timeline(finding("CONSOLE_SERIAL", 900.0, 500.0), finding("DHCP", 3200.0, 2600.0), finding("FSCK", 400.0, 400.0))
    assert [(each.code, each.predicted_ms, each.gained_ms) for each in outcomes_of(before, after)] == [
        ("DHCP", 2500.0, -200.0),
        ("SMP_BRINGUP", None, 800.0),
        ("CONSOLE_SERIAL", 4000.0, 4100.0),
    ]
    assert outcomes_of(before, after)[2].as_dict() == {
        "code": "CONSOLE_SERIAL",
        "title": "Kernel messages on a serial console",
        "predicted_ms": 4000.0,
        "basis": "modelled",
        "before_ms": 5000.0,
        "after_ms": 900.0,
        "gained_ms": 4100.0,
    }


def test_a_reboot_that_was_not_searched_tells_nothing() -> None:
    assert outcomes_of(timeline(finding("DHCP", 3000.0, 2500.0)), {"path": "kexec"}) == []


def test_reboots_by_the_same_path_are_compared() -> None:
    first, second, firmware, latest = timeline(boot=1), timeline(boot=2), timeline(path="firmware"), timeline(boot=4)
    assert last_pair([first, second, firmware, latest]) == (second, latest)
    assert last_pair([first, {"path": "kexec"}, latest]) == (first, latest)
    assert last_pair([latest, firmware]) is last_pair([latest]) is last_pair([]) is None


def test_what_is_predicted_for_a_part() -> None:
    found = timeline(
        finding("RESUME_DEVICE", 3000.0, 3000.0),
        finding("INITRD_UNPACKING", 900.0, 700.0),
        finding("CONSOLE_SERIAL", 5000.0, None),
        finding("DHCP", 2000.0, 2000.0),
        gain_ms=3200.0,
    )
    assert predicted_by("initrd", found) == 3200.0, "time that findings share counts once"
    assert predicted_by("initrd", {**found, "gain_ms": 9000.0}) == predicted_by("initrd", {**found, "gain_ms": None}) == 3700.0
    assert predicted_by("quiet", found) is predicted_by("ssh_early", found) is None


@pytest.mark.parametrize(
    "stored", [None, 7, [7], [{}], [finding("LATER", 1.0, 1.0)], [finding("DHCP", "1", 1.0)], [finding("DHCP", float("nan"), 1)]]
)
def test_what_a_file_may_hold_instead(stored: Any) -> None:
    found = {"path": "kexec", "findings": stored}
    good = timeline(finding("DHCP", 3000.0, 2500.0))
    assert outcomes_of(found, good) == [] and predicted_by("quiet", found) is None
    assert [each.after_ms for each in outcomes_of(good, found)] == ([0.0] if isinstance(stored, list) else [])
