# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fact C(fleet_kexec.last_boot), as a reboot sets it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Of the result of a reboot; those that M(fleet.kexec.outcome) sets after a rollout, too.
_NAMES = (
    "method",
    "path",
    "staged",
    "proof",
    "reasons",
    "outage_ms",
    "outage_error_ms",
    "probe_outage_ms",
    "probe_outage_error_ms",
    "probe_seen_by",
    "detected_by",
    "login_ms",
    "elapsed_ms",
    "before",
    "after",
    "timeline",
)


def with_last_boot(result: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a reboot with its fact; other facts of C(fleet_kexec) stay as they are."""
    if not result.get("rebooted"):
        return dict(result)
    last_boot = {"status": "done", **{name: result[name] for name in _NAMES if result.get(name) is not None}}
    known = (task_vars.get("ansible_facts") or {}).get("fleet_kexec") or {}
    return {**result, "ansible_facts": {"fleet_kexec": {**known, "last_boot": last_boot}}}
