# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.proof import Evidence
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.methods import (
    AUTO,
    FIRMWARE,
    KEXEC,
    REQUESTS,
    SOFT,
    Expectation,
    RebootMethod,
    allowed_by,
    method_named,
)

EXPECTED = Expectation(system=SystemId("old", 0, 5), token="ab" * 8, release="2")
STAGED = Evidence(SystemId("new"), "2", "ro fleet_kexec.token=" + "ab" * 8, 0xD0)
FOREIGN = Evidence(SystemId("new"), "3", "ro fleet_kexec.token=" + "cd" * 8, 0xD0)
UNKNOWN = Evidence(SystemId("new"), "1", "ro", 0xD0)
SOFTLY = Evidence(SystemId("old", 1, 9), "1", "ro", 0x72)
THROUGH_FIRMWARE = Evidence(SystemId("new"), "1", "ro", 0x72)


def test_every_request_allows_methods_that_know_their_names() -> None:
    assert REQUESTS == (AUTO, "least", "kexec", "soft", "firmware")
    assert allowed_by(AUTO) == (KEXEC, FIRMWARE), "in this order, and none that keeps the kernel"
    for method in (*allowed_by(AUTO), SOFT):
        assert allowed_by(method.name) == (method,) and method_named(method.name) is method
    with pytest.raises(KeyError):
        method_named(AUTO)


@pytest.mark.parametrize(
    ("method", "evidence", "objection"),
    [
        (KEXEC, STAGED, None),
        (KEXEC, FOREIGN, "the host came back via kexec with 3, but not as staged: no token, release"),
        (KEXEC, THROUGH_FIRMWARE, "through firmware with 1, but not as staged: no token, release, bootloader_type"),
        (FIRMWARE, THROUGH_FIRMWARE, None),
        (KEXEC, UNKNOWN, "the host came back by an unknown path with 1, but not as staged: no token, release"),
        (FIRMWARE, UNKNOWN, None),
        (FIRMWARE, FOREIGN, "via kexec, not through firmware"),
        (FIRMWARE, STAGED, "via kexec, not through firmware"),
        (FIRMWARE, SOFTLY, "by a soft reboot, not through firmware"),
        (SOFT, SOFTLY, None),
        (
            SOFT,
            replace(SOFTLY, system=SystemId("old", 2, 9)),
            "by a soft reboot with 1, but not by one soft reboot: no soft_reboots",
        ),
        (SOFT, replace(SOFTLY, system=SystemId("old", 1, 5)), "but not by one soft reboot: no userspace"),
        (SOFT, replace(SOFTLY, system=SystemId("old", 1)), "but not by one soft reboot: no userspace"),
        (SOFT, replace(SOFTLY, system=SystemId("new", 1, 9)), "but not by one soft reboot: no boot_id_kept"),
        (SOFT, THROUGH_FIRMWARE, "through firmware with 1, but not by one soft reboot: no boot_id_kept, soft_reboots"),
    ],
)
def test_what_came_back_is_held_against_what_was_asked_for(
    method: RebootMethod, evidence: Evidence, objection: str | None
) -> None:
    verification = method.verify(EXPECTED, evidence)
    assert (verification.objection is None) is (objection is None) is method.accepts(EXPECTED, evidence)
    assert (objection or "") in (verification.objection or "")
    assert (verification.proof is not None) is (method is not FIRMWARE)


@pytest.mark.parametrize("method", [KEXEC, FIRMWARE, SOFT])
def test_a_reboot_is_over_once_there_is_another_boot(method: RebootMethod) -> None:
    assert method.is_over(EXPECTED, FOREIGN) and method.is_over(EXPECTED, THROUGH_FIRMWARE)
    assert not method.is_over(EXPECTED, Evidence(SystemId("old"), "2", STAGED.cmdline, 0xD0))


def test_only_a_soft_reboot_is_over_on_the_same_kernel() -> None:
    assert SOFT.is_over(EXPECTED, SOFTLY)
    assert not KEXEC.is_over(EXPECTED, SOFTLY) and not FIRMWARE.is_over(EXPECTED, SOFTLY)


def test_a_systemd_that_does_not_answer_has_not_counted_anything() -> None:
    """As while a system stops for its second soft reboot, or before its message bus runs again."""
    second = replace(EXPECTED, system=SystemId("old", 1, 5))
    assert not SOFT.is_over(second, replace(SOFTLY, system=SystemId("old")))
    assert SOFT.is_over(second, replace(SOFTLY, system=SystemId("old", 2, 9)))
    assert SOFT.is_over(second, replace(SOFTLY, system=SystemId("new"))), "another boot is one, whatever it answers"


def test_falling_back_comes_to_an_end() -> None:
    for method in (*allowed_by(AUTO), SOFT):
        seen = []
        following: RebootMethod | None = method
        while following is not None:
            assert following not in seen
            seen.append(following)
            following = following.fallback
        assert seen[-1] is FIRMWARE
