# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Reboot after reboot via kexec, and nothing is lost, left or longer than it was.

SOAK_REBOOTS says how many, SOAK_SEED which staging options are drawn; SOAK_RESULT is a file that the figures go to, after each.
"""

from __future__ import annotations

import base64
import json
import os
import random
import socket
import statistics
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

from shared.guests import INVENTORY

REBOOTS = int(os.environ.get("SOAK_REBOOTS") or "2")
SEED = int(os.environ.get("SOAK_SEED") or "1")
RESULT = os.environ.get("SOAK_RESULT")

# What a guest can be rebooted with. Of every kind there is one before any comes a second time.
KINDS: tuple[dict[str, Any], ...] = (
    {"image": "fast", "placement": "reserved"},
    {"image": "fast", "loader": "kexec_load", "integrity": "crc32c", "placement": "copied"},
    {"image": "bzimage", "loader": "kexec_file_load", "integrity": "sha256"},
    {"image": "fast", "loader": "kexec_load", "integrity": "none"},
    {"image": "bzimage", "loader": "kexec_load", "integrity": "sha256"},
    {"image": "fast", "loader": "kexec_file_load", "integrity": "sha256"},
    {"image": "bzimage", "loader": "kexec_load", "integrity": "none"},
    {},
)

RECORD = struct.Struct("<QI")
PORT = 4713
# What the kernel counts as memory depends a little on where things happen to lie.
MEMORY_LEEWAY_KIB = 2048
# Of what is available after a boot, which depends on what ran by then.
AVAILABLE_LEEWAY = 0.15
UNITS_LEEWAY = 5
# kexec_file_load hands on a seed for random numbers, which is cut out of the memory that it lies in.
IOMEM_LEEWAY = 2

# The host as it is, apart from what every boot has of its own.
HEADING = "== "
LOOK = """
set -e
look() { echo "== $1"; }
look memory; awk '/^(MemTotal|MemAvailable):/ {print $2}' /proc/meminfo
look cmdline; cat /proc/cmdline
look firmware_map; ls /sys/firmware/memmap | wc -l
look iomem; wc -l < /proc/iomem
look reserved; cat /sys/kernel/kexec_crash_size
look loaded; cat /sys/kernel/kexec_loaded /sys/kernel/kexec_crash_loaded /proc/sys/kernel/panic /proc/sys/kernel/panic_on_oops
look failed; systemctl --failed --no-legend --plain
look units; systemctl list-units --all --no-legend --plain | wc -l
look ours; systemctl list-units --all --no-legend --plain 'fleet-kexec*'
look files; cd /; find var/lib/fleet-kexec run/fleet-kexec run/systemd/system run/systemd/transient etc boot root tmp var/tmp \
  -xdev -not -path '*systemd-private-*' 2> /dev/null | sort
look newest; cat /var/lib/soak/newest; echo
look records; base64 --wrap=0 /var/lib/soak/log; echo
"""


def reboots() -> list[dict[str, Any]]:
    """Which options each reboot has."""
    draw = random.Random(SEED)
    drawn: list[dict[str, Any]] = []
    while len(drawn) < REBOOTS:
        kinds = [{**kind, "kaslr": draw.random() < 0.7} for kind in KINDS]
        if drawn:
            draw.shuffle(kinds)
        drawn += kinds
    return drawn[:REBOOTS]


class Heard:
    """What the program on the guest says to have on disk.

    :ivar again: numbers that it said before, or a later one: it did not find them on its disk any more.
    """

    def __init__(self) -> None:
        self.newest = -1
        self.again: list[int] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("", PORT))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            (number,) = struct.unpack("<Q", self._socket.recv(8))
            if number > self.newest:
                self.newest = number
            else:
                self.again.append(number)


@dataclass
class Soak:
    """What is known so far."""

    host: Host
    heard: Heard
    first: dict[str, list[str]]
    outages_ms: dict[str, list[float]] = field(default_factory=dict)
    memory_kib: list[list[int]] = field(default_factory=list)
    records: int = 0

    def summary(self) -> dict[str, Any]:
        """How far it has come, as plain values."""
        return {
            "reboots": len(self.memory_kib),
            "seed": SEED,
            "records": self.records,
            "memory_total_kib": [total for total, _available in self.memory_kib],
            "outage_p50_ms": {kind: statistics.median(values) for kind, values in self.outages_ms.items()},
            "reboots_of": {kind: len(values) for kind, values in self.outages_ms.items()},
        }


def look(host: Host) -> dict[str, list[str]]:
    """The guest as it is: lines under what they are of."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in host.check_output("sh -c %s", LOOK).splitlines():
        if line.startswith(HEADING):
            lines = found.setdefault(line.removeprefix(HEADING), [])
        else:
            lines.append(line)
    return found


@pytest.fixture(scope="module")
def host() -> Host:
    """The one that is rebooted."""
    return testinfra.get_host("ansible://kx1", ansible_inventory=str(INVENTORY))


@pytest.fixture(scope="module")
def soak(host: Host) -> Iterator[Soak]:
    """The same, after a reboot that the others are held against."""
    reboot(host, {})
    made = Soak(host, Heard(), look(host))
    yield made
    print(json.dumps(made.summary(), indent=1))


def reboot(host: Host, options: dict[str, Any]) -> dict[str, Any]:
    """Reboot via kexec, with these options."""
    arguments = {"method": "kexec", "reboot_timeout": 600, **options}
    result: dict[str, Any] = host.ansible("fleet.kexec.reboot", json.dumps(arguments), become=True, check=False)
    assert not result.get("failed"), result
    assert result["proof"]["proven"], result["proof"]
    assert {name: result["staged"][name] for name in options} == options
    return result


@pytest.mark.parametrize("number", range(REBOOTS))
@pytest.mark.usefixtures("host")  # whose console is shown if it fails
def test_a_reboot_leaves_nothing_behind(
    soak: Soak, complete_timeline: Callable[[dict[str, Any]], dict[str, dict[str, Any]]], number: int
) -> None:
    options = reboots()[number]
    result = reboot(soak.host, options)
    told = soak.heard.newest
    complete_timeline(result)
    kind = " ".join(map(str, options.values()))
    soak.outages_ms.setdefault(kind, []).append(result["outage_ms"])
    now = look(soak.host)
    holds_what_was_told(soak, now, told)
    is_as_before(soak, now)
    if RESULT:
        Path(RESULT).write_text(json.dumps(soak.summary(), indent=1) + "\n")


def holds_what_was_told(soak: Soak, now: dict[str, list[str]], told: int) -> None:
    """Every record that was said to be on disk is there, whole and in its place."""
    records = base64.b64decode(now["records"][0])
    assert len(records) % RECORD.size == 0
    whole = len(records) // RECORD.size
    for number, (found, checksum) in enumerate(RECORD.iter_unpack(records)):
        assert found == number and checksum == zlib.crc32(struct.pack("<Q", number))
    assert not soak.heard.again
    assert told > soak.records and whole > told and int(now["newest"][0]) >= told
    soak.records = whole


def is_as_before(soak: Soak, now: dict[str, list[str]]) -> None:
    """The guest has no more of anything than after the first reboot."""
    first = soak.first
    soak.memory_kib.append([int(each) for each in now["memory"]])
    (total, available), (first_total, first_available) = soak.memory_kib[-1], map(int, first["memory"])
    assert abs(total - first_total) <= MEMORY_LEEWAY_KIB
    assert available >= first_available * (1 - AVAILABLE_LEEWAY)
    assert own(now["cmdline"][0]) == own(first["cmdline"][0])
    assert now["firmware_map"] == first["firmware_map"]
    assert int(now["iomem"][0]) <= int(first["iomem"][0]) + IOMEM_LEEWAY
    assert now["reserved"] == first["reserved"] != ["0"]
    assert now["loaded"] == ["0", "0", "0", "0"]
    assert now["failed"] == now["ours"] == []
    assert int(now["units"][0]) <= int(first["units"][0]) + UNITS_LEEWAY
    assert now["files"] == first["files"]


def own(cmdline: str) -> list[str]:
    """A command line without what each boot has of its own."""
    return [each for each in cmdline.split() if not each.startswith("fleet_kexec.") and each != "nokaslr"]
