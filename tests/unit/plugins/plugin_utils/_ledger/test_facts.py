# SPDX-License-Identifier: GPL-3.0-or-later
"""A preflight shows what the ledger has of a host's class, by the policy of the host."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._host_facts import ReportedFacts, ReportedVerdict, read_facts
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.facts import with_risks
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.fold import RunFold
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.judge import ClassJudge
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.model import Clearing, Ledger, LedgerClass, LedgerResult
from ansible_collections.fleet.kexec.plugins.plugin_utils._preflight import OPTIONAL, REQUIRED
from ansible_collections.fleet.kexec.tests.host_facts import whole_facts

from .ledgers import NEW, OLD, at, ledger_of, source, tally

KEY = LedgerClass("R650", OLD, NEW)
FAILED = ledger_of(source(1, tallies={KEY: tally(LedgerResult.DEGRADED)}, failed={KEY: at(60)}))
PROVEN = ledger_of(source(1, tallies={KEY: tally(LedgerResult.KEXEC)}))
NO_WATCHDOG = {"code": "NO_WATCHDOG", "message": "there is no watchdog", "hint": "Set one up."}


def facts(method: str = "kexec", policy: dict[str, str] | None = None, **more: Any) -> ReportedFacts:
    given = {
        "verdict": {"method": method, "release": NEW, "notes": [NO_WATCHDOG]},
        "kernel": {"release": OLD},
        "hardware": {"vendor": "", "product": "R650", "board": "", "firmware_version": "", "drivers": {}},
        "warnings": [NO_WATCHDOG],
        "policy": policy or {},
        **more,
    }
    return read_facts(whole_facts(**given), REQUIRED, OPTIONAL)


def judged(ledger: Ledger, given: ReportedFacts, proven_after: int = 1) -> ReportedFacts:
    return with_risks("web1", given, ClassJudge(ledger, RunFold(), proven_after=proven_after))


def codes(found: tuple[Reason, ...]) -> list[str]:
    return [each.code for each in found]


def test_an_unproven_class_is_warned_of() -> None:
    found = judged(Ledger(), facts())
    assert codes(found.warnings) == ["NO_WATCHDOG", "UNPROVEN"]
    assert found.verdict is not None and found.verdict.method == "kexec"
    assert "R650, %s -> %s" % (OLD, NEW) in found.warnings[1].message
    assert codes(judged(PROVEN, facts(), proven_after=2).warnings) == ["NO_WATCHDOG", "UNPROVEN"]


def test_a_proven_class_is_left_as_it_is() -> None:
    assert judged(PROVEN, facts()) == facts()


@pytest.mark.parametrize("policy", [{"UNPROVEN": "block"}, {"UNPROVEN": "block", "CLASS_FAILED": "allow"}])
def test_a_blocked_kexec_becomes_a_reboot_through_firmware(policy: dict[str, str]) -> None:
    found = judged(Ledger(), facts(policy=policy))
    assert (codes(found.blockers), found.verdict) == (["UNPROVEN"], ReportedVerdict("firmware"))


def test_a_class_that_failed_is_blocked_until_it_is_cleared() -> None:
    found = judged(FAILED, facts())
    assert (codes(found.blockers), found.verdict) == (["CLASS_FAILED"], ReportedVerdict("firmware"))
    assert codes(judged(FAILED, facts(policy={"CLASS_FAILED": "warn"})).warnings) == ["NO_WATCHDOG", "CLASS_FAILED"]
    cleared = FAILED.with_clearing([KEY], Clearing(at(70), "kim", "a cable"))
    assert codes(judged(cleared, facts()).blockers) == []


@pytest.mark.parametrize(
    "given", [facts("firmware"), facts("refuse"), facts(hardware=None), facts(verdict={"release": None})], ids=str
)
def test_facts_that_can_t_be_judged_stay_as_they_are(given: ReportedFacts) -> None:
    assert judged(FAILED, given) == given
