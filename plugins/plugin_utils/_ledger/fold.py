# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fold of a run's journal into what the ledger counts. Pure; takes one event at a time, during the run or afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .._journal import events
from .._journal.events import Event, Record, event_of
from .._journal.run_state import damaged
from .._reboot.difference import ReportedDifference
from .._reboot.methods import SOFT
from .._text import clean, fit
from .histogram import DurationHistogram
from .model import BAD, KEXEC, LedgerClass, LedgerResult, LedgerSource, SourceKind, Tally

# Codes of failures that are those of a kexec. Others, such as that of a hook, say nothing about it.
_FAILED_BY_KEXEC = frozenset({"REBOOT_TIMEOUT", "NOT_PROVEN"})
_DEGRADED = "DEGRADED"
_POWER_CYCLED = "POWER_CYCLED"

# Bounds on what comes from a journal.
TEXT_MAX_CHARS = 240
_CODES_MAX = 50
NAMES_MAX = 20
_ID_DIGITS = 20


def class_text(text: Any) -> str:
    """Name of a host class or kernel as the ledger has it: one line, of bounded length."""
    return fit(clean(text), TEXT_MAX_CHARS) if isinstance(text, str) else ""


def source_id(*parts: str) -> str:
    """Name of a source that follows from these parts, which can't be read from it."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:_ID_DIGITS]


@dataclass(slots=True)
class _Attempt:
    """Reboot of a host that has not ended.

    :ivar method: of the first trigger; empty before it. A second one is a fallback.
    :ivar bad: why the kexec counts as failed or degraded; None if it does not.
    """

    host_class: str = ""
    before: str = ""
    after: str = ""
    method: str = ""
    path: str = ""
    back: bool = False
    bad: LedgerResult | None = None
    fallback: bool = False
    differences: set[str] = field(default_factory=set)
    times_ms: dict[str, float] = field(default_factory=dict)


class RunFold:
    """What a run adds to the ledger, so far.

    :ivar tallies: by class, as :class:`LedgerSource` has them.
    :ivar failed: likewise.
    :ivar bad_hosts: names of the first hosts that failed or were degraded by kexec, by class. They are in no ledger.
    """

    def __init__(self) -> None:
        self.tallies: dict[LedgerClass, Tally] = {}
        self.failed: dict[LedgerClass, str] = {}
        self.bad_hosts: dict[LedgerClass, list[str]] = {}
        self.id = ""
        self._at = ""
        self._attempts: dict[str, _Attempt] = {}

    def read(self, record: Record) -> None:
        """Take in a record of a journal. Events that a later version added are ignored.

        :raises RolloutError: C(JOURNAL_DAMAGED).
        """
        try:
            event = event_of(record)
            if event is not None:
                self.apply(event, str(record.get("at", "")))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise damaged(record, error) from error

    def apply(self, event: Event, at: str) -> None:
        """Take in an event that occurred at a time of the journal."""
        match event:
            case events.RunStarted():
                self.id = source_id("run", event.controller, event.run_id, at)
                self._at = at
            case events.HostPreparing():
                self._conclude(event.host, at, None)
                self._attempts[event.host] = _Attempt()
            case events.HostReleased():
                self._conclude(event.host, at, LedgerResult.FIRMWARE)
            case events.HostFailed():
                self._fail(event, at)
            case events.HostRefused() | events.HostNotNeeded():
                self._attempts.pop(event.host, None)
            case events.HostEvent() if event.host in self._attempts:
                _take_in(self._attempts[event.host], event)

    def source(self, version: int) -> LedgerSource:
        """Source of the ledger; hosts that are still under way are not in it.

        :param version: size of the journal in bytes.
        """
        return LedgerSource(self.id, SourceKind.RUN, self._at, version, dict(self.tallies), dict(self.failed))

    def _fail(self, event: events.HostFailed, at: str) -> None:
        attempt = self._attempts.get(event.host)
        if attempt is None:
            return
        code = event.reason.code
        if attempt.method == KEXEC and attempt.bad is None and code in (*_FAILED_BY_KEXEC, _DEGRADED):
            attempt.bad = LedgerResult.DEGRADED if code == _DEGRADED else LedgerResult.FAILED
        known = attempt.back or code in (*_FAILED_BY_KEXEC, _DEGRADED)
        otherwise = LedgerResult.UNCLEAR if attempt.method == KEXEC else LedgerResult.FIRMWARE_FAILED
        # A host that was not triggered, or did not reboot, says nothing.
        self._conclude(event.host, at, otherwise if attempt.method and known else None, ended_well=False)

    def _conclude(self, host: str, at: str, otherwise: LedgerResult | None, *, ended_well: bool = True) -> None:
        """Count the reboot of a host that has ended.

        :param otherwise: result unless the kexec was bad, or good and C(ended_well); None to count only a bad one.
        """
        attempt = self._attempts.pop(host, None)
        # A soft reboot hands nothing over, so it says nothing about the hardware.
        if attempt is None or not attempt.host_class or attempt.method == SOFT.name:
            return
        result = attempt.bad or otherwise
        if result is LedgerResult.FIRMWARE and attempt.method == KEXEC:
            # It was released: by kexec, or by whichever way it came back although a kexec was meant.
            result = LedgerResult.KEXEC if attempt.path == KEXEC else LedgerResult.FAILED
        if result is None:
            return
        times = {}
        if ended_well and attempt.bad is None and result is not LedgerResult.FAILED:
            times = {(result.value, phase): DurationHistogram.of([ms]) for phase, ms in attempt.times_ms.items()}
        key = LedgerClass(attempt.host_class, attempt.before, attempt.after)
        tally = Tally({result: 1}, int(attempt.fallback), dict.fromkeys(sorted(attempt.differences), 1), times, at)
        self.tallies[key] = self.tallies[key].plus(tally) if key in self.tallies else tally
        if result in BAD:
            self.failed[key] = max(at, self.failed.get(key, ""))
            names = self.bad_hosts.setdefault(key, [])
            if host not in names and len(names) < NAMES_MAX:
                names.append(host)


def _take_in(attempt: _Attempt, event: events.HostEvent) -> None:
    match event:
        case events.HostPrepared():
            attempt.host_class = class_text(event.host_class)
            attempt.before, attempt.after = class_text(event.release_before), class_text(event.release)
            _time(attempt, "prepare", event.duration_ms)
        case events.HostDrained():
            _time(attempt, "drain", event.duration_ms)
        case events.HostIntent():
            attempt.fallback = attempt.fallback or bool(attempt.method)
            if attempt.fallback and attempt.method == KEXEC:
                attempt.bad = attempt.bad or LedgerResult.FAILED
            attempt.method = attempt.method or event.method
            attempt.after = attempt.after or class_text(event.release)
        case events.HostBack():
            attempt.back = True
            _time(attempt, "outage", event.outage_ms)
        case events.HostUnproven() if attempt.method == KEXEC:
            attempt.bad = attempt.bad or LedgerResult.FAILED
        case events.HostVerified():
            attempt.path = event.path
            attempt.after = attempt.after or class_text(event.release)
            if any(why.code == _POWER_CYCLED for why in event.reasons):
                attempt.fallback = True
                attempt.bad = (attempt.bad or LedgerResult.FAILED) if attempt.method == KEXEC else attempt.bad
        case events.HostHealthy():
            _time(attempt, "after", event.duration_ms)
        # After a fallback it is the machine that came back through firmware.
        case events.HostCompared() if not attempt.fallback:
            _compare(attempt, event.differences)


def _compare(attempt: _Attempt, differences: Sequence[ReportedDifference]) -> None:
    attempt.differences.update(class_text(each.code) for each in differences[:_CODES_MAX])
    if attempt.method == KEXEC and any(each.fails for each in differences):
        attempt.bad = attempt.bad or LedgerResult.DEGRADED


def _time(attempt: _Attempt, phase: str, duration_ms: int | None) -> None:
    if duration_ms is not None:
        attempt.times_ms[phase] = duration_ms
