# SPDX-License-Identifier: GPL-3.0-or-later
"""Gains are honest, whatever a host says: never longer than their phase, and together never longer than the outage."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._findings.spans import (
    Span,
    alone,
    inside,
    last_part,
    length_ms,
    union,
    without,
)
from ansible_collections.fleet.kexec.plugins.module_utils._host.boot_log import BootLog, Initcall
from ansible_collections.fleet.kexec.plugins.module_utils._host.boot_setup import BootSetup, InitrdFile
from ansible_collections.fleet.kexec.plugins.module_utils._host.initrd_survey import InitrdSurvey
from ansible_collections.fleet.kexec.plugins.module_utils._host.systemd_times import UnitStop

from .reboots import address, found, job, message, stop, timeline, unit

SPANS = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)).map(lambda ends: Span(*map(float, ends))), max_size=8)


def points(spans: list[Span]) -> set[int]:
    return {at for low, high in spans for at in range(int(low), int(high))}


@given(SPANS, SPANS)
def test_spans_are_sets(some: list[Span], others: list[Span]) -> None:
    assert points(union(some)) == points(some)
    assert points(inside(some, others)) == points(some) & points(others)
    assert points(without(some, others)) == points(some) - points(others)
    for made in (union(some), inside(some, others), without(some, others)):
        assert length_ms(made) == len(points(made))
        assert all(first.end_ms < last.start_ms for first, last in zip(made, made[1:]))


@given(SPANS)
def test_parts_of_spans_that_no_other_covers(spans: list[Span]) -> None:
    for number, made in enumerate(alone(spans)):
        assert union(made) == without([spans[number]], spans[:number] + spans[number + 1 :])


def test_thousands_of_units_take_no_longer_than_a_reboot_may() -> None:
    """As on a server with thousands of mounts: the work grows with the number of units, not with its square."""
    stops = [stop("srv-%d.mount" % number, number % 7000, 7000 + number % 900) for number in range(5000)]
    jobs = [job("u%d.service" % number, 12000 + number % 2000, 14000 + number % 900) for number in range(5000)]
    began_s = time.process_time()
    found(stops=stops, starts=jobs)
    # Quadratic, it takes half a minute; so, a tenth of a second.
    assert time.process_time() - began_s < 5


def test_the_last_part_of_a_span() -> None:
    assert last_part(Span(1.0, 5.0), 3.0) == Span(2.0, 5.0)
    assert last_part(Span(1.0, 5.0), 9.0) == Span(1.0, 5.0)
    assert length_ms([last_part(Span(1.0, 5.0), -1.0)]) == 0.0


AT = st.integers(-3000, 30000)
ENDS = st.tuples(AT, AT).map(sorted)
UNITS = (
    "ssh.service",
    "ssh.socket",
    "systemd-networkd.service",
    "systemd-networkd-wait-online.service",
    "network-online.target",
    "basic.target",
    "cloud-init.service",
    "dev-sda.device",
    "x.service",
    "y.mount",
)
NAMES = st.sampled_from(UNITS)
TEXTS = st.sampled_from(
    [
        "printk: console [ttyS0] enabled",
        "smp: Bringing up secondary CPUs ...",
        "smp: Brought up 1 node, 96 CPUs",
        "Calibrating delay loop... 5190.52 BogoMIPS",
        "Trying to unpack rootfs image as initramfs...",
        "Freeing initrd memory: 65432K",
        "platform a: deferred probe pending",
        "e1000e 0000:00:1f.6 eth0: NIC Link is Up",
        "x" * 40,
    ]
)
ORDER = ("stop_units", "jump", "kernel", "initrd", "userspace", "network", "ssh")

SURVEY = InitrdSurvey(7 << 20, 0, 30 << 20, 400.0, 100.0, 30, 12 << 20)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    edges = sorted(draw(st.lists(st.integers(0, 25000), min_size=len(ORDER) + 1, max_size=len(ORDER) + 1)))
    kept = draw(st.sets(st.sampled_from(ORDER)))
    phases = {name: ends for name, ends in zip(ORDER, zip(edges, edges[1:])) if name in kept}
    outage = draw(st.none() | st.tuples(st.integers(-1000, 26000), st.integers(0, 26000)))
    stops: list[UnitStop] = []
    for name in draw(st.lists(NAMES, max_size=5, unique=True)):
        begin, end = draw(ENDS)
        stops.append(stop(name, begin, end, timed_out=draw(st.booleans())))
    units = []
    for name in draw(st.lists(NAMES, max_size=8, unique=True)):
        begin, end = draw(ENDS)
        units.append(unit(name, begin, end, *draw(st.lists(NAMES, max_size=4))))
    starts = [
        job(name, draw(st.none() | AT), draw(AT), draw(st.sampled_from(["done", "timeout"])))
        for name in draw(st.lists(NAMES, max_size=4, unique=True))
    ]
    stamps = sorted(draw(st.lists(st.integers(10000, 30000), max_size=40)))
    messages = [message(at, draw(TEXTS), draw(st.integers(0, 7)), sequence) for sequence, at in enumerate(stamps)]
    return {
        "phases": {
            **timeline(phases, draw(st.sampled_from([0.0, 1500.0, 90000.0]))),
            "outage": outage and {"start_ms": float(outage[0]), "duration_ms": float(outage[1])},
        },
        "stops": stops,
        "units": units,
        "starts": starts,
        "messages": messages,
        "boot_log": BootLog("/init", None, [Initcall("a", draw(st.integers(0, 10**7)), draw(st.integers(0, 10**7)))]),
        "address": draw(st.none() | st.builds(address, AT, st.booleans())),
        "copy_ms": draw(st.none() | st.floats(0, 1e5)),
        "setup": BootSetup(
            cpus=draw(st.integers(1, 2)),
            console="ttyS0",
            baud=draw(st.sampled_from([0, 9600, 115200])),
            initrds=draw(st.sampled_from([[], [InitrdFile("/boot/initrd", 7 << 20, "xz", SURVEY)]])),
            resume_missing=draw(st.sampled_from(["", "/dev/sdx"])),
            nvme=draw(st.sampled_from([[], ["nvme0"], ["nvme0", "nvme1"]])),
        ),
    }


@given(cases())
def test_no_gain_is_longer_than_its_phase_and_no_total_than_the_outage(case: dict[str, Any]) -> None:
    lengths = {each["name"]: each["duration_ms"] for each in case["phases"]["phases"]}
    outage = case["phases"]["outage"]
    result = found(**case)
    total_ms = result.pop("total")
    result.pop("chains")
    # The phases that are known need not touch.
    span_ms = [each["start_ms"] for each in case["phases"]["phases"]]
    ends_ms = [each["start_ms"] + each["duration_ms"] for each in case["phases"]["phases"] if each["within"] is None]
    longest_ms = max(ends_ms) - min(span_ms) if ends_ms else 0.0
    bound_ms = min(longest_ms, max(0.0, outage["duration_ms"])) if outage else longest_ms
    gains = [each["gain_ms"] for each in result.values() if each["gain_ms"] is not None]
    assert 0.0 <= total_ms <= bound_ms + 0.1
    assert total_ms <= sum(gains) + 0.1 * len(gains) + 0.1
    assert not gains or total_ms >= max(gains) - 0.2
    for each in result.values():
        assert each["time_ms"] <= bound_ms + 0.1
        assert each["gain_ms"] is None or 0.0 < each["gain_ms"] <= each["time_ms"] + 0.1
        for name, gain_ms in each["phases"].items():
            assert 0.0 < gain_ms <= lengths[name] + 0.1
        assert sum(each["phases"].values()) <= (each["gain_ms"] or 0.0) + 0.1 * (len(each["phases"]) + 1)


def test_time_that_two_findings_share_counts_once() -> None:
    """Initcalls and the messages that they print are the same time."""
    text = "x" * 66
    lines = [message(10000, "Linux", sequence=0), message(10000.1, "printk: console [ttyS0] enabled")]
    lines += [message(10000.2 + at * 90, text) for at in range(22)]
    calls = [Initcall("slow", 1_000_000, 1_500_000)]
    result = found(
        setup=BootSetup(console="ttyS0", baud=9600), messages=lines, boot_log=BootLog("/init", 2 * 10**9, calls), stops=()
    )
    assert result["INITCALL_SLOW"]["gain_ms"] == 1000.0
    assert result["total"] < result["INITCALL_SLOW"]["gain_ms"] + result["CONSOLE_SERIAL"]["gain_ms"] - 900
    assert result["total"] == pytest.approx(result["CONSOLE_SERIAL"]["gain_ms"] + 1000 * (1 - 83 * 10 / 9.6 / 90), abs=10)
