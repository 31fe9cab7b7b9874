# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts C(fleet_kexec) of simulated hosts."""

from __future__ import annotations

from typing import Any

RELEASE = "6.12.117+deb13-amd64"


def whole_facts(**more: Any) -> dict[str, Any]:
    """Facts of a host that can reboot by any method and needs no reboot, with others in their place.

    Those of C(boot), C(kernel), C(verdict) and C(soft) are added to what these have.
    """
    facts: dict[str, Any] = {
        "boot": {"boot_id": "b" * 32, "soft_reboots": 0, "userspace_us": None, "path": "firmware"},
        "kernel": {"release": RELEASE, "panic_s": 0, "panic_on_oops": 0},
        "container": None,
        "hardware": None,
        "verdict": {
            "method": "kexec",
            "image": "fast",
            "integrity": "crc32c",
            "loader": "kexec_load",
            "placement": "copied",
            "predicted_ms": {"total": 880.4},
            "release": RELEASE,
            "notes": [],
        },
        "blockers": [],
        "warnings": [],
        "policy": {},
        "staged": None,
        "loaded": False,
        "entry": {"added": [], "removed": []},
        "reboot_needed": {"needed": False, "reasons": []},
        "soft": {"possible": True, "survivors": [], "blockers": [], "warnings": []},
    }
    for name, value in more.items():
        together = name in ("boot", "kernel", "verdict", "soft") and isinstance(value, dict)
        facts[name] = {**facts[name], **value} if together else value
    return facts
