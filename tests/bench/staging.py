# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""How long building a fast image and making it ready take on this machine, and in how much memory.

All but the load call, over a real kernel (the largest that `make kernels` fetched) and an initrd of
28 MiB. Exit code 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.architecture import X86_64
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.bzimage import read_bzimage
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._image.payload import Unpacker
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.candidate import Candidate, read_candidate
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.fast_staging import ImagePreparation, prepared
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.file_part import FilePart
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.image_store import KEEP, ImageStore

KERNEL, INITRD = "/boot/vmlinuz", "/boot/initrd.img"
INITRD_BYTES = 28 << 20
REPEATS = 5
TIMEOUT_S = 300

STAGING_MAX_MS = 1500
MEMORY_MAX_BYTES = 250 * 10**6


def needed_bytes(kernel: Path) -> int:
    """Memory that a kernel takes."""
    with kernel.open("rb") as stream:
        return read_bzimage(stream).memory_bytes


def candidate(files: HostFiles) -> Candidate:
    """The kernel to work on."""
    return read_candidate(files, X86_64, FilePart(KERNEL), [FilePart(INITRD)], "")


def build(files: HostFiles) -> None:
    """Build its fast image."""
    ImageStore(files, Unpacker()).build(candidate(files), KEEP)


def prepare(files: HostFiles) -> None:
    """Make it ready, from looking at the kernel to the point where kexec-tools would load it."""
    fast = candidate(files).fast
    if fast is None or X86_64.fast is None:
        raise SystemExit("there is no fast image to make ready")
    with prepared(files, ImagePreparation(fast, X86_64.fast, (FilePart(INITRD),), check=True, kaslr=True), os.urandom):
        pass


STEPS = {"build": build, "prepare": prepare}


def measure(step: str, root: str) -> None:
    """Run a step in this process and print what it took."""
    begin = time.perf_counter()
    STEPS[step](HostFiles(root))
    took_ms = (time.perf_counter() - begin) * 1000
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"ms": took_ms, "peak_bytes": usage.ru_maxrss * 1024}))


def run(step: str, root: str) -> dict[str, Any]:
    """Run a step in a process of its own, for its memory is its own then."""
    # A shell in between: a child may start with the peak of the process that forked it.
    argv = ["/bin/sh", "-c", '"$@"; exit $?', "sh", sys.executable, __file__, "--step", step, "--root", root]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=True, timeout=TIMEOUT_S)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kernels", type=Path, help="where `make kernels` put them")
    parser.add_argument("--json", type=Path, help="file to write the results to")
    parser.add_argument("--step", choices=STEPS, help="run one step in this process")
    parser.add_argument("--root", help="for a step: directory that stands for /")
    args = parser.parse_args()
    if args.step:
        measure(args.step, args.root)
        return 0
    kernel = max(args.kernels.glob("*/vmlinuz"), key=needed_bytes)
    with tempfile.TemporaryDirectory() as root:
        files = HostFiles(root)
        os.makedirs(files.path("/boot"))
        os.makedirs(files.path("/var/lib"))
        os.symlink(kernel, files.path(KERNEL))
        Path(files.path(INITRD)).write_bytes(b"070701" + os.urandom(INITRD_BYTES - 6))
        results = {step: [run(step, root) for _repeat in range(REPEATS)] for step in STEPS}
        built = candidate(files).fast
    if built is None:
        raise SystemExit("nothing was built")
    medians = {step: statistics.median(each["ms"] for each in runs) for step, runs in results.items()}
    peaks = {step: max(each["peak_bytes"] for each in runs) for step, runs in results.items()}
    print(f"{built.release}: a fast image of {built.image.size_bytes / 1e6:.1f} MB, packed with {built.payload_format}")
    for step, label in (("build", "build it"), ("prepare", "make it ready (all of staging but the load)")):
        print(f"  {label:45} {medians[step]:7.0f} ms {peaks[step] / 1e6:7.0f} MB at the peak")
    met = medians["prepare"] <= STAGING_MAX_MS and peaks["prepare"] <= MEMORY_MAX_BYTES
    print(f"  {'met' if met else 'MISSED'}: at most {STAGING_MAX_MS} ms and {MEMORY_MAX_BYTES / 1e6:.0f} MB to make it ready")
    if args.json:
        document = {
            "release": built.release,
            "image_bytes": built.image.size_bytes,
            "runs": results,
            "median_ms": medians,
            "met": met,
        }
        args.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
