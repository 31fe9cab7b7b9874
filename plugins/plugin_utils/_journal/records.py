# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vocabulary of the journal: one function for each event.

What an event means, and what its fields hold, is in C(docs/journal.md), which
a test compares with this module. Fields are only ever added: whoever reads a
journal ignores events and fields that it does not know.

A record is plain values, C(event) first. Version, number and time are the
journal's to add. No secret may enter a record: settings come in as they may be
shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

Record = dict[str, Any]

# What is kept of a text that others wrote: the output of a hook, what a host answered. Its last words say most.
TEXT_MAX_CHARS = 4096
TEXT_HEAD_CHARS = 1024


def bounded(text: str) -> str:
    """A text of at most :data:`TEXT_MAX_CHARS` characters: of a longer one its head and tail, and how much was left out."""
    if len(text) <= TEXT_MAX_CHARS:
        return text
    gap = "\n[%d characters left out]\n"
    tail_chars = TEXT_MAX_CHARS - TEXT_HEAD_CHARS - len(gap % len(text))
    return text[:TEXT_HEAD_CHARS] + gap % (len(text) - TEXT_HEAD_CHARS - tail_chars) + text[-tail_chars:]


def _reason(reason: Reason) -> dict[str, str]:
    return {"code": reason.code, "message": bounded(reason.message), "hint": reason.hint}


# The run.


def run_started(
    *,
    run_id: str,
    controller: str,
    collection_version: str,
    hosts: Sequence[str],
    bystanders: Sequence[str],
    settings: Mapping[str, Any],
    waves: Sequence[Mapping[str, Any]],
    pid: int | None = None,
) -> Record:
    """The first record of every journal.

    :param settings: without secrets.
    :param waves: C(name), C(hosts) and C(soak_s) of each.
    """
    return {
        "event": "run_started",
        "run_id": run_id,
        "controller": controller,
        "pid": pid,
        "collection_version": collection_version,
        "hosts": list(hosts),
        "bystanders": list(bystanders),
        "settings": dict(settings),
        "waves": [dict(wave) for wave in waves],
    }


def run_resumed(*, controller: str, pid: int) -> Record:
    """Another controller process took the run up."""
    return {"event": "run_resumed", "controller": controller, "pid": pid}


def run_terms(
    *, window: int, limits: Sequence[Mapping[str, Any]], forecast: Mapping[str, Any] | None, failure_budget: int
) -> Record:
    """What the process goes by that began or resumed the run just before.

    :param window: how many hosts may be out at a time.
    :param limits: each with C(of), in words, C(most), how many may be unavailable, and C(hosts), who counts.
    :param forecast: as :func:`rollout.forecast_result` makes it, of what was left then.
    :param failure_budget: how many hosts may fail in all.
    """
    return {
        "event": "run_terms",
        "window": window,
        "limits": [dict(limit) for limit in limits],
        "forecast": None if forecast is None else dict(forecast),
        "failure_budget": failure_budget,
    }


def run_stopping(*, reason: Reason) -> Record:
    """From here on nothing new starts."""
    return {"event": "run_stopping", "reason": _reason(reason)}


def run_ended(*, counts: Mapping[str, int], duration_ms: int) -> Record:
    """The run is over; of this controller process, the time it took."""
    return {"event": "run_ended", "counts": dict(counts), "duration_ms": duration_ms}


# A host, up to its trigger.


def host_preparing(host: str) -> Record:
    """From here on an image may be staged on it."""
    return {"event": "host_preparing", "host": host}


def host_prepared(
    host: str,
    *,
    method: str,
    token: str,
    release: str,
    staged: Mapping[str, Any] | None,
    boot_id: str,
    release_before: str,
    predicted_ms: Mapping[str, Any] | None = None,
    reasons: Sequence[Reason] = (),
    notes: Sequence[Mapping[str, Any]] = (),
    duration_ms: int | None = None,
    combination: str | None = None,
) -> Record:
    """It could be triggered.

    :param release: of the kernel that is staged; empty for a reboot through firmware.
    :param staged: as M(fleet.kexec.stage) returns it.
    :param predicted_ms: as :meth:`hosts.Prediction.as_ms` makes it.
    :param combination: of hardware and kernel; hosts of the same one are expected to take as long.
    """
    return {
        "event": "host_prepared",
        "host": host,
        "method": method,
        "token": token,
        "release": release,
        "staged": None if staged is None else dict(staged),
        "boot_id": boot_id,
        "release_before": release_before,
        "predicted_ms": None if predicted_ms is None else dict(predicted_ms),
        "reasons": [_reason(each) for each in reasons],
        "notes": [_note(each) for each in notes],
        "duration_ms": duration_ms,
        "combination": combination,
    }


def _note(note: Mapping[str, Any]) -> dict[str, Any]:
    return {key: bounded(value) if isinstance(value, str) else value for key, value in note.items()}


def host_draining(host: str) -> Record:
    """It takes up capacity, and its C(before) hooks begin."""
    return {"event": "host_draining", "host": host}


def hook_ended(host: str, *, hook: str, phase: str, attempts: int, ok: bool, duration_ms: int, message: str = "") -> Record:
    """A hook ended, after its last attempt.

    :param phase: C(before), C(after) or C(on_failure).
    :param message: what it printed or answered.
    """
    return {
        "event": "hook_ended",
        "host": host,
        "hook": hook,
        "phase": phase,
        "attempts": attempts,
        "ok": ok,
        "duration_ms": duration_ms,
        "message": bounded(message),
    }


def host_drained(host: str, *, duration_ms: int | None = None) -> Record:
    """All C(before) hooks succeeded."""
    return {"event": "host_drained", "host": host, "duration_ms": duration_ms}


def host_undrained(host: str, *, ok: bool) -> Record:
    """It is not rebooted after all, and its C(after) hooks ran."""
    return {"event": "host_undrained", "host": host, "ok": ok}


def host_unstaged(host: str, *, ok: bool, told: bool = False) -> Record:
    """It is not rebooted after all, and nothing is left staged on it if C(ok).

    :param told: it may have been told to reboot before that.
    """
    return {"event": "host_unstaged", "host": host, "ok": ok, "told": told}


def host_refused(host: str, *, reason: Reason) -> Record:
    """It can't be rebooted; nothing was done to it that was not undone."""
    return {"event": "host_refused", "host": host, "reason": _reason(reason)}


# A host, from its trigger on.


def host_intent(
    host: str,
    *,
    boot_id: str,
    token: str,
    unit: str,
    method: str,
    release: str,
    reboot_timeout_s: float,
    panic: Mapping[str, int] | None = None,
) -> Record:
    """It is about to be triggered: from here on it has to be asked what became of it.

    :param unit: of systemd, which reboots it.
    :param panic: the kernel's own settings, to be put back after the reboot.
    """
    return {
        "event": "host_intent",
        "host": host,
        "boot_id": boot_id,
        "token": token,
        "unit": unit,
        "method": method,
        "release": release,
        "reboot_timeout_s": reboot_timeout_s,
        "panic": None if panic is None else dict(panic),
    }


def host_triggered(host: str) -> Record:
    """It acknowledged the trigger."""
    return {"event": "host_triggered", "host": host}


def host_down(host: str, *, at: str | None = None) -> Record:
    """It does not answer any more.

    :param at: since when, as :func:`journal.utc` writes it.
    """
    return {"event": "host_down", "host": host, "down_at": at}


def host_back(host: str, *, outage_ms: int | None, outage_error_ms: int | None, detected_by: str) -> Record:
    """It answers with another boot_id.

    :param outage_ms: as seen from the controller; None where nobody watched.
    :param detected_by: C(banner), C(connection) or C(resume).
    """
    return {
        "event": "host_back",
        "host": host,
        "outage_ms": outage_ms,
        "outage_error_ms": outage_error_ms,
        "detected_by": detected_by,
    }


def host_probed(
    host: str,
    *,
    probe_seen_by: str,
    probe_outage_ms: int | None,
    probe_outage_error_ms: int | None,
    probe_down_at: str | None = None,
    note: Reason | None = None,
) -> Record:
    """Its service answers again, or is not waited for any longer.

    :param probe_seen_by: what was probed; without secrets.
    :param probe_outage_ms: as seen from the controller; None if it could not be told, and C(note) why.
    :param probe_down_at: when it gave its last good answer, as :func:`journal.utc` writes it.
    """
    return {
        "event": "host_probed",
        "host": host,
        "probe_seen_by": probe_seen_by,
        "probe_outage_ms": probe_outage_ms,
        "probe_outage_error_ms": probe_outage_error_ms,
        "probe_down_at": probe_down_at,
        "note": None if note is None else _reason(note),
    }


def host_unproven(host: str, *, path: str, proof: Mapping[str, Any], boot_id: str, release: str) -> Record:
    """It was asked how it came back, and what runs is not what should.

    :param path: C(kexec) or C(firmware).
    :param proof: with the signs that are missing; empty for a host that should have come back through firmware.
    """
    return {
        "event": "host_unproven",
        "host": host,
        "path": path,
        "proof": dict(proof),
        "boot_id": boot_id,
        "release": release,
    }


def host_verified(
    host: str,
    *,
    path: str,
    proof: Mapping[str, Any],
    boot_id: str,
    release: str,
    login_ms: int | None = None,
    reasons: Sequence[Reason] = (),
) -> Record:
    """It was asked how it came back, and what runs is what should.

    :param path: C(kexec) or C(firmware).
    :param login_ms: from its first answer to the first command on it.
    :param reasons: why it did not go the way of kexec, and what it took to bring it back.
    """
    return {
        "event": "host_verified",
        "host": host,
        "path": path,
        "proof": dict(proof),
        "boot_id": boot_id,
        "release": release,
        "login_ms": login_ms,
        "reasons": [_reason(each) for each in reasons],
    }


def host_healthy(host: str, *, duration_ms: int | None = None) -> Record:
    """All C(after) hooks succeeded."""
    return {"event": "host_healthy", "host": host, "duration_ms": duration_ms}


def host_released(host: str, *, duration_ms: int | None = None) -> Record:
    """It is done and takes up capacity no more.

    :param duration_ms: since it began to.
    """
    return {"event": "host_released", "host": host, "duration_ms": duration_ms}


def host_timeline(host: str, *, timeline: Mapping[str, Any]) -> Record:
    """Where the time of its reboot went; it is done or given up by then.

    :param timeline: as M(fleet.kexec.timeline) returns it.
    """
    return {"event": "host_timeline", "host": host, "timeline": dict(timeline)}


def host_failed(host: str, *, reason: Reason, down: bool, phase: str) -> Record:
    """It is given up.

    :param down: whether it has to be taken for down, so that it still takes up capacity.
    :param phase: in which it failed; of :mod:`state`.
    """
    return {"event": "host_failed", "host": host, "reason": _reason(reason), "down": down, "phase": phase}


def host_seen(host: str, *, up: bool) -> Record:
    """A host that is not being rebooted, a bystander or one given up, was seen to be up or down."""
    return {"event": "host_seen", "host": host, "up": up}


#: Every event of the vocabulary, by its name.
EVENTS: Mapping[str, Callable[..., Record]] = {
    constructor.__name__: constructor
    for constructor in (
        run_started,
        run_resumed,
        run_terms,
        run_stopping,
        run_ended,
        host_preparing,
        host_prepared,
        host_draining,
        hook_ended,
        host_drained,
        host_undrained,
        host_unstaged,
        host_refused,
        host_intent,
        host_triggered,
        host_down,
        host_back,
        host_probed,
        host_unproven,
        host_verified,
        host_healthy,
        host_released,
        host_timeline,
        host_failed,
        host_seen,
    )
}
