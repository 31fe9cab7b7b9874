# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Prints what a host's configuration is: every file below /etc and /boot, and its packages."""

import hashlib
import json
import os
import stat
import subprocess

# Made of other files, or written at every boot.
VOLATILE = {"/etc/ld.so.cache", "/boot/efi/loader/random-seed"}


def outline(path):
    status = os.lstat(path)
    content = ""
    if stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        with open(path, "rb") as stream:
            content = hashlib.sha256(stream.read()).hexdigest()
    attributes = {
        name: os.getxattr(path, name, follow_symlinks=False).hex() for name in os.listxattr(path, follow_symlinks=False)
    }
    return [oct(status.st_mode), status.st_uid, status.st_gid, content, attributes]


def paths():
    for top in ("/etc", "/boot"):
        for directory, directories, files in os.walk(top):
            yield from (os.path.join(directory, name) for name in directories + files)


query = ["dpkg-query", "--show", "--showformat", "${binary:Package} ${Version} ${db:Status-Abbrev}\n"]
print(
    json.dumps(
        {
            "files": {path: outline(path) for path in paths() if path not in VOLATILE},
            "packages": subprocess.check_output(query, universal_newlines=True).splitlines(),
        }
    )
)
