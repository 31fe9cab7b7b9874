# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preflight of hosts: how each would reboot, by the facts that M(fleet.kexec.boot_facts) gathered.

Facts come from hosts and are not trusted. Those that are not as they should be count as not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._host_class import CLASS_FAILED, UNPROVEN

KEXEC = "kexec"
FIRMWARE = "firmware"
REFUSE = "refuse"
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
    remarks: tuple[Remark, ...]
    values: Mapping[str, Any]


def preflight_of(host: str, facts: Any) -> Preflight | None:
    """Preflight of a host from its fact C(fleet_kexec); None if it has none, or none that is valid."""
    try:
        return _preflight(host, facts)
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
        "unread": len(hosts) - len(read),
        "reboot_needed": sum(each.needed for each in read),
        "unproven": sum(UNPROVEN in _risks(each) for each in read),
        "class_failed": sum(CLASS_FAILED in _risks(each) for each in read),
    }


def _risks(found: Preflight) -> set[str]:
    """Codes of the risks of a host, whatever the policy makes of them."""
    return {str(each["code"]) for each in (*found.values["blockers"], *found.values["warnings"])}


def _preflight(host: str, facts: Mapping[str, Any]) -> Preflight:
    verdict, entry, needed = facts["verdict"], facts["entry"], facts["reboot_needed"]
    predicted = verdict["predicted_ms"]
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
        remarks=tuple(_remarks(facts)),
        values={
            **{name: verdict[name] for name in ("method", "image", "integrity", "loader", "predicted_ms", "notes", "release")},
            "running_release": facts["kernel"]["release"],
            "last_boot": facts["boot"]["path"],
            **{name: facts[name] for name in ("entry", "reboot_needed", "soft", "blockers", "warnings", "staged", "loaded")},
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
