# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines as directory trees."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.tests.machine_tree import MachineTree, physical_server, virtio_guest


@pytest.fixture
def server(tmp_path: Path) -> MachineTree:
    """A small one: trees take their time."""
    return physical_server(tmp_path, size=2)


@pytest.fixture
def guest(tmp_path: Path) -> MachineTree:
    return virtio_guest(tmp_path)
