# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines of simulated hosts, as the module machine sees them before a reboot and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId

MODEL = "Example Inc. Server 9"
TAKEN_AT = "2026-11-24T12:00:00Z"


def difference(code: str, subject: str, effect: str = "fail", **others: Any) -> dict[str, Any]:
    """A difference, as the module reports it."""
    said = "%s is not what it was" % subject
    return {"code": code, "subject": subject, "before": "up", "after": None, "effect": effect, "message": said, **others}


class Machine:
    """A machine, and what it was when it was remembered.

    :ivar differs: in what, by the number of the boot. A boot that is not there has no differences.
    :ivar answers: what the module says in place of that, by its state.
    :ivar asked: what it was asked, and in which system.
    :ivar remembered: system of the snapshot that there is.
    """

    def __init__(self) -> None:
        self.differs: dict[int, list[Any]] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str]] = []
        self.args: list[dict[str, Any]] = []
        self.remembered: str | None = None

    def answer(self, args: Mapping[str, Any], system: SystemId, boots_so_far: int) -> dict[str, Any]:
        """What the module says."""
        self.asked.append((args["state"], str(system)))
        self.args.append(dict(args))
        if args["state"] in self.answers:
            return self.answers[args["state"]]
        if args["state"] == "remembered":
            self.remembered = str(system)
            summary = {"boot_id": system.boot_id, "soft_reboots": system.soft_reboots, "taken_at": TAKEN_AT}
            return {"changed": True, "machine": {**summary, "model": MODEL}}
        known = self.remembered not in (None, str(system))
        return {
            "changed": False,
            "compared": known,
            "model": MODEL,
            "before": {"boot_id": self.remembered, "taken_at": TAKEN_AT} if known else None,
            "settled_ms": 40,
            "differences": self.differs.get(boots_so_far, []),
        }
