# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waterfall charts: reboots of single hosts, phase by phase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..._journal.phases import Stage
from ..._text import clean, counted
from .. import words
from ..read import HostReport, RunReport
from ..timeline import RebootTimeline
from . import layout, svg
from .layout import NAMED_ROWS
from .scale import Scale
from .svg import Bar

# In a fleet up to this size each host has a chart.
_MOST_WATERFALLS = 12
# In larger fleets: numbers of failed hosts, of slowest hosts, and of host classes with a typical host each.
_FAILED = 5
_SLOWEST = 5
_TYPICAL = 12

# Phases in which the host still serves.
_SERVING = frozenset(("stage", "drain"))


@dataclass(frozen=True)
class WaterfallRow:
    """Name of a phase beside its bar, and the instrument that measured it."""

    title: str
    css: str
    source: str


@dataclass(frozen=True)
class Waterfall:
    """Phases of the reboot of one host.

    :ivar why: reason why this host is shown.
    :ivar about: remarks on the host.
    :ivar measured: whether the host has a timeline; without one, the phases are those that the controller saw.
    """

    host: HostReport
    why: str
    about: str
    rows: list[WaterfallRow]
    drawing: Markup
    axis: Markup
    measured: bool


@dataclass(frozen=True)
class _Piece:
    """Bar of a waterfall.

    :ivar serving: whether the host still serves.
    :ivar inner: whether another phase contains it.
    """

    title: str
    css: str
    start_s: float
    end_s: float
    error_s: float
    said: str
    source: str
    serving: bool = False
    inner: bool = False


def waterfalls(run: RunReport) -> list[Waterfall]:
    """Draw all hosts of a small fleet; failed, slowest and typical hosts of a large one."""
    return [made for host, why in _chosen(run.hosts) if (made := _waterfall(host, why)) is not None]


def _chosen(hosts: Sequence[HostReport]) -> list[tuple[HostReport, str]]:
    """Choose the hosts to show, and say why."""
    with_outage = sorted((host for host in hosts if host.state.outage_ms is not None), key=_outage_ms, reverse=True)
    failed = [host for host in hosts if host.status == "failed" and host.stretches]
    if len(hosts) <= _MOST_WATERFALLS:
        rest = [host for host in hosts if host.state.outage_ms is not None and host.status != "failed"]
        return [(host, "failed") for host in failed] + [(host, "") for host in rest]
    chosen: dict[str, tuple[HostReport, str]] = {host.name: (host, "failed") for host in failed[:_FAILED]}
    for host in with_outage[:_SLOWEST]:
        chosen.setdefault(host.name, (host, "among the slowest"))
    kinds: dict[tuple[str, str], list[HostReport]] = {}
    for host in with_outage:
        kinds.setdefault((host.host_class, host.state.path), []).append(host)
    for members in sorted(kinds.values(), key=len, reverse=True)[:_TYPICAL]:
        typical = members[len(members) // 2]
        chosen.setdefault(typical.name, (typical, "typical of %s" % counted(len(members), "host")))
    return list(chosen.values())


def _outage_ms(host: HostReport) -> float:
    return host.state.outage_ms or 0.0


def _waterfall(host: HostReport, why: str) -> Waterfall | None:
    pieces = _measured(host.timeline) if host.timeline else _seen(host)
    if not pieces:
        return None
    begin_s = min(piece.start_s for piece in [each for each in pieces if not each.serving] or pieces)
    end_s = max(piece.end_s for piece in pieces)
    # Pieces long before the reboot would squeeze it.
    early = [piece for piece in pieces if piece.end_s <= begin_s and begin_s - piece.start_s > (end_s - begin_s) / 2]
    pieces = [piece for piece in pieces if piece not in early]
    start_s = min(piece.start_s for piece in pieces)
    scale = Scale(start_s, start_s + max(end_s - start_s, 0.001) * 1.02, begin_s)
    ticks = scale.time_ticks()
    height = len(pieces) * NAMED_ROWS.height
    drawn = [_systems(host.timeline, scale, height)] if host.timeline else []
    drawn.append(layout.grid(scale, ticks, height))
    for number, piece in enumerate(pieces):
        drawn.extend(_drawn(piece, scale, number * NAMED_ROWS.height))
    labels = [(tick, layout.seconds(tick - begin_s)) for tick in ticks if tick >= begin_s]
    return Waterfall(
        host=host,
        why=why,
        about="; ".join(_about(host, early)),
        rows=[WaterfallRow(piece.title, "inner" if piece.inner else "", piece.source) for piece in pieces],
        drawing=svg.chart(height, "phases of the reboot of %s" % clean(host.name), *drawn),
        axis=layout.axis("seconds since the reboot began", scale, labels),
        measured=host.timeline is not None,
    )


def _about(host: HostReport, early: Sequence[_Piece]) -> list[str]:
    state = host.state
    said = []
    if state.outage_ms is not None:
        said.append("down for %s" % words.with_error(state.outage_ms, state.outage_error_ms or 0))
    if host.host_class:
        said.append(clean(host.host_class))
    if host.timeline is None:
        said.append("no timeline, only what the controller saw")
    if early:
        said.append("before that %s" % ", ".join("%s %s" % (piece.title.lower(), piece.said) for piece in early))
    return said


def _drawn(piece: _Piece, scale: Scale, top: float) -> list[Markup]:
    inset = 6.0 if piece.inner else 4.0
    height = NAMED_ROWS.height - 2 * inset
    title = "%s: %s%s" % (piece.title, piece.said, " (%s)" % piece.source if piece.source else "")
    drawn = [svg.one_bar(piece.css, scale, Bar(piece.start_s, piece.end_s, top + inset, height), title)]
    if piece.error_s:
        drawn.append(svg.error_bar(scale, piece.end_s, piece.error_s, top + inset, height))
    # Behind the bar if there is room, else before it, else on it.
    end_s = piece.end_s + piece.error_s
    late = scale.fraction(end_s) > 0.6
    at_s = end_s if not late or scale.fraction(piece.start_s) < 0.35 else piece.start_s
    drawn.append(svg.text("value", scale, at_s, top + 14, piece.said, before=late, shift=7))
    return drawn


def _systems(timeline: RebootTimeline, scale: Scale, height: float) -> Markup:
    """Shade the old system and the new one."""
    spans = {span.name: span for span in timeline.spans}
    new = spans.get("kernel") or spans.get("userspace")
    if new is None:
        return Markup()
    old_end = spans.get("jump") or spans.get("reexec") or spans.get("firmware") or spans.get("loader") or new
    return Markup().join(
        (
            svg.one_bar("old-system", scale, Bar(scale.start, old_end.start_ms / 1000, 0, height), "the old system"),
            svg.one_bar("new-system", scale, Bar(new.start_ms / 1000, scale.end, 0, height), "the new system"),
        )
    )


def _measured(timeline: RebootTimeline) -> list[_Piece]:
    pieces = [
        _Piece(
            title="Down, by %s" % clean(outage.seen_by),
            css="p-seen",
            start_s=outage.start_ms / 1000,
            end_s=(outage.start_ms + outage.duration_ms) / 1000,
            error_s=outage.error_ms / 1000,
            said=words.with_error(outage.duration_ms, outage.error_ms),
            source="seen from the controller",
        )
        for outage in timeline.outages
    ]
    for span in timeline.spans:
        term = words.phase(span.name)
        pieces.append(
            _Piece(
                title=term.title,
                css=term.css,
                start_s=span.start_ms / 1000,
                end_s=span.end_ms / 1000,
                error_s=span.error_ms / 1000,
                said=words.with_error(span.duration_ms, span.error_ms),
                source=clean(span.source),
                serving=span.name in _SERVING,
                inner=span.within is not None,
            )
        )
    return pieces


def _seen(host: HostReport) -> list[_Piece]:
    """Stages that the controller saw, from the host's turn on."""
    way = [stretch for stretch in host.stretches if stretch.stage not in (Stage.PREPARING, Stage.READY)]
    pieces = []
    for stretch in way:
        term = words.STAGES[stretch.stage]
        pieces.append(
            _Piece(
                title=term.title,
                css=term.css,
                start_s=stretch.start_s - way[0].start_s,
                end_s=stretch.end_s - way[0].start_s,
                error_s=0.0,
                said=words.ms((stretch.end_s - stretch.start_s) * 1000),
                source="the journal",
            )
        )
    return pieces
