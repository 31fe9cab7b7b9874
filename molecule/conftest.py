# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""What the tests of all scenarios share."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

CONSOLE_TAIL_BYTES = 6000


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Every failed test on a guest shows the end of that guest's console."""
    report = yield
    host = getattr(item, "funcargs", {}).get("host")
    if report.failed and host is not None:
        log = Path(host.ansible.get_variables()["lab_console_log"])
        tail = log.read_bytes()[-CONSOLE_TAIL_BYTES:].decode("utf-8", "replace")
        report.sections.append((f"end of {log}", tail))
    return report


@pytest.fixture
def remembered(host: Host) -> Callable[[str], dict[str, Any]]:
    """Reads a value that the playbook kept for this guest."""

    def read(name: str) -> dict[str, Any]:
        guest = host.ansible.get_variables()["inventory_hostname"]
        directory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
        value: dict[str, Any] = json.loads((directory / f"{guest}.{name}.json").read_text())
        return value

    return read


@pytest.fixture
def changes(host: Host) -> Callable[[str], list[list[str]]]:
    """Reads which tasks changed something on this guest, for each time that a play ran."""

    def read(play: str) -> list[list[str]]:
        guest = host.ansible.get_variables()["inventory_hostname"]
        lines = (Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "changes.jsonl").read_text().splitlines()
        return [run["changed"].get(guest, []) for run in map(json.loads, lines) if run["play"] == play]

    return read
