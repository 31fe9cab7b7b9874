# SPDX-License-Identifier: GPL-3.0-or-later
"""What rollouts and reboots write, byte for byte: a change that means to change nothing changes none of it.

C(GOLDEN_UPDATE=1) writes the files anew, for a change that means to; their diff then says what it changes. Simulated
hosts in virtual time make them, so they are the same wherever and however often they are made.
"""

from __future__ import annotations

import difflib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ... import virtual_time
from .reboots import results
from .rollouts import ROLLOUTS, written

FILES = Path(__file__).parent / "files"
UPDATE = "GOLDEN_UPDATE"


@pytest.fixture(autouse=True)
def _no_cost_of_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """How often the event loop turns is nobody's business, so it costs less than anything that is written shows."""
    monkeypatch.setattr(virtual_time, "TURN_S", 1e-9)


def golden(name: str, made: bytes) -> None:
    """Hold what was made against its file."""
    path = FILES / name
    if os.environ.get(UPDATE):
        path.write_bytes(made)
    there = path.read_bytes() if path.exists() else b""
    if made != there:
        was, now = (each.decode().splitlines(keepends=True) for each in (there, made))
        told = "".join(difflib.unified_diff(was, now, "golden/" + name, "now/" + name))
        pytest.fail("%s is not what it was:\n%s" % (name, told), pytrace=False)


def as_text(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


@pytest.mark.parametrize("name", ROLLOUTS)
def test_a_rollout(name: str, tmp_path: Path) -> None:
    journal, told = written(name, tmp_path / "runs")
    golden(name + ".jsonl", journal)
    golden(name + ".json", as_text(told))


def test_reboots() -> None:
    golden("reboots.json", as_text(results()))


def test_every_file_is_somebody_s() -> None:
    made = {"reboots.json", *(name + suffix for name in ROLLOUTS for suffix in (".json", ".jsonl"))}
    strangers = [path for path in FILES.iterdir() if path.name not in made]
    if os.environ.get(UPDATE):
        for path in strangers:
            path.unlink()
    else:
        assert not strangers
