# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Caption of a report: its title, and why and by whom the run was made."""

from __future__ import annotations

from dataclasses import dataclass

from .read import RunReport


@dataclass(frozen=True)
class Caption:
    """Caption of a report; empty texts are not known.

    :ivar title: the name of the run if no other is given.
    """

    title: str
    reason: str
    ticket: str
    operator: str


def caption_of(run: RunReport, title: str | None = None, reason: str | None = None, ticket: str | None = None) -> Caption:
    """Caption of a run by its journal, unless it is given."""
    state = run.state
    return Caption(title or state.run_id, reason or state.reason, ticket or state.ticket, state.operator)
