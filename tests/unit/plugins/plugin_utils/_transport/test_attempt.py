# SPDX-License-Identifier: GPL-3.0-or-later
"""Outcomes of probes behind the kernel's own firewall, in a network namespace that has nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = '''
import asyncio, json, socket, subprocess, sys
PACKAGE = "ansible_collections.fleet.kexec.plugins.plugin_utils._transport."
from importlib import import_module
Prober = import_module(PACKAGE + "prober").Prober
Sshd = import_module(PACKAGE + "sshd").Sshd
ANY_SOURCE = import_module(PACKAGE + "sshd").ANY_SOURCE
open_probe = import_module(PACKAGE + "attempt").open_probe
outcome_of = import_module(PACKAGE + "attempt").outcome_of

def nft(*rules):
    recent = "set recent {\\n type ipv4_addr\\n flags dynamic\\n timeout 60s\\n }\\n"
    chain = "chain in {\\n type filter hook input priority 0;\\n %s\\n }\\n" % "\\n ".join(rules)
    text = "flush ruleset\\ntable inet t {\\n%s%s}\\n" % (recent, chain)
    subprocess.run(["nft", "-f", "-"], input=text.encode(), check=True)

def outcome(address):
    with open_probe(address, ANY_SOURCE) as sock:
        sock.setblocking(True)
        sock.settimeout(0.3)
        return outcome_of(sock.connect_ex(address[1]), sock, address).name

def outcomes():
    nft(
        "tcp dport 11 reject", "tcp dport 12 reject with tcp reset", "tcp dport 13 drop",
        "tcp dport 14 reject with icmpx type admin-prohibited", "tcp dport 15 reject with icmpx type host-unreachable",
    )
    addresses = [(socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0, 0, 0))]
    return [[outcome((family, (host, port, *rest))) for port in range(10, 16)] for family, (host, _port, *rest) in addresses]

async def limited():
    """Probe a machine whose network is off, then on behind a limit, and whose sshd then starts."""
    seen, slowed, connections = [], [], 0
    nft("tcp dport 22 drop")
    prober = Prober()
    prober.watch("host", Sshd((socket.AF_INET, ("127.0.0.1", 22)), ""), seen.append, slowed=slowed.append)
    await asyncio.sleep(1.2)
    assert seen and not any(observation.up for observation in seen) and not slowed
    rule = "tcp dport 22 ct state new update @recent { ip saddr limit rate over 5/minute burst 5 packets }"
    nft(rule + " counter " + sys.argv[2], "tcp dport 22 ct state new counter")
    await asyncio.sleep(1.5)
    ruleset = json.loads(subprocess.run(["nft", "--json", "list", "ruleset"], check=True, capture_output=True).stdout)
    rules = [each["rule"] for each in ruleset["nftables"] if "rule" in each]
    counts = [part["counter"]["packets"] for rule in rules for part in rule["expr"] if "counter" in part]
    prober.close()
    return [slowed, counts]

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
print(json.dumps(outcomes() if sys.argv[1] == "outcomes" else asyncio.run(limited())))
'''


def in_namespace(*arguments: str) -> str:
    """Run the script in a network namespace of its own."""
    if shutil.which("nft") is None or shutil.which("unshare") is None:
        pytest.skip("nft or unshare is missing")
    unshare = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*unshare, "nft", "list", "ruleset"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no network namespace with a firewall can be made here")
    done = subprocess.run(
        [*unshare, sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=False, cwd=Path.cwd()
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_firewall_that_rejects_is_told_from_a_port_that_is_closed() -> None:
    # Nobody listens; reject; reset, which looks like nobody; drop; prohibited; and what a router says, but from the host itself.
    one = '["CLOSED", "REJECTED", "CLOSED", "SILENT", "REJECTED", "SILENT"]'
    assert in_namespace("outcomes") == "[%s, %s]" % (one, one)


@pytest.mark.parametrize(
    ("verdict", "why"),
    [("reject", "its firewall rejects the connection"), ("drop", "it no longer answers after 5 refused connections")],
)
def test_a_limit_is_noticed_before_it_has_cost_much(verdict: str, why: str) -> None:
    slowed, counts = json.loads(in_namespace("limited", verdict))
    assert slowed == [why]
    rejected, admitted = counts
    assert admitted == 5 and rejected <= 10
