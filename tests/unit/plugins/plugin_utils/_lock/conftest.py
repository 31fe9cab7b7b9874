# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the lock share: controllers in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .contender import Contender

Start = Callable[[str], Contender]


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
