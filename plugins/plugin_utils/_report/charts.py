# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The charts of the page: what is shown of a run, and how much of it where there is much.

A fleet of a thousand hosts has a row each, a pixel high; a larger one a row for
every so many hosts. Rows without names are drawn by one element for each colour,
so that the page stays small.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from .._journal.phases import Stage
from .._schedule.percentiles import percentile
from .._text import clean, counted, duration, fit
from . import svg, words
from .boots import IN_OUTAGE, Boot
from .figures import UNDIVIDED, Distribution, phase_times
from .read import HostReport, RunReport
from .svg import Axis, Bar

#: Up to so many hosts a row has a name, and room for a finger.
NAMED_ROWS = 60
ROW = 20.0
_BAR = 12.0
_ROWS_HEIGHT = 1000
# What share of the width a short text takes on a telephone.
_ROOM = 0.5
# Lower bars have no room for a pattern.
_PATTERN_HEIGHT = 6
_MOST_ROWS = 1200
_CAPACITY_HEIGHT = 96.0
_AXIS_HEIGHT = 22.0
_NAME_COLUMNS = 40

_STRIP_HEIGHT = 30.0
_MOST_DOTS = 150
_MOST_STRIPS = 30

_WATERFALLS = 12
_SLOWEST = 5
_FAILED = 5
_TYPICAL = 12

# Stages in which a host is drawn as a thin line: nothing is done with it.
_THIN = frozenset((Stage.READY, Stage.GATE))


@dataclass(frozen=True)
class Legend:
    """What a colour means."""

    sample: Markup
    title: str
    meaning: str


@dataclass(frozen=True)
class Label:
    """What stands left of a row of named ones.

    :ivar css: class of the text.
    """

    text: str
    css: str


@dataclass(frozen=True)
class FleetChart:
    """The fleet over time. All drawings are as wide as each other.

    :ivar labels: of the rows, where they have names.
    :ivar waves: names of the waves beside rows without names.
    :ivar note: what is not shown.
    :ivar foreseen: whether the forecast is drawn.
    """

    labels: list[Label]
    waves: Markup
    rows: Markup
    scale: Markup
    capacity: Markup
    axis: Markup
    legend: list[Legend]
    foreseen: bool
    note: str


@dataclass(frozen=True)
class _LimitLine:
    """A limit, as long as it held."""

    start_s: float
    end_s: float
    value: int
    title: str
    css: str


# The fleet.


def fleet(run: RunReport) -> FleetChart:
    """Who was at what when, and below it how many were missing."""
    # The clock of a day, not of the run: that is what other logs have.
    midnight = _midnight_before(run.started_s) - run.started_s
    axis = Axis(0.0, max(run.end_s, 1.0), midnight)
    ticks = axis.time_ticks(8)
    shown = sorted((host for host in run.hosts if host.stretches), key=lambda host: (host.wave, _went_s(host), host.name))
    never = len(run.hosts) - len(shown)
    notes = ["%s never begun" % counted(never, "host")] if never else []
    if len(shown) <= NAMED_ROWS:
        labels, rows = _named_rows(run, shown, axis, ticks)
        waves = Markup()
    else:
        labels = []
        waves, rows, every = _bare_rows(run, shown, axis, ticks)
        if every > 1:
            notes.insert(0, "each row stands for %d hosts, and is the one of them that was out longest" % every)
    stages = {stretch.stage for host in shown for stretch in host.stretches}
    scale, capacity = _capacity(run, axis, ticks)
    step_s = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    seconds = step_s < 60
    labelled = [(tick, words.clock(run.started_s + tick, seconds=seconds)) for tick in ticks]
    return FleetChart(
        labels=labels,
        waves=waves,
        rows=rows,
        scale=scale,
        capacity=capacity,
        axis=svg.chart(_AXIS_HEIGHT, "time of day, UTC", svg.tick_labels(axis, labelled, 14)),
        legend=[_legend(words.STAGES[stage], thin=stage in _THIN) for stage in Stage if stage in stages],
        foreseen=any(terms.foreseen for terms in run.terms),
        note="; ".join(notes),
    )


def _midnight_before(time_s: float) -> float:
    moment = datetime.fromtimestamp(time_s, UTC)
    return moment.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def _went_s(host: HostReport) -> float:
    """When it was its turn."""
    out = [stretch.start_s for stretch in host.stretches if stretch.stage not in (Stage.PREPARING, Stage.READY)]
    return out[0] if out else host.stretches[0].start_s


def _legend(name: words.Name, *, thin: bool = False) -> Legend:
    return Legend(svg.swatch(name.css, thin=thin), name.title, name.meaning)


def _shape(stretch_stage: Stage, start: float, end: float, top: float, height: float) -> Bar:
    if stretch_stage in _THIN and height > 3:
        return Bar(start, end, top + height / 2 - 1, 2)
    return Bar(start, end, top, height)


def _named_rows(run: RunReport, shown: Sequence[HostReport], axis: Axis, ticks: Sequence[float]) -> tuple[list[Label], Markup]:
    labels: list[Label] = []
    drawn: list[Markup] = []
    wave = None
    for host in shown:
        if host.wave != wave and len(run.waves) > 1 and host.wave >= 0:
            wave = host.wave
            report = run.waves[wave]
            labels.append(Label("%s, %s" % (report.name, counted(report.hosts, "host")), "wave"))
            drawn.append(_wave_line(run, wave, axis, len(labels) - 1))
        top = len(labels) * ROW + (ROW - _BAR) / 2
        labels.append(Label(host.name, host.status))
        for stretch in host.stretches:
            name = words.STAGES[stretch.stage]
            title = "%s: %s, %s" % (clean(host.name), name.title.lower(), duration(stretch.end_s - stretch.start_s))
            drawn.append(svg.one_bar(name.css, axis, _shape(stretch.stage, stretch.start_s, stretch.end_s, top, _BAR), title))
        if host.status in ("failed", "refused"):
            code = host.state.reason.code if host.state.reason else host.status
            drawn.append(_mark(host, axis, top + _BAR - 2, code))
    height = max(1, len(labels)) * ROW
    label = "what each of %s was at, over time" % counted(len(shown), "host")
    return labels, svg.chart(height, label, _absences(run, axis, height), _grid(axis, ticks, height), *drawn)


def _mark(host: HostReport, axis: Axis, y: float, words_: str) -> Markup:
    """What went wrong, behind a row or before it, where there is more room; and on it if there is little on both sides."""
    start_s = host.stretches[0].start_s
    end_s = next((each.start_s for each in host.stretches if each.stage is Stage.GIVEN_UP), host.stretches[-1].end_s)
    before, behind = axis.fraction(start_s), 1 - axis.fraction(end_s)
    ends = before > behind or behind < _ROOM
    at_s = start_s if ends and before >= _ROOM else end_s
    return svg.text("mark " + host.status, axis, at_s, y, "✗ " + fit(clean(words_), 24), before=ends, shift=4)


def _wave_line(run: RunReport, wave: int, axis: Axis, row: int) -> Markup:
    report = run.waves[wave]
    if report.start_s is None or report.end_s is None:
        return Markup()
    y = row * ROW + ROW / 2
    said = duration(report.end_s - report.start_s)
    if report.soak_s:
        said += ", then %s of soak" % duration(report.soak_s)
    return Markup().join(
        (
            svg.across("wave", axis, report.start_s, report.end_s, y),
            svg.line("wave", axis, report.start_s, y - 4, y + 4),
            svg.line("wave", axis, report.end_s, y - 4, y + 4),
            svg.text("wave-time", axis, report.end_s, y + 4, said, shift=6),
        )
    )


def _bare_rows(run: RunReport, shown: Sequence[HostReport], axis: Axis, ticks: Sequence[float]) -> tuple[Markup, Markup, int]:
    every = -(-len(shown) // _MOST_ROWS)
    rows = [max(shown[at : at + every], key=_longest) for at in range(0, len(shown), every)]
    row = float(max(1, min(ROW, _ROWS_HEIGHT // len(rows))))
    bar_height = row - 1 if row > 3 else row
    shapes: dict[Stage, list[Bar]] = {}
    marks: list[tuple[float, HostReport]] = []
    borders: list[tuple[float, int]] = []
    for number, host in enumerate(rows):
        top = number * row
        if not borders or borders[-1][1] != host.wave:
            borders.append((top, host.wave))
        for stretch in host.stretches:
            shapes.setdefault(stretch.stage, []).append(_shape(stretch.stage, stretch.start_s, stretch.end_s, top, bar_height))
        if host.status == "failed":
            marks.append((top + row / 2, host))
    height = len(rows) * row
    drawn = svg.stretched(
        height,
        *(svg.bars(words.STAGES[stage].css, axis, shapes[stage]) for stage in Stage if stage in shapes),
        flat=bar_height < _PATTERN_HEIGHT,
    )
    names = []
    below = 0.0
    for y, host in marks:
        # As many names as fit below each other.
        if y >= below:
            names.append(_mark(host, axis, y + 4, host.name))
            below = y + 13
    label = "what each of %s was at, over time" % counted(len(shown), "host")
    lines = [_border(y) for y, _wave in borders[1:]]
    chart = svg.chart(height, label, _absences(run, axis, height), _grid(axis, ticks, height), drawn, *lines, *names)
    return _wave_names(run, borders, height), chart, every


def _border(y: float) -> Markup:
    return svg.element("line", {"class": "border", "x1": "0", "x2": "100%", "y1": float(y), "y2": float(y)})


def _wave_names(run: RunReport, borders: Sequence[tuple[float, int]], height: float) -> Markup:
    ends = [y for y, _wave in borders[1:]] + [height]
    names = []
    below = 0.0
    for (y, wave), end in zip(borders, ends, strict=True):
        middle = max(below, min(max((y + end) / 2, 10), height - 4))
        if wave >= 0 and middle <= height - 4:
            attributes = {"class": "wave-name", "x": "100%", "y": float(middle + 4), "text_anchor": "end"}
            names.append(svg.element("text", attributes, fit(clean(run.waves[wave].name), 12)))
            below = middle + 13
    attributes = {"class": "chart", "width": 76, "height": float(height), "aria_hidden": "true"}
    return svg.element("svg", attributes, *names)


def _longest(host: HostReport) -> tuple[bool, float]:
    return host.status == "failed", host.state.outage_ms or 0


def _grid(axis: Axis, ticks: Iterable[float], height: float) -> Markup:
    return Markup().join(svg.line("grid", axis, tick, 0, height) for tick in ticks)


def _absences(run: RunReport, axis: Axis, height: float) -> Markup:
    return Markup().join(
        svg.one_bar(
            "absence", axis, Bar(start_s, end_s, 0, height), "no controller: the run was resumed at %s UTC" % _at(run, end_s)
        )
        for start_s, end_s in run.absences
    )


def _at(run: RunReport, at_s: float) -> str:
    return words.clock(run.started_s + at_s)


def _capacity(run: RunReport, axis: Axis, ticks: Sequence[float]) -> tuple[Markup, Markup]:
    """The scale, and the chart: how many hosts were missing, against what was allowed."""
    height = _CAPACITY_HEIGHT
    ends_s = [terms.at_s for terms in run.terms[1:]] + [run.end_s]
    limits: list[_LimitLine] = []
    for terms, end_s in zip(run.terms, ends_s, strict=True):
        for value, name, css in ((terms.window, "window", "window"), (terms.most_unavailable, "max_unavailable", "allowed")):
            if value is not None:
                limits.append(_LimitLine(terms.at_s, end_s, value, "%s %d" % (name, value), css))
    foreseen = _foreseen(run)
    seen = max(level.unavailable for level in run.levels)
    most = max([1, seen, *(terms.window or 0 for terms in run.terms), *(out for _at_s, out in foreseen)])
    # What is far above everything else would leave that no room.
    most = max([most, *(limit.value for limit in limits if limit.value <= 2 * most)])
    highest = most * 1.25
    unavailable = [(level.at_s, float(level.unavailable)) for level in run.levels]
    out = [(level.at_s, float(level.out)) for level in run.levels]
    counts = Axis(0, highest)
    scale, lines = [], []
    for tick in counts.count_ticks():
        y = height - height * tick / highest
        lines.append(svg.element("line", {"class": "grid", "x1": "0", "x2": "100%", "y1": y, "y2": y}))
        attributes = {"class": "tick", "x": "100%", "y": min(max(y + 4, 10), height), "text_anchor": "end"}
        scale.append(svg.element("text", attributes, "%d" % tick))
    said = set()
    for limit in limits:
        if limit.value <= highest:
            y = height - height * limit.value / highest
            lines.append(svg.across("limit " + limit.css, axis, limit.start_s, limit.end_s, y))
            if limit.title not in said:
                lines.append(svg.text("limit-name", axis, limit.start_s, max(10.0, y - 4), limit.title, shift=4))
                said.add(limit.title)
    drawn = svg.stretched(
        height,
        svg.step_area("c-unavailable", axis, unavailable, highest, height),
        svg.step_area("c-out", axis, out, highest, height),
        svg.step_line("c-foreseen", axis, [(at_s, float(out_)) for at_s, out_ in foreseen], highest, height),
    )
    grid = _grid(axis, ticks, height)
    label = "hosts missing over time: at most %d" % seen
    side = {"class": "chart", "width": "100%", "height": height, "aria_hidden": "true"}
    return svg.element("svg", side, *scale), svg.chart(height, label, grid, drawn, *lines)


def _foreseen(run: RunReport) -> list[tuple[float, int]]:
    """How many hosts were forecast to be out, from each moment on, by the forecast that was the latest then."""
    course: list[tuple[float, int]] = []
    for terms in run.terms:
        if terms.foreseen is not None:
            course = [each for each in course if each[0] < terms.at_s]
            course += [(terms.at_s + at_s, out) for at_s, out in terms.foreseen.out_over_time]
    return [each for each in course if each[0] <= run.end_s]


# How outages are spread.


@dataclass(frozen=True)
class Strip:
    """Outages of one combination and path, with their figures.

    :ivar run: which run it is of, where there are two.
    """

    distribution: Distribution
    run: str
    drawing: Markup


@dataclass(frozen=True)
class Strips:
    """All of one path, on one axis: those through firmware would leave the others no room.

    :ivar left_out: how many combinations are not shown.
    """

    path: str
    strips: list[Strip]
    axis: Markup
    left_out: int


def distributions(runs: Sequence[tuple[str, Sequence[Distribution]]]) -> list[Strips]:
    """How outages are spread, by path and combination.

    :param runs: name of each run, and what there is of it.
    """
    by_path: dict[str, list[tuple[str, Distribution]]] = {}
    for name, of_run in runs:
        for each in of_run:
            by_path.setdefault(each.path, []).append((name, each))
    return [_strips(path, named, len(runs) > 1) for path, named in sorted(by_path.items(), reverse=True)]


def _strips(path: str, named: list[tuple[str, Distribution]], several: bool) -> Strips:
    axis = Axis(0.0, max(each.spread.longest_ms for _name, each in named) / 1000 * 1.02 or 1.0)
    ticks = axis.time_ticks()
    # Those of one combination stand together.
    order = {each.combination: at for at, (_name, each) in reversed(list(enumerate(named)))}
    shown = sorted(named, key=lambda each: order[each[1].combination])[:_MOST_STRIPS]
    strips = [Strip(each, name if several else "", _strip(each, axis, ticks)) for name, each in shown]
    labels = svg.tick_labels(axis, [(tick, _tick(tick)) for tick in ticks], 14)
    return Strips(path, strips, svg.chart(_AXIS_HEIGHT, "seconds of outage", labels), max(0, len(named) - _MOST_STRIPS))


def _strip(distribution: Distribution, axis: Axis, ticks: Sequence[float]) -> Markup:
    spread, values = distribution.spread, distribution.outages_ms
    middle, css = _STRIP_HEIGHT / 2, words.path_css(distribution.path)
    # Of many hosts every so many; the ends stay.
    step = max(1.0, len(values) / _MOST_DOTS)
    picked = {values[min(len(values) - 1, int(at * step))] for at in range(min(len(values), _MOST_DOTS))}
    picked |= {values[0], values[-1]}
    dots = [
        # Side by side where they would cover each other; always the same ones.
        svg.dot("dot " + css, axis, value / 1000, middle + (at * 7 % 11 - 5) * 1.6)
        for at, value in enumerate(sorted(picked))
    ]
    box = svg.stretched(
        _STRIP_HEIGHT,
        svg.bars("box " + css, axis, [Bar(spread.p25_ms / 1000, spread.p75_ms / 1000, middle - 9, 18)]),
    )
    label = "outages from %s to %s, half of them up to %s" % tuple(
        map(words.ms, (spread.least_ms, spread.longest_ms, spread.p50_ms))
    )
    return svg.chart(
        _STRIP_HEIGHT,
        label,
        _grid(axis, ticks, _STRIP_HEIGHT),
        svg.across("whisker", axis, spread.least_ms / 1000, spread.p95_ms / 1000, middle),
        box if spread.count > 3 else Markup(),
        *dots,
        svg.line("median", axis, spread.p50_ms / 1000, middle - 11, middle + 11),
        svg.line("whisker", axis, spread.p95_ms / 1000, middle - 7, middle + 7),
    )


def _tick(seconds: float) -> str:
    if seconds == 0:
        return "0"
    if seconds < 1:
        return "%g ms" % (seconds * 1000)
    return "%g s" % seconds if seconds < 120 else duration(seconds).removesuffix("00s")


# Hosts one by one.


@dataclass(frozen=True)
class Row:
    """A phase of a waterfall.

    :ivar source: what it was measured with.
    """

    title: str
    css: str
    source: str


@dataclass(frozen=True)
class Waterfall:
    """Where the seconds of one host went.

    :ivar why: why just this host is shown.
    :ivar about: what there is to say of it.
    :ivar measured: whether there is a timeline of it; else it is only what the controller saw.
    """

    host: HostReport
    why: str
    about: str
    rows: list[Row]
    drawing: Markup
    axis: Markup
    measured: bool


@dataclass(frozen=True)
class _Piece:
    """A bar of a waterfall, in seconds."""

    title: str
    css: str
    start: float
    end: float
    error: float
    said: str
    source: str = ""
    inner: bool = False


def waterfalls(run: RunReport) -> list[Waterfall]:
    """Of few hosts all; of many those that failed, those that were out longest, and a typical one of each kind."""
    return [made for host, why in _chosen(run.hosts) if (made := _waterfall(host, why)) is not None]


def _chosen(hosts: Sequence[HostReport]) -> list[tuple[HostReport, str]]:
    with_outage = sorted((host for host in hosts if host.state.outage_ms is not None), key=_outage_ms, reverse=True)
    failed = [host for host in hosts if host.status == "failed" and host.stretches]
    if len(hosts) <= _WATERFALLS:
        rest = [host for host in hosts if host.state.outage_ms is not None and host.status != "failed"]
        return [(host, "failed") for host in failed] + [(host, "") for host in rest]
    chosen: dict[str, tuple[HostReport, str]] = {host.name: (host, "failed") for host in failed[:_FAILED]}
    for host in with_outage[:_SLOWEST]:
        chosen.setdefault(host.name, (host, "among the slowest"))
    kinds: dict[tuple[str, str], list[HostReport]] = {}
    for host in with_outage:
        kinds.setdefault((host.combination, host.state.path), []).append(host)
    for members in sorted(kinds.values(), key=len, reverse=True)[:_TYPICAL]:
        typical = members[len(members) // 2]
        chosen.setdefault(typical.name, (typical, "typical of %s" % counted(len(members), "host")))
    return list(chosen.values())


def _outage_ms(host: HostReport) -> float:
    return host.state.outage_ms or 0.0


def _waterfall(host: HostReport, why: str) -> Waterfall | None:
    pieces = _measured(host.boot) if host.boot else _seen(host)
    if not pieces:
        return None
    begin = min(piece.start for piece in pieces if not piece.css.startswith(("p-stage", "p-drain"))) if host.boot else 0.0
    end = max(piece.end for piece in pieces)
    # What came long before would leave the outage no room.
    early = [piece for piece in pieces if piece.end <= begin and begin - piece.start > (end - begin) / 2]
    pieces = [piece for piece in pieces if piece not in early]
    start = min(piece.start for piece in pieces)
    axis = Axis(start, start + max(end - start, 0.001) * 1.02, begin)
    ticks = axis.time_ticks()
    height = len(pieces) * ROW
    drawn = [_systems(host.boot, axis, height)] if host.boot else []
    drawn.append(_grid(axis, ticks, height))
    for number, piece in enumerate(pieces):
        drawn.extend(_drawn(piece, axis, number * ROW))
    labels = svg.tick_labels(axis, [(tick, _tick(tick - begin)) for tick in ticks if tick >= begin], 14)
    return Waterfall(
        host=host,
        why=why,
        about="; ".join(_about(host, early)),
        rows=[Row(piece.title, "inner" if piece.inner else "", piece.source) for piece in pieces],
        drawing=svg.chart(height, "phases of the reboot of %s" % clean(host.name), *drawn),
        axis=svg.chart(_AXIS_HEIGHT, "seconds since the reboot began", labels),
        measured=host.boot is not None,
    )


def _about(host: HostReport, early: Sequence[_Piece]) -> list[str]:
    state = host.state
    said = []
    if state.outage_ms is not None:
        said.append("out for %s" % words.with_error(state.outage_ms, state.outage_error_ms or 0))
    if host.combination:
        said.append(clean(host.combination))
    if host.boot is None:
        said.append("no timeline, this is what the controller saw")
    if early:
        said.append("before that %s" % ", ".join("%s %s" % (piece.title.lower(), piece.said) for piece in early))
    return said


def _drawn(piece: _Piece, axis: Axis, top: float) -> list[Markup]:
    inset = 6.0 if piece.inner else 4.0
    title = "%s: %s%s" % (piece.title, piece.said, " (%s)" % piece.source if piece.source else "")
    drawn = [svg.one_bar(piece.css, axis, Bar(piece.start, piece.end, top + inset, ROW - 2 * inset), title)]
    if piece.error:
        drawn.append(svg.error_bar(axis, piece.end, piece.error, top + inset, ROW - 2 * inset))
    # Behind the bar; before it where that is too far to the right; and on a bar that leaves no room for either.
    late = axis.fraction(piece.end + piece.error) > 0.6
    at = piece.end + piece.error if not late or axis.fraction(piece.start) < 0.35 else piece.start
    drawn.append(svg.text("value", axis, at, top + 14, piece.said, before=late, shift=7))
    return drawn


def _systems(boot: Boot | None, axis: Axis, height: float) -> Markup:
    """Which part is the old system, and which the new one."""
    spans = {span.name: span for span in boot.spans} if boot else {}
    handed = spans.get("kernel")
    left = spans.get("jump") or spans.get("firmware") or spans.get("loader")
    if handed is None:
        return Markup()
    old_end = (left or handed).start_ms / 1000
    return Markup().join(
        (
            svg.one_bar("old-system", axis, Bar(axis.start, old_end, 0, height), "the old system"),
            svg.one_bar("new-system", axis, Bar(handed.start_ms / 1000, axis.end, 0, height), "the new system"),
        )
    )


def _measured(boot: Boot) -> list[_Piece]:
    pieces = [
        _Piece(
            "Out, by %s" % clean(outage.seen_by),
            "p-seen",
            outage.start_ms / 1000,
            (outage.start_ms + outage.duration_ms) / 1000,
            outage.error_ms / 1000,
            words.with_error(outage.duration_ms, outage.error_ms),
            "seen from the controller",
        )
        for outage in boot.outages
    ]
    for span in boot.spans:
        name = words.phase(span.name)
        pieces.append(
            _Piece(
                name.title,
                name.css,
                span.start_ms / 1000,
                span.end_ms / 1000,
                span.error_ms / 1000,
                words.with_error(span.duration_ms, span.error_ms),
                clean(span.source),
                span.within is not None,
            )
        )
    return pieces


def _seen(host: HostReport) -> list[_Piece]:
    """What the controller saw, where there is no timeline."""
    way = [stretch for stretch in host.stretches if stretch.stage not in (Stage.PREPARING, Stage.READY)]
    if not way:
        return []
    began = way[0].start_s
    pieces = []
    for stretch in way:
        name = words.STAGES[stretch.stage]
        took_ms = (stretch.end_s - stretch.start_s) * 1000
        pieces.append(
            _Piece(name.title, name.css, stretch.start_s - began, stretch.end_s - began, 0.0, words.ms(took_ms), "the journal")
        )
    return pieces


# All hosts, one line each.


@dataclass(frozen=True)
class Composition:
    """What the outages of the hosts that went one way were made of, the longest first.

    :ivar labels: names of the hosts, where there is room for them.
    """

    path: str
    labels: list[Label]
    rows: Markup
    axis: Markup
    legend: list[Legend]
    note: str


def compositions(run: RunReport) -> list[Composition]:
    """What outages were made of, by path: those through firmware would leave the others no room."""
    by_path: dict[str, list[HostReport]] = {}
    for host in sorted(run.hosts, key=_outage_ms, reverse=True):
        if host.state.outage_ms is not None:
            by_path.setdefault(host.state.path, []).append(host)
    return [_composition(path, hosts) for path, hosts in sorted(by_path.items(), reverse=True)]


def _composition(path: str, hosts: Sequence[HostReport]) -> Composition:
    every = -(-len(hosts) // _MOST_ROWS)
    rows = [(Label(host.name, host.status), _parts(host), host.state.outage_ms or 0) for host in hosts[::every]]
    return _stacked(
        path,
        rows,
        "what the outage of each of %s was made of" % counted(len(rows), "host"),
        "each row stands for %d hosts" % every if every > 1 else "",
    )


def of_ways(ways: Sequence[tuple[str, Sequence[tuple[str, float]], float]]) -> Composition:
    """What outages were made of, a row for each way.

    :param ways: name of each, its phases in their order in seconds, and the outage in milliseconds.
    """
    rows = [(Label(name, ""), parts, outage_ms) for name, parts, outage_ms in ways]
    return _stacked("", rows, "what the outage by each of %s was made of" % counted(len(rows), "way"), "")


def _stacked(path: str, rows: Sequence[tuple[Label, Sequence[tuple[str, float]], float]], label: str, note: str) -> Composition:
    """Bars of phases one after the other, in seconds, and behind them how long all of it was, in milliseconds."""
    named = len(rows) <= NAMED_ROWS
    row = ROW if named else float(max(1, min(ROW, _ROWS_HEIGHT // len(rows))))
    bar_height = _BAR if named else row - 1 if row > 3 else row
    longest_s = max(sum(length for _name, length in parts) for _label, parts, _all_ms in rows)
    axis = Axis(0.0, longest_s * (1.18 if named else 1.02) or 1.0)
    ticks = axis.time_ticks()
    shapes: dict[str, list[Bar]] = {}
    values = []
    for number, (_label, parts, all_ms) in enumerate(rows):
        top, at = number * row + (row - bar_height) / 2, 0.0
        for name, length in parts:
            shapes.setdefault(name, []).append(Bar(at, at + length, top, bar_height))
            at += length
        if named:
            attributes = {"class": "value", "x": axis.percent(at), "y": top + bar_height - 2, "dx": 5}
            values.append(svg.element("text", attributes, words.ms(all_ms)))
    order = (UNDIVIDED, *IN_OUTAGE)
    names = [name for name in order if name in shapes] + sorted(set(shapes) - set(order))
    height = len(rows) * row
    drawn = svg.stretched(
        height, *(svg.bars(words.phase(name).css, axis, shapes[name]) for name in names), flat=bar_height < _PATTERN_HEIGHT
    )
    return Composition(
        path=path,
        labels=[each for each, _parts, _all_ms in rows] if named else [],
        rows=svg.chart(height, label, _grid(axis, ticks, height), drawn, *values),
        axis=svg.chart(_AXIS_HEIGHT, "seconds", svg.tick_labels(axis, [(tick, _tick(tick)) for tick in ticks], 14)),
        legend=[_legend(words.phase(name)) for name in names],
        note=note,
    )


def _parts(host: HostReport) -> list[tuple[str, float]]:
    """Phases of the outage, in their order, in seconds."""
    times = [(name, each / 1000) for name, each, within in phase_times(host) if within is None]
    return [each for each in times if each[0] not in ("stage", "drain", "healthy")]


# Small things.


def share_bar(share: float, css: str) -> Markup:
    """How much of something, in a cell of a table."""
    axis = Axis(0.0, 1.0)
    return svg.chart(12, words.share(share), svg.one_bar(css, axis, Bar(0.0, max(share, 0.004), 1, 10), words.share(share)))


@dataclass(frozen=True)
class Histogram:
    """How many hosts took how many times as long as forecast."""

    drawing: Markup
    axis: Markup
    median: float


def histogram(ratios: Sequence[float]) -> Histogram | None:
    """Outages against their forecast; None if there are none."""
    if not ratios:
        return None
    most = 3.0
    step = 0.1
    cells = [0] * (round(most / step) + 1)
    for ratio in ratios:
        cells[min(len(cells) - 1, int(ratio / step))] += 1
    axis = Axis(0.0, most + step)
    height = 80.0
    highest = max(cells)
    shapes = [
        Bar(at * step, (at + 0.9) * step, height - height * count / highest, height * count / highest)
        for at, count in enumerate(cells)
        if count
    ]
    ticks = [0.0, 1.0, 2.0]
    labels = list(zip([*ticks, most + step], ("0", "as forecast", "twice", "3 times and more"), strict=True))
    median = percentile(ratios, 50)
    label = "outage of %s as a multiple of its forecast" % counted(len(ratios), "host")
    return Histogram(
        svg.chart(
            height,
            label,
            _grid(axis, ticks, height),
            svg.stretched(height, svg.bars("ratio", axis, shapes)),
            svg.line("median", axis, 1.0, 0, height),
        ),
        svg.chart(_AXIS_HEIGHT, "multiples of the forecast", svg.tick_labels(axis, labels, 14)),
        median,
    )
