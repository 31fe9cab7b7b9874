# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ledger of a run: what it begins with, and what it adds at the end. Never a reason for a run to fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.least import KEXEC
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError, Reason, reason

from .._host_facts import ReportedFacts
from .._journal.run_store import Run, RunStore
from .._journal.samples import RUNS_REMEMBERED
from .._ledger.file import change_ledger, default_path
from .._ledger.fold import RunFold
from .._ledger.judge import LEDGER_CODES, ClassJudge, class_of_facts
from .._ledger.model import Ledger, LedgerClass
from .._ledger.update import LedgerReading, read_with_journals, with_run
from .._ledger.words import kernels, warning_text
from .._schedule.plan import CANARY, Plan
from .._schedule.settings import settings_from
from .._transport.bounded import CallAbandoned, bounded_call
from .fleet import PlayFleet
from .preview import Preview, facts_of

# Longer than it takes to get the lock, to read the journal of 10,000 hosts, and to write the largest ledger to a slow disk.
KEEP_TIMEOUT_S = 60.0


class RunLedger:
    """Ledger of one run.

    :param path: path of the file; None for the one beside the journals.
    :param warn: called with sentences for the user.
    :ivar fold: what the run adds, fed with every event.
    """

    def __init__(self, store: RunStore, path: str | None, warn: Callable[[str], None]) -> None:
        self._store = store
        self._path = path or default_path(store.directory)
        self._warn = warn
        self._reading = LedgerReading()
        self.fold = RunFold()

    @property
    def ledger(self) -> Ledger:
        """Ledger as the run began with it."""
        return self._reading.ledger

    def read(self, but: str | None) -> None:
        """Read the ledger, and what the newest journals add, except for that of the run C(but)."""
        self._reading = read_with_journals(self._path, self._store, RUNS_REMEMBERED, but)
        self.say(self._reading.warnings)

    def judge(self, options: Mapping[str, Any]) -> ClassJudge:
        """Judge of the run's hosts.

        :param options: validated parameters; those of a resume as they apply.
        """
        canaries = settings_from({"canaries": options.get("canaries")}).canaries
        return ClassJudge(self.ledger, self.fold, proven_after=options["proven_after"], unproven_canaries=canaries.unproven)

    async def keep(self, run: Run) -> list[Reason]:
        """Write what the run adds; returns what went wrong."""

        def change(known: Ledger) -> Ledger:
            # From the journal, so that it is the same source as when the journal is taken in once more.
            return with_run(known.merged(self.ledger), run)[0]

        try:
            kept = await bounded_call(lambda: change_ledger(self._path, change), KEEP_TIMEOUT_S)
        except CodedError as error:
            return [error.reason]
        except CallAbandoned as error:
            return [reason("LEDGER_FAILED", "%s: %s" % (self._path, error))]
        # Damage that was there when the run began has been said.
        return [kept.damage.reason] if kept.damage is not None and not self._reading.warnings else []

    def say(self, warnings: Sequence[Reason]) -> None:
        for why in warnings:
            self._warn(warning_text(why))


def canaries_of(plan: Plan) -> frozenset[str]:
    """Names of the hosts that go ahead."""
    return frozenset(host.name for wave in plan.waves if wave.name == CANARY for host in wave.hosts)


class AskedClasses(NamedTuple):
    """Classes of hosts that were asked.

    :ivar host_classes: host classes of all, by their names.
    :ivar to_prove: classes of those by which an unproven class would be proven, in words.
    """

    host_classes: dict[str, str]
    to_prove: dict[str, str]


async def ask_for_classes(names: Sequence[str], fleet: PlayFleet, judge: ClassJudge, *, at_once: int) -> AskedClasses:
    """Ask hosts for their classes, because the kernel that they would boot is in no other place.

    :param at_once: number of hosts to ask concurrently.
    """
    facts = await facts_of(names, fleet.reboot_of, fleet.request_of, at_once=at_once)
    found = AskedClasses({}, {})
    for name in names:
        known = facts[name]
        found.host_classes[name] = fleet.host_class(name, known.hardware if known is not None else None)
        key = _class_of(name, known, fleet) if known is not None else None
        if key is not None and not judge.is_proven(key) and not judge.failed_at(key):
            found.to_prove[name] = "%s, %s" % (key.host_class, kernels(key))
    return found


def risks_by_ledger(looked: Mapping[str, Preview]) -> dict[str, list[Reason]]:
    """Risks that the ledger has of hosts, whether they are warned of or rule out a kexec; hosts without any are left out."""
    found = {}
    for name, result in looked.items():
        warned = [Reason(note["code"], note["message"], note["hint"]) for note in result.notes if note["code"] in LEDGER_CODES]
        found[name] = [*warned, *(each for each in result.reasons if each.code in LEDGER_CODES)]
    return {name: risks for name, risks in found.items() if risks}


def _class_of(name: str, facts: ReportedFacts, fleet: PlayFleet) -> LedgerClass | None:
    """Class of a host that would go by kexec; None for others."""
    verdict = facts.verdict
    if verdict is None or verdict.method != KEXEC:
        return None
    release = fleet.request_of(name).image.get("kernel", verdict.release)
    return class_of_facts(facts, fleet.host_class(name, facts.hardware), release)
