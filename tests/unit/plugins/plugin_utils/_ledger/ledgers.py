# SPDX-License-Identifier: GPL-3.0-or-later
"""Ledgers and journals to test with."""

from __future__ import annotations

from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Event, Record
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.fold import RunFold
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.histogram import DurationHistogram
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.model import (
    Ledger,
    LedgerClass,
    LedgerResult,
    LedgerSource,
    SourceKind,
    Tally,
)

OLD, NEW = "6.1.0-28-amd64", "6.1.0-29-amd64"
R650 = LedgerClass("Dell Inc. PowerEdge R650, firmware 2.14.1, drivers ixgbe nvme", OLD, NEW)
X9 = LedgerClass("Supermicro X9, firmware 3.0, drivers igb megaraid_sas", OLD, NEW)


def at(seconds: int) -> str:
    return "2026-11-24T%02d:%02d:%02d.000Z" % (seconds // 3600, seconds // 60 % 60, seconds % 60)


def tally(result: LedgerResult, number: int = 1, *, last_s: int = 60, outage_ms: float = 9000) -> Tally:
    times = {("kexec", "outage"): DurationHistogram.of([outage_ms] * number)} if result is LedgerResult.KEXEC else {}
    return Tally({result: number}, 0, {}, times, at(last_s))


def source(name: int, *, version: int = 1, began_s: int = 0, kind: SourceKind = SourceKind.RUN, **given: Any) -> LedgerSource:
    tallies = given.get("tallies", {R650: tally(LedgerResult.KEXEC)})
    return LedgerSource("%020x" % name, kind, at(began_s), version, tallies, given.get("failed", {}))


def ledger_of(*sources: LedgerSource) -> Ledger:
    return Ledger().with_sources(sources)


def started(run_id: str, *hosts: str, controller: str = "admin1") -> Event:
    return events.RunStarted(
        run_id=run_id, controller=controller, collection_version="", hosts=hosts, bystanders=(), settings={}, waves=()
    )


def begun(host: str, key: LedgerClass = R650, method: str = "kexec") -> list[Event]:
    """Events of a host up to its trigger."""
    return [
        events.HostPreparing(host=host),
        events.HostPrepared(
            host=host,
            method=method,
            token="t-" + host,
            release=key.after if method == "kexec" else "",
            staged={} if method == "kexec" else None,
            boot_id="b-" + host,
            release_before=key.before,
            duration_ms=2000,
            host_class=key.host_class,
        ),
        events.HostDraining(host=host),
        events.HostDrained(host=host, duration_ms=300),
        intended(host, key, method),
    ]


def intended(host: str, key: LedgerClass = R650, method: str = "kexec") -> Event:
    release = key.after if method == "kexec" else ""
    return events.HostIntent(host=host, boot_id="b", token="t", unit="u", method=method, release=release, reboot_timeout_s=300.0)


def back(host: str, outage_ms: int | None = 8000) -> Event:
    return events.HostBack(host=host, outage_ms=outage_ms, outage_error_ms=10, detected_by="banner")


def unproven(host: str) -> Event:
    return events.HostUnproven(host=host, path="firmware", proof={}, boot_id="b2", release=OLD)


def verified(host: str, path: str = "kexec", release: str = NEW, *codes: str) -> Event:
    reasons = tuple(reason(code, "because") for code in codes)
    return events.HostVerified(host=host, path=path, proof={}, boot_id="b3", release=release, reasons=reasons)


def ended(host: str) -> list[Event]:
    return [events.HostHealthy(host=host, duration_ms=500), events.HostReleased(host=host, duration_ms=9000)]


def failed(host: str, code: str, down: bool = False) -> Event:
    return events.HostFailed(host=host, reason=Reason(code, "because", ""), down=down, phase="back")


def good(host: str, key: LedgerClass = R650, outage_ms: int = 8000) -> list[Event]:
    return [*begun(host, key), back(host, outage_ms), verified(host, release=key.after), *ended(host)]


def bad(host: str, key: LedgerClass = R650) -> list[Event]:
    return [*begun(host, key), failed(host, "REBOOT_TIMEOUT", down=True)]


def journal_of(*happened: Event | list[Event]) -> list[Record]:
    """Records of these events, one a second."""
    flat = [event for each in happened for event in (each if isinstance(each, list) else [each])]
    return [{"v": 1, "seq": number, "at": at(number), **event.as_record()} for number, event in enumerate(flat, 1)]


def folded(records: list[Record]) -> RunFold:
    fold = RunFold()
    for record in records:
        fold.read(record)
    return fold
