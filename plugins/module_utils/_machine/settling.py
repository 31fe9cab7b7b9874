# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparison of the machine with the remembered one, for as long as time can mend a difference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, List, Mapping, Optional

from .._host.files import HostFiles
from .._host.running_system import SystemId
from .comparison import Difference, compare, judge_differences
from .devices import read_model
from .remembered import RememberedMachine, recall
from .snapshot import MachineSnapshot

_PAUSE_S = 1.0


@dataclass(frozen=True)
class MachineComparison:
    """Result of a comparison.

    :ivar compared: whether there was a snapshot of an earlier system.
    :ivar before: the remembered machine, if that is readable.
    :ivar settled_ms: time from the first snapshot to the last.
    """

    model: str
    compared: bool
    before: Optional[RememberedMachine]
    differences: List[Difference]
    settled_ms: int = 0

    def as_dict(self) -> Dict[str, Any]:
        return {
            "model": self.model,
            "compared": self.compared,
            "before": self.before.summary() if self.before else None,
            "settled_ms": self.settled_ms,
            "differences": [each.as_dict() for each in self.differences],
        }


def compare_settled(
    files: HostFiles,
    system: SystemId,
    effects: Mapping[str, str],
    settle_s: float,
    *,
    remembered: Optional[str] = None,
    take: Callable[[], MachineSnapshot],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> MachineComparison:
    """Compare the machine with the remembered one until time can mend no difference any more.

    :param system: that which runs.
    :param effects: effect by code.
    :param settle_s: longest time to wait; 0 for a single comparison.
    :param remembered: system, as one word, in which the machine has to have been remembered; None for any.
    :param take: takes a snapshot.
    :param clock: monotonic seconds.
    """
    began_s = now_s = clock()
    while True:
        comparison = compare_once(files, system, effects, take(), remembered)
        left_s = began_s + settle_s - clock()
        if left_s <= 0 or not any(each.settles for each in comparison.differences):
            return replace(comparison, settled_ms=round((now_s - began_s) * 1000))
        sleep(min(_PAUSE_S, left_s))
        now_s = clock()


def compare_once(
    files: HostFiles, system: SystemId, effects: Mapping[str, str], now: MachineSnapshot, remembered: Optional[str] = None
) -> MachineComparison:
    """Compare a snapshot of the running system with the remembered machine.

    :param system: that which runs.
    :param effects: effect by code.
    :param remembered: as of :func:`compare_settled`.
    """
    model = read_model(files)
    before = recall(files)
    if isinstance(before, str):
        return MachineComparison(model, False, None, _unknown(before, effects))
    if before.system == system:
        why = "the snapshot is one of the running system, so there was no reboot since"
        return MachineComparison(model, False, before, _unknown(why, effects))
    if remembered is not None and str(before.system) != remembered:
        why = "the snapshot that is there, of %s, is not the one that was taken before this reboot" % before.taken_at
        return MachineComparison(model, False, before, _unknown(why, effects))
    return MachineComparison(model, True, before, compare(before.snapshot, now, effects))


def _unknown(why: str, effects: Mapping[str, str]) -> List[Difference]:
    message = "the machine can't be compared with the one before the reboot: %s" % why
    return judge_differences([("MACHINE_UNKNOWN", "machine", None, None, message)], effects)
