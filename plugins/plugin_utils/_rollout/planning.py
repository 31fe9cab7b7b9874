# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan of a rollout of the play's hosts, or of the rest of a run."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.least import METHODS

from .._schedule.history import History
from .._schedule.hosts import HostSpec
from .._schedule.plan import Plan, make_plan, plan_again
from .._schedule.settings import Settings
from .._transport.play_hosts import PlayHosts
from .fleet import PlayFleet
from .resuming import AT_ONCE, GOING, Rest


class Planner:
    """Planner of a rollout. Options of hosts are templated by it, so that errors in them are found before the rollout begins.

    :param names: hosts that the play has.
    :param left_out: hosts of the play that the task is not meant for.
    :param unavailable: hosts that failed or could not be reached earlier in the play.
    :param machines: names or addresses of the machines that keep the lock.
    :param seed: so that repeated plans are the same.
    """

    def __init__(
        self,
        hosts: PlayHosts,
        names: Sequence[str],
        *,
        left_out: Collection[str],
        unavailable: Sequence[str],
        machines: Collection[str],
        seed: int,
    ) -> None:
        self._hosts = hosts
        self._names = names
        self._left_out = left_out
        self._unavailable = unavailable
        self._machines = machines
        self._seed = seed

    def new(self, fleet: PlayFleet, history: History, settings: Settings) -> Plan:
        """Plan a new run.

        :raises RolloutError: as :func:`make_plan`, and C(SETTINGS_INVALID).
        """
        fleet.read(self._names)
        return self._plan(fleet, history, settings, self._names, [])

    def again(self, fleet: PlayFleet, history: History, settings: Settings, rest: Rest) -> Plan:
        """Plan the rest of a run, with all of its hosts in its waves.

        :raises RolloutError: as :meth:`new`.
        """
        # A host that is not rebooted any more may still have to be undrained.
        with_hooks = {*rest.names(GOING | AT_ONCE), *rest.owing}
        present = [name for name in rest.hosts if name not in rest.absent]
        fleet.read([name for name in present if name in with_hooks])
        fleet.read([name for name in present if name not in with_hooks], rebooted=False)
        specs = {spec.name: spec for spec in fleet.hosts(present, history, self._machines)}
        for name in rest.absent:
            host_class = rest.hosts[name].state.host_class or ""
            specs[name] = HostSpec(
                name, {}, frozenset(), host_class, last=False, predicted=history.prediction(METHODS, host_class)
            )
        bystanders = self._bystanders(settings, rest.hosts, [])
        fleet.read(bystanders, rebooted=False)
        waves = rest.waves({name: specs[name] for name in rest.hosts})
        return plan_again(waves, fleet.bystanders(bystanders), settings, set(rest.names(GOING)), rest.absent)

    def without(self, refused: Collection[str], fleet: PlayFleet, history: History, settings: Settings) -> Plan:
        """Plan a new run once more, without hosts that are not rebooted. They still count for the limits."""
        refused = dict.fromkeys(refused)
        going = [name for name in self._names if name not in refused]
        return self._plan(fleet, history, settings, going, list(refused))

    def _plan(self, fleet: PlayFleet, history: History, settings: Settings, names: Sequence[str], others: Sequence[str]) -> Plan:
        bystanders = self._bystanders(settings, names, others)
        already_read = set(others)
        fleet.read([name for name in bystanders if name not in already_read], rebooted=False)
        hosts = fleet.hosts(names, history, self._machines)
        return make_plan(hosts, fleet.bystanders(bystanders), settings, self._seed)

    def _bystanders(self, settings: Settings, names: Collection[str], others: Sequence[str]) -> list[str]:
        around = [*others, *self._left_out, *self._unavailable, *self._hosts.members(settings.min_available)]
        known = set(names)
        return [name for name in dict.fromkeys(around) if name not in known]
