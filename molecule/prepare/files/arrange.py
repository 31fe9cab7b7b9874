# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Gives the host a configuration of its own: behind a link, with a mode, an attribute of a user and one of a security module."""

import os

os.makedirs("/etc/mine", exist_ok=True)
with open("/etc/mine/fleet-kexec.conf", "w", encoding="ascii") as stream:
    stream.write("# Mine.\n[policy]\nMANY_KEXECS = block\n")
os.chmod("/etc/mine/fleet-kexec.conf", 0o640)
os.setxattr("/etc/mine/fleet-kexec.conf", "user.note", b"mine")
os.setxattr("/etc/mine/fleet-kexec.conf", "security.lab", b"label")
os.symlink("mine/fleet-kexec.conf", "/etc/fleet-kexec.conf")
