# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._report.options import parse_mode, parse_ways

from ....outcomes import code_of


@pytest.mark.parametrize(("value", "mode"), [(None, None), ("0644", 0o644), ("644", 0o644), ("0o600", 0o600), (0o640, 0o640)])
def test_modes_as_users_write_them(value: Any, mode: int | None) -> None:
    assert parse_mode(value) == mode


@pytest.mark.parametrize("value", ["u=rw", "0888", "", "64", 0o7777 + 1, True, [6]])
def test_modes_that_are_none(value: Any) -> None:
    assert code_of(parse_mode, value) == "REPORT_FAILED"


def test_ways_as_users_write_them() -> None:
    assert parse_ways(None) is None
    assert parse_ways({"fast": "run1", 2026: ["run2", 3]}) == {"fast": ["run1"], "2026": ["run2", "3"]}


@pytest.mark.parametrize("value", ["fast", [], {}, {"fast": []}, {"fast": None}, {"fast": [True]}])
def test_ways_that_are_none(value: Any) -> None:
    assert code_of(parse_ways, value) == "REPORT_FAILED"
