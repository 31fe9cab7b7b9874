# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets that exist only on paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Bystander, HostSpec, Phases, Prediction
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.plan import make_plan
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.scheduler import Decision, Scheduler
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.settings import settings_from

PREDICTION = Prediction(p50=Phases(5.0, 1.0, 20.0, 2.0), p95=Phases(10.0, 5.0, 50.0, 5.0))
LOST = reason("REBOOT_TIMEOUT", "it did not come back")
ENOUGH = reason("CONTROL_NODE", "somebody said stop")


def host(
    name: str,
    host_class: str = "c",
    last: bool = False,
    groups: Sequence[str] = (),
    predicted: Prediction = PREDICTION,
    **domains: str,
) -> HostSpec:
    """A host to reboot."""
    return HostSpec(name, domains, frozenset(groups), host_class, last, predicted)


def bystander(name: str, groups: Sequence[str] = (), **domains: str) -> Bystander:
    """A machine around them."""
    return Bystander(name, domains, frozenset(groups))


def scheduler(hosts: Sequence[HostSpec], bystanders: Sequence[Bystander] = (), **options: Any) -> Scheduler:
    """A rollout that starts at 0."""
    settings = settings_from(options)
    return Scheduler(make_plan(hosts, bystanders, settings, seed=0), settings, 0.0)


def told(decisions: Sequence[Decision]) -> list[str]:
    """Decisions in words."""
    return ["%s %s" % (type(each).__name__.lower(), each.host.name) for each in decisions]


def refusal() -> Reason:
    """Why a host is refused."""
    return reason("CONTAINER", "it is a container")
