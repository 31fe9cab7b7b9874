# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""The guests do turn away who connects without a login."""

from __future__ import annotations

import contextlib
import socket
import time

import pytest

from shared.guests import guests

SSH_PORT = 22
BANNED_WITHIN_S = 60.0


def connects(guest: str) -> bool:
    """Whether a guest's sshd answers; a connection without a login."""
    with contextlib.suppress(OSError), socket.create_connection((guests()[guest]["lab_ipv4"], SSH_PORT), timeout=5) as stream:
        return stream.recv(64).startswith(b"SSH-")
    return False


@pytest.mark.parametrize("guest", ["kx1", "kx4"])
def test_fail2ban_bans(guest: str) -> None:
    assert connects(guest)
    deadline = time.monotonic() + BANNED_WITHIN_S
    while connects(guest):
        assert time.monotonic() < deadline
        time.sleep(1.0)
