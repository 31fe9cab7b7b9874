# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshot that outlives the reboot, in C(/var/lib/fleet-kexec/machine.json)."""

from __future__ import annotations

import datetime
import json
import os
from dataclasses import dataclass
from typing import Any, Dict, Union

from .._command import Runner
from .._host.atomic import write_atomically
from .._host.files import HostFiles
from .._host.running_system import SystemId, read_system_id
from .._json import parse_json
from .._paths import MACHINE_FILE
from .._reasons import CodedError
from .devices import read_model
from .reading import take_snapshot
from .snapshot import MachineSnapshot, parse_snapshot

_FORMAT = 1
# A machine with a thousand devices takes a tenth of this; a larger file is not ours.
_MAX_BYTES = 8 << 20


class MachineError(CodedError):
    """Raised when a snapshot can't be written."""


@dataclass(frozen=True)
class RememberedMachine:
    """A machine as some system had it.

    :ivar taken_at: time of the snapshot, ISO 8601, UTC.
    """

    system: SystemId
    taken_at: str
    model: str
    snapshot: MachineSnapshot

    def summary(self) -> Dict[str, Any]:
        return {"boot_id": self.system.boot_id, "soft_reboots": self.system.soft_reboots, "taken_at": self.taken_at}


def read_machine(files: HostFiles, run: Runner, now_s: float) -> RememberedMachine:
    """Take a snapshot of the machine to remember.

    :param now_s: seconds since 1970.
    """
    return RememberedMachine(
        system=read_system_id(files, run),
        taken_at=datetime.datetime.fromtimestamp(int(now_s), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        model=read_model(files),
        snapshot=take_snapshot(files, run),
    )


def remember(files: HostFiles, machine: RememberedMachine) -> None:
    """Write a machine to the host's file; raises MachineError with C(MACHINE_NOT_REMEMBERED)."""
    path = files.path(MACHINE_FILE)
    value = {
        "format": _FORMAT,
        "boot_id": machine.system.boot_id,
        "soft_reboots": machine.system.soft_reboots,
        "taken_at": machine.taken_at,
        "model": machine.model,
        "snapshot": machine.snapshot.as_dict(),
    }
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        write_atomically(path, json.dumps(value, sort_keys=True, separators=(",", ":")).encode("utf-8"))
    except OSError as error:
        raise MachineError("MACHINE_NOT_REMEMBERED", "%s can't be written: %s" % (MACHINE_FILE, error)) from error


def recall(files: HostFiles) -> Union[RememberedMachine, str]:
    """Read the remembered machine, or say why there is none."""
    content = files.read_bytes(MACHINE_FILE, _MAX_BYTES)
    if content is None:
        return "no snapshot of an earlier boot is there"
    try:
        return _parse_remembered(parse_json(content.decode("utf-8")))
    except ValueError as error:
        return "%s can't be used: %s" % (MACHINE_FILE, error)


def _parse_remembered(value: Any) -> RememberedMachine:
    if not isinstance(value, dict) or value.get("format") != _FORMAT:
        raise ValueError("another version of the collection wrote it")
    words = [value.get(name) for name in ("boot_id", "taken_at", "model")]
    # Earlier versions of the collection knew no soft reboots.
    count = value.get("soft_reboots", 0)
    if not all(isinstance(word, str) for word in words) or not isinstance(count, int):
        raise ValueError("it is damaged")
    return RememberedMachine(SystemId(str(words[0]), count), str(words[1]), str(words[2]), parse_snapshot(value.get("snapshot")))
