# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""First events of a controller process."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from .._journal import events
from .._journal.events import Event
from .._schedule.plan import Plan
from .controller import Controller
from .results import waves_of
from .resuming import Rest
from .terms import Terms


def started(run_id: str, controller: Controller, terms: Terms, plan: Plan, spared: Sequence[str] = ()) -> Event:
    """First event of a run.

    :param spared: hosts of the run that need no reboot.
    """
    left_out = set(spared)
    return events.RunStarted(
        run_id=run_id,
        controller=controller.name,
        pid=os.getpid(),
        collection_version=collection_version(),
        hosts=(*(host.name for host in plan.hosts), *spared),
        bystanders=tuple(each.name for each in plan.bystanders if each.name not in left_out),
        settings=terms.options,
        waves=tuple(waves_of(plan)),
        deadline=terms.deadline_text,
        operator=controller.operator,
    )


def resumed(controller: Controller, terms: Terms, rest: Rest) -> Event:
    """First event of a process that resumes a run."""
    return events.RunResumed(
        controller=controller.name,
        pid=os.getpid(),
        settings=terms.options,
        deadline=terms.deadline_text,
        retried=tuple(rest.retried),
        operator=controller.operator,
    )


def collection_version() -> str:
    """Version of this collection; empty in a checkout."""
    manifest = os.path.join(os.path.dirname(__file__), "../../../MANIFEST.json")
    try:
        with open(manifest, encoding="utf-8") as stream:
            return str(json.load(stream)["collection_info"]["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
