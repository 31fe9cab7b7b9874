# SPDX-License-Identifier: GPL-3.0-or-later
"""An etcd for the tests of the lock and of rollouts that share slots."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from .etcd_server import EtcdServer, running

TTL_S = 6

_names = ("lock%d" % number for number in itertools.count())


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    """One for all tests that change nothing about the server."""
    with running(EtcdServer(tmp_path_factory.mktemp("etcd"))) as server:
        yield server


@pytest.fixture
def etcd_options(etcd: EtcdServer) -> dict[str, Any]:
    """Two slots of a lock that is new to each test."""
    return {"backend": "etcd", "endpoints": [etcd.url], "name": next(_names), "slots": 2, "ttl_s": TTL_S}
