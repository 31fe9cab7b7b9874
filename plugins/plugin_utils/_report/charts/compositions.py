# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stacked bars of outages, divided into phases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..._text import counted
from .. import words
from ..outages import UNDIVIDED, phase_times
from ..read import HostReport, RunReport
from ..timeline import IN_OUTAGE, OUTSIDE_OUTAGE
from . import layout, svg
from .layout import NAMED_ROWS, LegendEntry, RowLabel
from .scale import Scale
from .svg import Bar


@dataclass(frozen=True)
class Composition:
    """Outages by one path, divided into phases, the longest first; C(labels) is empty if rows are too low for names."""

    path: str
    labels: list[RowLabel]
    rows: Markup
    axis: Markup
    legend: list[LegendEntry]
    note: str


@dataclass(frozen=True)
class _Stack:
    """Row of phases: name and length of each in their order, and the outage that is written behind the row."""

    label: RowLabel
    phases_s: Sequence[tuple[str, float]]
    outage_ms: float


def compositions(run: RunReport) -> list[Composition]:
    """Draw the outages of each path in a chart: on one scale, those through firmware would squeeze those via kexec."""
    by_path: dict[str, list[HostReport]] = {}
    for host in sorted(run.hosts, key=lambda host: host.state.outage_ms or 0.0, reverse=True):
        if host.state.outage_ms is not None:
            by_path.setdefault(host.state.path, []).append(host)
    return [_of_hosts(path, hosts) for path, hosts in sorted(by_path.items(), reverse=True)]


def _of_hosts(path: str, hosts: Sequence[HostReport]) -> Composition:
    every = layout.hosts_per_row(len(hosts))
    stacks = [_Stack(RowLabel(host.name, host.status), _phases_s(host), host.state.outage_ms or 0) for host in hosts[::every]]
    title = "phases of the outages of %s" % counted(len(stacks), "host")
    return _composition(path, stacks, title, "Each row stands for %d hosts." % every if every > 1 else "")


def _phases_s(host: HostReport) -> list[tuple[str, float]]:
    times = [(name, duration_ms / 1000) for name, duration_ms, within in phase_times(host) if within is None]
    return [each for each in times if each[0] not in OUTSIDE_OUTAGE]


def composition_of_ways(ways: Sequence[tuple[str, Sequence[tuple[str, float]], float]]) -> Composition:
    """Draw a row for each way: its name, its phases in their order in seconds, and its outage in milliseconds."""
    stacks = [_Stack(RowLabel(name, ""), phases_s, outage_ms) for name, phases_s, outage_ms in ways]
    return _composition("", stacks, "phases of the outages by %s" % counted(len(stacks), "way"), "")


def _composition(path: str, stacks: Sequence[_Stack], title: str, note: str) -> Composition:
    size = layout.row_size(len(stacks))
    named = size is NAMED_ROWS
    longest_s = max(sum(length_s for _name, length_s in stack.phases_s) for stack in stacks)
    scale = Scale(0.0, longest_s * (1.18 if named else 1.02) or 1.0)
    ticks = scale.time_ticks()
    bars: dict[str, list[Bar]] = {}
    values = []
    for number, stack in enumerate(stacks):
        top, at_s = number * size.height + (size.height - size.bar_height) / 2, 0.0
        for name, length_s in stack.phases_s:
            bars.setdefault(name, []).append(Bar(at_s, at_s + length_s, top, size.bar_height))
            at_s += length_s
        if named:
            said = words.ms(stack.outage_ms)
            values.append(svg.text("value", scale, at_s, top + size.bar_height - 2, said, before=False, shift=5))
    order = (UNDIVIDED, *IN_OUTAGE)
    names = [name for name in order if name in bars] + sorted(set(bars) - set(order))
    height = len(stacks) * size.height
    layers = layout.layers(size, height, scale, ((words.phase(name).css, bars[name]) for name in names))
    return Composition(
        path=path,
        labels=[stack.label for stack in stacks] if named else [],
        rows=svg.chart(height, title, layout.grid(scale, ticks, height), layers, *values),
        axis=layout.axis("seconds", scale, [(tick, layout.seconds(tick)) for tick in ticks]),
        legend=[layout.legend_entry(words.phase(name)) for name in names],
        note=note,
    )
