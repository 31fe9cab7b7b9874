# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chart of the fleet over time: a row for each host, and below them the number of unavailable hosts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from ..._journal.phases import Stage
from ..._text import clean, counted, duration, fit
from .. import words
from ..read import HostReport, RunReport, WaveReport
from . import layout, svg
from .capacity import capacity_chart
from .layout import NAMED_ROWS, LegendEntry, RowLabel, RowSize
from .scale import Scale
from .svg import Bar

# Share of the width that a short text takes on a phone.
_TEXT_SHARE = 0.5
# Pixels.
_WAVE_NAMES_WIDTH = 76
_LINE_HEIGHT = 13
# End of a wave's line that stays to be seen behind its text; less looks like a clipped letter.
_LINE_END = 24
# Characters.
_MARK_LENGTH = 24
_WAVE_NAME_LENGTH = 12

# Stages drawn as a thin line: the host only waits.
_THIN = frozenset((Stage.READY, Stage.GATE))


@dataclass(frozen=True)
class FleetChart:
    """Chart of the fleet over time. All drawings share one scale.

    :ivar labels: names of the rows, if they have any.
    :ivar waves: names of the waves, beside rows without names.
    :ivar counts: labels beside the chart of the capacity.
    :ivar forecast: whether the chart of the capacity has a forecast.
    :ivar note: hosts without a row, in words.
    """

    labels: list[RowLabel]
    waves: Markup
    rows: Markup
    counts: Markup
    capacity: Markup
    axis: Markup
    legend: list[LegendEntry]
    forecast: bool
    note: str


def fleet_chart(run: RunReport) -> FleetChart:
    """Draw the stages of each host, and the number of unavailable hosts, over time."""
    # Ticks are at round times of day, as in other logs.
    scale = Scale(0.0, max(run.end_s, 1.0), _midnight_before(run.started_s) - run.started_s)
    ticks = scale.time_ticks(8)
    begun = sorted((host for host in run.hosts if host.stretches), key=lambda host: (host.wave, _turn_s(host), host.name))
    every = layout.hosts_per_row(len(begun))
    shown = [max(begun[at : at + every], key=_worst) for at in range(0, len(begun), every or 1)]
    size = layout.row_size(len(shown))
    if size is NAMED_ROWS:
        waves = Markup()
        labels, height, drawn = _named_rows(run, shown, scale)
    else:
        labels = []
        waves, height, drawn = _bare_rows(run, shown, size, scale)
    title = "stages of %s over time" % counted(len(begun), "host")
    capacity = capacity_chart(run, scale, ticks)
    whole_minutes = len(ticks) > 1 and ticks[1] - ticks[0] >= 60
    labelled = [(tick, words.clock(run.started_s + tick, seconds=not whole_minutes)) for tick in ticks]
    stages = {stretch.stage for host in begun for stretch in host.stretches}
    return FleetChart(
        labels=labels,
        waves=waves,
        rows=svg.chart(height, title, _absences(run, scale, height), layout.grid(scale, ticks, height), *drawn),
        counts=capacity.counts,
        capacity=capacity.drawing,
        axis=layout.axis("time of day, UTC", scale, labelled),
        legend=[layout.legend_entry(words.STAGES[stage], thin=stage in _THIN) for stage in Stage if stage in stages],
        forecast=capacity.forecast,
        note=_note(every, len(run.hosts) - len(begun)),
    )


def _midnight_before(time_s: float) -> float:
    moment = datetime.fromtimestamp(time_s, UTC)
    return moment.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def _turn_s(host: HostReport) -> float:
    """Start of the host's turn; if it never came, of the host's first stage."""
    in_turn = [stretch.start_s for stretch in host.stretches if stretch.stage not in (Stage.PREPARING, Stage.READY)]
    return in_turn[0] if in_turn else host.stretches[0].start_s


def _worst(host: HostReport) -> tuple[bool, float]:
    """Sort key that picks the host to represent others: failures first."""
    return host.status == "failed", host.state.outage_ms or 0


def _note(every: int, not_begun: int) -> str:
    notes = []
    if every > 1:
        notes.append("Each row stands for %d hosts, and shows one that failed or was down longest." % every)
    if not_begun:
        notes.append("Never started: %s." % counted(not_begun, "host"))
    return " ".join(notes)


def _bar(stage: Stage, start_s: float, end_s: float, top: float, height: float) -> Bar:
    if stage in _THIN and height > 3:
        return Bar(start_s, end_s, top + height / 2 - 1, 2)
    return Bar(start_s, end_s, top, height)


def _absences(run: RunReport, scale: Scale, height: float) -> Markup:
    """Shade times without a controller."""
    title = "no controller: the run was resumed at %s UTC"
    return Markup().join(
        svg.one_bar("absence", scale, Bar(start_s, end_s, 0, height), title % words.clock(run.started_s + end_s))
        for start_s, end_s in run.absences
    )


def _mark(host: HostReport, scale: Scale, y: float, text: str) -> Markup:
    """Mark a failed host: behind its bars or before them if there is room, else on them."""
    start_s = host.stretches[0].start_s
    end_s = next((each.start_s for each in host.stretches if each.stage is Stage.GIVEN_UP), host.stretches[-1].end_s)
    room_before, room_behind = scale.fraction(start_s), 1 - scale.fraction(end_s)
    before = room_before > room_behind or room_behind < _TEXT_SHARE
    at_s = start_s if before and room_before >= _TEXT_SHARE else end_s
    return svg.text("mark " + host.status, scale, at_s, y, "✗ " + fit(clean(text), _MARK_LENGTH), before=before, shift=4)


def _named_rows(run: RunReport, shown: Sequence[HostReport], scale: Scale) -> tuple[list[RowLabel], float, list[Markup]]:
    """Labels of the rows, their total height, and their content. A wave has its own row."""
    row, bar_height = NAMED_ROWS
    labels: list[RowLabel] = []
    drawn: list[Markup] = []
    wave = None
    for host in shown:
        if host.wave != wave and len(run.waves) > 1 and host.wave >= 0:
            wave = host.wave
            report = run.waves[wave]
            drawn.append(_wave_line(report, scale, len(labels) * row + row / 2))
            labels.append(RowLabel("%s, %s" % (report.name, counted(report.hosts, "host")), "wave"))
        top = len(labels) * row + (row - bar_height) / 2
        labels.append(RowLabel(host.name, host.status))
        for stretch in host.stretches:
            term = words.STAGES[stretch.stage]
            title = "%s: %s, %s" % (clean(host.name), term.title.lower(), duration(stretch.end_s - stretch.start_s))
            drawn.append(
                svg.one_bar(term.css, scale, _bar(stretch.stage, stretch.start_s, stretch.end_s, top, bar_height), title)
            )
        if host.status in ("failed", "refused"):
            code = host.state.reason.code if host.state.reason else host.status
            drawn.append(_mark(host, scale, top + bar_height - 2, code))
    return labels, max(1, len(labels)) * row, drawn


def _wave_line(wave: WaveReport, scale: Scale, y: float) -> Markup:
    if wave.start_s is None or wave.end_s is None:
        return Markup()
    said = duration(wave.end_s - wave.start_s)
    if wave.soak_s:
        said += ", then %s of soak" % duration(wave.soak_s)
    return Markup().join(
        (
            svg.horizontal("wave", scale, wave.start_s, wave.end_s, y),
            svg.vertical("wave", scale, wave.start_s, y - 4, y + 4),
            svg.vertical("wave", scale, wave.end_s, y - 4, y + 4),
            svg.text("wave-time", scale, wave.end_s, y + 4, said, shift=6 if svg.room_behind(scale, wave.end_s) else _LINE_END),
        )
    )


def _bare_rows(run: RunReport, shown: Sequence[HostReport], size: RowSize, scale: Scale) -> tuple[Markup, float, list[Markup]]:
    """Names of the waves, total height of the rows, and their content."""
    bars: dict[Stage, list[Bar]] = {}
    failed: list[tuple[float, HostReport]] = []
    waves: list[tuple[float, int]] = []
    for number, host in enumerate(shown):
        top = number * size.height
        if not waves or waves[-1][1] != host.wave:
            waves.append((top, host.wave))
        for stretch in host.stretches:
            drawn_bar = _bar(stretch.stage, stretch.start_s, stretch.end_s, top, size.bar_height)
            bars.setdefault(stretch.stage, []).append(drawn_bar)
        if host.status == "failed":
            failed.append((top + size.height / 2, host))
    height = len(shown) * size.height
    layers = ((words.STAGES[stage].css, bars[stage]) for stage in Stage if stage in bars)
    borders = [svg.rule("border", y) for y, _wave in waves[1:]]
    drawn = [layout.layers(size, height, scale, layers), *borders, *_failed_names(failed, scale)]
    return _wave_names(run, waves, height), height, drawn


def _failed_names(failed: Sequence[tuple[float, HostReport]], scale: Scale) -> list[Markup]:
    """Names of failed hosts, as many as fit without overlap."""
    names = []
    below = 0.0
    for y, host in failed:
        if y >= below:
            names.append(_mark(host, scale, y + 4, host.name))
            below = y + _LINE_HEIGHT
    return names


def _wave_names(run: RunReport, waves: Sequence[tuple[float, int]], height: float) -> Markup:
    ends = [y for y, _wave in waves[1:]] + [height]
    names = []
    below = 0.0
    for (y, wave), end in zip(waves, ends, strict=True):
        middle = max(below, min(max((y + end) / 2, 10), height - 4))
        if wave >= 0 and middle <= height - 4:
            names.append(svg.margin_label("wave-name", middle + 4, fit(clean(run.waves[wave].name), _WAVE_NAME_LENGTH)))
            below = middle + _LINE_HEIGHT
    return svg.margin(height, *names, width_px=_WAVE_NAMES_WIDTH)
