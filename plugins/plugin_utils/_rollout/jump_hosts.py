# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jump hosts in arguments of ssh: the machines that others are reached through."""

from __future__ import annotations

import itertools
import re
import shlex

# Variables of hosts that hold arguments of ssh.
SSH_ARGUMENTS = ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args")

# Options of ssh_config(5) that name jump hosts; option names are case-insensitive.
_PROXY = re.compile(r"(proxyjump|proxycommand)\s*[=\s]\s*(.*)", re.IGNORECASE | re.DOTALL)


def jump_hosts(arguments: str) -> frozenset[str]:
    """Jump hosts named in arguments of ssh, as far as they can be recognised."""
    try:
        words = shlex.split(arguments)
    except ValueError:
        words = arguments.split()
    found: set[str] = set()
    # An option's value is the rest of its word, or the next word.
    for word, following in itertools.pairwise([*words, ""]):
        value = word[2:] or following
        if word.startswith("-J"):
            found.update(map(_host_of, value.split(",")))
        proxy = _PROXY.match(value.strip()) if word.startswith("-o") else None
        if proxy is not None:
            # Which word of a ProxyCommand names the machine is unknown, so all words are taken. Only hosts of the play match.
            found.update(map(_host_of, re.split(r"[,\s]+", proxy[2])))
    return frozenset(found)


def _host_of(jump: str) -> str:
    host = jump.rpartition("@")[2].removeprefix("ssh://")
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
