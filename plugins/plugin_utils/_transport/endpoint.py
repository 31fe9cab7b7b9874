# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address of a host's sshd, and the way to it, as ssh itself resolves them."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .sshd import Route, SockAddr, Source

SSH_CONFIG_TIMEOUT_S = 10.0

# Runs an argument list and returns its standard output; empty on failure.
OutputOf = Callable[[Sequence[str]], str]

# AddressFamily of ssh_config(5).
_FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}


class Endpoint(NamedTuple):
    """Host name and port to connect to.

    :ivar direct: False behind a jump host or proxy command: connecting from here would reach nothing, or another machine.
    :ivar family: address family, C(socket.AF_UNSPEC) for any.
    :ivar bind_address: name or address to connect from, empty for any.
    :ivar bind_interface: network interface to connect from, empty for any.
    :ivar control_path: socket of the connection that commands share, empty if they share none.
    """

    host: str
    port: int
    direct: bool
    family: int = socket.AF_UNSPEC
    bind_address: str = ""
    bind_interface: str = ""
    control_path: str = ""


def output_of(argv: Sequence[str]) -> str:
    """Standard output of a command; empty if it fails."""
    try:
        done = subprocess.run(
            list(argv), stdin=subprocess.DEVNULL, capture_output=True, timeout=SSH_CONFIG_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def ssh_endpoint(ssh: Sequence[str], run: OutputOf = output_of) -> Endpoint | None:
    """Ask an ssh command, whose options have C(-G), where it would connect to; None if it does not say."""
    settings: dict[str, str] = {}
    for line in run(ssh).splitlines():
        name, _space, value = line.partition(" ")
        settings.setdefault(name.lower(), value.strip())
    port = settings.get("port", "")
    if not settings.get("hostname") or not port.isdigit():
        return None
    given = {name: value for name, value in settings.items() if value.lower() != "none"}
    return Endpoint(
        given.get("hostname", settings["hostname"]),
        int(port),
        direct=not {"proxycommand", "proxyjump"} & given.keys(),
        family=_FAMILIES.get(settings.get("addressfamily", "any"), socket.AF_UNSPEC),
        bind_address=given.get("bindaddress", ""),
        bind_interface=given.get("bindinterface", ""),
        control_path=given.get("controlpath", ""),
    )


def addresses(endpoint: Endpoint) -> list[SockAddr]:
    """Addresses in the order ssh would try them; empty if the name does not resolve."""
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, family=endpoint.family, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [(family, address) for family, _type, _protocol, _name, address in found]


def routes(endpoint: Endpoint) -> list[Route]:
    """Routes in the order ssh would try them, without those that the address to connect from rules out."""
    found = []
    for address in addresses(endpoint):
        source = _source(endpoint, address[0])
        if source is not None:
            found.append(Route(address, source))
    return found


def _source(endpoint: Endpoint, family: int) -> Source | None:
    """Local end for an address family; None if the address to connect from is in another."""
    if not endpoint.bind_address:
        return Source(interface=endpoint.bind_interface)
    try:
        bound = socket.getaddrinfo(endpoint.bind_address, None, family=family, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return None
    # ssh ignores the interface if it is given an address.
    return Source(address=bound[0][4])
