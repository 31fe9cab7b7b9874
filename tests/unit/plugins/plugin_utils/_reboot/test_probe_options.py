# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.errors import RebootError
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.probe_options import parse_probe
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.service_watch import Service


def service(**given: Any) -> Service:
    found = parse_probe(given)
    assert found is not None
    return found


def refusal(value: Any) -> str:
    with pytest.raises(RebootError) as caught:
        parse_probe(value)
    assert caught.value.reason.code == "PROBE_INVALID"
    return caught.value.reason.message


def test_no_probe() -> None:
    assert parse_probe(None) is None


@pytest.mark.parametrize("port", [443, "443"])
def test_a_port_is_where_the_host_is(port: Any) -> None:
    found = service(port=port, address=None)
    assert (found.port, found.address, found.get, found.seen_by) == (443, None, None, "tcp 443")
    assert service(port=1, address="192.0.2.7").address == "192.0.2.7"
    assert service(port=1, address="fe80::1%eth0").address == "fe80::1%eth0"


@pytest.mark.parametrize(
    ("url", "address", "port", "seen_by"),
    [
        ("http://web1/health", "web1", 80, "http http://web1/health"),
        ("https://web1.example", "web1.example", 443, "http https://web1.example"),
        ("HTTPS://web1:8443/", "web1", 8443, "http https://web1:8443/"),
        ("http://[2001:db8::7]:8080/x", "2001:db8::7", 8080, "http http://[2001:db8::7]:8080/x"),
        ("https://ops:geheim@web1/health?key=geheim#geheim", "web1", 443, "http https://web1/health"),
    ],
)
def test_a_url_says_where_and_is_shown_without_secrets(url: str, address: str, port: int, seen_by: str) -> None:
    found = service(url=url)
    assert (found.address, found.port, found.seen_by) == (address, port, seen_by)
    assert found.statuses == set(range(200, 400))
    assert "geheim" not in repr(found)


def test_what_there_is_to_say_of_a_url() -> None:
    found = service(url="https://web1/", status=[200, "503"], validate_certs="no", timeout="0.5", address="10.0.0.1")
    assert found.statuses == {200, 503}
    assert found.get is not None and found.validate_certs is False
    assert (found.timeout_s, found.address) == (0.5, "10.0.0.1")
    assert service(url="http://a/", status=204).statuses == {204}


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("443", "probe has to be a dictionary"),
        ([443], "probe has to be a dictionary"),
        ({}, "needs exactly one of port, url"),
        ({"port": None}, "needs exactly one of port, url"),
        ({"port": 80, "url": "http://a/"}, "needs exactly one of port, url"),
        ({"port": 80, "interval": 1}, "'interval'"),
        ({"port": 0}, "probe.port"),
        ({"port": 65536}, "probe.port"),
        ({"port": True}, "probe.port"),
        ({"port": "https"}, "probe.port"),
        ({"port": 80.5}, "probe.port"),
        ({"port": 80, "status": 200}, "probe.status"),
        ({"port": 80, "validate_certs": False}, "probe.validate_certs"),
        ({"port": 80, "timeout": 1}, "probe.timeout"),
        ({"port": 80, "address": ""}, "probe.address"),
        ({"port": 80, "address": "web1:80"}, "probe.address"),
        ({"port": 80, "address": "http://web1"}, "probe.address"),
        ({"port": 80, "address": "cafe:80"}, "probe.address"),
        ({"port": 80, "address": "a..b"}, "probe.address"),
        ({"port": 80, "address": "a" * 64}, "probe.address"),
        ({"url": "ftp://a/geheim"}, "probe.url"),
        ({"url": "geheim"}, "probe.url"),
        ({"url": "http://"}, "probe.url"),
        ({"url": "http://a:0/geheim"}, "probe.url"),
        ({"url": "http://a:99999/geheim"}, "probe.url"),
        ({"url": "http://a/geheim x"}, "probe.url"),
        ({"url": "http://a/geheim\r\nX: y"}, "probe.url"),
        ({"url": "http://.a/"}, "probe.url has to be a URL whose host is a name or an address"),
        ({"url": "http://a/", "status": []}, "probe.status"),
        ({"url": "http://a/", "status": "OK"}, "probe.status"),
        ({"url": "http://a/", "status": 100}, "probe.status"),
        ({"url": "http://a/", "status": 600}, "probe.status"),
        ({"url": "http://a/", "status": {"a": 1}}, "probe.status"),
        ({"url": "http://a/", "validate_certs": "maybe"}, "probe.validate_certs"),
        ({"url": "http://a/", "timeout": 0}, "probe.timeout"),
        ({"url": "http://a/", "timeout": "soon"}, "probe.timeout"),
        ({"url": "http://a/", "timeout": True}, "probe.timeout"),
    ],
)
def test_what_makes_no_sense_is_named_without_its_value(value: Any, names: str) -> None:
    message = refusal(value)
    assert names in message
    assert "geheim" not in message
