# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Stands for another administrator: installs a package, and edits its configuration, while apt-get waits for the lock."""

import fcntl
import glob
import os
import subprocess
import sys
import time

LOCK = "/var/lib/dpkg/lock-frontend"
CONFIG = "/etc/lab-other.conf"
TREE = "/var/tmp/lab-other"
CONTROL = """\
Package: lab-other
Version: 1
Architecture: all
Maintainer: Lab <lab@example.org>
Description: what another installs meanwhile
"""


def build():
    for path, text in (("/DEBIAN/control", CONTROL), ("/DEBIAN/conffiles", CONFIG + "\n"), (CONFIG, "as packaged\n")):
        os.makedirs(os.path.dirname(TREE + path), exist_ok=True)
        with open(TREE + path, "w", encoding="ascii") as stream:
            stream.write(text)
    subprocess.check_call(["dpkg-deb", "--build", TREE, TREE + ".deb"])


def somebody_installs():
    """Whether an apt-get is about to install something, which waits for us."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as stream:
                words = stream.read().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"apt-get") and b"install" in words:
            return True
    return False


def main():
    build()
    with open(LOCK, "wb") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        # Tells the playbook that it is held.
        with open(TREE + ".held", "w", encoding="ascii"):
            pass
        deadline = time.monotonic() + 600
        while not somebody_installs():
            if time.monotonic() > deadline:
                sys.exit("nobody installs anything")
            time.sleep(0.2)
        # It has read what is installed before this.
        time.sleep(2)
        environment = dict(os.environ, DPKG_FRONTEND_LOCKED="true", PATH="/usr/sbin:/usr/bin:/sbin:/bin")
        subprocess.check_call(["dpkg", "--install", TREE + ".deb"], env=environment)
        with open(CONFIG, "w", encoding="ascii") as stream:
            stream.write("edited\n")


main()
