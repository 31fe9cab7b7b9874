# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""How long gathering the facts takes on this machine.

All of it is read here and now, commands included, but for kernel, initrd and fast image: those are a real kernel
(the largest that `make kernels` fetched) and an initrd of 28 MiB, whatever the machine has itself. The median of
20 times, after one to warm up. Exit code 1 if the bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.architecture import X86_64
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.bzimage import read_bzimage
from ansible_collections.fleet.kexec.plugins.module_utils._command import run_command
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._image.payload import Unpacker
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.candidate import read_candidate
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.facts import present
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.file_part import FilePart
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.image_store import KEEP, ImageStore
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.reading import read
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.subsets import SUBSETS, resolve

INITRD_BYTES = 28 << 20
REPEATS = 20
GATHER_MAX_MS = 300


class Prepared(HostFiles):
    """This machine, with other kernels and fast images.

    :param instead: directory that has C(/boot) and C(/var/lib/fleet-kexec).
    """

    def __init__(self, instead: str) -> None:
        super().__init__("/")
        self._instead = HostFiles(instead)

    def path(self, path: str) -> str:
        """Where a path really lies."""
        elsewhere = path.startswith(("/boot", "/var/lib", "/run/fleet-kexec"))
        return self._instead.path(path) if elsewhere else super().path(path)


def release_of(kernel: Path) -> str:
    """What a kernel calls itself."""
    with kernel.open("rb") as stream:
        return read_bzimage(stream).release


def needed_bytes(kernel: Path) -> int:
    """Memory that a kernel takes."""
    with kernel.open("rb") as stream:
        return read_bzimage(stream).memory_bytes


def gather_ms(files: HostFiles, subsets: frozenset[str]) -> float:
    """Gather once."""
    begin = time.perf_counter()
    present(read(files, run_command, subsets))
    return (time.perf_counter() - begin) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kernels", type=Path, required=True, help="where `make kernels` put them")
    parser.add_argument("--json", type=Path, help="file to write the results to")
    args = parser.parse_args()
    kernel = max(args.kernels.glob("*/vmlinuz"), key=needed_bytes)
    release = release_of(kernel)
    with tempfile.TemporaryDirectory() as root:
        files = Prepared(root)
        for directory in ("/boot", "/var/lib", "/run/fleet-kexec"):
            os.makedirs(files.path(directory))
        paths = ("/boot/vmlinuz-" + release, "/boot/initrd.img-" + release)
        os.symlink(kernel, files.path(paths[0]))
        Path(files.path(paths[1])).write_bytes(b"070701" + os.urandom(INITRD_BYTES - 6))
        ImageStore(files, Unpacker()).build(read_candidate(files, X86_64, FilePart(paths[0]), [FilePart(paths[1])], ""), KEEP)
        selections = {"all": SUBSETS, "min": resolve(["min"]), **{name: resolve(["!min", name]) for name in sorted(SUBSETS)}}
        runs = {}
        for name, subsets in selections.items():
            gather_ms(files, subsets)
            runs[name] = [gather_ms(files, subsets) for _repeat in range(REPEATS)]
    medians = {name: statistics.median(each) for name, each in runs.items()}
    print(f"facts of this machine, with {release} and its fast image; median of {REPEATS}")
    for name, median_ms in medians.items():
        print(f"  {name:45} {median_ms:7.1f} ms {max(runs[name]):7.1f} ms at most")
    met = medians["all"] <= GATHER_MAX_MS
    print(f"  {'met' if met else 'MISSED'}: at most {GATHER_MAX_MS} ms for all")
    if args.json:
        args.json.write_text(json.dumps({"runs_ms": runs, "median_ms": medians, "met": met}, indent=2) + "\n", encoding="utf-8")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
