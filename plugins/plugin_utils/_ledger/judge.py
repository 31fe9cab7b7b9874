# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judgement of the classes of a run: the risks that the ledger has of a kexec, and what they lead to. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.policy import ALLOW, BLOCK, DEFAULTS, EFFECTS, WARN, Judgement
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason

from .._host_class import CLASS_FAILED, UNPROVEN
from .._host_facts import ReportedFacts
from .._text import clean, counted
from .fold import RunFold, class_text
from .model import Ledger, LedgerClass, LedgerResult, Tally
from .standing import PROVEN_AFTER
from .words import kernels

#: Codes of the risks that the ledger has.
LEDGER_CODES = (CLASS_FAILED, UNPROVEN)


class ClassJudge:
    """Judge of a host's class by the ledger, and by what the run itself has seen so far.

    :param run: what the run has seen. What the ledger has of it from earlier processes is left to it.
    :param proven_after: number of good reboots by kexec after which a class is proven.
    :param unproven_canaries: number of hosts of each unproven class that go ahead; 0 if none do.
    :ivar canaries: names of the canaries of the run.
    """

    def __init__(self, ledger: Ledger, run: RunFold, *, proven_after: int = PROVEN_AFTER, unproven_canaries: int = 0) -> None:
        self._ledger = ledger
        self._run = run
        self._proven_after = proven_after
        self._unproven_canaries = unproven_canaries
        self.canaries: Collection[str] = ()
        # Of all other runs, from when the first host is judged.
        self._others: tuple[dict[LedgerClass, Tally], dict[LedgerClass, str]] | None = None

    def is_proven(self, key: LedgerClass) -> bool:
        return self._tally(key).of(LedgerResult.KEXEC) >= self._proven_after

    def failed_at(self, key: LedgerClass) -> str:
        """Time of the failure because of which a class is blocked; empty if it is not."""
        cleared = self._ledger.cleared.get(key)
        here = self._run.failed.get(key, "")
        return here if here and (cleared is None or here > cleared.at) else self._known()[1].get(key, "")

    def judge(self, host: str, key: LedgerClass, effects: Mapping[str, Any]) -> Judgement:
        """Judge a kexec of a host.

        :param effects: policy of the host; codes that it does not have, or not as it should, have their default.
        """
        tally = self._tally(key)
        failed_at = self.failed_at(key)
        if failed_at:
            return _judgement(_effect(effects, CLASS_FAILED), failed_reason(key, tally, failed_at))
        if self.is_proven(key):
            return Judgement()
        return _judgement(self._effect_of_unproven(host, tally, effects), unproven_reason(key, tally, self._proven_after))

    def judge_facts(self, host: str, host_class: str, facts: ReportedFacts, release: Any) -> Judgement:
        """Judge a kexec of a host into a release, by its facts; nothing is found if too little is known."""
        key = class_of_facts(facts, host_class, release)
        return Judgement() if key is None else self.judge(host, key, facts.policy)

    def _effect_of_unproven(self, host: str, tally: Tally, effects: Mapping[str, Any]) -> str:
        effect = _effect(effects, UNPROVEN)
        if not self._unproven_canaries or effect == ALLOW:
            return effect
        if host in self.canaries:
            # It goes ahead to prove the class.
            return WARN
        # The others follow the canaries of their class, and nothing else.
        followed = tally.of(LedgerResult.KEXEC) >= min(self._unproven_canaries, self._proven_after)
        return effect if followed else BLOCK

    def _tally(self, key: LedgerClass) -> Tally:
        others, own = self._known()[0].get(key, Tally()), self._run.tallies.get(key)
        return others if own is None else others.plus(own)

    def _known(self) -> tuple[dict[LedgerClass, Tally], dict[LedgerClass, str]]:
        if self._others is None:
            self._others = (self._ledger.tallies(but=self._run.id), self._ledger.blocked())
        return self._others


def class_of_facts(facts: ReportedFacts, host_class: str, release: Any) -> LedgerClass | None:
    """Class of a host that would boot a release by kexec, from its facts; None if too little is known."""
    key = LedgerClass(class_text(host_class), class_text(facts.release), class_text(release))
    return key if key.host_class and key.before and key.after else None


def failed_reason(key: LedgerClass, tally: Tally, failed_at: str) -> Reason:
    seen = " (%d of %s)" % (tally.bad, counted(tally.trials, "reboot")) if tally.bad else ""
    return reason(
        CLASS_FAILED,
        "a kexec of this class failed or ended degraded%s, the last one at %s, and nobody has cleared the class since: %s, %s"
        % (seen, failed_at, clean(key.host_class), kernels(key)),
    )


def unproven_reason(key: LedgerClass, tally: Tally, proven_after: int) -> Reason:
    seen = tally.of(LedgerResult.KEXEC)
    had = "no host of this class has come back from a kexec yet"
    if seen:
        had = "hosts of this class have come back from a kexec %s, and it is proven after %d" % (
            counted(seen, "time"),
            proven_after,
        )
    return reason(UNPROVEN, "%s: %s, %s" % (had, clean(key.host_class), kernels(key)))


def _effect(effects: Mapping[str, Any], code: str) -> str:
    effect = effects.get(code)
    return effect if effect in EFFECTS else DEFAULTS[code]


def _judgement(effect: str, why: Reason) -> Judgement:
    return Judgement(blocked=[why] if effect == BLOCK else [], warned=[why] if effect == WARN else [])
