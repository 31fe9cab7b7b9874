# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whether a host can reboot softly, and what speaks against it, from facts alone (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence

from .._host.facts import HostFacts
from .._host.guests import Guests
from .._host.running_system import COUNTING_VERSION, NEXT_ROOT, SOFT_REBOOT_VERSION, SoftReboot
from .._reasons import Reason, reason
from .policy import Policy, judge
from .risks import guest_risks

# Units that a message names.
_UNITS_SHOWN = 10


@dataclass(frozen=True)
class SoftVerdict:
    """Whether a host can reboot softly.

    :ivar blockers: obstacles and blocked risks, the most fundamental first; empty if it can.
    :ivar warnings: risks to report.
    """

    blockers: List[Reason]
    warnings: List[Reason]

    @property
    def possible(self) -> bool:
        return not self.blockers


def decide_soft(
    facts: HostFacts, soft: SoftReboot, guests: Optional[Guests], pending: Sequence[Reason], policy: Policy
) -> SoftVerdict:
    """Decide whether a host can reboot softly.

    :param guests: that run on the host, and are stopped; None if that was not read.
    :param pending: reasons for a reboot that only another kernel, or firmware, does away with.
    """
    obstacles = _obstacles(facts, soft)
    judged = judge([] if obstacles else _risks(soft, guests, pending), policy)
    return SoftVerdict(obstacles + judged.blocked, judged.warned)


def present_soft(soft: SoftReboot, verdict: SoftVerdict) -> Dict[str, Any]:
    """Present the verdict as plain values."""
    return {
        "possible": verdict.possible,
        "systemd": soft.systemd,
        "soft_reboots": soft.count,
        "survivors": list(soft.survivors),
        "blockers": [each.as_dict() for each in verdict.blockers],
        "warnings": [each.as_dict() for each in verdict.warnings],
    }


def _obstacles(facts: HostFacts, soft: SoftReboot) -> List[Reason]:
    if facts.container:
        return [reason("CONTAINER", "this is a %s container: it has no kernel of its own" % facts.container)]
    if not facts.systemd:
        return [reason("NO_SYSTEMD", "systemd is not PID 1")]
    if soft.systemd is None:
        return [reason("SOFT_UNSUPPORTED", "systemd did not tell its version")]
    if soft.systemd < SOFT_REBOOT_VERSION:
        message = "systemd %d knows no soft reboot, which systemd %d brought"
        return [reason("SOFT_UNSUPPORTED", message % (soft.systemd, SOFT_REBOOT_VERSION))]
    if soft.count is None:
        message = "systemd %d does not count soft reboots, so none could be proven; systemd %d and later do"
        return [reason("SOFT_UNSUPPORTED", message % (soft.systemd, COUNTING_VERSION))]
    return []


def _risks(soft: SoftReboot, guests: Optional[Guests], pending: Sequence[Reason]) -> List[Reason]:
    found = list(guest_risks(guests)) if guests is not None else []
    if pending:
        said = "; ".join(each.message for each in pending)
        found.append(reason("SOFT_INCOMPLETE", "a soft reboot keeps the running kernel and would not apply: %s" % said))
    if soft.next_root:
        found.append(reason("NEXT_ROOT", "%s is set up: a soft reboot would switch into it" % NEXT_ROOT))
    if soft.survivors:
        more = len(soft.survivors) - _UNITS_SHOWN
        named = ", ".join(soft.survivors[:_UNITS_SHOWN]) + (" and %d more" % more if more > 0 else "")
        found.append(reason("SOFT_SURVIVORS", "a soft reboot does not stop %s, which go on with what they have loaded" % named))
    if soft.scheduled:
        found.append(reason("SHUTDOWN_SCHEDULED", "%s is scheduled, and goes on to be after a soft reboot" % soft.scheduled))
    return found
