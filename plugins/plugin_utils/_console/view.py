# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of a rollout while it runs: on a terminal, or in a log.

Both are made of the journal's records as they are written, and write through a
function that they are given. Nothing they show can act on a terminal, whatever
hosts and hooks have said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._journal.records import Record
from .._journal.run_state import Phase, RunState
from .._schedule.hosts import Prediction, Status
from .._text import UNICODE, Glyphs, clean, clipped, columns_of, counted, duration, fit, gauge, pad, stamp
from .progress import InFlight, News, Progress, WaveState

#: How often a log says how far the rollout is.
SUMMARY_EVERY_S = 30.0
# A terminal is drawn no more often.
_DRAW_EVERY_S = 0.2
_NAME_MAX_COLUMNS = 30
_GAUGE_CELLS = 12

# ECMA-48: cursor up, erase to the end of the line, erase to the end of the screen; and select graphic rendition.
_UP = "\x1b[%dA"
_ERASE_LINE = "\x1b[K"
_ERASE_BELOW = "\x1b[J"
_COLOURS = {"good": "\x1b[32m", "bad": "\x1b[31m", "alert": "\x1b[33m", "faint": "\x1b[2m"}
_PLAIN = "\x1b[0m"

_PHASES = {
    Phase.PREPARING: "preparing",
    Phase.READY: "ready",
    Phase.DRAINING: "draining",
    Phase.GATE: "drained",
    Phase.INTENT: "triggering",
    Phase.TRIGGERED: "shutting down",
    Phase.DOWN: "down",
    Phase.BACK: "answering",
    Phase.VERIFIED: "verified",
    Phase.HEALTHY: "healthy",
}
_PHASE_COLUMNS = max(map(len, _PHASES.values()))


class View(Protocol):
    """What the conductor shows a rollout to. Times are seconds, of one clock."""

    def record(self, record: Record, now: float) -> None:
        """A record is written."""

    def tick(self, now: float, waiting: Reason | None = None) -> None:
        """Time passed; about twice a second.

        :param waiting: why no more hosts go just now, of the scheduler: limits are not in the journal.
        """

    def close(self) -> None:
        """Nothing more comes."""


@dataclass(frozen=True)
class _Line:
    """A line of clean text.

    :ivar colour: of :data:`_COLOURS`; of the first character only if C(mark).
    """

    text: str
    colour: str = ""
    mark: bool = False


class LiveView:
    """For a terminal: what ended is written once and scrolls away, and below it a block is redrawn in place.

    The block never has as many lines as the terminal, and no line is as long as the terminal is wide: writing into
    the last column makes terminals differ. A terminal that is made narrower may leave lines of the old block above
    the new one, since what was written before must not be erased.

    :param size: columns and lines of the terminal; asked whenever it is drawn to.
    :param colour: whether to use colours. They only repeat what is there in words.
    :param predictions: host → how long it will take.
    :param state: of the run up to the first record that comes here, if that is not C(run_started).
    """

    def __init__(
        self,
        write: Callable[[str], object],
        size: Callable[[], tuple[int, int]],
        *,
        colour: bool = False,
        glyphs: Glyphs = UNICODE,
        predictions: Mapping[str, Prediction] | None = None,
        state: RunState | None = None,
    ) -> None:
        self._write = write
        self._size = size
        self._colour = colour
        self._glyphs = glyphs
        self._progress = Progress(predictions, state)
        self._above: list[_Line] = []
        self._drawn: list[_Line] = []
        self._next_draw: float | None = None

    def record(self, record: Record, now: float) -> None:
        """Take in a record; nothing is written yet."""
        self._tell(record, self._progress.apply(record, now))

    def tick(self, now: float, waiting: Reason | None = None) -> None:
        """Draw, if it is time to."""
        if self._progress.begun_at is None:
            self._progress.begin(now)
        if self._next_draw is None or now >= self._next_draw:
            self._next_draw = now + _DRAW_EVERY_S
            columns, lines = self._size()
            self._draw(self._block(max(0, columns - 1), max(0, lines - 1), now, waiting), columns - 1, lines)

    def close(self) -> None:
        """Leave only what scrolls away."""
        columns, lines = self._size()
        self._draw([], columns - 1, lines)

    # What scrolls away.

    def _tell(self, record: Record, news: News) -> None:
        event = record["event"]
        glyphs = self._glyphs
        if event == "run_started":
            total = self._progress.total
            self._say("%s: %s in %s" % (self._progress.run_id, counted(total, "host"), _count_waves(self._progress)))
        elif event == "run_resumed":
            self._say("%s is resumed: %d of %d hosts to go" % (self._progress.run_id, self._progress.to_go, self._progress.total))
        elif event == "run_stopping":
            self._say("%s stopping: %s" % (glyphs.alert, _reason(record)), "alert")
        if news.begun:
            self._say(_begins(news.begun, self._progress))
        if news.host:
            self._tell_host(event, record, news.host)
        if news.over and len(self._progress.waves) > 1:
            self._say(_over(news.over))

    def _tell_host(self, event: str, record: Record, host: InFlight) -> None:
        name = pad(host.name, min(_NAME_MAX_COLUMNS, self._progress.name_columns), self._glyphs.more)
        if event == "host_released":
            self._say("%s %s  %s" % (self._glyphs.good, name, _way(host, self._glyphs)), "good")
        elif event == "host_failed":
            down = "down, " if record["down"] else ""
            self._say("%s %s  %s%s" % (self._glyphs.bad, name, down, _reason(record)), "bad")
        elif event == "host_refused":
            self._say("%s %s  refused, %s" % (self._glyphs.none, name, _reason(record)), "alert")
        elif event == "host_unstaged":
            self._say("%s %s  %s" % (self._glyphs.none, name, _not_rebooted(record)), "alert")

    def _say(self, text: str, colour: str = "") -> None:
        self._above.append(_Line(text, colour, mark=True))

    # The block.

    def _block(self, columns: int, most: int, now: float, waiting: Reason | None) -> list[_Line]:
        progress = self._progress
        if progress.begun_at is None or progress.ended or not most:
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
        parts = [progress.run_id]
        if wave:
            position = " (%d of %d)" % (progress.wave + 1, len(progress.waves)) if len(progress.waves) > 1 else ""
            parts.append("%s%s" % (wave.name, position))
        times = _times(progress, now)
        left = _fitting(parts, columns - len(times) - 2, "  ") or fit(parts[0], columns - len(times) - 2, self._glyphs.more)
        return pad(left, columns - len(times), self._glyphs.more) + times if len(times) < columns else times[:columns]

    def _counts(self, columns: int) -> str:
        return _fitting(_counts(self._progress), columns, "  ")

    def _why(self, columns: int, now: float, waiting: Reason | None) -> _Line:
        progress = self._progress
        if progress.stop:
            text = "%s stopping: %s" % (self._glyphs.alert, progress.stop[0])
            return _Line(fit(text, columns, self._glyphs.more), "alert")
        why = _waiting(progress, now, waiting)
        return _Line(fit("waiting: " + why, columns, self._glyphs.more) if why else "", "faint")

    def _hosts(self, columns: int, room: int, now: float) -> list[_Line]:
        # Those that went first are above; those that still serve are below.
        flying = list(self._progress.flying.values())
        out = sorted((host for host in flying if host.out_since is not None), key=lambda host: host.out_since or 0.0)
        hosts = out + [host for host in flying if host.out_since is None]
        if room <= 0:
            return []
        shown = hosts if len(hosts) <= room else hosts[: room - 1]
        names = min(max((columns_of(host.name) for host in shown), default=0), _NAME_MAX_COLUMNS, max(8, columns // 3))
        lines = [self._host(host, names, columns, now) for host in shown]
        if len(shown) < len(hosts):
            lines.append(
                _Line(fit("  %s and %d more" % (self._glyphs.more, len(hosts) - len(shown)), columns, self._glyphs.more))
            )
        return lines

    def _host(self, host: InFlight, names: int, columns: int, now: float) -> _Line:
        late = host.beyond_p95(now)
        text = "%s %s  %s %6s" % (
            self._glyphs.alert if late else " ",
            pad(host.name, names, self._glyphs.more),
            pad(_PHASES[host.phase], _PHASE_COLUMNS),
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

    # Drawing.

    def _draw(self, block: list[_Line], columns: int, lines: int) -> None:
        if not self._above and block == self._drawn:
            return
        # What lies above the terminal's first line can't be reached any more.
        up = min(len(self._drawn), max(0, lines - 1))
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


class PlainView:
    """For logs: a line for everything that matters, with the time since the start, and how it stands now and then.

    :param verbosity: from 1 on, every step of each host.
    :param predictions: host → how long it will take.
    :param state: of the run up to the first record that comes here, if that is not C(run_started).
    """

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        verbosity: int = 0,
        glyphs: Glyphs = UNICODE,
        predictions: Mapping[str, Prediction] | None = None,
        state: RunState | None = None,
    ) -> None:
        self._write = write
        self._verbose = verbosity > 0
        self._glyphs = glyphs
        self._progress = Progress(predictions, state)
        self._next_summary: float | None = None

    def record(self, record: Record, now: float) -> None:
        """Write the line of a record, if it has one."""
        progress = self._progress
        news = progress.apply(record, now)
        if self._next_summary is None:
            self._next_summary = now + SUMMARY_EVERY_S
        event = record["event"]
        if event == "run_started":
            self._say("%s: %s in %s" % (progress.run_id, counted(progress.total, "host"), _count_waves(progress)), now)
        elif event == "run_resumed":
            self._say("%s is resumed: %d of %d hosts to go" % (progress.run_id, progress.to_go, progress.total), now)
        elif event == "run_stopping":
            self._say("stopping: %s" % _reason(record), now)
        elif event == "run_ended":
            self._say("ended: %s" % ", ".join(_counts(progress)), now)
        if news.begun:
            self._say(_begins(news.begun, progress), now)
        if news.host:
            text = _told(event, record, news.host, self._glyphs) or (_told_more(event, record) if self._verbose else "")
            if text:
                self._say("%s: %s" % (news.host.name, text), now)
        if news.over and len(progress.waves) > 1:
            self._say(_over(news.over), now)

    def tick(self, now: float, waiting: Reason | None = None) -> None:
        """Say how it stands, if it is time to."""
        if self._next_summary is None:
            self._progress.begin(now)
            self._next_summary = now + SUMMARY_EVERY_S
        if now < self._next_summary or self._progress.ended:
            return
        self._next_summary = now + SUMMARY_EVERY_S
        parts = _counts(self._progress)
        left_s = self._progress.left_s(now)
        if left_s is not None:
            parts.append("about %s left" % duration(left_s))
        why = _waiting(self._progress, now, waiting)
        self._say(", ".join(parts) + ("; waiting: " + why if why else ""), now)

    def close(self) -> None:
        """Nothing is held back, so there is nothing to do."""

    def _say(self, text: str, now: float) -> None:
        self._write("%s  %s\n" % (stamp(self._progress.elapsed_s(now)), text))


def _waiting(progress: Progress, now: float, reason: Reason | None) -> str:
    """Why no more hosts go just now. What the records tell comes first: it is counted down from draw to draw."""
    return progress.waiting_for(now) or (clipped(reason.message) if reason and not progress.stop else "")


def _told(event: str, record: Record, host: InFlight, glyphs: Glyphs) -> str:
    """What matters of a host, in words."""
    text = ""
    if event == "host_draining":
        text = "out" + (", predicted outage %s" % duration(host.predicted.p50.outage_s) if host.predicted else "")
    elif event == "host_back":
        text = "back" + (" after %s" % duration(host.outage_ms / 1000) if host.outage_ms is not None else "")
    elif event == "host_released":
        text = "done, %s" % _way(host, glyphs)
    elif event == "host_failed":
        text = "failed%s, %s" % (" and is down" if record["down"] else "", _reason(record))
    elif event == "host_refused":
        text = "refused, %s" % _reason(record)
    elif event == "host_unstaged":
        text = _not_rebooted(record)
    return text


_CAME = {"host_unproven": "came by %s, not as asked", "host_verified": "verified, came by %s"}


def _told_more(event: str, record: Record) -> str:
    """The steps between."""
    if event == "host_preparing":
        return "preparing"
    if event == "host_prepared":
        return "prepared, %s%s" % (clean(record["method"]), _took(record))
    if event == "hook_ended":
        how = "succeeded" if record["ok"] else "failed"
        tries = "" if record["attempts"] == 1 else " after %d attempts" % record["attempts"]
        said = "" if record["ok"] or not record["message"] else ": " + clipped(record["message"])
        return "hook %s (%s) %s%s%s%s" % (clean(record["hook"]), clean(record["phase"]), how, _took(record), tries, said)
    if event == "host_undrained":
        return "undrained" if record["ok"] else "could not be undrained"
    if event in _CAME:
        return _CAME[event] % clean(record["path"])
    words = {
        "host_drained": "drained",
        "host_intent": "triggering",
        "host_triggered": "triggered",
        "host_down": "down",
        "host_healthy": "healthy",
    }
    return words[event] + _took(record) if event in words else ""


def _not_rebooted(record: Record) -> str:
    return "not rebooted" + ("" if record["ok"] else "; its image could not be unloaded")


def _took(record: Record) -> str:
    took_ms = record.get("duration_ms")
    return "" if took_ms is None else " in %s" % duration(took_ms / 1000)


def _reason(record: Record) -> str:
    reason = record["reason"]
    return "%s: %s" % (clean(reason["code"]), clipped(reason["message"]))


def _way(host: InFlight, glyphs: Glyphs) -> str:
    """How a host came back, and after how long."""
    parts = [host.path or "rebooted"]
    if host.outage_ms is not None:
        parts.append(duration(host.outage_ms / 1000))
        if host.predicted and host.beyond_p95(0.0):
            parts.append("%s p95 is %s" % (glyphs.alert, duration(host.predicted.p95.outage_s)))
    return "  ".join(parts)


def _begins(wave: WaveState, progress: Progress) -> str:
    position = " (%d of %d)" % (progress.wave + 1, len(progress.waves)) if len(progress.waves) > 1 else ""
    return "%s%s begins: %s" % (wave.name, position, counted(wave.size, "host"))


def _over(wave: WaveState) -> str:
    return "%s is over%s" % (wave.name, ", soaking for %s" % duration(wave.soak_s) if wave.soak_s else "")


def _count_waves(progress: Progress) -> str:
    return counted(len(progress.waves), "wave")


def _counts(progress: Progress) -> list[str]:
    """The most important first."""
    counts = progress.counts
    window = "" if progress.window is None or progress.ended else " of %d" % progress.window
    failed = "%d failed" % counts[Status.FAILED] + (" of %d allowed" % progress.budget if progress.budget else "")
    parts = ["%d of %d done" % (counts[Status.DONE], progress.total), failed]
    if not progress.ended or counts[Status.OUT]:
        parts.append("%d%s out" % (counts[Status.OUT], window))
    if not progress.ended or progress.to_go:
        parts.append("%d to go" % progress.to_go)
    for number, word in (
        (len(progress.down), "down"),
        (counts[Status.REFUSED], "refused"),
        (counts[Status.DISCARDED], "not rebooted"),
    ):
        if number:
            parts.append("%d %s" % (number, word))
    return parts


def _times(progress: Progress, now: float) -> str:
    left_s = progress.left_s(now)
    return stamp(progress.elapsed_s(now)) + (", about %s left" % duration(left_s) if left_s is not None else "")


def _fitting(parts: list[str], columns: int, between: str) -> str:
    """As many of the first parts as fit."""
    text = ""
    for part in parts:
        longer = text + between + part if text else part
        if columns_of(longer) > columns:
            break
        text = longer
    return text
