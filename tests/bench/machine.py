# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""How long a snapshot of a server with 100 PCI functions and 50 disks takes on this machine.

The server is a directory tree; systemctl is really run where this machine has it. The median of 20 times, after one to warm up.
Exit code 1 if the bar is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult, run_command
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.policy import Policy
from ansible_collections.fleet.kexec.plugins.module_utils._machine.comparison import compare
from ansible_collections.fleet.kexec.plugins.module_utils._machine.reading import take_snapshot
from ansible_collections.fleet.kexec.plugins.module_utils._machine.snapshot import MachineSnapshot, parse_snapshot
from ansible_collections.fleet.kexec.tests.machine_tree import MachineTree, physical_server

REPEATS = 20
SNAPSHOT_MAX_MS = 150


def really_run(machine: MachineTree, argv: Sequence[str], timeout_s: float) -> CommandResult:
    """Run a command for its time, and answer as the server would."""
    run_command(argv, timeout_s)
    return machine.run(argv, timeout_s)


def snapshot_ms(machine: MachineTree) -> tuple[float, MachineSnapshot]:
    """Take a snapshot."""
    begin = time.perf_counter()
    snapshot = take_snapshot(machine.files, lambda argv, timeout_s: really_run(machine, argv, timeout_s))
    return (time.perf_counter() - begin) * 1000, snapshot


def comparison_ms(before: MachineSnapshot, after: MachineSnapshot) -> float:
    """Read a snapshot from JSON and compare another one with it."""
    text = json.dumps(before.as_dict())
    begin = time.perf_counter()
    compare(parse_snapshot(json.loads(text)), after, Policy().effects)
    return (time.perf_counter() - begin) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="file to write the results to")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        machine = physical_server(Path(root))
        _warm_up_ms, before = snapshot_ms(machine)
        taken = [snapshot_ms(machine) for _repeat in range(REPEATS)]
    runs = {"snapshot": [each for each, _snapshot in taken], "comparison": [comparison_ms(before, after) for _ms, after in taken]}
    medians = {name: statistics.median(each) for name, each in runs.items()}
    print(f"a machine with {len(before.pci)} PCI functions and {len(before.disks)} disks; median of {REPEATS}")
    for name, median_ms in medians.items():
        print(f"  {name:45} {median_ms:7.1f} ms {max(runs[name]):7.1f} ms at most")
    met = medians["snapshot"] <= SNAPSHOT_MAX_MS
    print(f"  {'met' if met else 'MISSED'}: at most {SNAPSHOT_MAX_MS} ms for a snapshot")
    if args.json:
        args.json.write_text(json.dumps({"runs_ms": runs, "median_ms": medians, "met": met}, indent=2) + "\n", encoding="utf-8")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
