# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container detection: a container has no kernel of its own to reboot."""

from __future__ import annotations

from typing import Optional

from .._text import shown_name
from .files import HostFiles


def read_container(files: HostFiles) -> Optional[str]:
    """Name of the container manager; None on a real or virtual machine.

    Source: systemd's container interface (C(/run/systemd/container), C(container=) in the environment of PID 1), and the marker
    files of Docker and Podman.
    """
    named = files.read_name("/run/systemd/container")
    if named:
        return named
    for variable in (files.read_text("/proc/1/environ") or "").split("\0"):
        name, _equals, value = variable.partition("=")
        if name == "container" and value:
            return shown_name(value)
    if files.exists("/.dockerenv"):
        return "docker"
    if files.exists("/run/.containerenv"):
        return "podman"
    return None
