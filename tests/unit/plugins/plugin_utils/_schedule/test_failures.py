# SPDX-License-Identifier: GPL-3.0-or-later
"""The failure budget."""

from __future__ import annotations

from typing import Any

from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.failures import Failures
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.settings import settings_from

from ..fleets import host


def failures(budget: Any, total: int = 10) -> Failures:
    return Failures(settings_from({"failure_budget": budget}).failure_budget, total)


def test_by_default_the_first_failure_is_one_too_many() -> None:
    spent = failures(0).failed(host("a"))
    assert spent is not None
    assert spent.code == "FAILURE_BUDGET_SPENT"
    assert "a failed: 1 failed in all, and total allows 0" in spent.message


def test_a_percentage_of_the_hosts() -> None:
    counted = failures("25%")
    assert counted.failed(host("a")) is None
    assert counted.failed(host("b")) is None
    assert counted.failed(host("c")) is not None


def test_in_a_row() -> None:
    counted = failures({"total": "100%", "consecutive": 1})
    for _turn in range(3):
        assert counted.failed(host("a")) is None
        counted.succeeded()
    assert counted.failed(host("b")) is None
    spent = counted.failed(host("c"))
    assert spent is not None
    assert "2 failed in a row" in spent.message


def test_in_a_domain() -> None:
    counted = failures({"total": "100%", "each_domain": {"rack": 1}})
    assert counted.failed(host("a", rack="r1")) is None
    assert counted.failed(host("b", rack="r2")) is None
    assert counted.failed(host("c")) is None
    spent = counted.failed(host("d", rack="r2"))
    assert spent is not None
    assert "2 failed in rack r2" in spent.message
