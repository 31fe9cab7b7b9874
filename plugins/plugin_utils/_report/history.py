# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""History of the runs in a store: one summary for each, newest first.

Their journals are folded only. What a page of many runs shows (:mod:`runs`) has to be read in full, which takes two and a half
times as long, and metrics may be written every minute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from .._errors import RolloutError
from .._journal.events import Record
from .._journal.file import replay, time_of
from .._journal.outcome import status_of
from .._journal.run_state import RunState
from .._journal.run_store import RunStore
from .outages import Spread, spread_of

# Maximum number of runs, and the number of hosts that is enough: reading a journal of 10,000 hosts takes seconds.
RUNS_MAX = 20
HOSTS_ENOUGH = 20_000


@dataclass(frozen=True)
class RunSummary:
    """Summary of a run.

    :ivar started_s: seconds since 1970, UTC.
    :ivar duration_s: time from the first record to the last.
    :ivar ended: whether the run came to an end of its own.
    :ivar stopped: whether something stopped the run early.
    :ivar statuses: number of hosts by final status.
    :ivar outage: outages of all hosts; None if none was observed.
    """

    run_id: str
    started_s: float
    duration_s: float
    ended: bool
    stopped: bool
    statuses: Mapping[str, int]
    outage: Spread | None


def history_of(store: RunStore) -> list[RunSummary]:
    """Summarize the newest runs of a store, up to :data:`RUNS_MAX`. Runs whose journals can't be read are left out.

    :raises RolloutError: C(JOURNAL_FAILED): the store can't be read.
    """
    summaries: list[RunSummary] = []
    hosts = 0
    for run in store.list()[:RUNS_MAX]:
        if hosts >= HOSTS_ENOUGH:
            break
        try:
            summary = _summary_of(run.run_id, run.journal)
        except RolloutError:
            continue
        summaries.append(summary)
        hosts += sum(summary.statuses.values())
    return summaries


def _summary_of(run_id: str, journal: str) -> RunSummary:
    state = RunState()
    times = ("", "")

    def apply(record: Record) -> None:
        nonlocal times
        times = (times[0] or record["at"], record["at"])
        state.read(record)

    replay(journal, apply)
    started_s, last_s = map(_time_of, times)
    outages_ms = [host.outage_ms for host in state.hosts.values() if host.outage_ms is not None]
    return RunSummary(
        run_id=run_id,
        started_s=started_s,
        # The clock may have been set back.
        duration_s=max(0.0, last_s - started_s),
        ended=state.ended,
        stopped=state.stop_reason is not None,
        statuses=Counter(status_of(host) for host in state.hosts.values()),
        outage=spread_of(outages_ms) if outages_ms else None,
    )


def _time_of(text: str) -> float:
    try:
        return time_of(text)
    except ValueError as error:
        raise RolloutError("JOURNAL_DAMAGED", "%r is no time" % text[:80]) from error
