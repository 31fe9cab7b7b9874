# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a host in the words of the command C(fleet-kexec)."""

from __future__ import annotations

from typing import Any, Dict

from ._kexec.least import LeastMethod
from ._kexec.preferences import BZIMAGE, FAST
from ._kexec.proof import PATH_FIRMWARE, PATH_KEXEC, PATH_SOFT, PATH_UNKNOWN
from ._machine.codes import FAIL, WARN

PATHS = {
    PATH_KEXEC: "via kexec",
    PATH_SOFT: "by a soft reboot",
    PATH_FIRMWARE: "through firmware",
    PATH_UNKNOWN: "by an unknown path",
}
EFFECT_NAMES = {FAIL: "degraded", WARN: "warning"}
_IMAGE_NAMES = {FAST: "fast image", BZIMAGE: "bzImage"}


def describe_way(way: Dict[str, Any]) -> str:
    return "%s via %s, integrity %s, %s" % (_IMAGE_NAMES[way["image"]], way["loader"], way["integrity"], way["placement"])


def describe(staged: Dict[str, Any]) -> str:
    return "%s (%s%s)" % (staged["release"], describe_way(staged), "" if staged["kaslr"] else ", no KASLR")


def describe_entry(entry: Dict[str, Any]) -> str:
    if entry["kernel"] is None:
        return "unknown: %s" % entry["unknown"]
    return "%s, %s (%s)" % (entry["title"], entry["kernel"], entry["source"])


def describe_machine(machine: Dict[str, Any]) -> str:
    model = machine["model"] or "of an unknown model"
    if not machine["compared"]:
        return "%s, not compared: no snapshot of an earlier boot can be read" % model
    number, taken_at = len(machine["differences"]), machine["before"]["taken_at"]
    if not number:
        return "%s, as it was at %s" % (model, taken_at)
    return "%s, different from what it was at %s:" % (model, taken_at)


def describe_verdict(verdict: Dict[str, Any]) -> str:
    if verdict["image"] is None:
        return str(verdict["method"])
    return "%s: %s, about %d ms" % (verdict["method"], describe_way(verdict), round(verdict["predicted_ms"]["total"]))


def describe_soft(soft: Dict[str, Any]) -> str:
    so_far = "%d since the kernel booted" % soft["soft_reboots"] if soft["soft_reboots"] else "none since the kernel booted"
    return "possible, %s" % so_far if soft["possible"] else "not possible"


def pieces(predicted_ms: Dict[str, float]) -> str:
    return ", ".join("%s %d" % (name, round(value)) for name, value in predicted_ms.items() if value) or "nothing to do"


def describe_least(least: LeastMethod) -> str:
    """Name the least method that applies what is pending, and what keeps the host from a lesser one."""
    if least.method is None:
        return "none: nothing is pending"
    lesser = least.candidates[: least.candidates.index(least.method)]
    if not lesser:
        return least.method
    return "%s, not %s: %s" % (least.method, " or ".join(lesser), ", ".join(each.code for each in least.ruled_out))
