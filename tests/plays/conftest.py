# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the ansible-core is that the playbooks are run by: C(PLAYS_ANSIBLE) is the path of its C(ansible-playbook)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def core() -> Path:
    """An C(ansible-playbook), of this environment if no other is asked for."""
    found = os.environ.get("PLAYS_ANSIBLE") or shutil.which("ansible-playbook")
    assert found, "there is no ansible-playbook"
    return Path(found)
