# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Tells all that a bootloader reads, and what reservations leave: path, owner, mode, digest."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys

# Changed by every run of update-grub or by every boot.
VOLATILE = (
    "/boot/grub/grubenv",
    "random-seed",
    "/var/lib/fleet-kexec",
    "/var/lib/fleet-kexec/history.jsonl",
    "/var/lib/fleet-kexec/machine.json",
)


def main() -> None:
    found = {}
    for top in ("/etc/default", "/etc/kernel", "/boot", "/var/lib/fleet-kexec"):
        for directory, _directories, names in os.walk(top):
            for path in (directory, *(os.path.join(directory, name) for name in names)):
                status = os.lstat(path)
                if path.endswith(VOLATILE):
                    continue
                digest = ""
                if stat.S_ISREG(status.st_mode):
                    with open(path, "rb") as stream:
                        digest = hashlib.sha256(stream.read()).hexdigest()
                found[path] = [status.st_uid, status.st_gid, oct(status.st_mode), digest]
    json.dump(found, sys.stdout, indent=1, sort_keys=True)


if __name__ == "__main__":
    main()
