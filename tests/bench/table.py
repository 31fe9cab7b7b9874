# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Medians of the jumps that were timed, and whether they keep to the bars: 1 if one is missed, 2 if one can't be judged."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

#: What reboots via kexec do today.
TODAY = "kexec -s bzImage"
#: The least work there is: a kernel that needs no unpacking, and no check.
LEAST = "kexec -c -i vmlinux"
#: What has to be fast.
OURS = "fast image, crc32c, kexec_load"
#: The same, in the crash reservation.
RESERVED = "fast image, crc32c, reserved"

TIMES_SHORTER = 10.0
OF_THE_LEAST = 1.25
# Since 6.14 the old kernel copies each page once, where it swapped two before, so that there is less to spare.
COPIES_ONCE_SINCE = (6, 14)
RESERVED_TIMES_SHORTER = (1.3, 1.1)
RESERVED_EXIT_TIMES_SHORTER = (1.8, 1.4)

MISSED = 1
UNKNOWN = 2


@dataclass(frozen=True)
class Row:
    """The jumps of one variant on one kernel; all in ms.

    :ivar stub_entry_ms: from the last stamp to the stub's first; None where no stub ran.
    :ivar stub_ms: from there to the stub's last.
    :ivar stub_exit_ms: from the last stamp to the stub's last.
    :ivar checked: whether every jump was through a stub that compared the sums.
    :ivar relocated: whether every kernel ran at a random address, by the stub's word.
    """

    kernel: str
    machine: str
    variant: str
    jumps: int
    median_ms: float
    least_ms: float
    most_ms: float
    error_ms: float
    times_shorter: float | None
    stub_entry_ms: float | None
    stub_ms: float | None
    stub_exit_ms: float | None
    checked: bool
    relocated: bool
    load_addresses: tuple[str, ...]


@dataclass(frozen=True)
class Bar:
    """One thing that has to be true on one kernel; None where nothing was timed to tell."""

    kernel: str
    machine: str
    says: str
    met: bool | None


def summarise(runs: Iterable[dict[str, Any]]) -> list[Row]:
    """Rows in the order in which the runs come."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault((run["release"], run["machine"], run["variant"]), []).append(run)
    medians = {key: statistics.median(run["jump_ms"] for run in group) for key, group in groups.items()}
    rows = []
    for (kernel, machine, variant), group in groups.items():
        jumps_ms = [run["jump_ms"] for run in group]
        median_ms = medians[kernel, machine, variant]
        today_ms = medians.get((kernel, machine, TODAY))
        stubs = [run["stub"] for run in group if run["stub"]]
        rows.append(
            Row(
                kernel=kernel,
                machine=machine,
                variant=variant,
                jumps=len(group),
                median_ms=median_ms,
                least_ms=min(jumps_ms),
                most_ms=max(jumps_ms),
                error_ms=max(run["error_ms"] for run in group),
                times_shorter=today_ms / median_ms if today_ms else None,
                stub_entry_ms=statistics.median(stub["entry_ms"] for stub in stubs) if stubs else None,
                stub_ms=statistics.median(stub["exit_ms"] - stub["entry_ms"] for stub in stubs) if stubs else None,
                stub_exit_ms=statistics.median(stub["exit_ms"] for stub in stubs) if stubs else None,
                checked=all(run["stub"] and run["stub"]["checked"] for run in group),
                relocated=all(run["stub"] and run["stub"]["relocated"] for run in group),
                load_addresses=tuple(sorted({hex(stub["load_address"]) for stub in stubs})),
            )
        )
    return rows


def judge(rows: Sequence[Row]) -> list[Bar]:
    """The bars of every kernel and machine that was timed."""
    found = {(row.kernel, row.machine, row.variant): row.median_ms for row in rows}
    exits = {(row.kernel, row.machine, row.variant): row.stub_exit_ms for row in rows}
    whole = {(row.kernel, row.machine): row.checked and row.relocated for row in rows if row.variant == OURS}
    bars = []
    for kernel, machine in dict.fromkeys((row.kernel, row.machine) for row in rows):
        ours, today, least = (found.get((kernel, machine, variant)) for variant in (OURS, TODAY, LEAST))
        bars += [
            Bar(kernel, machine, f"{OURS}: checked, and with KASLR", whole.get((kernel, machine))),
            Bar(
                kernel,
                machine,
                f"{OURS}: at least {TIMES_SHORTER:g} times shorter than {TODAY}",
                ours * TIMES_SHORTER <= today if ours and today else None,
            ),
            Bar(
                kernel,
                machine,
                f"{OURS}: at most {OF_THE_LEAST:g} times as long as {LEAST}",
                ours <= least * OF_THE_LEAST if ours and least else None,
            ),
        ]
        # Guests with memory in CMA have no reservation for a crash kernel.
        reserved = found.get((kernel, machine, RESERVED))
        if reserved and ours:
            once = tuple(int(part) for part in kernel.split(".")[:2]) >= COPIES_ONCE_SINCE
            shorter, exit_shorter = RESERVED_TIMES_SHORTER[once], RESERVED_EXIT_TIMES_SHORTER[once]
            ours_exit, reserved_exit = exits[kernel, machine, OURS], exits[kernel, machine, RESERVED]
            bars += [
                Bar(
                    kernel,
                    machine,
                    f"{RESERVED}: at least {shorter:g} times shorter than {OURS}",
                    reserved * shorter <= ours,
                ),
                Bar(
                    kernel,
                    machine,
                    f"{RESERVED}: until the stub's end at least {exit_shorter:g} times shorter than {OURS}",
                    reserved_exit * exit_shorter <= ours_exit if reserved_exit and ours_exit else None,
                ),
            ]
    return bars


def exit_code(bars: Sequence[Bar]) -> int:
    """0 only if everything was judged, and met."""
    if any(each.met is False for each in bars):
        return MISSED
    return UNKNOWN if not bars or any(each.met is None for each in bars) else 0


def render(rows: Sequence[Row], bars: Sequence[Bar]) -> str:
    """The table, a block for each kernel, and the bars below it."""
    lines: list[str] = []
    for kernel, machine in dict.fromkeys((row.kernel, row.machine) for row in rows):
        block = [row for row in rows if (row.kernel, row.machine) == (kernel, machine)]
        width = max(len(row.variant) for row in block)
        lines += [
            f"{kernel} ({machine}): ms from the old system's last stamp to the new kernel's clock zero",
            f"  {'':{width}} {'median':>9} {'least':>9} {'most':>9} {'error':>6} {'shorter':>8} {'stub at':>8} {'stub':>7} jumps",
        ]
        for row in block:
            shorter = "" if row.times_shorter is None else f"{row.times_shorter:.1f} x"
            entry = "" if row.stub_entry_ms is None else f"{row.stub_entry_ms:.1f}"
            stub = "" if row.stub_ms is None else f"{row.stub_ms:.1f}"
            lines.append(
                f"  {row.variant:{width}} {row.median_ms:9.1f} {row.least_ms:9.1f} {row.most_ms:9.1f} {row.error_ms:6.3f}"
                f" {shorter:>8} {entry:>8} {stub:>7} {row.jumps:5} {' '.join(row.load_addresses)}".rstrip()
            )
        lines += ["  " + verdict(each) for each in bars if (each.kernel, each.machine) == (kernel, machine)] + [""]
    return "\n".join(lines)


def verdict(each: Bar) -> str:
    """One line about a bar."""
    return f"{'?' if each.met is None else 'met' if each.met else 'MISSED'}: {each.says}"


def main() -> int:
    """Reads a directory of results, prints the table, and writes all of it as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("results", type=Path, help="directory of one JSON file for each jump")
    parser.add_argument("--json", type=Path, help="file to write runs, medians and bars to")
    args = parser.parse_args()
    files = sorted(args.results.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    rows = summarise(runs)
    bars = judge(rows)
    print(render(rows, bars))
    if args.json:
        document = {"medians": [asdict(row) for row in rows], "bars": [asdict(each) for each in bars], "jumps": runs}
        args.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return exit_code(bars)


if __name__ == "__main__":
    sys.exit(main())
