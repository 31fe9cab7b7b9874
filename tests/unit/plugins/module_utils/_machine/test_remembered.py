# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that outlives the reboot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId
from ansible_collections.fleet.kexec.plugins.module_utils._machine.remembered import (
    MachineError,
    RememberedMachine,
    read_machine,
    recall,
    remember,
)
from ansible_collections.fleet.kexec.plugins.module_utils._machine.snapshot import MachineSnapshot, parse_snapshot
from ansible_collections.fleet.kexec.plugins.module_utils._paths import MACHINE_FILE
from ansible_collections.fleet.kexec.tests.machine_tree import BOOT_ID, MachineTree


def test_it_is_kept_as_it_is_and_for_root_only(server: MachineTree) -> None:
    machine = read_machine(server.files, server.run, 1764000000.7)
    assert (machine.system.boot_id, machine.taken_at, machine.model) == (
        BOOT_ID,
        "2025-11-24T16:00:00Z",
        "Dell Inc. PowerEdge R650",
    )
    for _again in range(2):
        remember(server.files, machine)
        assert recall(server.files) == machine
    path = Path(server.files.path(MACHINE_FILE))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["machine.json"]


def test_a_file_that_cannot_be_written(guest: MachineTree) -> None:
    guest.write("/var/lib/fleet-kexec", "a file where the directory should be")
    with pytest.raises(MachineError) as caught:
        remember(guest.files, read_machine(guest.files, guest.run, 0))
    assert caught.value.reason.code == "MACHINE_NOT_REMEMBERED"
    assert MACHINE_FILE in caught.value.reason.message


def damaged(files: HostFiles, content: bytes) -> str:
    """Why a file of this content can't be used."""
    path = Path(files.path(MACHINE_FILE))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    why = recall(files)
    assert isinstance(why, str)
    return why


GOOD: dict[str, Any] = {
    "format": 1,
    "boot_id": "b",
    "taken_at": "2026-11-30T00:00:00Z",
    "model": "",
    "snapshot": MachineSnapshot(cpus=2).as_dict(),
}


def test_no_file(tmp_path: Path) -> None:
    assert recall(HostFiles(str(tmp_path))) == "no snapshot of an earlier boot is there"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"format": 2}, "another version of the collection wrote it"),
        ({"format": None}, "another version of the collection wrote it"),
        ({"boot_id": 5}, "it is damaged"),
        ({"snapshot": {}}, "machine has not the expected keys"),
        ({"snapshot": None}, "machine has not the expected keys"),
        ({"snapshot": {**GOOD["snapshot"], "surplus": 1}}, "machine has not the expected keys"),
        ({"snapshot": {**GOOD["snapshot"], "cpus": "2"}}, "machine.cpus has an unexpected value"),
        ({"snapshot": {**GOOD["snapshot"], "cpus": True}}, "machine.cpus has an unexpected value"),
        ({"snapshot": {**GOOD["snapshot"], "cpus": None}}, "machine.cpus has an unexpected value"),
        ({"snapshot": {**GOOD["snapshot"], "mounts": []}}, "machine.mounts has an unexpected value"),
        ({"snapshot": {**GOOD["snapshot"], "disks": {"x": {"id": "x"}}}}, "machine.disks has not the expected keys"),
    ],
)
def test_another_format_is_said(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    files = HostFiles(str(tmp_path))
    assert damaged(files, json.dumps({**GOOD, **changes}).encode()) == "%s can't be used: %s" % (MACHINE_FILE, why)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"null", b"[]", b'"x"', b"{", b"[" * 100_000, b"1e999", b"\0" * 100])
def test_a_damaged_file_is_no_crash(tmp_path: Path, content: bytes) -> None:
    assert damaged(HostFiles(str(tmp_path)), content).startswith(MACHINE_FILE)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(GOOD["snapshot"])), inner, max_size=3),
    max_leaves=10,
)


@given(st.sampled_from(sorted(GOOD["snapshot"])), json_values)
def test_any_value_in_a_snapshot_is_either_used_or_refused(name: str, value: Any) -> None:
    changed = {**GOOD["snapshot"], name: value}
    try:
        assert parse_snapshot(changed).as_dict() == changed
    except ValueError as error:
        assert str(error).startswith("machine")


def test_a_file_that_was_cut_short(server: MachineTree) -> None:
    remember(server.files, read_machine(server.files, server.run, 0))
    content = Path(server.files.path(MACHINE_FILE)).read_bytes()
    for length in range(0, len(content), 997):
        assert damaged(server.files, content[:length])


def test_the_summary() -> None:
    assert RememberedMachine(SystemId("b"), "t", "m", MachineSnapshot()).summary() == {
        "boot_id": "b",
        "soft_reboots": 0,
        "taken_at": "t",
    }
