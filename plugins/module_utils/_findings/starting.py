# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about userspace, the initrd's included: what sshd and the network had to wait for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .._finding_kinds import AT_MOST, MEASURED, MODELLED
from .._timeline.timeline import NETWORK_UNITS, SSH_UNITS
from .case import Case
from .chains import ChainLink, by_name, chain_to, first_started
from .finding import LEAST_MS, Clue, Finding
from .spans import Span, alone, inside, last_part, length_ms, without

# Units on a chain by what is to be done about them; others are START_SLOW.
_CODES: Tuple[Tuple[str, str], ...] = (
    (r"(systemd-networkd-|NetworkManager-|ifupdown-)?wait-online(@.*)?\.service", "WAIT_ONLINE"),
    (r"cloud-(init|config|final)([.-].*)?\.(service|target)", "CLOUD_INIT"),
    (r"systemd-fsck(-root|@.*)\.service", "FSCK"),
    (r"systemd-udev-settle\.service", "UDEV_SETTLE"),
    (r".*\.device", "DEVICE_SLOW"),
)
# Time saved by a unit that does not run at all is known; how fast another one could be is not.
_BASES = {"WAIT_ONLINE": MEASURED, "CLOUD_INIT": MEASURED, "FSCK": MEASURED, "UDEV_SETTLE": MEASURED}
# Drivers say it in words of their own.
_LINK_UP = re.compile(r"([\w.@-]+): (?:NIC )?[Ll]ink (?:is )?(?:[Uu]p\b|becomes ready)")
# From here on, units can start that need nothing but the basic system.
_EARLY = ("sockets.target", "basic.target")


@dataclass(frozen=True)
class _Paths:
    """Both things that an answer of sshd needs; positions in milliseconds, None where unknown.

    :ivar network: chain to the unit that sets up the network; C(ssh) to sshd.
    :ivar address_ms: the first address is there.
    :ivar sshd_ms: sshd is ready.
    :ivar sshd_waits: whether sshd itself waited for the network to be online.
    """

    network: List[ChainLink]
    ssh: List[ChainLink]
    address_ms: Optional[float]
    sshd_ms: Optional[float]
    sshd_waits: bool

    def windows(self, case: Case, unit: str) -> List[Span]:
        """Times at which nothing but the path with a unit kept sshd from answering."""
        on_network, on_ssh = (any(link.unit == unit for link in chain) for chain in (self.network, self.ssh))
        if on_network and on_ssh:
            return [case.outage.span]
        return self.of_ssh(case) if on_ssh else self.of_network(case)

    def of_ssh(self, case: Case) -> List[Span]:
        return [Span(self.address_ms, case.outage.span.end_ms)] if self.address_ms is not None else [case.outage.span]

    def of_network(self, case: Case) -> List[Span]:
        if self.sshd_ms is None or self.sshd_waits:
            return [case.outage.span]
        return [Span(self.sshd_ms, case.outage.span.end_ms)]


def _paths(case: Case) -> _Paths:
    reading, since_us = case.reading, case.reading.manager.userspace_us or 0
    units = by_name(reading.units)
    ssh, network = (first_started(units, names, since_us) for names in (SSH_UNITS, NETWORK_UNITS))
    ssh_chain, network_chain = (chain_to(each.unit, units, since_us) if each else [] for each in (ssh, network))
    address = reading.address
    # One from before was the initrd's.
    known = address is not None and address.monotonic_ns >= since_us * 1000
    return _Paths(
        network=network_chain,
        ssh=ssh_chain,
        address_ms=case.monotonic_ms(address.monotonic_ns // 1000) if address and known else None,
        sshd_ms=case.monotonic_ms(ssh.started_us) if ssh and ssh.started_us is not None else None,
        sshd_waits=any(code_of(link.unit) == "WAIT_ONLINE" or link.unit == "network-online.target" for link in ssh_chain),
    )


def code_of(unit: str) -> str:
    """Code of a finding about a unit on a chain."""
    return next((code for pattern, code in _CODES if re.fullmatch(pattern, unit)), "START_SLOW")


def chains_of(case: Case) -> Dict[str, List[Dict[str, Any]]]:
    """Present the critical chains to the network, to sshd and to the probed service, from the first unit on."""
    paths, since_us = _paths(case), case.reading.manager.userspace_us or 0
    probed = chain_to(case.evidence.probe_unit, by_name(case.reading.units), since_us)

    def shown(links: List[ChainLink]) -> List[Dict[str, Any]]:
        return [
            {
                "unit": link.unit,
                "start_ms": round(case.monotonic_ms(link.began_us), 1),
                "duration_ms": round((link.ended_us - link.began_us) / 1e3, 1),
            }
            for link in links
        ]

    return {"network": shown(paths.network), "ssh": shown(paths.ssh), "probe": shown(probed)}


def slow_starts(case: Case) -> Iterator[Finding]:
    """Find units on the way to the network or to sshd that took long."""
    paths = _paths(case)
    groups: Dict[str, Dict[str, Tuple[Span, List[Span]]]] = {}
    for link in (*paths.network, *paths.ssh):
        taken = Span(case.monotonic_ms(link.began_us), case.monotonic_ms(link.ended_us))
        saved = inside([last_part(taken, link.gain_us / 1e3)], paths.windows(case, link.unit))
        if length_ms(saved) >= LEAST_MS:
            groups.setdefault(code_of(link.unit), {})[link.unit] = taken, saved
    for code, units in groups.items():
        taken_spans = [taken for taken, _saved in units.values()]
        saved_spans = [span for _taken, saved in units.values() for span in saved]
        clues = [Clue("unit", unit, length_ms([taken])) for unit, (taken, _saved) in units.items()]
        yield Finding(code, taken_spans, saved_spans, _BASES.get(code, AT_MOST), clues)


def device_timeouts(case: Case) -> Iterator[Finding]:
    """Find devices that were waited for until the job timed out, while nothing else was starting."""
    since_us = case.reading.manager.userspace_us or 0
    lost = [each for each in case.evidence.starts if each.unit.endswith(".device") and each.result == "timeout"]
    others = [
        Span(case.monotonic_ms(unit.starting_us), case.monotonic_ms(unit.started_us))
        for unit in case.reading.units
        if unit.started_us is not None and unit.starting_us >= since_us
    ]
    spans, clues = [], []
    for each in lost:
        span = Span(case.monotonic_ms(max(each.began_us or 0, since_us)), case.monotonic_ms(each.ended_us))
        # What ended later did not keep sshd waiting.
        if span.end_ms <= case.outage.span.end_ms:
            spans.append(span)
            clues.append(Clue("unit", each.unit, length_ms([span]), "timed out"))
    yield Finding("DEVICE_TIMEOUT", spans, without(spans, others), MEASURED, clues)


def initrd_units(case: Case) -> Iterator[Finding]:
    """Find units of a systemd initrd that alone took long."""
    initrd = case.outage.phase("initrd")
    if initrd is None:
        return
    placed = [
        (each.unit, Span(case.monotonic_ms(each.began_us), case.monotonic_ms(each.ended_us)))
        for each in case.evidence.starts
        if each.began_us is not None and case.monotonic_ms(each.began_us) < initrd.end_ms
    ]
    slow: List[Tuple[str, Span]] = []
    quick: List[Tuple[str, Span]] = []
    for each, parts in zip(placed, alone([span for _unit, span in placed])):
        (slow if length_ms(inside(parts, [initrd])) >= LEAST_MS else quick).append(each)
    spans = inside((span for _unit, span in slow), [initrd])
    yield Finding(
        "INITRD_UNIT",
        spans,
        without(spans, (span for _unit, span in quick)),
        AT_MOST,
        [Clue("unit", unit, length_ms([span])) for unit, span in slow],
    )


def network(case: Case) -> Iterator[Finding]:
    """Find the time that the link and the address took, once the network was being set up."""
    paths, address = _paths(case), case.reading.address
    setting_up = paths.network[-1] if paths.network else None
    if address is None or paths.address_ms is None or setting_up is None:
        return
    began_ms, ready_ms = case.monotonic_ms(setting_up.began_us), case.monotonic_ms(setting_up.ended_us)
    windows = paths.of_network(case)
    link = _link_up(case, address.interface, began_ms, paths.address_ms)
    if link is not None:
        span = Span(began_ms, link[0])
        before_ms = sum(each.end_ms - each.start_ms for each in case.phases("initrd", "userspace"))
        saved = inside([last_part(span, before_ms)], windows)
        yield Finding("LINK_SLOW", [span], saved, MODELLED, [Clue("message", link[1], length_ms([span]))])
    if address.leased:
        span = Span(max(ready_ms, link[0] if link else ready_ms), paths.address_ms)
        clue = Clue("interface", address.interface or "?", length_ms([span]))
        yield Finding("DHCP", [span], inside([span], windows), MEASURED, [clue])


def _link_up(case: Case, interface: str, since_ms: float, until_ms: float) -> Optional[Tuple[float, str]]:
    """Last time and message at which an interface's link came up before it had an address; None if the log has none."""
    found = None
    for each in case.reading.messages:
        said = _LINK_UP.search(each.text)
        if said and said.group(1) == interface and since_ms <= case.log_ms(each.at_us) <= until_ms:
            found = case.log_ms(each.at_us), each.text
    return found


def sshd_late(case: Case) -> Iterator[Finding]:
    """Find time that the host had an address and sshd was not even starting, though the basic system was up."""
    paths = _paths(case)
    if paths.address_ms is None or not paths.ssh or paths.ssh[-1].unit.endswith(".socket"):
        return
    units, since_us = by_name(case.reading.units), case.reading.manager.userspace_us or 0
    early = first_started(units, _EARLY, since_us)
    if early is None or early.started_us is None:
        return
    span = Span(max(paths.address_ms, case.monotonic_ms(early.started_us)), case.monotonic_ms(paths.ssh[-1].began_us))
    waited_for = [link for link in paths.ssh[:-1] if case.monotonic_ms(link.ended_us) > span.start_ms]
    clues = [Clue("unit", link.unit, (link.ended_us - link.began_us) / 1e3, "sshd waited for it") for link in waited_for]
    yield Finding("SSHD_LATE", [span], [span], MEASURED, clues)
