# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of text about a rollout, shared by live view and log. They contain no terminal control sequences."""

from __future__ import annotations

from typing import Protocol

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._journal import events
from .._journal.run_state import Change, WaveState
from .._reboot.difference import summed_up
from .._schedule.hosts import Status
from .._text import Glyphs, clean, clipped, counted, duration
from .progress import ActiveHost, Progress


class View(Protocol):
    """Display of a rollout while it runs. All times are seconds of one clock."""

    def show(self, change: Change, now: float) -> None:
        """Take in a change of the run's state."""

    def tick(self, now: float, waiting: Reason | None = None) -> None:
        """Update the display; called about twice a second.

        :param waiting: the scheduler's reason why no more hosts go now; the journal does not have it.
        """

    def close(self) -> None:
        """End the display."""


def begins(progress: Progress) -> str:
    return "%s: %s in %s" % (clean(progress.state.run_id), counted(progress.total, "host"), _waves(progress))


def resumes(progress: Progress) -> str:
    return "%s is resumed: %d of %d hosts to go" % (clean(progress.state.run_id), progress.to_go, progress.total)


def wave_begins(wave: WaveState, progress: Progress) -> str:
    return "%s%s begins: %s" % (clean(wave.name), position(progress), counted(len(wave.hosts), "host"))


def wave_is_over(wave: WaveState) -> str:
    return "%s is over%s" % (clean(wave.name), ", soaking for %s" % duration(wave.soak_s) if wave.soak_s else "")


def position(progress: Progress) -> str:
    """Position of the wave that began last, such as " (2 of 3)"; empty if there is only one wave."""
    waves = progress.state.waves
    return " (%d of %d)" % (progress.state.wave + 1, len(waves)) if len(waves) > 1 else ""


def _waves(progress: Progress) -> str:
    return counted(len(progress.state.waves), "wave")


def counts(progress: Progress) -> list[str]:
    """Numbers of hosts by status, the most important first."""
    state, number = progress.state, progress.state.statuses
    window = "" if progress.window is None or state.ended else " of %d" % progress.window
    allowed = " of %d allowed" % progress.failure_budget if progress.failure_budget else ""
    parts = ["%d of %d done" % (number[Status.DONE], progress.total), "%d failed%s" % (number[Status.FAILED], allowed)]
    if not state.ended or number[Status.IN_FLIGHT]:
        parts.append("%d%s in flight" % (number[Status.IN_FLIGHT], window))
    if not state.ended or progress.to_go:
        parts.append("%d to go" % progress.to_go)
    for count, word in (
        (len(state.down), "down"),
        (number[Status.NOT_NEEDED], "not needed"),
        (number[Status.REFUSED], "refused"),
        (number[Status.DISCARDED], "not rebooted"),
    ):
        if count:
            parts.append("%d %s" % (count, word))
    return parts


def waiting_for(progress: Progress, now: float, reason: Reason | None) -> str:
    """Reason why no more hosts go now. One known from events takes precedence, because its countdown is current."""
    return progress.waiting_for(now) or (clipped(reason.message) if reason and not progress.state.stop_reason else "")


def with_code(reason: Reason) -> str:
    return "%s: %s" % (clean(reason.code), clipped(reason.message))


def not_rebooted(event: events.HostUnstaged) -> str:
    return "not rebooted" + ("" if event.ok else "; its image could not be unloaded")


def owes(event: events.HostOwes) -> str:
    return "owes %s, %s" % (clean(event.debt), with_code(event.reason))


def compared(event: events.HostCompared) -> str:
    """Differences of a machine from what it was before."""
    if not event.compared and not event.differences:
        return "not compared: its machine was not remembered"
    return clipped(summed_up(event.differences, event.more))


def way(host: ActiveHost, glyphs: Glyphs) -> str:
    """Path by which a host came back, and the length of its outage."""
    parts = [clean(host.state.path) or "rebooted"]
    if host.state.outage_ms is not None:
        parts.append(duration(host.state.outage_ms / 1000))
        if host.predicted and host.beyond_p95(0.0):
            parts.append("%s p95 is %s" % (glyphs.alert, duration(host.predicted.p95.outage_s)))
    return "  ".join(parts)


def hook_ended(event: events.HookEnded | events.RunHookEnded) -> str:
    how = "succeeded" if event.ok else "failed"
    tries = "" if event.attempts == 1 else " after %s" % counted(event.attempts, "attempt")
    said = "" if event.ok or not event.message else ": " + clipped(event.message)
    took = duration(event.duration_ms / 1000)
    return "hook %s (%s) %s in %s%s%s" % (clean(event.hook), clean(event.phase), how, took, tries, said)
