# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of M(ansible.builtin.reboot) that say how to reboot: heeded where they ask for what happens anyway, else refused."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Mapping
from typing import Any

from .._text import clipped
from .errors import RebootError
from .methods import AUTO, FIRMWARE, KEXEC, SOFT

ARGUMENTS: Mapping[str, Any] = {
    "boot_time_command": {"type": "str"},
    "reboot_command": {"type": "str"},
    "search_paths": {"type": "list", "elements": "str"},
}

# Default of M(ansible.builtin.reboot).
_BOOT_ID_COMMAND = "cat /proc/sys/kernel/random/boot_id"

# Commands, without directories → the method that does the same.
_METHODS = {
    "systemctl kexec": KEXEC.name,
    "systemctl soft-reboot": SOFT.name,
    "systemctl reboot": FIRMWARE.name,
    "reboot": FIRMWARE.name,
    "shutdown -r": FIRMWARE.name,
    "shutdown -r now": FIRMWARE.name,
    "shutdown -r +0": FIRMWARE.name,
}


def method_from(options: Mapping[str, Any]) -> str:
    """Method that C(method) and the options of :data:`ARGUMENTS` ask for together.

    :raises RebootError: C(OPTION_UNSUPPORTED), or C(SETTINGS_INVALID): they contradict each other.
    """
    if options["search_paths"] is not None:
        raise RebootError(
            "OPTION_UNSUPPORTED", "search_paths says where to find shutdown, but systemd performs this reboot without it"
        )
    if options["boot_time_command"] not in (None, _BOOT_ID_COMMAND):
        raise RebootError(
            "OPTION_UNSUPPORTED", "boot_time_command can't say whether the host has rebooted: its kernel's boot_id does"
        )
    command, method = options["reboot_command"], str(options["method"])
    if command is None:
        return method
    asked = _METHODS.get(_plain(command))
    if asked is None:
        why = ", which leaves file systems mounted" if _plain(command).startswith("kexec") else ""
        raise RebootError(
            "OPTION_UNSUPPORTED",
            "reboot_command is %s%s; it can be %s" % (clipped(command), why, ", ".join(sorted(_METHODS))),
        )
    if method not in (AUTO, asked):
        raise RebootError("SETTINGS_INVALID", "reboot_command is %s, but method is %s" % (clipped(command), method))
    return asked


def _plain(command: str) -> str:
    """Command with single spaces, and its program without the directory."""
    try:
        program, *arguments = shlex.split(command)
    except ValueError:
        return ""
    return " ".join([posixpath.basename(program), *arguments])
