# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboots that no run made, from the histories that hosts keep. Pure.

A history says how a host came back. It does not say what a reboot was meant to be, so failures are not in it. A machine that is
not what it was proves nothing either: it may have come back so, or have lost a device since.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason

from .._host_class import host_class_of
from .._host_facts import HARDWARE, HISTORY, MACHINE, MINIMUM, FactsError, ReportedBoot, ReportedFacts, read_facts
from .fold import class_text, source_id
from .format import TIME
from .histogram import DurationHistogram
from .model import FIRMWARE, KEXEC, LedgerClass, LedgerResult, LedgerSource, SourceKind, Tally

_BOOT_ID = re.compile(r"[0-9a-f-]{32,36}")
_RESULTS = {KEXEC: LedgerResult.KEXEC, FIRMWARE: LedgerResult.FIRMWARE}


def boot_sources(facts_by_host: Mapping[str, Any]) -> tuple[list[LedgerSource], list[Reason]]:
    """Sources for the latest boots of hosts, and why facts can't be read.

    :param facts_by_host: C(fleet_kexec) of each host, with the subset C(history); with C(min), C(hardware) and C(machine), more
        is known. Hosts without any are left out.
    """
    sources, unreadable = [], []
    for host, facts in facts_by_host.items():
        if facts is None or (isinstance(facts, Mapping) and HISTORY not in facts):
            continue
        try:
            source = boot_source(read_facts(facts, (HISTORY,), (MINIMUM, HARDWARE, MACHINE)))
        except FactsError as error:
            unreadable.append(reason(error.reason.code, "%s: %s" % (host, error.reason.message)))
        else:
            sources += [source] if source is not None else []
    return sources, unreadable


def boot_source(facts: ReportedFacts) -> LedgerSource | None:
    """Source for the latest boot of a host; None if a run made it, or if it is not known how it went."""
    last = facts.last_boot
    if last is None or last.run_id or last.path not in _RESULTS or facts.failing_differences:
        return None
    if not _BOOT_ID.fullmatch(last.boot_id) or not TIME.fullmatch(last.start):
        return None
    key = LedgerClass(*map(class_text, (_host_class(facts, last), last.release_before, last.release)))
    if not key.host_class or not key.before or not key.after:
        return None
    times = {} if last.outage_ms is None else {(last.path, "outage"): DurationHistogram.of([last.outage_ms])}
    tally = Tally({_RESULTS[last.path]: 1}, times=times, last_at=last.start)
    return LedgerSource(source_id("boot", last.boot_id), SourceKind.BOOT, last.start, 1, {key: tally})


def _host_class(facts: ReportedFacts, last: ReportedBoot) -> str | None:
    """Host class in which a boot took place. Those of the console have none; in the present boot it is that of the hardware."""
    if last.host_class or facts.system.boot_id != last.boot_id:
        return last.host_class
    return host_class_of(facts.hardware)
