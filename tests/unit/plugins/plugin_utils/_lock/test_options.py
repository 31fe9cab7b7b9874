# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user says, and what is said to nonsense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.fleet.kexec.plugins.doc_fragments.lock import ModuleDocFragment
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.interface import LockError, lock_argument_spec, make_lock
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.options import Endpoint, lock_options

PASSWORD = "s3cret-Pass"
ETCD: dict[str, Any] = {"backend": "etcd", "slots": 2, "endpoints": ["http://127.0.0.1:2379"]}
TLS = {**ETCD, "endpoints": ["https://127.0.0.1"]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "zookeeper"}, "value of backend must be one of: local, etcd, got: zookeeper"),
        ({"slot": 1}, "slot"),
        ({"name": "a/b"}, "name has to be up to 100 letters, digits, dots, dashes and underscores"),
        ({"name": ".."}, "name has to be"),
        ({"slots": 0}, "slots has to be 1 or more, not 0"),
        ({"slots": "many"}, "slots"),
        ({"slots": 1.5}, "slots has to be a whole number"),
        ({"slots": True}, "slots has to be a whole number"),
        ({"timeout_s": 0}, "timeout_s has to be more than 0 and at most 60, not 0"),
        ({"timeout_s": float("nan")}, "timeout_s has to be"),
        (
            {"endpoints": ["http://x"], "password": PASSWORD},
            "backend local takes no endpoints and no password; set backend to etcd",
        ),
        ({**ETCD, "slots": None}, "backend etcd needs slots"),
        ({**ETCD, "endpoints": []}, "backend etcd needs endpoints"),
        ({**ETCD, "endpoints": ["etcd1:2379"]}, "an endpoint is no URL such as"),
        ({**ETCD, "endpoints": ["http://etcd1:port"]}, "a host in brackets or a port is wrong"),
        (
            {**ETCD, "endpoints": ["http://me:%s@etcd1" % PASSWORD]},
            "an endpoint holds a user; give username and password instead",
        ),
        ({**ETCD, "endpoints": ["http://etcd1/?password=" + PASSWORD]}, "an endpoint is no URL such as"),
        ({**ETCD, "endpoints": ["http://etcd 1"]}, "space or control character"),
        ({**ETCD, "prefix": ""}, "prefix has to be a path such as /fleet.kexec"),
        ({**ETCD, "prefix": "fleet"}, "prefix has to be a path such as /fleet.kexec"),
        ({**ETCD, "ttl_s": 1}, "ttl_s has to be from 2 to 3600, not 1"),
        ({**ETCD, "username": "me"}, "username and password go together"),
        ({**ETCD, "password": PASSWORD}, "username and password go together"),
        ({**ETCD, "username": "me", "password": [PASSWORD]}, "password has to be a string"),
        ({**ETCD, "ca_path": "/nowhere"}, "ca_path needs endpoints that are https"),
        ({**TLS, "ca_path": "/nowhere"}, "ca_path: there is no file /nowhere"),
        ({**TLS, "ca_path": __file__}, "ca_path, client_cert or client_key can't be used"),
        ({**TLS, "client_cert": __file__}, "ca_path, client_cert or client_key can't be used"),
        ({**TLS, "client_key": __file__}, "client_key needs client_cert"),
    ],
)
def test_nonsense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(LockError) as caught:
        lock_options(options)
    assert caught.value.reason.code == "LOCK_INVALID"
    assert caught.value.reason.message.startswith("lock: ")
    assert message in caught.value.reason.message
    assert PASSWORD not in caught.value.reason.message


def test_a_run_and_a_host_need_a_name(tmp_path: Path) -> None:
    with pytest.raises(LockError, match="run_id has to be"):
        make_lock({}, "../run", "ctl")
    lock = make_lock({}, "run", "ctl", directory=str(tmp_path))
    for host in ("", "x" * 241):
        with pytest.raises(LockError, match="a host's name has to have 1 to 240 characters"):
            lock.acquire(host)


def test_what_is_made_of_it() -> None:
    options = lock_options(
        {**TLS, "endpoints": ["https://etcd1/", "http://[::1]:7/etcd/"], "slots": "3", "prefix": "/a/b/", "username": None}
    )
    assert (options.name, options.slots, options.timeout_s) == ("default", 3, 5.0)
    assert options.etcd is not None
    assert options.etcd.endpoints == (Endpoint(True, "etcd1", 2379, ""), Endpoint(False, "::1", 7, "/etcd"))
    assert [str(endpoint) for endpoint in options.etcd.endpoints] == ["https://etcd1:2379", "http://[::1]:7/etcd"]
    assert (options.etcd.prefix, options.etcd.ttl_s) == ("/a/b", 30)


def test_a_password_is_not_shown() -> None:
    options = lock_options({**ETCD, "username": "me", "password": PASSWORD})
    assert options.etcd is not None
    assert options.etcd.password == PASSWORD
    assert PASSWORD not in repr(options)


def test_documentation_and_specification_agree() -> None:
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["lock"]["suboptions"]
    specified = lock_argument_spec()["lock"]["options"]
    assert set(documented) == set(specified)
    for name, option in specified.items():
        for key in ("type", "elements", "choices", "default"):
            assert documented[name].get(key) == option.get(key), (name, key)
