# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of files and systemd units on a host that several parts of this collection share; shell scripts pass C($1) as token."""

from __future__ import annotations

CONFIG_FILE = "/etc/fleet-kexec.conf"

# Gone after a reboot.
RUN_DIRECTORY = "/run/fleet-kexec"
STAGED_RECORD = RUN_DIRECTORY + "/staged.json"
# Exists while an image of ours may be loaded in the reservation for a crash kernel.
CRASH_MARKER = RUN_DIRECTORY + "/crash-image"

# Persistent. Each fast image has a directory in it.
STATE_DIRECTORY = "/var/lib/fleet-kexec"
MACHINE_FILE = STATE_DIRECTORY + "/machine.json"
LAST_STOP_DIRECTORY = STATE_DIRECTORY + "/last-stop"


def trigger_unit(token: str) -> str:
    """Name of the units that trigger a reboot, without C(.timer) or C(.service)."""
    return "fleet-kexec-" + token


def stamp_unit(token: str) -> str:
    """Name of the unit that records when the system stops, without C(.service)."""
    return "fleet-kexec-stamp-" + token
