# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address of a host's sshd, as ssh itself resolves it."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .prober import SockAddr

SSH_CONFIG_TIMEOUT_S = 10.0

# Runs an argument list and returns its standard output; empty on failure.
OutputOf = Callable[[Sequence[str]], str]


class Endpoint(NamedTuple):
    """Host name and port to connect to.

    :ivar direct: False behind a jump host or proxy command: connecting from here would reach nothing, or another machine.
    """

    host: str
    port: int
    direct: bool


def output_of(argv: Sequence[str]) -> str:
    """Standard output of a command; empty if it fails."""
    try:
        done = subprocess.run(
            list(argv), stdin=subprocess.DEVNULL, capture_output=True, timeout=SSH_CONFIG_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def ssh_endpoint(ssh: Sequence[str], host: str, run: OutputOf = output_of) -> Endpoint | None:
    """Ask the ssh command, given with its options, where it would connect to (C(ssh -G)); None if it does not say."""
    settings: dict[str, str] = {}
    for line in run([*ssh, "-G", host]).splitlines():
        name, _space, value = line.partition(" ")
        settings.setdefault(name.lower(), value.strip())
    port = settings.get("port", "")
    if not settings.get("hostname") or not port.isdigit():
        return None
    proxied = any(settings.get(name, "none").lower() != "none" for name in ("proxycommand", "proxyjump"))
    return Endpoint(settings["hostname"], int(port), not proxied)


def addresses(endpoint: Endpoint) -> list[SockAddr]:
    """Addresses in the order ssh would try them; empty if the name does not resolve."""
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [(family, address) for family, _type, _protocol, _name, address in found]
