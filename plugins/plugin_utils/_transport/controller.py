# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that runs the playbook."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from typing import Any

# Extra variables of AWX, newest name first
# (https://docs.ansible.com/automation-controller/latest/html/userguide/job_templates.html#extra-variables).
_OPERATOR_VARIABLES = ("awx_user_name", "tower_user_name")


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


def operator_of(variables: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """Name of the user who runs the playbook: the user of AWX, or else of sudo, or else of this process; empty if unknown.

    :param variables: variables of the task, which AWX adds to.
    """
    names = [variables.get(name) for name in _OPERATOR_VARIABLES]
    names.append(environ.get("SUDO_USER"))
    for name in names:
        if isinstance(name, str) and name:
            return str(name)
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        # A container may run under an ID that has no name.
        return ""
