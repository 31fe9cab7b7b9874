# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Fixtures of the tests of soft reboots."""

from __future__ import annotations

import pytest
from testinfra.host import Host


@pytest.fixture(autouse=True)
def guest_that_reboots_softly(host: Host) -> None:
    """Leave out the guest that is refused, which the playbook has looked at."""
    if host.ansible.get_variables()["lab_release"] == "bookworm":
        pytest.skip("its systemd can't reboot softly")
