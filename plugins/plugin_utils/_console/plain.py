# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Display of a rollout in a log: a line for each important event, and a regular summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._journal import events
from .._journal.run_state import Change, RunState
from .._schedule.hosts import Prediction
from .._text import UNICODE, Glyphs, by_path, clean, duration, stamp
from . import lines
from .progress import ActiveHost, Progress

SUMMARY_EVERY_S = 30.0


class PlainView:
    """Display for logs, each line with the time since the start. From verbosity 1 on, it shows every step of each host."""

    def __init__(
        self,
        write: Callable[[str], object],
        state: RunState,
        *,
        verbosity: int = 0,
        glyphs: Glyphs = UNICODE,
        predictions: Mapping[str, Prediction] | None = None,
    ) -> None:
        self._write = write
        self._verbose = verbosity > 0
        self._glyphs = glyphs
        self._progress = Progress(state, predictions)
        self._next_summary: float | None = None

    def show(self, change: Change, now: float) -> None:
        """Write the lines for a change, if it has any."""
        progress = self._progress
        host = progress.apply(change, now)
        if self._next_summary is None:
            self._next_summary = now + SUMMARY_EVERY_S
        text = self._of_run(change.event)
        if text:
            self._say(text, now)
        if change.begun:
            self._say(lines.wave_begins(change.begun, progress), now)
        if host:
            text = self._of_host(change, host)
            if not text and self._verbose and type(change.event) in _STEPS:
                text = _STEPS[type(change.event)](change.event)
            if text:
                self._say("%s: %s" % (host.name, text), now)
        if change.over and len(progress.state.waves) > 1:
            self._say(lines.wave_is_over(change.over), now)

    def tick(self, now: float, waiting: Reason | None = None) -> None:
        """Write a summary, unless the last one is recent."""
        if self._next_summary is None:
            self._progress.begin(now)
            self._next_summary = now + SUMMARY_EVERY_S
        if now < self._next_summary or self._progress.state.ended:
            return
        self._next_summary = now + SUMMARY_EVERY_S
        parts = lines.counts(self._progress)
        left_s = self._progress.left_s(now)
        if left_s is not None:
            parts.append("about %s left" % duration(left_s))
        why = lines.waiting_for(self._progress, now, waiting)
        self._say(", ".join(parts) + ("; waiting: " + why if why else ""), now)

    def close(self) -> None:
        """Do nothing: every line was written at once."""

    def _say(self, text: str, now: float) -> None:
        self._write("%s  %s\n" % (stamp(self._progress.elapsed_s(now)), text))

    def _of_run(self, event: events.Event) -> str:
        text = ""
        match event:
            case events.RunStarted():
                text = lines.begins(self._progress)
            case events.RunResumed():
                text = lines.resumes(self._progress)
            case events.RunHookEnded() if self._verbose or not event.ok:
                text = lines.hook_ended(event)
            case events.RunStopping():
                text = "stopping: %s" % lines.with_code(event.reason)
            case events.RunOwes():
                text = lines.with_code(event.reason)
            case events.RunEnded():
                text = "ended: %s" % ", ".join(lines.counts(self._progress))
        return text

    def _of_host(self, change: Change, host: ActiveHost) -> str:
        event, text = change.event, ""
        match event:
            case events.HostDraining():
                text = "in flight" + (", predicted outage %s" % duration(host.predicted.p50.outage_s) if host.predicted else "")
            case events.HostBack():
                text = "back" + (" after %s" % duration(event.outage_ms / 1000) if event.outage_ms is not None else "")
            case events.HostCompared() if event.differences or not event.compared:
                text = lines.compared(event)
            case events.HostReleased():
                text = "done, %s" % lines.way(host, self._glyphs)
            case events.HostFailed():
                text = "failed%s, %s" % (" and is down" if event.down else "", lines.with_code(event.reason))
            case events.HostNotNeeded():
                text = "needs no reboot"
            case events.HostRefused():
                text = "refused, %s" % lines.with_code(event.reason)
            case events.HostOwes():
                text = lines.owes(event)
            case events.HostUnstaged() if host.state.phase is not change.phase_before:
                text = lines.not_rebooted(event)
        return text


def _took(took_ms: int | None) -> str:
    return "" if took_ms is None else " in %s" % duration(took_ms / 1000)


# Words for the steps that only a verbose log shows.
_STEPS: Mapping[type[events.Event], Callable[[Any], str]] = {
    events.HostPreparing: lambda event: "preparing",
    events.HostPrepared: lambda event: "prepared, %s%s" % (clean(event.method), _took(event.duration_ms)),
    events.HookEnded: lines.hook_ended,
    events.HostUndrained: lambda event: "undrained" if event.ok else "could not be undrained",
    events.HostPaid: lambda event: "owes no %s any more" % clean(event.debt),
    events.HostDrained: lambda event: "drained" + _took(event.duration_ms),
    events.HostIntent: lambda event: "triggering",
    events.HostTriggered: lambda event: "triggered",
    events.HostDown: lambda event: "down",
    events.HostUnproven: lambda event: "came %s, not as asked" % by_path(event.path),
    events.HostVerified: lambda event: "verified, came %s" % by_path(event.path),
    events.HostCompared: lines.compared,
    events.HostHealthy: lambda event: "healthy" + _took(event.duration_ms),
}
