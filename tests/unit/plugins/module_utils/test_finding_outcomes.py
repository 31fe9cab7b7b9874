# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of what findings had predicted."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._finding_outcomes import (
    last_pair,
    outcomes_of,
    predicted_by,
    reboots_around,
    untried_gain_ms,
)


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
        finding("INITRD_UNPACKING", 900.0, 700.0),
        finding("CONSOLE_SERIAL", 5000.0, None),
        finding("DHCP", 2000.0, 2000.0),
        gain_ms=500.0,
    )
    assert predicted_by("initrd", found) == 500.0, "time that findings share counts once"
    assert predicted_by("initrd", {**found, "gain_ms": 9000.0}) == predicted_by("initrd", {**found, "gain_ms": None}) == 700.0
    assert predicted_by("quiet", found) is predicted_by("ssh_early", found) is None


def boot(number: int, *findings: Any, path: str = "kexec", **more: Any) -> dict[str, Any]:
    return timeline(*findings, path=path, boot_id="b-%d" % number, boot_id_before="b-%d" % (number - 1), **more)


SLOW_CONSOLE = finding("CONSOLE_SERIAL", 5000.0, 4000.0)
SLOW_UNPACKING = finding("INITRD_UNPACKING", 900.0, 700.0, "modelled")
SLOW_DEVICES = finding("DEVICE_SHUTDOWN", 2000.0, 1200.0, "at_most")


def test_reboots_before_and_after_a_part_was_made() -> None:
    history = [boot(1), boot(2, path="firmware"), boot(3), boot(4)]
    assert reboots_around(history, "b2", "kexec") == (history[0], history[2])
    assert reboots_around(history, "b-4", "kexec") == (history[3], None)
    assert reboots_around(history, "b-0", "kexec") == (None, history[0])
    assert reboots_around(history, "b-9", "kexec") == reboots_around(history, "", "kexec") == (None, None)


def test_parts_that_no_reboot_has_tried_are_predicted_to_shorten_the_next_one() -> None:
    history = [boot(1, finding("CONSOLE_SERIAL", 9000.0, 8000.0)), boot(2, SLOW_CONSOLE, SLOW_UNPACKING, SLOW_DEVICES)]
    assert untried_gain_ms(history, {}, "kexec") == 0.0
    assert untried_gain_ms(history, {"quiet": "b-2"}, "kexec") == 4000.0
    assert untried_gain_ms(history, {"quiet": "b-2", "initrd": "b-2"}, "kexec") == 4700.0
    assert untried_gain_ms(history, {"quiet": "b-1", "initrd": "b-2"}, "kexec") == 700.0, "a reboot has tried the first"
    assert untried_gain_ms(history, {"parallel_shutdown": "b-2"}, "kexec") == 0.0, "an upper limit is no prediction"
    assert untried_gain_ms(history, {"wait_online": "b-2", "of a later version": "b-2"}, "kexec") == 0.0
    shared = [{**history[1], "gain_ms": 4100.0}]
    assert untried_gain_ms(shared, {"quiet": "b-2", "initrd": "b-2"}, "kexec") == 4100.0


def test_a_reboot_through_firmware_tries_no_part() -> None:
    history = [boot(1, SLOW_CONSOLE), boot(2, path="firmware")]
    assert untried_gain_ms(history, {"quiet": "b-1"}, "kexec") == 4000.0
    assert untried_gain_ms([*history, boot(3)], {"quiet": "b-1"}, "kexec") == 0.0
    assert untried_gain_ms([boot(1, SLOW_CONSOLE, path="firmware")], {"quiet": "b-1"}, "kexec") == 0.0
    assert untried_gain_ms([], {"quiet": "b-1"}, "kexec") == 0.0


@pytest.mark.parametrize(
    "stored", [None, 7, [7], [{}], [finding("LATER", 1.0, 1.0)], [finding("DHCP", "1", 1.0)], [finding("DHCP", float("nan"), 1)]]
)
def test_what_a_file_may_hold_instead(stored: Any) -> None:
    found = {"path": "kexec", "findings": stored}
    good = timeline(finding("DHCP", 3000.0, 2500.0))
    assert outcomes_of(found, good) == [] and predicted_by("quiet", found) is None
    assert [each.after_ms for each in outcomes_of(good, found)] == ([0.0] if isinstance(stored, list) else [])
