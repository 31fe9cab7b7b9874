# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts C(fleet_kexec) as users see them; documented in C(modules/boot_facts.py)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Dict, Optional

from .._host.facts import HostFacts
from .._host.installed import newest
from .cmdline import token_of
from .proof import Evidence
from .record import Record
from .verdict import LOADERS, decide, loader_obstacle


def present(facts: HostFacts, record: Optional[Record]) -> Dict[str, Any]:
    """The facts as plain values.

    :param record: what the collection has staged, if it has.
    """
    kernel = facts.kernel
    evidence = Evidence(kernel.boot_id, kernel.release, kernel.cmdline, kernel.bootloader_type)
    latest = newest(facts.installed, kernel.release)
    verdict = decide(facts)
    return {
        "boot": {
            "boot_id": kernel.boot_id,
            "path": evidence.path,
            "bootloader_type": kernel.bootloader_type,
            "token": token_of(kernel.cmdline),
        },
        "kernel": {
            "release": kernel.release,
            "machine": kernel.machine,
            "cmdline": kernel.cmdline,
            "lockdown": kernel.lockdown,
            "panic_s": kernel.panic_s,
            "panic_on_oops": kernel.panic_on_oops,
        },
        "kernels": [asdict(installed) for installed in facts.installed],
        "newest_release": latest.release if latest else None,
        "memory": asdict(facts.memory),
        "container": facts.container,
        "kexec_tools": asdict(facts.tools) if facts.tools else None,
        "loaders": [
            loader for loader in reversed(LOADERS) if kernel.loaded is not None and loader_obstacle(facts, loader) is None
        ],
        "loaded": kernel.loaded,
        "staged": dict(record.image.summary(), token=record.token) if record else None,
        "verdict": {"method": verdict.method, "loader": verdict.loader},
        "blockers": [obstacle.as_dict() for obstacle in verdict.reasons],
    }
