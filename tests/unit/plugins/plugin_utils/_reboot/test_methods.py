# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.proof import Evidence
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.methods import (
    AUTO,
    FIRMWARE,
    KEXEC,
    REQUESTS,
    Expectation,
    RebootMethod,
    allowed_by,
    method_named,
)

EXPECTED = Expectation(boot_id="old", token="ab" * 8, release="2")
STAGED = Evidence("new", "2", "ro fleet_kexec.token=" + "ab" * 8, 0xD0)
FOREIGN = Evidence("new", "3", "ro fleet_kexec.token=" + "cd" * 8, 0xD0)
UNKNOWN = Evidence("new", "1", "ro", 0xD0)
THROUGH_FIRMWARE = Evidence("new", "1", "ro", 0x72)


def test_every_request_allows_methods_that_know_their_names() -> None:
    assert REQUESTS == (AUTO, "kexec", "firmware")
    assert allowed_by(AUTO) == (KEXEC, FIRMWARE), "in this order"
    for method in allowed_by(AUTO):
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
    ],
)
def test_what_came_back_is_held_against_what_was_asked_for(
    method: RebootMethod, evidence: Evidence, objection: str | None
) -> None:
    verification = method.verify(EXPECTED, evidence)
    assert (verification.objection is None) is (objection is None) is method.accepts(EXPECTED, evidence)
    assert (objection or "") in (verification.objection or "")
    assert (verification.proof is not None) is method.stages


@pytest.mark.parametrize("method", [KEXEC, FIRMWARE])
def test_a_reboot_is_over_once_there_is_another_boot(method: RebootMethod) -> None:
    assert method.is_over(EXPECTED, FOREIGN) and method.is_over(EXPECTED, THROUGH_FIRMWARE)
    assert not method.is_over(EXPECTED, Evidence("old", "2", STAGED.cmdline, 0xD0))


def test_falling_back_comes_to_an_end() -> None:
    for method in allowed_by(AUTO):
        seen = []
        following: RebootMethod | None = method
        while following is not None:
            assert following not in seen
            seen.append(following)
            following = following.fallback
        assert seen[-1] is FIRMWARE
