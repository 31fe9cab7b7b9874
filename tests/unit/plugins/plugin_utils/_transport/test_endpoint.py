# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.endpoint import Endpoint, addresses, routes, ssh_endpoint
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.sshd import Route, Source

CONFIG = """
Host web1
  HostName 192.0.2.7
  Port 2222
Host behind
  ProxyJump jump.example
Host command
  ProxyCommand nc %h %p
Host plain
  ProxyCommand none
Host bound
  BindAddress 192.0.2.1
  AddressFamily inet
Host six
  BindInterface eth7
  AddressFamily inet6
Host shares
  ControlPath /run/%r-%h-%p
"""


@pytest.mark.parametrize(
    ("host", "options", "endpoint"),
    [
        ("web1", [], Endpoint("192.0.2.7", 2222, True)),
        ("web1", ["-o", "Port=22"], Endpoint("192.0.2.7", 22, True)),
        ("plain", [], Endpoint("plain", 22, True)),
        ("2001:db8::1", [], Endpoint("2001:db8::1", 22, True)),
        ("bound", [], Endpoint("bound", 22, True, socket.AF_INET, bind_address="192.0.2.1")),
        ("six", [], Endpoint("six", 22, True, socket.AF_INET6, bind_interface="eth7")),
        ("other", ["-b", "192.0.2.2"], Endpoint("other", 22, True, bind_address="192.0.2.2")),
        ("shares", ["-l", "me"], Endpoint("shares", 22, True, control_path="/run/me-shares-22")),
        ("other", ["-o", "ControlPath=none"], Endpoint("other", 22, True)),
        ("behind", [], Endpoint("behind", 22, False)),
        ("command", [], Endpoint("command", 22, False)),
        ("other", ["-o", "ProxyJump=x"], Endpoint("other", 22, False)),
    ],
)
def test_ssh_is_asked(tmp_path: Path, host: str, options: list[str], endpoint: Endpoint) -> None:
    """With the real ssh: only it knows what its configuration means."""
    config = tmp_path / "config"
    config.write_text(CONFIG)
    assert ssh_endpoint(["ssh", "-F", str(config), *options, "-G", host]) == endpoint


@pytest.mark.parametrize("output", ["", "hostname x\n", "hostname x\nport many\n"])
def test_an_ssh_that_does_not_tell(output: str) -> None:
    assert ssh_endpoint(["ssh", "-G", "host"], lambda argv: output) is None


def test_addresses() -> None:
    assert addresses(Endpoint("127.0.0.1", 2222, True)) == [(socket.AF_INET, ("127.0.0.1", 2222))]
    assert addresses(Endpoint("no-such-host.invalid", 22, True)) == []


def test_routes_have_the_family_and_the_source_that_are_asked_for() -> None:
    four = Endpoint("127.0.0.1", 22, True, bind_address="127.0.0.9")
    assert routes(four) == [Route((socket.AF_INET, ("127.0.0.1", 22)), Source(("127.0.0.9", 0)))]
    assert routes(four._replace(family=socket.AF_INET6)) == []
    assert routes(four._replace(bind_address="::1")) == [], "no connection leads from one family to another"
    (by_interface,) = routes(four._replace(bind_address="", bind_interface="lo"))
    assert by_interface.source == Source(interface="lo")
