# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""The host was given back, and what others did to it meanwhile is still there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

CONFIG = "/etc/fleet-kexec.conf"
TARGET = "/etc/mine/fleet-kexec.conf"
# Not every version of kexec-tools has it.
EDITED = "/etc/default/kexec"
DROP_IN = "/etc/systemd/system.conf.d/fleet-kexec.conf"

Remembered = Callable[[str], dict[str, Any]]


@pytest.fixture
def names(remembered: Remembered) -> Callable[[str], dict[str, str]]:
    """Reads the packages of a snapshot: their states by name."""

    def read(snapshot: str) -> dict[str, str]:
        return {line.split()[0].partition(":")[0]: line.split()[2] for line in remembered(snapshot)["packages"]}

    return read


def test_what_another_installed_meanwhile_was_not_taken_for_ours(
    remembered: Remembered, names: Callable[[str], dict[str, str]]
) -> None:
    assert names("others_prepared")["lab-other"] == names("others_prepared")["kexec-tools"] == "ii"
    recorded = {package["name"] for package in remembered("others_recorded")["packages"]}
    assert "kexec-tools" in recorded and "lab-other" not in recorded
    assert names("others_restored")["lab-other"] == "ii"


def test_packages_are_gone_and_configuration_that_was_edited_stays(
    remembered: Remembered, names: Callable[[str], dict[str, str]]
) -> None:
    edited = EDITED in remembered("others_prepared")["files"]
    before, restored = names("others_before"), names("others_restored")
    added = {name: state for name, state in restored.items() if before.get(name) != state}
    assert added == {"lab-other": "ii"} | ({"kexec-tools": "rc"} if edited else {})


def test_a_link_and_what_it_leads_to_keep_all_but_the_content(remembered: Remembered) -> None:
    before, prepared = remembered("others_before")["files"], remembered("others_prepared")["files"]
    assert prepared[CONFIG] == before[CONFIG]
    *access, content, attributes = before[TARGET]
    assert prepared[TARGET][:3] == access and prepared[TARGET][4] == attributes
    assert prepared[TARGET][3] != content
    assert set(attributes) >= {"user.note", "security.lab"}


def test_only_what_others_did_is_different(remembered: Remembered) -> None:
    before, restored = remembered("others_before")["files"], remembered("others_restored")["files"]
    assert {path: restored.get(path) for path in before} == before
    prepared = remembered("others_prepared")["files"]
    theirs = {"/etc/lab-other.conf", *({EDITED} & set(prepared))}
    theirs |= {DROP_IN, DROP_IN.rpartition("/")[0]} if DROP_IN in prepared else set()
    # Conffiles of kexec-tools that dpkg keeps because it is not purged, with their links.
    left = {path for path in set(restored) - set(before) if "kexec" not in path or path in theirs}
    assert left == {path for path in theirs if path not in before}
