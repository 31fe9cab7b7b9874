# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fact C(fleet_kexec.last_boot), as a reboot and M(fleet.kexec.outcome) set it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Of the result of a reboot.
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


def last_boot_facts(known: Mapping[str, Any], last_boot: Mapping[str, Any]) -> dict[str, Any]:
    """The fact, for C(ansible_facts) of a result.

    :param known: C(fleet_kexec) as it is known already; the rest of it stays.
    """
    return {"fleet_kexec": {**known, "last_boot": last_boot}}


def with_last_boot(result: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a reboot with its fact."""
    if not result.get("rebooted"):
        return dict(result)
    last_boot = {"status": "done", **{name: result[name] for name in _NAMES if result.get(name) is not None}}
    known = (task_vars.get("ansible_facts") or {}).get("fleet_kexec") or {}
    return {**result, "ansible_facts": last_boot_facts(known, last_boot)}
