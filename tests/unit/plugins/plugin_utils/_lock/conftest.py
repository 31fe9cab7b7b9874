# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the lock share: an etcd, and controllers in processes of their own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .contender import Contender
from .etcd_server import EtcdServer, running

Start = Callable[[str], Contender]
TTL_S = 2

_names = ("budget%d" % number for number in itertools.count())


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    """One for all tests that change nothing about the server."""
    with running(EtcdServer(tmp_path_factory.mktemp("etcd"))) as server:
        yield server


@pytest.fixture
def etcd_options(etcd: EtcdServer) -> dict[str, Any]:
    """A budget of two, new to each test."""
    return {"backend": "etcd", "endpoints": [etcd.url], "name": next(_names), "slots": 2, "ttl_s": TTL_S}


@pytest.fixture(params=["local", "etcd"])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The same for each backend."""
    if request.param == "local":
        return {"backend": "local", "slots": 2, "timeout_s": 1.0}
    return dict(request.getfixturevalue("etcd_options"))


@pytest.fixture
def start_with(tmp_path: Path) -> Iterator[Callable[[dict[str, Any], str], Contender]]:
    """Starts controllers, which end with the test."""
    contenders: list[Contender] = []

    def make(options: dict[str, Any], run_id: str) -> Contender:
        contenders.append(Contender(options, run_id, tmp_path / "locks"))
        return contenders[-1]

    yield make
    for contender in contenders:
        contender.end()


@pytest.fixture
def start(start_with: Callable[[dict[str, Any], str], Contender], options: dict[str, Any]) -> Start:
    """Starts controllers of the backend under test."""
    return lambda run_id: start_with(options, run_id)
