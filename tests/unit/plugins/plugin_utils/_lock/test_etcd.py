# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the backend etcd."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.etcd import EtcdOptions
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.etcd_client import EtcdEndpoint
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.interface import lock_options
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.model import LockError

PASSWORD = "s3cret-Pass"
ETCD: dict[str, Any] = {"backend": "etcd", "slots": 2, "endpoints": ["http://127.0.0.1:2379"]}
TLS = {**ETCD, "endpoints": ["https://127.0.0.1"]}


def etcd_options(given: dict[str, Any]) -> EtcdOptions:
    options = lock_options(given)
    assert isinstance(options, EtcdOptions)
    return options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({**ETCD, "slots": None}, "lock needs slots: how many hosts may be unavailable at once, over all controllers"),
        ({**ETCD, "endpoints": None}, "lock needs endpoints: a list of URLs such as https://etcd1.example:2379"),
        ({**ETCD, "endpoints": []}, "lock.endpoints is [], but has to be a list of at least one URL"),
        ({**ETCD, "endpoints": ["etcd1:2379"]}, "lock.endpoints[0] has to be a URL that begins with http:// or https://"),
        ({**ETCD, "endpoints": ["http://a", "http://b:port"]}, "lock.endpoints[1] has to be a URL with a host, and with a port"),
        ({**ETCD, "endpoints": ["http://[::1"]}, "lock.endpoints[0] has to be a URL with a host"),
        ({**ETCD, "endpoints": ["http://me:%s@etcd1" % PASSWORD]}, "lock.endpoints[0] has to be a URL without credentials"),
        ({**ETCD, "endpoints": ["http://etcd1/?password=" + PASSWORD]}, "lock.endpoints[0] has to be a URL such as"),
        ({**ETCD, "endpoints": ["http://etcd1/" + PASSWORD + " "]}, "without spaces"),
        ({**ETCD, "prefix": ""}, "lock.prefix is '', but has to be a path such as /fleet.kexec"),
        ({**ETCD, "prefix": "fleet"}, "lock.prefix is 'fleet', but has to be a path such as /fleet.kexec"),
        ({**ETCD, "ttl_s": 1}, "lock.ttl_s is 1, but has to be a whole number from 2 to 3600"),
        ({**ETCD, "username": "me"}, "lock has username, but no password; they go together"),
        ({**ETCD, "password": PASSWORD}, "lock has password, but no username; they go together"),
        ({**ETCD, "username": "me", "password": [PASSWORD]}, "lock.password has to be text"),
        ({**ETCD, "ca_path": "/nowhere"}, "lock.ca_path has to be left out without an endpoint that is https"),
        ({**TLS, "ca_path": "/nowhere"}, "lock.ca_path is '/nowhere', but has to be a file that is there"),
        ({**TLS, "ca_path": __file__}, "lock: the CAs in ca_path can't be read"),
        ({**TLS, "client_cert": __file__}, "lock: client_cert or client_key can't be used"),
        ({**TLS, "client_key": __file__}, "lock needs client_cert: the certificate of client_key"),
    ],
)
def test_nonsense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(LockError) as caught:
        lock_options(options)
    assert caught.value.reason.code == "LOCK_INVALID"
    assert message in caught.value.reason.message
    assert PASSWORD not in caught.value.reason.message


def test_what_is_made_of_it() -> None:
    options = etcd_options(
        {**TLS, "endpoints": ["https://etcd1/", "http://[::1]:7/etcd/"], "slots": "3", "prefix": "/a/b/", "username": None}
    )
    assert (options.name, options.slots, options.timeout_s) == ("default", 3, 5.0)
    assert options.access.endpoints == (EtcdEndpoint(True, "etcd1", 2379, ""), EtcdEndpoint(False, "::1", 7, "/etcd"))
    assert [str(endpoint) for endpoint in options.access.endpoints] == ["https://etcd1:2379", "http://[::1]:7/etcd"]
    assert (options.prefix, options.ttl_s, options.access.timeout_s) == ("/a/b", 30, 5.0)
    assert options.machines == ("etcd1", "::1")


def test_a_password_is_not_shown() -> None:
    options = etcd_options({**ETCD, "username": "me", "password": PASSWORD})
    assert options.access.password == PASSWORD
    assert PASSWORD not in repr(options)
