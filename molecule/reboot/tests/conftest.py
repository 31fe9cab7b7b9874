# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""What the playbooks kept for the tests."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

Remembered = Callable[[str], dict[str, Any]]


@pytest.fixture
def remembered(host: Host) -> Remembered:
    """Reads a value that the playbook kept for this guest."""

    def read(name: str) -> dict[str, Any]:
        guest = host.ansible.get_variables()["inventory_hostname"]
        directory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
        value: dict[str, Any] = json.loads((directory / f"{guest}.{name}.json").read_text())
        return value

    return read
