# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboots that no run made, from the histories that hosts keep. Pure; what comes from a host is not trusted.

A history says how a host came back. It does not say what a reboot was meant to be, so failures are not in it. A machine that is
not what it was proves nothing either: it may have come back so, or have lost a device since.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .._host_class import hardware_of, host_class_of
from .._journal.fields import number
from .._reboot.difference import FAIL
from .fold import class_text, source_id
from .format import TIME
from .histogram import DurationHistogram
from .model import FIRMWARE, KEXEC, LedgerClass, LedgerResult, LedgerSource, SourceKind, Tally

_BOOT_ID = re.compile(r"[0-9a-f-]{32,36}")
_RESULTS = {KEXEC: LedgerResult.KEXEC, FIRMWARE: LedgerResult.FIRMWARE}


def boot_sources(facts: Iterable[Any]) -> list[LedgerSource]:
    """Sources for the latest boots of hosts, from their facts C(fleet_kexec)."""
    return [source for source in map(boot_source, facts) if source is not None]


def boot_source(facts: Any) -> LedgerSource | None:
    """Source for the latest boot of a host; None if a run made it, or if it is not known how it went.

    :param facts: C(fleet_kexec) of the host, with the subset C(history); with C(hardware) and C(machine), more is known.
    """
    try:
        return _source(facts, facts["history"]["last"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _source(facts: Mapping[str, Any], last: Mapping[str, Any]) -> LedgerSource | None:
    boot_id, at, path = last["boot_id"], last["start"], last["path"]
    key = LedgerClass(*map(class_text, (_host_class(facts, last), last["release_before"], last["release"])))
    if last.get("run_id") or path not in _RESULTS or not _BOOT_ID.fullmatch(boot_id) or not TIME.fullmatch(at):
        return None
    if not key.host_class or not key.before or not key.after or _is_degraded(facts):
        return None
    outage = last.get("outage")
    times = {} if outage is None else {(path, "outage"): DurationHistogram.of([number(outage["duration_ms"])])}
    tally = Tally({_RESULTS[path]: 1}, times=times, last_at=at)
    return LedgerSource(source_id("boot", boot_id), SourceKind.BOOT, at, 1, {key: tally})


def _host_class(facts: Mapping[str, Any], last: Mapping[str, Any]) -> Any:
    """Host class in which a boot took place. Those of the console have none; in the present boot it is that of the hardware."""
    if last.get("host_class") or facts["boot"]["boot_id"] != last["boot_id"]:
        return last.get("host_class")
    return host_class_of(hardware_of(facts.get("hardware")))


def _is_degraded(facts: Mapping[str, Any]) -> bool:
    return any(each["effect"] == FAIL for each in (facts.get("machine") or {}).get("differences") or ())
