# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Networks that let nothing through, and tell nobody."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

from .guests import guests


@contextlib.contextmanager
def cut_off(guest: str) -> Iterator[None]:
    """Drop every packet to and from a guest. Several may be cut off at once."""
    table = "fleet_kexec_cut_" + guest
    variables = guests()[guest]
    rules = "".join(
        f"add rule inet {table} {chain} {family} {field} {variables[address]} drop\n"
        for family, address in (("ip", "lab_ipv4"), ("ip6", "lab_ipv6"))
        for chain, field in (("input", "saddr"), ("output", "daddr"))
    )
    nft(
        f"add table inet {table}\n"
        f"add chain inet {table} input {{ type filter hook input priority 0; }}\n"
        f"add chain inet {table} output {{ type filter hook output priority 0; }}\n" + rules
    )
    try:
        yield
    finally:
        nft(f"delete table inet {table}\n")


def nft(commands: str) -> None:
    subprocess.run(["nft", "--file", "-"], input=commands, text=True, check=True)
