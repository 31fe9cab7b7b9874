# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""How quickly a fleet is rebooted, and at what cost, beside ansible.builtin.reboot.

Simulated hosts (simulated_fleet.py) that are down for a set time; what is measured is everything but connections
(rollout_conductor.py). Those are measured by themselves, with the real ssh (rollout_ssh.py). Exit code 1 if a bar is
missed.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.host_reboot import TRIGGER_GRACE_S
from ansible_collections.fleet.kexec.tests.bench import planning, rollout_builtin, rollout_ssh
from ansible_collections.fleet.kexec.tests.bench.planning import Planned
from ansible_collections.fleet.kexec.tests.bench.simulated_fleet import State, name_of, running

CONDUCTOR = Path(__file__).with_name("rollout_conductor.py")
TIMEOUT_S = 3600.0

HOSTS = 1000
DOWN_S = 20.0
# The hosts of the large fleet, and of its window: so many times those of the other.
TIMES_HOSTS, TIMES_WINDOW = 10, 2
DESCRIPTORS = 4096
NARROW_WINDOW = 50
# Of a hundred hosts so many stay away for long; all times are divided by the same factor.
STRAGGLERS_PERCENT, STRAGGLER_S, SCALED_DOWN = 2, 600.0, 10
SEED = 5
FORKS = (50, 250)
SSH_HOSTS = 50

WALL_MAX_OVER_S = 6.0
CPU_MAX_MS = 10.0
RSS_MAX_BYTES = 150 << 20
LAG_MAX_S = 0.25
OF_IDEAL = 1.1
LARGE_RSS_MAX_BYTES = 1 << 30
LARGE_CPU_RATIO = 1.5
PLANNED_HOSTS = 10_000
PLANNED_WITHIN_S = 20.0
PLANNED_MAX_BYTES = 500 << 20
# With the cheap key exchange: what an expensive one adds is ssh's.
CONNECTED_EXCHANGE, CONNECTED_MAX_MS = "curve25519", 150.0


@dataclass(frozen=True)
class Measured:
    """One run.

    :ivar ideal_s: what it would take if nothing cost any time.
    :ivar noticed_s: p50, p95 and maximum of the time from a host's return until it was noticed: its banner was read, or,
        by who does not probe, its boot_id.
    :ivar asked_s: the same, until its new boot_id was known.
    """

    label: str
    hosts: int
    ideal_s: float
    wall_s: float
    cpu_ms: float
    peak_rss_bytes: int
    noticed_s: tuple[float, float, float]
    asked_s: tuple[float, float, float]


@dataclass(frozen=True)
class Bar:
    """One thing that has to be true."""

    says: str
    found: str
    met: bool


def sliding_s(durations_s: Sequence[float], window: int) -> float:
    """How long hosts take in this order, if the next always begins when one ends."""
    ends = [0.0] * min(window, len(durations_s))
    for duration_s in durations_s:
        heapq.heapreplace(ends, ends[0] + duration_s)
    return max(ends)


def batches_s(durations_s: Sequence[float], size: int) -> float:
    """The same in batches, each as long as its slowest host: what C(serial) does."""
    return sum(max(durations_s[first : first + size]) for first in range(0, len(durations_s), size))


def with_stragglers(hosts: int, random_: random.Random) -> list[float]:
    """How long hosts are down of which some stay away for long, all scaled down."""
    down_s = [DOWN_S / SCALED_DOWN] * hosts
    for index in random_.sample(range(hosts), hosts * STRAGGLERS_PERCENT // 100):
        down_s[index] = STRAGGLER_S / SCALED_DOWN
    return down_s


def percentiles(lags_s: Sequence[float]) -> tuple[float, float, float]:
    """Median, p95 and maximum."""
    ordered = sorted(lags_s)
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)], ordered[-1]


def by_rollout(label: str, down_s: Sequence[float], window: int, descriptors: int = 0) -> Measured:
    """Reboot hosts by this collection, in a process of its own."""

    def measure(directory: Path, fleet: Path) -> dict[str, Any]:
        run = directory / "run"
        run.mkdir(mode=0o700)
        job = {
            "fleet": str(fleet),
            "directory": str(run),
            "window": window,
            "down_s": list(down_s),
            "descriptors": descriptors,
        }
        done = subprocess.run(
            [sys.executable, CONDUCTOR], input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True, timeout=TIMEOUT_S
        )
        result: dict[str, Any] = json.loads(done.stdout)
        if result["counts"] != {"done": len(down_s)}:
            raise SystemExit("not all hosts were rebooted: %s, %s" % (result["counts"], result["stopped"]))
        return result

    return _measured(label, down_s, sliding_s([TRIGGER_GRACE_S + each for each in down_s], window), measure)


def by_builtin(down_s: Sequence[float], forks: int) -> Measured:
    """Reboot hosts by ansible.builtin.reboot."""
    ideal_s = sliding_s([TRIGGER_GRACE_S + each for each in down_s], forks)
    label = "ansible.builtin.reboot, %d forks" % forks
    return _measured(label, down_s, ideal_s, lambda directory, fleet: rollout_builtin.reboot(directory, fleet, down_s, forks))


def _measured(label: str, down_s: Sequence[float], ideal_s: float, measure: Callable[[Path, Path], dict[str, Any]]) -> Measured:
    print("running: %s" % label, file=sys.stderr)
    # On a disk: what has to last is synced to it.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        fleet = Path(name, "fleet")
        fleet.mkdir()
        with running(fleet, len(down_s)) as state:
            result = measure(Path(name), fleet)
            _require_rebooted_once(state, len(down_s))
            noticed_s = percentiles([state.noticed_after_s(index) for index in range(len(down_s))])
            asked_s = percentiles([state.asked_after_s(index) for index in range(len(down_s))])
    cpu_ms = (result["user_s"] + result["system_s"]) * 1000 / len(down_s)
    return Measured(label, len(down_s), ideal_s, result["wall_s"], cpu_ms, result["peak_rss_bytes"], noticed_s, asked_s)


def _require_rebooted_once(state: State, hosts: int) -> None:
    wrong = [name_of(index) for index in range(hosts) if state.boots(index) != 1 or state.noticed_after_s(index) < 0]
    if wrong:
        raise SystemExit("%d hosts were not rebooted exactly once, and seen to be, such as %s" % (len(wrong), wrong[0]))


def medians(runs: Sequence[Measured]) -> Measured:
    """The median of each figure."""
    noticed_s, asked_s = (
        tuple(statistics.median(column) for column in zip(*columns))
        for columns in ([run.noticed_s for run in runs], [run.asked_s for run in runs])
    )
    return replace(
        runs[0],
        wall_s=statistics.median(run.wall_s for run in runs),
        cpu_ms=statistics.median(run.cpu_ms for run in runs),
        peak_rss_bytes=round(statistics.median(run.peak_rss_bytes for run in runs)),
        noticed_s=(noticed_s[0], noticed_s[1], noticed_s[2]),
        asked_s=(asked_s[0], asked_s[1], asked_s[2]),
    )


def judge(whole: Measured, narrow: Measured, large: Measured) -> list[Bar]:
    """The bars."""
    overhead_s = whole.wall_s - (whole.ideal_s - TRIGGER_GRACE_S)
    return [
        Bar(
            f"{whole.label}: at most {WALL_MAX_OVER_S:.0f} s more than hosts are down",
            f"{overhead_s:.1f} s",
            overhead_s <= WALL_MAX_OVER_S,
        ),
        Bar(f"{whole.label}: at most {CPU_MAX_MS:.0f} ms of CPU a host", f"{whole.cpu_ms:.1f} ms", whole.cpu_ms <= CPU_MAX_MS),
        Bar(
            f"{whole.label}: at most {RSS_MAX_BYTES >> 20} MiB",
            f"{whole.peak_rss_bytes / 2**20:.0f} MiB",
            whole.peak_rss_bytes <= RSS_MAX_BYTES,
        ),
        Bar(
            f"{whole.label}: noticed within {LAG_MAX_S * 1000:.0f} ms (p95)",
            f"{whole.noticed_s[1] * 1000:.0f} ms",
            whole.noticed_s[1] <= LAG_MAX_S,
        ),
        Bar(
            f"{narrow.label}: at most {OF_IDEAL} times the ideal sliding window",
            f"{narrow.wall_s / narrow.ideal_s:.3f} times",
            narrow.wall_s <= OF_IDEAL * narrow.ideal_s,
        ),
        Bar(
            f"{large.label}: at most {LARGE_RSS_MAX_BYTES >> 20} MiB",
            f"{large.peak_rss_bytes / 2**20:.0f} MiB",
            large.peak_rss_bytes <= LARGE_RSS_MAX_BYTES,
        ),
        Bar(
            f"{large.label}: at most {LARGE_CPU_RATIO} times the CPU a host",
            f"{large.cpu_ms / whole.cpu_ms:.2f} times",
            large.cpu_ms <= LARGE_CPU_RATIO * whole.cpu_ms,
        ),
    ]


def judge_plan(planned: Planned) -> list[Bar]:
    """The bars of planning."""
    label = "a plan of %d hosts" % planned.hosts
    return [
        Bar(
            f"{label}: the first is asked within {PLANNED_WITHIN_S:.0f} s",
            f"{planned.before_s:.1f} s",
            planned.before_s <= PLANNED_WITHIN_S,
        ),
        Bar(
            f"{label}: at most {PLANNED_MAX_BYTES >> 20} MiB in check mode",
            f"{planned.peak_bytes / 2**20:.0f} MiB",
            planned.peak_bytes <= PLANNED_MAX_BYTES,
        ),
    ]


def judge_connections(connected: dict[str, list[dict[str, Any]]], hosts: int) -> Bar:
    """The bar of connections."""
    found_ms = rollout_ssh.cpu_ms(connected[CONNECTED_EXCHANGE], hosts)
    return Bar(
        f"connections by ssh ({CONNECTED_EXCHANGE}): at most {CONNECTED_MAX_MS:.0f} ms of CPU a host",
        f"{found_ms:.0f} ms",
        found_ms <= CONNECTED_MAX_MS,
    )


def planned_by_playbook(hosts: int) -> Planned:
    """Plan a rollout of so many hosts."""
    print("running: a plan of %d hosts" % hosts, file=sys.stderr)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        return planning.plan(Path(name), hosts)


def render(runs: Sequence[Measured]) -> str:
    """The table."""
    width = max(len(run.label) for run in runs)
    lines = [
        f"{'':{width}} {'wall':>8} {'ideal':>8} {'CPU':>8} {'peak':>8} {'noticed after, ms':>20} {'asked':>6}",
        f"{'':{width}} {'s':>8} {'s':>8} {'ms/host':>8} {'MiB':>8} {'p50':>6} {'p95':>6} {'most':>6} {'p95':>6}",
    ]
    for run in runs:
        lag = " ".join(f"{each * 1000:6.0f}" for each in (*run.noticed_s, run.asked_s[1]))
        memory = run.peak_rss_bytes / 2**20
        lines.append(f"{run.label:{width}} {run.wall_s:8.1f} {run.ideal_s:8.1f} {run.cpu_ms:8.1f} {memory:8.0f} {lag}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="file to write the results to")
    parser.add_argument("--hosts", type=int, default=HOSTS, help="of the fleet; bars are for the default (%(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="of the first run; the median counts (default: %(default)s)")
    parser.add_argument("--forks", type=int, nargs="*", default=FORKS, help="for ansible.builtin.reboot; none leaves it out")
    parser.add_argument("--planned-hosts", type=int, default=PLANNED_HOSTS, help="to plan for; 0 leaves that out")
    parser.add_argument("--ssh-hosts", type=int, default=SSH_HOSTS, help="sshds to start; 0 leaves that out")
    args = parser.parse_args()
    hosts, window = args.hosts, min(NARROW_WINDOW, args.hosts)
    all_down_s = [DOWN_S] * hosts
    whole = [by_rollout("%d hosts, window %d" % (hosts, hosts), all_down_s, hosts) for _repeat in range(args.repeats)]
    median = medians(whole)
    stragglers_s = with_stragglers(hosts, random.Random(SEED))
    narrow = by_rollout("the same with stragglers, window %d, time / %d" % (window, SCALED_DOWN), stragglers_s, window)
    large_hosts, large_window = hosts * TIMES_HOSTS, hosts * TIMES_WINDOW
    large = by_rollout(
        "%d hosts, window %d, %d descriptors" % (large_hosts, large_window, DESCRIPTORS),
        [DOWN_S] * large_hosts,
        large_window,
        DESCRIPTORS,
    )
    builtin = [by_builtin(all_down_s, forks) for forks in args.forks if forks <= max(hosts, min(args.forks))]
    planned = planned_by_playbook(args.planned_hosts) if args.planned_hosts else None
    connected = rollout_ssh.measure(args.ssh_hosts) if args.ssh_hosts else {}
    bars = [
        *judge(median, narrow, large),
        *(judge_plan(planned) if planned else []),
        *([judge_connections(connected, args.ssh_hosts)] if connected else []),
    ]
    serial_s = batches_s([TRIGGER_GRACE_S + each for each in stragglers_s], window)
    print("%d CPUs, load %.1f at the end; hosts are down %g s" % (os.cpu_count() or 0, os.getloadavg()[0], DOWN_S))
    print(render([*whole, narrow, large, *builtin]))
    print("in batches, each as long as its slowest host (serial), the hosts with stragglers would take %.1f s" % serial_s)
    if planned:
        print(planning.render(planned))
    if connected:
        print(rollout_ssh.render(connected, args.ssh_hosts))
    for each in bars:
        print(f"  {'met' if each.met else 'MISSED'}: {each.says} ({each.found})")
    if args.json:
        document = {
            "cpus": os.cpu_count(),
            "load": os.getloadavg(),
            "down_s": DOWN_S,
            "runs": [asdict(run) for run in [*whole, narrow, large, *builtin]],
            "serial_s": serial_s,
            "planned": asdict(planned) if planned else None,
            "ssh": {"hosts": args.ssh_hosts, "steps": connected},
            "bars": [asdict(each) for each in bars],
        }
        args.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0 if all(each.met for each in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
