# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations and classes of hosts in earlier runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.proof import PATH_SOFT

from .._errors import RolloutError
from .._schedule.hosts import Phases
from .file import replay
from .phases import Phase
from .run_state import RunState
from .run_store import RunStore

# Maximum number of runs read, and the number of hosts that is enough: reading a journal of 10,000 hosts takes seconds.
RUNS_REMEMBERED = 20
HOSTS_REMEMBERED = 10_000


class Remembered(NamedTuple):
    """Memory of earlier runs.

    :ivar samples: durations of hosts that were done, by host class.
    :ivar host_classes: latest class of each host, by its name.
    :ivar outages_s: outages of hosts that were done, by path and host class.
    """

    samples: dict[str, list[Phases]]
    host_classes: dict[str, str]
    outages_s: dict[tuple[str, str], list[float]]


def remembered(store: RunStore, but: str | None = None, *, softly: bool = False) -> Remembered:
    """Read the newest journals, except for that of the run C(but). Unreadable ones are skipped.

    :param softly: whether durations are those of soft reboots, or of all others, which take longer.
    """
    samples: dict[str, list[Phases]] = {}
    host_classes: dict[str, str] = {}
    outages_s: dict[tuple[str, str], list[float]] = {}
    for run in store.list()[:RUNS_REMEMBERED]:
        if sum(map(len, samples.values())) >= HOSTS_REMEMBERED:
            break
        state = RunState()
        try:
            if run.run_id != but:
                replay(run.journal, state.read)
        except RolloutError:
            continue
        for host in state.hosts.values():
            # The newest run comes first.
            if host.host_class:
                host_classes.setdefault(host.host, host.host_class)
            if host.phase is not Phase.RELEASED or host.outage_ms is None:
                continue
            outages_s.setdefault((host.path, host.host_class or ""), []).append(host.outage_ms / 1000)
            if (host.path == PATH_SOFT) is softly:
                times_ms = (host.prepare_ms or 0, host.drain_ms or 0, host.outage_ms, host.after_ms or 0)
                samples.setdefault(host.host_class or "", []).append(Phases(*(each / 1000 for each in times_ms)))
    return Remembered(samples, host_classes, outages_s)


def samples_of(store: RunStore, but: str | None = None) -> dict[str, list[Phases]]:
    """Durations of hosts that were done, by host class; see :func:`remembered`."""
    return remembered(store, but).samples


def outages_of(samples: Mapping[str, Sequence[Phases]]) -> dict[str, list[float]]:
    return {host_class: [phases.outage_s for phases in values] for host_class, values in samples.items()}
