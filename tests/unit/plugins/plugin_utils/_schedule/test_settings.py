# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings, as they are read from options."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.amounts import Amount, parse_amount
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.settings import (
    Canaries,
    FailureBudget,
    Regression,
    Settings,
    settings_from,
)
from ansible_collections.fleet.kexec.plugins.plugin_utils._values import setting


def amount(written: Any) -> Amount:
    return parse_amount(setting(written, "x"))


def test_what_is_not_given_has_its_default() -> None:
    nothing = dict.fromkeys(("window", "canaries", "waves", "failure_budget", "deadline", "stop_on_regression", "order"))
    assert settings_from({}) == settings_from(nothing) == Settings()
    assert settings_from({"canaries": {"count": None}, "failure_budget": {}}) == Settings()
    assert settings_from({"stop_on_regression": {"margin": None}}).regression == Regression()


def test_canaries_take_the_earlier_name_of_each_host_class() -> None:
    assert settings_from({"canaries": {"each_combination": True}}).canaries.each_host_class


def test_everything() -> None:
    settings = settings_from(
        {
            "window": "10%",
            "max_unavailable": {"rack": 1, "all": "20%"},
            "min_available": {"web": "80%"},
            "canaries": {"count": 2, "each_host_class": True, "soak": 60},
            "waves": [1, "10%", "50%"],
            "wave_soak": 30,
            "failure_budget": {"total": "5%", "consecutive": 2, "each_domain": {"rack": 1}},
            "order": "spread",
            "deadline": 3600,
            "stop_on_regression": {"margin": "20%", "samples": 3},
            "stall_timeout": 120,
        }
    )
    assert settings == Settings(
        window=amount("10%"),
        max_unavailable={"rack": amount(1), "all": amount("20%")},
        min_available={"web": amount("80%")},
        canaries=Canaries(2, True, 60.0),
        waves=(amount(1), amount("10%"), amount("50%")),
        wave_soak_s=30.0,
        failure_budget=FailureBudget(amount("5%"), 2, {"rack": 1}),
        order="spread",
        deadline_s=3600.0,
        regression=Regression(amount("20%"), 3),
        stall_s=120.0,
    )


def test_bare_amounts() -> None:
    settings = settings_from({"max_unavailable": "10%", "failure_budget": 3})
    assert settings.max_unavailable == {"all": amount("10%")}
    assert settings.failure_budget == FailureBudget(total=amount(3))


def test_variables_from_a_command_line_are_text() -> None:
    settings = settings_from(
        {
            "canaries": {"count": "2", "each_host_class": "no", "soak": "60"},
            "failure_budget": {"total": "3", "consecutive": "2"},
            "stop_on_regression": {"samples": "3"},
        }
    )
    assert settings.canaries == Canaries(2, False, 60.0)
    assert settings.failure_budget == FailureBudget(amount(3), 2)
    assert settings.regression == Regression(samples=3)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"window": 0}, "window"),
        ({"window": -1}, "window"),
        ({"window": "0%"}, "window"),
        ({"max_unavailable": {"rack": "x"}}, "max_unavailable.rack"),
        ({"min_available": 3}, "min_available"),
        ({"min_available": {"web": -1}}, "min_available.web"),
        ({"canaries": 1}, "canaries"),
        ({"canaries": {"number": 1}}, "number"),
        ({"canaries": {"count": -1}}, "canaries.count"),
        ({"canaries": {"count": True}}, "canaries.count"),
        ({"canaries": {"soak": -1}}, "canaries.soak"),
        ({"canaries": {"soak": 60}}, "canaries"),
        ({"canaries": {"each_host_class": "perhaps"}}, "canaries.each_host_class"),
        ({"waves": "10%"}, "waves"),
        ({"waves": 10}, "waves"),
        ({"waves": [0, 5]}, "waves"),
        ({"waves": [5, 5]}, "waves"),
        ({"waves": ["50%", "10%"]}, "waves"),
        ({"wave_soak": float("nan")}, "wave_soak"),
        ({"wave_soak": float("inf")}, "wave_soak"),
        ({"failure_budget": "lots"}, "failure_budget"),
        ({"failure_budget": {"total": -1}}, "failure_budget.total"),
        ({"failure_budget": {"consecutive": 2}}, "failure_budget needs total: 100%"),
        ({"failure_budget": {"total": 1, "consecutive": 1.5}}, "failure_budget.consecutive"),
        ({"failure_budget": {"total": 1, "each_domain": 1}}, "failure_budget.each_domain"),
        ({"failure_budget": {"total": 1, "each_domain": {"rack": "5%"}}}, "failure_budget.each_domain.rack"),
        ({"order": "alphabetical"}, "order"),
        ({"deadline": -5}, "deadline"),
        ({"deadline": "02:00"}, "deadline"),
        ({"stop_on_regression": {"margin": 3}}, "stop_on_regression.margin"),
        ({"stop_on_regression": {"samples": 0}}, "stop_on_regression.samples"),
        ({"stall_timeout": "long"}, "stall_timeout"),
    ],
)
def test_nonsense_is_refused_by_name(options: dict[str, Any], named: str) -> None:
    with pytest.raises(RolloutError) as caught:
        settings_from(options)
    assert caught.value.reason.code == "SETTINGS_INVALID"
    assert named in caught.value.reason.message
