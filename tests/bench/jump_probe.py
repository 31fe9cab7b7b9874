# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Runs on a guest of the lab: stamps the end of the old system, and finds the beginning of the new one.

The module_utils of the collection have to lie beside this file, below C(ansible_collections/fleet/kexec).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.bzimage import parse_bzimage
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.stub_stamps import BOOT_PARAMS, parse_boot_params
from ansible_collections.fleet.kexec.plugins.module_utils._host.clocks import CounterReader, read_clock_zero
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._image.payload import Unpacker, payload_of

KEXEC = "/usr/sbin/kexec"


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def vmlinux(args: argparse.Namespace) -> None:
    """Unpack the kernel of a bzImage. What follows the ELF file in the payload disturbs no loader."""
    content = args.kernel.read_bytes()
    args.output.write_bytes(Unpacker().unpack(payload_of(memoryview(content), parse_bzimage(content, len(content)))))


def jump(args: argparse.Namespace) -> None:
    """Leave a stamp behind and start the loaded image."""
    counter = CounterReader()
    # What others have not yet written would otherwise be written after the stamp.
    os.sync()
    with args.state.open("w", encoding="ascii") as state:
        json.dump({"boot_id": boot_id(), "tsc_cycles": counter.read_cycles()}, state)
        state.flush()
        os.fsync(state.fileno())
    os.execv(KEXEC, [KEXEC, "-e"])


def read(args: argparse.Namespace) -> None:
    """Print how long the jump took, as JSON: ms from the stamp."""
    stamp = CounterReader().stamp()
    files = HostFiles()
    zero = read_clock_zero(files, stamp)
    last = json.loads(args.state.read_text(encoding="ascii"))
    if zero is None:
        sys.exit("the kernel does not tell how its clock follows from the TSC")
    if boot_id() == last["boot_id"]:
        sys.exit("this is still the system that left the stamp")

    hz, last_cycles = zero.hz, int(last["tsc_cycles"])

    def since_ms(cycles: int) -> float:
        return round((cycles - last_cycles) * 1000 / hz, 3)

    stub = parse_boot_params(Path(BOOT_PARAMS).read_bytes())
    result = {
        "release": os.uname().release,
        "cmdline": files.read_text("/proc/cmdline"),
        "jump_ms": since_ms(zero.cycles),
        "error_ms": zero.error_ns / 10**6,
        "source": zero.source,
        "tsc_hz": hz,
        "stub": stub
        and {
            **asdict(stub),
            "entry_ms": since_ms(stub.entry_cycles),
            "moved_ms": since_ms(stub.moved_cycles),
            "exit_ms": since_ms(stub.exit_cycles),
        },
    }
    print(json.dumps(result, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    sub = commands.add_parser("vmlinux", help="unpack the kernel of a bzImage")
    sub.add_argument("kernel", type=Path)
    sub.add_argument("output", type=Path)
    sub.set_defaults(run=vmlinux)
    for run in (jump, read):
        sub = commands.add_parser(run.__name__, help=(run.__doc__ or "").partition("\n")[0])
        sub.add_argument("state", type=Path, help="file that outlives the jump")
        sub.set_defaults(run=run)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
