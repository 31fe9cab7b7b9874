# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations and classes of hosts in earlier runs."""

from __future__ import annotations

from typing import NamedTuple

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

    :ivar samples: durations of hosts that were done, by path and host class.
    :ivar host_classes: latest class of each host, by its name.
    :ivar prepared_samples: those that tell which parts of M(fleet.kexec.prepare_boot) they had, by these as well.
    :ivar boot_parts: parts that the latest reboot of each host had, by its name.
    """

    samples: dict[tuple[str, str], list[Phases]]
    host_classes: dict[str, str]
    prepared_samples: dict[tuple[str, str, tuple[str, ...]], list[Phases]]
    boot_parts: dict[str, tuple[str, ...]]

    @property
    def outages_s(self) -> dict[tuple[str, str], list[float]]:
        """Outages in seconds by path and host class."""
        return {key: [phases.outage_s for phases in values] for key, values in self.samples.items()}


def remembered(store: RunStore, but: str | None = None) -> Remembered:
    """Read the newest journals, except for that of the run C(but). Unreadable ones are skipped."""
    samples: dict[tuple[str, str], list[Phases]] = {}
    host_classes: dict[str, str] = {}
    prepared: dict[tuple[str, str, tuple[str, ...]], list[Phases]] = {}
    boot_parts: dict[str, tuple[str, ...]] = {}
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
            times_ms = (host.prepare_ms or 0, host.drain_ms or 0, host.outage_ms, host.after_ms or 0)
            phases = Phases(*(each / 1000 for each in times_ms))
            samples.setdefault((host.path, host.host_class or ""), []).append(phases)
            if host.boot_parts is not None:
                boot_parts.setdefault(host.host, host.boot_parts)
                prepared.setdefault((host.path, host.host_class or "", host.boot_parts), []).append(phases)
    return Remembered(samples, host_classes, prepared, boot_parts)
