# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that runs the playbook."""

from __future__ import annotations

import os
from collections.abc import Mapping


def state_directory(environ: Mapping[str, str], name: str) -> str:
    """Directory for collection state of one kind, below the user's state home (XDG Base Directory Specification)."""
    state = environ.get("XDG_STATE_HOME", "")
    # The specification says to ignore relative paths.
    if not os.path.isabs(state):
        state = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(state, "fleet.kexec", name)


def own_boot_id() -> str:
    """boot_id of this machine; empty if it has none (not Linux)."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""
