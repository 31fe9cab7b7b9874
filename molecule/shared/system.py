# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Tells which system runs: release, command line, loaded initrd, reserved memory."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile

# There with `retain_initrd` on the command line (Linux 6.6).
INITRD = "/sys/firmware/initrd"
# What bootloaders and the collection add for themselves.
ADDED = ("BOOT_IMAGE=", "initrd=", "fleet_kexec.", "panic=10", "oops=panic")


def read(path: str) -> str:
    with open(path, encoding="utf-8") as stream:
        return stream.read().strip()


def initrd_contents() -> dict[str, str] | None:
    """Digests of the files in the initrd that the kernel was given; None if it did not keep it.

    A fast image has an uncompressed copy, so that files have to be compared and not bytes.
    """
    if not os.path.exists(INITRD):
        return None
    contents = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as top:
        subprocess.run(["unmkinitramfs", INITRD, top], check=True, stderr=subprocess.DEVNULL)
        for directory, _directories, names in os.walk(top):
            for path in (os.path.join(directory, name) for name in names):
                if os.path.islink(path):
                    contents[os.path.relpath(path, top)] = os.readlink(path)
                elif os.path.isfile(path):
                    with open(path, "rb") as stream:
                        contents[os.path.relpath(path, top)] = hashlib.sha256(stream.read()).hexdigest()
    return contents


def main() -> None:
    contents = initrd_contents()
    memory = dict(line.split(":", 1) for line in read("/proc/meminfo").splitlines())
    system = {
        "release": os.uname().release,
        "line": [word for word in read("/proc/cmdline").split() if not word.startswith(ADDED)],
        "initrd": contents and hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest(),
        "initrd_files": contents and len(contents),
        "crash_bytes": int(read("/sys/kernel/kexec_crash_size")),
        "cma": memory.get("CmaTotal", "").strip(),
        "hugepages": memory.get("HugePages_Total", "").strip(),
    }
    json.dump(system, sys.stdout, indent=1, sort_keys=True)


if __name__ == "__main__":
    main()
