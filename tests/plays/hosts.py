# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Hosts that are directories, and reboot in no time."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.fleet.kexec.tests.host_facts import whole_facts

TOKEN = "ab" * 8
DOWN_S = 0.1
NEED = {"code": "PENDING_KERNEL", "message": "the default entry boots 2, 1 runs", "hint": "Reboot the host."}
STAGED = {"kernel": "/boot/vmlinuz-2", "release": "2", "cmdline": "ro", "loader": "kexec_load", "token": TOKEN}

# By what a script of the collection is known, wherever and however it is quoted.
_SCRIPTS = {
    "reboot_after": "trigger",
    "osrelease": "state",
    "date +%s%N": "clock",
    "reset-failed": "call_off",
    "panic_on_oops": "panic",
    'exec "$@"': "hook",
}


@dataclass(frozen=True)
class Done:
    """What was done to a host over a connection, and how it was connected to."""

    host: str
    kind: str
    what: str
    how: Mapping[str, Any]


class PretendedHost:
    """One host; its directory lies in that of all."""

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self._log = directory / "log"
        self._boots = directory / name / "boots"

    @property
    def boots(self) -> list[float]:
        """When the host came back from each of its reboots."""
        return [float(line) for line in self._boots.read_text().splitlines()] if self._boots.exists() else []

    @property
    def up(self) -> bool:
        return not self.boots or self.boots[-1] <= time.time()

    def note(self, kind: str, what: str, how: Mapping[str, Any]) -> None:
        """Write down what is done to it."""
        with self._log.open("a") as stream:
            stream.write(json.dumps({"host": self.name, "kind": kind, "what": what, "how": how}) + "\n")

    def module(
        self, name: str, *, need: bool = True, current: bool = False, packages: str = "apt", updates: bool = False
    ) -> dict[str, Any]:
        """What a module says.

        :param need: whether it is asked for the host's need of a reboot, which a host that is current has not.
        :param packages: the host's package manager.
        :param updates: whether that has anything to update.
        """
        facts = whole_facts(boot={"boot_id": self._boot_id()}, kernel={"release": "1"}, verdict={"release": None})
        if need:
            facts["reboot_needed"] = {"needed": not current, "reasons": [] if current else [NEED]}
        timeline = {"boot_id": self._boot_id(), "path": "kexec", "start": "2026-11-24T15:00:00Z", "phases": []}
        model = "Example Inc. Server 9"
        machine = {"boot_id": self._boot_id(), "soft_reboots": 0, "taken_at": "2026-11-24T15:00:00Z", "model": model}
        answers: dict[str, dict[str, Any]] = {
            # Of both states: each is read for what it is asked for.
            "machine": {
                "changed": False,
                "machine": machine,
                "compared": True,
                "model": model,
                "before": machine,
                "settled_ms": 40,
                "differences": [],
            },
            "boot_facts": {"ansible_facts": {"fleet_kexec": facts}},
            "stage": {"changed": True, "staged": STAGED, "notes": [], "predicted_ms": None},
            "timeline": {"changed": True, "timeline": timeline},
            "preparation": {
                "changed": False,
                "due": [],
                "notes": [],
                "debian_like": True,
                "missing_packages": [],
                "remembered": {"boot_parts": []},
            },
            "setup": {"ansible_facts": {"ansible_pkg_mgr": packages}},
            packages: {"changed": updates},
        }
        return answers.get(name, {"changed": True})

    def script(self, command: str) -> tuple[str, str]:
        """Name of a script, and what it says."""
        name = next((name for mark, name in _SCRIPTS.items() if mark in command), "other")
        if name == "trigger":
            self._boots.parent.mkdir(exist_ok=True)
            with self._boots.open("a") as stream:
                stream.write("%f\n" % (time.time() + DOWN_S))
        if name == "clock":
            return name, "clock=%d\nclock=%d\n" % (time.time_ns(), time.time_ns())
        return name, self._state() if name == "state" else ""

    def _boot_id(self) -> str:
        return "%s-boot-%d" % (self.name, len(self.boots))

    def _state(self) -> str:
        boots = self.boots
        lines = {
            "boot_id": self._boot_id(),
            "release": "2" if boots else "1",
            "bootloader_type": 0xD0 if boots else 114,
            "panic": 0,
            "panic_on_oops": 0,
            "timer": "inactive",
            "trigger": "inactive",
            "system": "running",
            "preparing": "b false",
            "cmdline": "ro fleet_kexec.token=" + TOKEN if boots else "ro",
        }
        return "".join("%s=%s\n" % line for line in lines.items())


def done_to(directory: Path) -> list[Done]:
    """What was done to all hosts, in this order."""
    log = directory / "log"
    return [Done(**json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []


def name_of_task(text: str) -> str:
    """Name of a task without its role."""
    return re.sub(r"^.* : ", "", text)
