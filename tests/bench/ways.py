# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Reboots a guest of the lab by each way, and tells how long it was out.

The guest's sshd is asked for its banner from outside, at a fixed pace for all
ways: the collection's own prober spares hosts that are up, so without the
moment of the trigger it knows too little of when they went. The phases are the
guest's own. Runs in the lab's network, on a prepared guest.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.host_track import HostOutage
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.sshd import BANNER_START

HERE = Path(__file__).parent
PLAYBOOK_TIMEOUT_S = 1200.0
SSH_PORT = 22
# A lost SYN would be repeated only after a second.
CONNECT_TIMEOUT_S = 0.4
# An sshd that has just been started is slow; a connection to one whose machine has gone brings nothing.
BANNER_TIMEOUT_S = 5.0
# Each banner costs an emulated guest a tenth of a second of its processor; a SYN to one that is down costs nothing.
UP_INTERVAL_S = 0.5
DOWN_INTERVAL_S = 0.1

#: What is compared, by the name of its playbook.
WAYS = {
    "builtin": "`ansible.builtin.reboot`",
    "systemctl_kexec": "`kexec -s`, `systemctl kexec`",
    "fast": "`fleet.kexec.reboot`, fast image",
    "prepared": "the same with `prepare_boot` and a slim initrd",
    "soft": "`fleet.kexec.reboot`, `method: soft`",
}
#: Phases of the new system, in their order. The rest of the outage is the old one's end, and the jump or firmware.
PHASES = ("kernel", "initrd", "userspace", "network", "ssh")


@dataclass(frozen=True)
class Reboot:
    """One reboot.

    :ivar task_s: how long the playbook took.
    :ivar phases_ms: of the new system, by name.
    :ivar gain_ms: what the findings of it predict that C(prepare_boot) would save.
    """

    way: str
    outage_ms: int
    outage_error_ms: int
    task_s: float
    path: str
    phases_ms: dict[str, float]
    gain_ms: float = 0.0


@dataclass(frozen=True)
class Row:
    """The reboots of one way: medians, and the shortest and longest outage.

    :ivar before_ms: from the last answer of the old system to the new kernel's clock zero.
    """

    way: str
    reboots: int
    outage_ms: float
    least_ms: float
    longest_ms: float
    outage_error_ms: float
    task_s: float
    before_ms: float
    phases_ms: dict[str, float]
    gain_ms: float = 0.0


def summarise(reboots: Iterable[Reboot]) -> list[Row]:
    """A row for each way."""
    groups: dict[str, list[Reboot]] = {}
    for reboot in reboots:
        groups.setdefault(reboot.way, []).append(reboot)
    return [
        Row(
            way=way,
            reboots=len(group),
            outage_ms=statistics.median(each.outage_ms for each in group),
            least_ms=min(each.outage_ms for each in group),
            longest_ms=max(each.outage_ms for each in group),
            outage_error_ms=max(each.outage_error_ms for each in group),
            task_s=statistics.median(each.task_s for each in group),
            before_ms=statistics.median(each.outage_ms - sum(each.phases_ms.values()) for each in group),
            phases_ms={
                name: statistics.median(each.phases_ms.get(name, 0.0) for each in group)
                for name in PHASES
                if any(name in each.phases_ms for each in group)
            },
            gain_ms=statistics.median(each.gain_ms for each in group),
        )
        for way, group in groups.items()
    ]


def table(rows: Sequence[Row]) -> str:
    """Rows for people, in seconds."""
    names = [name for name in PHASES if any(name in row.phases_ms for row in rows)]
    lines = ["| way | reboots | outage | least to longest | playbook | until the kernel | %s |" % " | ".join(names)]
    lines.append("| --- |" + " --- |" * (5 + len(names)))
    for row in rows:
        cells = [WAYS[row.way], "%d" % row.reboots, _s(row.outage_ms), "%s to %s" % (_s(row.least_ms), _s(row.longest_ms))]
        cells += ["%.1f" % row.task_s, _s(row.before_ms), *(_s(row.phases_ms.get(name, 0.0)) for name in names)]
        lines.append("| %s |" % " | ".join(cells))
    return "\n".join(lines)


def preparable_ms(timeline: dict[str, Any], findings: Iterable[dict[str, Any]]) -> float:
    """What findings predict that C(prepare_boot) would save; time that several of them share may count more than once."""
    return min(sum(each["gain_ms"] or 0.0 for each in findings if each["prepare_boot"]), float(timeline["gain_ms"]))


def comparison(rows: Iterable[Row]) -> str:
    """How the outages relate to that of C(systemctl kexec), and what was predicted for C(prepare_boot) to what came of it."""
    by_way = {row.way: row for row in rows}
    kexec, fast, prepared, soft = (by_way[way] for way in ("systemctl_kexec", "fast", "prepared", "soft"))
    gained_ms = fast.outage_ms - prepared.outage_ms
    return "\n".join(
        [
            "Of the outage by systemctl kexec: with prepare_boot %.2f, soft %.2f"
            % (prepared.outage_ms / kexec.outage_ms, soft.outage_ms / kexec.outage_ms),
            "prepare_boot and the slim initrd: predicted %s s, gained %s s" % (_s(fast.gain_ms), _s(gained_ms)),
        ]
    )


def _s(milliseconds: float) -> str:
    return "%.1f" % (milliseconds / 1000)


class Silences:
    """Times in which a host gave no answer: an sshd that stops may be silent for a moment before it is for good.

    :ivar longest: the outage; None if there was none.
    """

    def __init__(self, now: float) -> None:
        self._last_up = now
        self._down_at: float | None = None
        self.longest: HostOutage | None = None

    def observe(self, at: float, up: bool) -> None:
        """Take in whether a probe was answered: when the answer came, or when the probe was sent that had none."""
        if not up:
            if self._down_at is None and at > self._last_up:
                self._down_at = at
            return
        if self._down_at is not None:
            silence = HostOutage(round((at - self._last_up) * 1000), round((self._down_at - self._last_up) * 1000), self._last_up)
            if self.longest is None or silence.duration_ms > self.longest.duration_ms:
                self.longest = silence
            self._down_at = None
        self._last_up = at


async def has_banner(address: str) -> bool:
    """Whether an sshd answers there."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(address, SSH_PORT)
    except OSError:
        return False
    with contextlib.suppress(OSError, EOFError):
        async with asyncio.timeout(BANNER_TIMEOUT_S):
            with contextlib.closing(writer):
                return await reader.readexactly(len(BANNER_START)) == BANNER_START
    return False


async def watch(address: str, silences: Silences) -> None:
    """Ask a host for its banner until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        asked_at = loop.time()
        up = await has_banner(address)
        silences.observe(loop.time() if up else asked_at, up)
        await asyncio.sleep(UP_INTERVAL_S if up else DOWN_INTERVAL_S)


async def reboot_once(way: str, inventory: Path, guest: str, address: str) -> Reboot:
    """Reboot a guest, and watch it from outside."""
    if not await has_banner(address):
        raise SystemExit("%s does not answer" % guest)
    loop = asyncio.get_running_loop()
    began = loop.time()
    silences = Silences(began)
    watching = asyncio.create_task(watch(address, silences))
    try:
        await _play(HERE / "reboots" / (way + ".yml"), inventory, guest)
        task_s = loop.time() - began
    finally:
        watching.cancel()
    outage = silences.longest
    if outage is None:
        raise SystemExit("%s was not seen to go down and come back" % guest)
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as kept:
        await _play(HERE / "reboots/timeline.yml", inventory, guest, bench_timeline=kept.name)
        told: dict[str, Any] = json.loads(Path(kept.name).read_text(encoding="utf-8"))
    timeline = told["timeline"]
    phases_ms = {phase["name"]: phase["duration_ms"] for phase in timeline["phases"] if phase["name"] in PHASES}
    gain_ms = preparable_ms(timeline, told["findings"])
    return Reboot(way, outage.duration_ms, outage.error_ms, task_s, timeline["path"], phases_ms, gain_ms)


async def _play(playbook: Path, inventory: Path, guest: str, **variables: str) -> None:
    argv = ["ansible-playbook", "--inventory", str(inventory), "--limit", "%s,localhost" % guest, str(playbook)]
    for name, value in variables.items():
        argv += ["--extra-vars", "%s=%s" % (name, value)]
    process = await asyncio.create_subprocess_exec(*argv, stdout=sys.stderr)
    if await asyncio.wait_for(process.wait(), PLAYBOOK_TIMEOUT_S) != 0:
        raise SystemExit("%s failed" % playbook)


async def measure(inventory: Path, guest: str, address: str, repetitions: int) -> list[Reboot]:
    """All ways in turn, so often."""
    await _play(HERE / "reboots/exempt.yml", inventory, guest)
    reboots = []
    for _repetition in range(repetitions):
        for way in WAYS:
            reboots.append(await reboot_once(way, inventory, guest, address))
            print("%s: %s" % (time.strftime("%H:%M:%S"), reboots[-1]), file=sys.stderr)
    return reboots


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("inventory", type=Path)
    parser.add_argument("--guest", default="kx1")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where the figures go")
    args = parser.parse_args()
    hosts = yaml.safe_load(args.inventory.read_text(encoding="utf-8"))["lab"]["hosts"]
    reboots = asyncio.run(measure(args.inventory, args.guest, hosts[args.guest]["lab_ipv4"], args.repetitions))
    rows = summarise(reboots)
    if args.json:
        kept = {"reboots": list(map(asdict, reboots)), "rows": list(map(asdict, rows))}
        args.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(table(rows), comparison(rows), sep="\n\n")


if __name__ == "__main__":
    main()
