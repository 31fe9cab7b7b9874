# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Display of a rollout on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._journal import events
from .._journal.phases import PHASES
from .._journal.run_state import Change, RunState
from .._schedule.hosts import Prediction
from .._text import UNICODE, Glyphs, clean, columns_of, duration, fit, gauge, pad, stamp
from . import lines
from .progress import ACTIVE, ActiveHost, Progress

_DRAW_EVERY_S = 0.2
_NAME_MAX_COLUMNS = 30
_GAUGE_CELLS = 12
_HEAD_HOST = "HOST"
# Lines from which on the heads of the columns may take one from the hosts.
_ROOM_FOR_HEADS = 8

# ECMA-48: cursor up, erase to the end of the line, erase to the end of the screen; select graphic rendition.
_UP = "\x1b[%dA"
_ERASE_LINE = "\x1b[K"
_ERASE_BELOW = "\x1b[J"
_COLOURS = {"good": "\x1b[32m", "bad": "\x1b[31m", "alert": "\x1b[33m", "faint": "\x1b[2m"}
_PLAIN = "\x1b[0m"

_PHASE_COLUMNS = max(len(traits.words) for traits in PHASES.values() if traits.status in ACTIVE)


@dataclass(frozen=True)
class _Line:
    """Line of clean text in one of :data:`_COLOURS`; with C(mark), only its first character is coloured."""

    text: str
    colour: str = ""
    mark: bool = False


class LiveView:
    """Display on a terminal: lines about hosts that ended scroll away, and a block below them is redrawn in place.

    The block is always shorter than the terminal, and its lines are narrower, because terminals differ in what they do after a
    write to the last column. If a terminal is made narrower, lines of the old block may remain above the new one: text above the
    block must not be erased.

    :param size: columns and lines of the terminal; called before each drawing.
    :param colour: whether to use colours, which only repeat what the words say.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        size: Callable[[], tuple[int, int]],
        state: RunState,
        *,
        colour: bool = False,
        glyphs: Glyphs = UNICODE,
        predictions: Mapping[str, Prediction] | None = None,
    ) -> None:
        self._write = write
        self._size = size
        self._colour = colour
        self._glyphs = glyphs
        self._progress = Progress(state, predictions)
        self._above: list[_Line] = []
        self._drawn: list[_Line] = []
        self._next_draw: float | None = None

    def show(self, change: Change, now: float) -> None:
        """Take in a change, to be drawn by the next :meth:`tick`."""
        host = self._progress.apply(change, now)
        self._say_of_run(change.event)
        if change.begun:
            self._say(lines.wave_begins(change.begun, self._progress))
        if host:
            self._say_of_host(change, host)
        if change.over and len(self._progress.state.waves) > 1:
            self._say(lines.wave_is_over(change.over))

    def tick(self, now: float, waiting: Reason | None = None) -> None:
        """Draw, unless the last drawing is recent."""
        if self._progress.begun_at is None:
            self._progress.begin(now)
        if self._next_draw is None or now >= self._next_draw:
            self._next_draw = now + _DRAW_EVERY_S
            columns, rows = self._size()
            self._draw(self._block(max(0, columns - 1), max(0, rows - 1), now, waiting), columns - 1, rows)

    def close(self) -> None:
        columns, rows = self._size()
        self._draw([], columns - 1, rows)

    def _say_of_run(self, event: events.Event) -> None:
        match event:
            case events.RunStarted():
                self._say(lines.begins(self._progress))
            case events.RunResumed():
                self._say(lines.resumes(self._progress))
            case events.RunHookEnded() if not event.ok:
                self._say("%s %s" % (self._glyphs.bad, lines.hook_ended(event)), "bad")
            case events.RunStopping():
                self._say("%s stopping: %s" % (self._glyphs.alert, lines.with_code(event.reason)), "alert")

    def _say_of_host(self, change: Change, host: ActiveHost) -> None:
        event, glyphs = change.event, self._glyphs
        name = pad(host.name, min(_NAME_MAX_COLUMNS, self._progress.name_columns), glyphs.more)
        match event:
            case events.HostCompared() if event.differences or not event.compared:
                self._say("%s %s  %s" % (glyphs.alert, name, lines.compared(event)), "alert")
            case events.HostReleased():
                self._say("%s %s  %s" % (glyphs.good, name, lines.way(host, glyphs)), "good")
            case events.HostFailed():
                down = "down, " if event.down else ""
                self._say("%s %s  %s%s" % (glyphs.bad, name, down, lines.with_code(event.reason)), "bad")
            case events.HostNotNeeded():
                self._say("%s %s  needs no reboot" % (glyphs.none, name))
            case events.HostRefused():
                self._say("%s %s  refused, %s" % (glyphs.none, name, lines.with_code(event.reason)), "alert")
            case events.HostOwes():
                self._say("%s %s  %s" % (glyphs.alert, name, lines.owes(event)), "alert")
            case events.HostUnstaged() if host.state.phase is not change.phase_before:
                self._say("%s %s  %s" % (glyphs.none, name, lines.not_rebooted(event)), "alert")

    def _say(self, text: str, colour: str = "") -> None:
        self._above.append(_Line(text, colour, mark=True))

    def _block(self, columns: int, most: int, now: float, waiting: Reason | None) -> list[_Line]:
        progress = self._progress
        if progress.begun_at is None or progress.state.ended or not most:
            return []
        head = [_Line(self._counts(columns))]
        if most > 1:
            head.insert(0, _Line(self._title(columns, now)))
        foot = [self._why(columns, now, waiting)] if most > 2 else []
        foot = [line for line in foot if line.text]
        return head + self._hosts(columns, most - len(head) - len(foot), now) + foot

    def _title(self, columns: int, now: float) -> str:
        progress = self._progress
        wave = progress.in_wave()
        parts = [clean(progress.state.run_id)]
        if wave:
            parts.append(clean(wave.name) + lines.position(progress))
        times = _times(progress, now)
        left = _fitting(parts, columns - len(times) - 2, "  ") or fit(parts[0], columns - len(times) - 2, self._glyphs.more)
        return pad(left, columns - len(times), self._glyphs.more) + times if len(times) < columns else times[:columns]

    def _counts(self, columns: int) -> str:
        return _fitting(lines.counts(self._progress), columns, "  ")

    def _why(self, columns: int, now: float, waiting: Reason | None) -> _Line:
        progress = self._progress
        if progress.state.stop_reason:
            text = "%s stopping: %s" % (self._glyphs.alert, clean(progress.state.stop_reason.code))
            return _Line(fit(text, columns, self._glyphs.more), "alert")
        why = lines.waiting_for(progress, now, waiting)
        return _Line(fit("waiting: " + why, columns, self._glyphs.more) if why else "", "faint")

    def _hosts(self, columns: int, room: int, now: float) -> list[_Line]:
        # Hosts in flight come first, the longest in flight at the top.
        active = list(self._progress.active.values())
        in_flight = [host for host in active if host.in_flight_since is not None]
        hosts = sorted(in_flight, key=lambda host: host.in_flight_since or 0.0)
        hosts += [host for host in active if host.in_flight_since is None]
        if room <= 0 or not hosts:
            return []
        heads = len(hosts) < room or room >= _ROOM_FOR_HEADS
        room -= heads
        shown = hosts if len(hosts) <= room else hosts[: room - 1]
        widest = max((columns_of(host.name) for host in shown), default=0)
        names = min(max(len(_HEAD_HOST), widest), _NAME_MAX_COLUMNS, max(8, columns // 3))
        block = [self._heads(shown, names, columns)] if heads else []
        block += [self._host(host, names, columns, now) for host in shown]
        if len(shown) < len(hosts):
            block.append(
                _Line(fit("  %s and %d more" % (self._glyphs.more, len(hosts) - len(shown)), columns, self._glyphs.more))
            )
        return block

    def _heads(self, shown: Sequence[ActiveHost], names: int, columns: int) -> _Line:
        predicted = any(host.predicted and host.predicted.p50.outage_s for host in shown)
        heads = "  %s  %s %6s  %s" % (
            pad(_HEAD_HOST, names),
            pad("PHASE", _PHASE_COLUMNS),
            "FOR",
            "OUTAGE OF PREDICTED" if predicted else "OUTAGE",
        )
        return _Line(fit(heads, columns, self._glyphs.more), "faint")

    def _host(self, host: ActiveHost, names: int, columns: int, now: float) -> _Line:
        late = host.beyond_p95(now)
        text = "%s %s  %s %6s" % (
            self._glyphs.alert if late else " ",
            pad(host.name, names, self._glyphs.more),
            pad(host.words, _PHASE_COLUMNS),
            duration(now - host.since),
        )
        outage_s = host.outage_s(now)
        predicted = host.predicted
        if outage_s is not None:
            said = duration(outage_s)
            if predicted and predicted.p50.outage_s:
                cells = gauge(outage_s / predicted.p50.outage_s, _GAUGE_CELLS, self._glyphs)
                said = "%s  %s of %s" % (cells, said, duration(predicted.p50.outage_s))
                if late:
                    said += ", p95 is %s" % duration(predicted.p95.outage_s)
            text += "  " + said
        return _Line(fit(text, columns, self._glyphs.more), "alert" if late else "")

    def _draw(self, block: list[_Line], columns: int, rows: int) -> None:
        if not self._above and block == self._drawn:
            return
        # The cursor can't move above the first line of the terminal.
        up = min(len(self._drawn), max(0, rows - 1))
        above = [_Line(fit(line.text, columns, self._glyphs.more), line.colour, line.mark) for line in self._above]
        text = "".join(self._painted(line) + _ERASE_LINE + "\n" for line in above + block)
        self._write("\r" + (_UP % up if up else "") + text + _ERASE_BELOW)
        self._above = []
        self._drawn = block

    def _painted(self, line: _Line) -> str:
        if not self._colour or not line.colour:
            return line.text
        end = 1 if line.mark else len(line.text)
        return _COLOURS[line.colour] + line.text[:end] + _PLAIN + line.text[end:]


def _times(progress: Progress, now: float) -> str:
    left_s = progress.left_s(now)
    return stamp(progress.elapsed_s(now)) + (", about %s left" % duration(left_s) if left_s is not None else "")


def _fitting(parts: list[str], columns: int, between: str) -> str:
    """Join as many leading parts as fit."""
    text = ""
    for part in parts:
        longer = text + between + part if text else part
        if columns_of(longer) > columns:
            break
        text = longer
    return text
