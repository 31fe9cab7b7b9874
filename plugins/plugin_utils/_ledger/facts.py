# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preflight of a host, with the risks that the ledger has of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.least import FIRMWARE, KEXEC
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._host_class import host_class_of
from .._host_facts import FactsError, ReportedFacts, ReportedVerdict, read_facts
from .._preflight import OPTIONAL, REQUIRED, Preflight, Saved, preflight_of
from .judge import ClassJudge


def look_at_facts(host: str, facts: Any, judge: ClassJudge, saved: Saved) -> Preflight | Reason:
    """Preflight of a host from its facts C(fleet_kexec), or why they can't be read."""
    try:
        read = read_facts(facts, REQUIRED, OPTIONAL)
    except FactsError as error:
        return error.reason
    return preflight_of(host, with_risks(host, read, judge), saved)


def with_risks(host: str, facts: ReportedFacts, judge: ClassJudge) -> ReportedFacts:
    """Add the risks that the ledger has to the facts of a host, as if the host had found them.

    The class is that of its hardware.
    """
    verdict = facts.verdict
    if verdict is None or verdict.method != KEXEC:
        return facts
    found = judge.judge_facts(host, host_class_of(facts.hardware), facts, verdict.release)
    return replace(
        facts,
        warnings=_joined(facts.warnings, found.warned),
        blockers=_joined(facts.blockers, found.blocked),
        verdict=ReportedVerdict(FIRMWARE) if found.blocked else verdict,
    )


def _joined(known: Iterable[Reason], found: Iterable[Reason]) -> tuple[Reason, ...]:
    return (*known, *found)
