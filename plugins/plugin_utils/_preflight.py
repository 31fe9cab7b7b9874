# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preflight of hosts: how each would reboot, by the facts that M(fleet.kexec.boot_facts) gathered.

Facts come from hosts and are not trusted. Those that are not as they should be count as not read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.least import METHODS, SOFT, LeastMethod, Need, decide_least
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from ._host_class import CLASS_FAILED, UNPROVEN, hardware_of, host_class_of
from ._text import saving

KEXEC = "kexec"
FIRMWARE = "firmware"
REFUSE = "refuse"
NONE = "none"
FAST = "fast"


@dataclass(frozen=True)
class Remark:
    """Reason or note of a host: its code, and a sentence about this host."""

    code: str
    text: str


@dataclass(frozen=True)
class Preflight:
    """Preflight of one host; empty texts do not apply.

    :ivar method: C(kexec), C(firmware) or C(refuse).
    :ivar jump_ms: predicted time between the old kernel and the new one; None if unknown.
    :ivar last_boot: path by which it booted last.
    :ivar kernel: release that runs, and C(release) the one that the next reboot boots.
    :ivar arguments_change: whether the next reboot changes the kernel's arguments.
    :ivar needed: whether it needs a reboot.
    :ivar soft: whether it can reboot softly, if that is asked for.
    :ivar least: the least method that applies what is pending, if that is asked for: C(none), C(soft), C(kexec) or C(firmware).
    :ivar values: facts as the result of the task has them.
    """

    host: str
    method: str
    image: str
    integrity: str
    loader: str
    placement: str
    jump_ms: float | None
    last_boot: str
    kernel: str
    release: str
    arguments_change: bool
    needed: bool
    soft: bool
    least: str
    remarks: tuple[Remark, ...]
    values: Mapping[str, Any]


#: Seconds of outage that a host is spared by a method, or by no reboot, in place of others: from that and the host class.
Saved = Callable[[str | None, str], Mapping[str, float]]


def nothing_saved(_method: str | None, _host_class: str) -> dict[str, float]:
    """Predict nothing."""
    return {}


def preflight_of(host: str, facts: Any, saved: Saved = nothing_saved) -> Preflight | None:
    """Preflight of a host from its fact C(fleet_kexec); None if it has none, or none that is valid."""
    try:
        return _preflight(host, facts, saved)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def totals_of(hosts: Sequence[Preflight | None]) -> dict[str, int]:
    """Numbers of hosts; None is a host that could not be read."""
    read = [each for each in hosts if each is not None]
    methods = [each.method for each in read]
    return {
        "hosts": len(hosts),
        "kexec": methods.count(KEXEC),
        "fast_image": sum(each.image == FAST for each in read),
        "firmware": methods.count(FIRMWARE),
        "refused": methods.count(REFUSE),
        "soft": sum(each.soft for each in read),
        **{"least_%s" % method: sum(each.least == method for each in read) for method in (NONE, *METHODS)},
        "unread": len(hosts) - len(read),
        "reboot_needed": sum(each.needed for each in read),
        "unproven": sum(UNPROVEN in _risks(each) for each in read),
        "class_failed": sum(CLASS_FAILED in _risks(each) for each in read),
    }


def _risks(found: Preflight) -> set[str]:
    """Codes of the risks of a host, whatever the policy makes of them."""
    return {str(each["code"]) for each in (*found.values["blockers"], *found.values["warnings"])}


def _least(facts: Mapping[str, Any]) -> LeastMethod:
    """Decide on the least reboot of a host, as a reboot with C(method: least) would."""
    verdict = facts["verdict"]
    if verdict["method"] == REFUSE:
        return LeastMethod(None)
    needs = [Need(_reason(each), str(each["method"])) for each in facts["reboot_needed"]["reasons"]]
    obstacles = {
        SOFT: [_reason(each) for each in facts["soft"]["blockers"]],
        KEXEC: [_reason(each) for each in facts["blockers"]] if verdict["method"] != KEXEC else [],
    }
    return decide_least(needs, obstacles)


def _reason(each: Mapping[str, Any]) -> Reason:
    return Reason(str(each["code"]), str(each["message"]), str(each["hint"]))


def _preflight(host: str, facts: Mapping[str, Any], saved: Saved) -> Preflight:
    verdict, entry, needed = facts["verdict"], facts["entry"], facts["reboot_needed"]
    predicted = verdict["predicted_ms"]
    least = _least(facts)
    refused = verdict["method"] == REFUSE
    saves_s = {} if refused else saved(least.method, host_class_of(hardware_of(facts.get("hardware"))))
    return Preflight(
        host=host,
        method=str(verdict["method"]),
        image=str(verdict["image"] or ""),
        integrity=str(verdict["integrity"] or ""),
        loader=str(verdict["loader"] or ""),
        placement=str(verdict["placement"] or ""),
        jump_ms=float(predicted["total"]) if predicted else None,
        last_boot=str(facts["boot"]["path"]),
        kernel=str(facts["kernel"]["release"]),
        release=str(verdict["release"] or ""),
        arguments_change=bool(entry["added"] or entry["removed"]),
        needed=bool(needed["needed"]),
        soft=bool(facts["soft"]["possible"]),
        least="" if refused else least.method or NONE,
        remarks=(*_remarks(facts), *([] if least.method is None else [_remark_on(least, saves_s)])),
        values={
            **{name: verdict[name] for name in ("method", "image", "integrity", "loader", "predicted_ms", "notes", "release")},
            "running_release": facts["kernel"]["release"],
            "last_boot": facts["boot"]["path"],
            **{name: facts[name] for name in ("entry", "reboot_needed", "soft", "blockers", "warnings", "staged", "loaded")},
            "least": {
                "method": least.method,
                "ruled_out": [each.as_dict() for each in least.ruled_out],
                "saves_s": dict(saves_s),
            },
        },
    )


def _remarks(facts: Mapping[str, Any]) -> list[Remark]:
    remarks = [
        Remark(str(each["code"]), "%s. %s" % (each["message"], each["hint"]))
        for each in (*facts["blockers"], *facts["verdict"]["notes"])
    ]
    remarks += [Remark(str(each["code"]), str(each["message"])) for each in facts["reboot_needed"]["reasons"]]
    if facts["warnings"]:
        remarks.append(Remark("warnings", ", ".join(str(each["code"]) for each in facts["warnings"])))
    if facts["soft"]["possible"] and facts["soft"]["survivors"]:
        remarks.append(Remark("survivors", "a soft reboot does not stop %s" % ", ".join(map(str, facts["soft"]["survivors"]))))
    if facts["staged"]:
        remarks.append(Remark("staged", "%s via %s" % (facts["staged"]["release"], facts["staged"]["loader"])))
    elif facts["loaded"]:
        remarks.append(Remark("loaded", "an image of unknown origin: any reboot of this host will be a kexec"))
    return remarks


def _remark_on(least: LeastMethod, saves_s: Mapping[str, float]) -> Remark:
    lesser = " and ".join(each for each in least.candidates[: least.candidates.index(str(least.method))])
    instead = "not %s (%s)" % (lesser, ", ".join(each.code for each in least.ruled_out)) if lesser else ""
    return Remark("least", "; ".join(part for part in (str(least.method), instead, saving(saves_s)) if part))
