# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a rollout that rule each other out, or that have no effect together.

Options are refused where a user who gave them would rely on something that does not happen. Where nothing is lost, the user is
told: group variables may hold settings that only some runs use.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .._errors import RolloutError
from .._reboot.methods import allowed_by
from .._schedule.plan import Plan
from .._schedule.settings import EVERYTHING, ORDER_SPREAD, Settings
from .._values import setting
from .fallbacks import FALLBACK_FIRMWARE, FALLBACK_POWER_HOOK
from .host_hooks import Hooks


def refuse_contradictions(options: Mapping[str, Any]) -> None:
    """Refuse options that rule each other out, and numbers with which nothing could happen.

    :param options: validated parameters of M(fleet.kexec.rolling_reboot).
    :raises RolloutError: C(SETTINGS_INVALID).
    """
    for option in ("connections", "reboot_timeout", "connect_timeout", "proven_after"):
        if options[option] is not None:
            setting(options[option], option).count(1)
    if options["retry_failed"] and not options["resume"]:
        raise RolloutError("SETTINGS_INVALID", "retry_failed needs resume: without it, all hosts would be rebooted")
    if options["run_id"] and options["resume"]:
        raise RolloutError("SETTINGS_INVALID", "run_id names a new run, so it has to be left out with resume")


def options_without_effect(options: Mapping[str, Any], settings: Settings, plan: Plan, hooks: Collection[Hooks]) -> list[str]:
    """List options that change nothing, a sentence for each.

    :param options: as in :func:`refuse_contradictions`.
    :param hooks: those of each host.
    """
    method, fallback = options["method"], options["fallback"]
    domains = {dimension for host in plan.hosts for dimension in host.domains}
    classes = {host.host_class for host in plan.hosts}
    idle = {
        "power_hook has no effect without fallback: power_hook": fallback != FALLBACK_POWER_HOOK
        and any(each.power for each in hooks),
        "fallback: firmware has no effect with method: %s, for which there is no other" % method: fallback == FALLBACK_FIRMWARE
        and not any(each.fallback for each in allowed_by(method)),
        "wave_soak has no effect without waves": settings.wave_soak_s > 0 and not settings.waves,
        "stall_timeout has no effect without max_unavailable, min_available or lock": settings.stall_s != Settings().stall_s
        and not (settings.max_unavailable or settings.min_available or options["lock"]),
        "order: spread has no effect, because the hosts have no domains": settings.order == ORDER_SPREAD
        and not domains - {EVERYTHING},
        "canaries.each_host_class takes a single host, because no host has a class: gather facts, or set host_class": classes
        == {""}
        and settings.canaries.each_host_class,
    }
    return [sentence for sentence, applies in idle.items() if applies]
