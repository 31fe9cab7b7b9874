# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""How fast the stub's own bytes run on this CPU, and whether they keep to the bars: 1 if one is missed.

A virtual machine without KVM can't tell: there a crc32 instruction takes as long as a hundred others.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.stub_code import CODE, MOVE_OFFSET, SUMS_OFFSET

SOURCE = Path(__file__).resolve().with_name("native.c")

#: What was hashed and copied in the reboots that this collection began with.
KERNEL_BYTES = 53 << 20
INITRD_BYTES = 28 << 20
REPEATS = 9
TIMEOUT_S = 600

OF_READ_BANDWIDTH = 0.6
FASTER_THAN_SHA256 = 20
CHECK_AND_MOVE_MS = 15

#: Variants of native.c, and what each reads or writes.
ALL_BYTES = KERNEL_BYTES + INITRD_BYTES
LABELS: dict[str, tuple[str, int]] = {
    "read": ("read it, with the widest loads", ALL_BYTES),
    "check": ("check it (the stub)", ALL_BYTES),
    "memcpy": ("copy it elsewhere, memcpy", ALL_BYTES),
    "sha256": ("SHA-256 of it, scalar C", ALL_BYTES),
    "move 1 MiB": ("move the kernel by 1 MiB (the stub)", KERNEL_BYTES),
    "move 4 KiB": ("move the kernel by 4 KiB (the stub)", KERNEL_BYTES),
    "memmove 1 MiB": ("move the kernel by 1 MiB, memmove", KERNEL_BYTES),
    "move 1 MiB and check": ("move the kernel, check all (the stub)", ALL_BYTES),
}

Times = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Bar:
    """One thing that has to be true."""

    says: str
    found: str
    met: bool


def judge(medians_ms: Mapping[str, float]) -> list[Bar]:
    """The bars, from the medians of the variants."""
    bandwidth = medians_ms["read"] / medians_ms["check"]
    faster = medians_ms["sha256"] / medians_ms["check"]
    both_ms = medians_ms["move 1 MiB and check"]
    return [
        Bar(
            f"the check runs at {OF_READ_BANDWIDTH:.0%} of one core's read bandwidth or more",
            f"{bandwidth:.0%}",
            bandwidth >= OF_READ_BANDWIDTH,
        ),
        Bar(
            f"the check is {FASTER_THAN_SHA256} times faster than SHA-256 in scalar C, or more",
            f"{faster:.0f} times",
            faster >= FASTER_THAN_SHA256,
        ),
        Bar(
            f"check and move together take {CHECK_AND_MOVE_MS} ms or less",
            f"{both_ms:.1f} ms",
            both_ms <= CHECK_AND_MOVE_MS,
        ),
    ]


def render(times_ms: Times, bars: Sequence[Bar], cpu: str) -> str:
    """The table, and the bars below it."""
    width = max(len(label) for label, _size in LABELS.values())
    lines = [
        f"{cpu}: {KERNEL_BYTES >> 20} MiB of kernel and {INITRD_BYTES >> 20} MiB of initrd, in no cache; ms",
        f"  {'':{width}} {'median':>8} {'least':>8} {'most':>8} {'GB/s':>6}",
    ]
    for name, (label, size_bytes) in LABELS.items():
        median_ms = statistics.median(times_ms[name])
        lines.append(
            f"  {label:{width}} {median_ms:8.2f} {min(times_ms[name]):8.2f} {max(times_ms[name]):8.2f}"
            f" {size_bytes / median_ms / 1e6:6.2f}"
        )
    lines += [f"  {'met' if each.met else 'MISSED'}: {each.says} ({each.found})" for each in bars]
    return "\n".join(lines)


def cpu_name() -> str:
    """As the kernel calls it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def run(repeats: int) -> dict[str, Any]:
    """Build native.c for this CPU and run it."""
    if platform.machine() != "x86_64":
        raise SystemExit("the stub is code for x86_64")
    if not shutil.which("gcc"):
        raise SystemExit("gcc is missing; install gcc and libc6-dev")
    with tempfile.TemporaryDirectory() as directory:
        program, code = Path(directory, "native"), Path(directory, "stub.bin")
        code.write_bytes(CODE)
        subprocess.run(["gcc", "-O2", "-march=native", "-Wall", "-Werror", "-o", program, SOURCE], check=True)
        sizes = map(str, (SUMS_OFFSET, MOVE_OFFSET, KERNEL_BYTES, INITRD_BYTES, repeats))
        done = subprocess.run([program, code, *sizes], stdout=subprocess.PIPE, check=True, timeout=TIMEOUT_S)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="file to write times, medians and bars to")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="how often each is timed (default: %(default)s)")
    args = parser.parse_args()
    try:
        times_ms: Times = run(args.repeats)["ms"]
    except subprocess.SubprocessError as error:
        raise SystemExit(f"it can't be timed: {error}") from error
    medians_ms = {name: statistics.median(times) for name, times in times_ms.items()}
    bars = judge(medians_ms)
    cpu = cpu_name()
    print(render(times_ms, bars, cpu))
    if args.json:
        document = {
            "cpu": cpu,
            "kernel_bytes": KERNEL_BYTES,
            "initrd_bytes": INITRD_BYTES,
            "ms": times_ms,
            "median_ms": medians_ms,
            "bars": [asdict(each) for each in bars],
        }
        args.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0 if all(each.met for each in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
