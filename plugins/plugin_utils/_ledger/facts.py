# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a host as a preflight shows them, with the risks that the ledger has of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._host_class import hardware_of, host_class_of
from .._preflight import FIRMWARE, KEXEC
from .judge import ClassJudge

# Parts of a verdict that a reboot through firmware does not have.
_OF_KEXEC = ("image", "loader", "integrity", "placement", "predicted_ms", "release")


def with_risks(host: str, facts: Any, judge: ClassJudge) -> Any:
    """Add the risks that the ledger has to the facts C(fleet_kexec) of a host, as if the host had found them.

    The class is that of its hardware.

    :return: the facts as they are if they can't be judged.
    """
    if not isinstance(facts, Mapping) or not isinstance(facts.get("verdict"), Mapping):
        return facts
    verdict = facts["verdict"]
    if verdict.get("method") != KEXEC:
        return facts
    found = judge.judge_facts(host, host_class_of(hardware_of(facts.get("hardware"))), facts, verdict.get("release"))
    made = dict(facts)
    if found.warned and isinstance(facts.get("warnings"), list):
        made["warnings"] = [*facts["warnings"], *(each.as_dict() for each in found.warned)]
    if found.blocked and isinstance(facts.get("blockers"), list):
        made["blockers"] = [*facts["blockers"], *(each.as_dict() for each in found.blocked)]
        made["verdict"] = {**verdict, **dict.fromkeys(_OF_KEXEC), "method": FIRMWARE, "notes": []}
    return made
