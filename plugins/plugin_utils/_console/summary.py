# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text about a rollout before it begins (its plan) and after it has ended (its summary)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CATALOGUE, Reason

from .._journal.host_state import HostState
from .._journal.phases import Phase, Resume
from .._journal.run_state import RunState
from .._schedule.forecast import Forecast
from .._schedule.hosts import HostSpec, Phases, Prediction
from .._schedule.percentiles import percentile
from .._schedule.plan import Plan, Wave
from .._schedule.simulation import Course
from .._text import UNICODE, Glyphs, by_path, clean, clipped, columns_of, counted, duration, fit, pad, without_name
from .names import listed

# Hosts named for one reason; the rest are only counted.
_NAMED = 20
# The same for the hosts that a plan leaves out: nobody should find out only afterwards.
_NAMED_IN_PLAN = 200
# Hosts with the same message from which on it is shown once.
_LEAST_FOLDED = 4
# Up to this number of hosts, each has a line of predictions; beyond it, each host class has one.
_LINES_OF_HOSTS = 40
_LABEL_COLUMNS = 10
_NAME_MAX_COLUMNS = 30


def summary(
    state: RunState,
    forecast: Forecast | None,
    journal: str,
    *,
    columns: int = 80,
    glyphs: Glyphs = UNICODE,
) -> list[str]:
    """Summarize a rollout that has ended, in lines of at most C(columns), with the forecast from before it began."""
    by_phase: dict[Phase, list[HostState]] = {phase: [] for phase in Phase}
    for host in state.hosts.values():
        by_phase[host.phase].append(host)
    done, failed, refused = by_phase[Phase.RELEASED], by_phase[Phase.FAILED], by_phase[Phase.REFUSED]

    lines = ["%s: %s" % (clean(state.run_id), ", ".join(_ends(state, by_phase)))]
    if done:
        lines.append(_labelled("path", ", ".join(_paths(done))))
    outages_s = sorted((host.outage_ms / 1000, host.host) for host in state.hosts.values() if host.outage_ms is not None)
    if outages_s:
        lines.append(_labelled("outage", _outages(outages_s)))
    if state.ended:
        lines.append(_labelled("took", _took(state.duration_ms / 1000, forecast, state.resumes > 0)))
    lines = [fit(line, columns, glyphs.more) for line in lines]
    if state.stop_reason:
        stopped = "%s: %s" % (clean(state.stop_reason.code), clipped(state.stop_reason.message))
        lines += _wrapped("stopped", stopped, columns) + _wrapped("", clipped(state.stop_reason.hint), columns)
    for hook in state.hooks.values():
        if not hook.ok:
            lines += _wrapped("hook", "%s %s failed: %s" % (clean(hook.phase), clean(hook.hook), clipped(hook.message)), columns)
    lines += _by_reason("failed", ((host.host, host.reason, host.down) for host in failed), columns, glyphs, _NAMED)
    lines += _by_reason("refused", ((host.host, host.reason, False) for host in refused), columns, glyphs, _NAMED)
    differ = (
        (host.host, Reason(each.code, each.message, CATALOGUE.get(each.code, "")), False)
        for host in state.hosts.values()
        for each in host.differences
    )
    lines += _by_reason("different", differ, columns, glyphs, _NAMED)
    left_out = ((host.host, host.left_out, False) for host in state.hosts.values() if host.left_out is not None)
    lines += _by_reason("not rebooted", left_out, columns, glyphs, _NAMED)
    owed = [(host.host, why) for host in state.hosts.values() for why in host.owed.values()]
    owed += [(state.run_id, why) for why in state.owed.values()]
    lines += _by_reason("owed", ((host, why, False) for host, why in owed), columns, glyphs, _NAMED)
    left = [host for host in state.hosts.values() if host.resume is not Resume.DONE and host.phase is not Phase.REFUSED]
    # The path is never cut or wrapped, so that it can be copied.
    lines += ["", _labelled("journal", clean(journal))]
    if left:
        lines += _wrapped("left", _left(left), columns)
    if left or owed:
        lines.append(_labelled("go on by", "resume: %s" % clean(state.run_id)))
    return lines


def plan_text(
    plan: Plan | None,
    forecast: Forecast | None,
    refused: Mapping[str, Reason],
    spared: Sequence[str] = (),
    needed: Mapping[str, Sequence[Reason]] | None = None,
    *,
    risks: Mapping[str, Sequence[Reason]] | None = None,
    columns: int = 80,
    glyphs: Glyphs = UNICODE,
) -> list[str]:
    """Describe the plan of a rollout and its forecast, in lines of at most C(columns); both are None if no host is left to
    reboot.

    :param spared: hosts that are left out because they need no reboot.
    :param needed: host → why it needs a reboot; empty if that was not asked.
    :param risks: host → risks of a kexec of its class, by the ledger.
    """
    lines = ["no host will be rebooted"]
    if plan is not None and plan.hosts:
        size = (counted(len(plan.hosts), "host"), counted(len(plan.waves), "wave"), plan.window)
        lines = ["%s in %s, at most %d at a time" % size]
        if forecast is not None:
            lines += _expected(forecast, columns, glyphs)
        lines.append("")
        for wave in plan.waves:
            lines += _wave(wave, columns, glyphs)
        lines += ["", *_predictions(plan.hosts, glyphs)]
    lines = [fit(line, columns, glyphs.more) for line in lines]
    if plan is not None:
        lines += _spared(plan.hosts, columns)
    why = [(host, reason, False) for host, reasons in (needed or {}).items() for reason in reasons]
    lines += _by_reason("in need of a reboot", why, columns, glyphs, _NAMED_IN_PLAN, elsewhere="the task's result")
    at_risk = [(host, reason, False) for host, reasons in (risks or {}).items() for reason in reasons]
    lines += _by_reason("at risk by the ledger", at_risk, columns, glyphs, _NAMED_IN_PLAN, elsewhere="the task's result")
    left_out = ((host, reason, False) for host, reason in refused.items())
    lines += _by_reason("not rebooted", left_out, columns, glyphs, _NAMED_IN_PLAN, elsewhere="the task's result")
    if spared:
        more = len(spared) - _NAMED_IN_PLAN
        named = ", ".join(map(clean, spared[:_NAMED_IN_PLAN])) + (
            " and %d more; the task's result names them" % more if more > 0 else ""
        )
        lines += ["", *wrap("%d not needed: %s" % (len(spared), named), columns, subsequent_indent="  ")]
    return lines


def _ends(state: RunState, by_phase: Mapping[Phase, Sequence[HostState]]) -> list[str]:
    done, failed, refused = by_phase[Phase.RELEASED], by_phase[Phase.FAILED], by_phase[Phase.REFUSED]
    spared = by_phase[Phase.NOT_NEEDED]
    down = sum(host.down for host in failed)
    parts = ["%d of %s done" % (len(done), counted(len(state.hosts), "host"))]
    if spared:
        parts.append("%d not needed" % len(spared))
    if failed:
        parts.append("%d failed%s" % (len(failed), " (%d down)" % down if down else ""))
    if refused:
        parts.append("%d refused" % len(refused))
    left = len(state.hosts) - len(done) - len(spared) - len(failed) - len(refused)
    if left:
        parts.append("%d left" % left)
    owed = sum(len(host.owed) for host in state.hosts.values()) + len(state.owed)
    if owed:
        parts.append("%d owed" % owed)
    return parts


def _paths(done: Sequence[HostState]) -> list[str]:
    paths: dict[str, int] = {}
    for host in done:
        paths[host.path] = paths.get(host.path, 0) + 1
    return ["%d %s" % (number, by_path(path)) for path, number in paths.items()]


def _outages(ordered: Sequence[tuple[float, str]]) -> str:
    times_s = [outage_s for outage_s, _host in ordered]
    longest_s, host = ordered[-1]
    p50, p95 = (duration(percentile(times_s, percent)) for percent in (50, 95))
    return "p50 %s, p95 %s, longest %s (%s)" % (p50, p95, duration(longest_s), clean(host))


def _took(took_s: float, forecast: Forecast | None, resumed: bool) -> str:
    took = duration(took_s) + (" since it was resumed" if resumed else "")
    if forecast is None:
        return took
    apart_s = took_s - forecast.total_p50_s
    than = "%s %s than the forecast" % (duration(abs(apart_s)), "longer" if apart_s >= 0 else "less")
    return "%s, %s of %s (p95 %s)" % (took, than, duration(forecast.total_p50_s), duration(forecast.total_p95_s))


def _left(left: Sequence[HostState]) -> str:
    asked = sum(host.resume is Resume.ASK for host in left)
    owing = sum(host.phase is Phase.DISCARDED and bool(host.owed) for host in left)
    undone = sum(host.phase is Phase.DISCARDED for host in left) - owing
    untouched = sum(host.phase is Phase.WAITING for host in left)
    parts = []
    for number, words in (
        (asked, "in flight, to be asked what became of them"),
        (len(left) - asked - undone - owing - untouched, "begun and not triggered"),
        (owing, "prepared and not put back yet"),
        (undone, "prepared and put back as they were"),
        (untouched, "not begun"),
    ):
        if number:
            parts.append("%d %s" % (number, words))
    return "; ".join(parts)


def _expected(forecast: Forecast, columns: int, glyphs: Glyphs) -> list[str]:
    takes = "%s; in 95 of 100 cases up to %s" % (duration(forecast.total_p50_s), duration(forecast.total_p95_s))
    stopped = forecast.course.stopped
    stops = _wrapped("stops", "%s: %s" % (stopped.code, clipped(stopped.message)), columns) if stopped else []
    return [_labelled("takes", takes), *stops, *_sketch(forecast.course, columns, glyphs)]


def _wave(wave: Wave, columns: int, glyphs: Glyphs) -> list[str]:
    soak = ", then a pause of %s" % duration(wave.soak_s) if wave.soak_s else ""
    names = [clean(host.name) for host in wave.hosts]
    return [
        "%s: %s%s" % (wave.name, counted(len(names), "host"), soak),
        *listed(names, "  ", columns, glyphs),
    ]


def _predictions(hosts: Sequence[HostSpec], glyphs: Glyphs) -> list[str]:
    """Table of predicted durations by phase, for each host or each host class."""
    rows: list[tuple[str, Prediction]]
    if len(hosts) <= _LINES_OF_HOSTS:
        title = "HOST"
        rows = [(clean(host.name), host.predicted) for host in hosts]
    else:
        title = "HOSTS"
        alike: dict[tuple[str, Prediction], int] = {}
        for host in hosts:
            key = (host.host_class, host.predicted)
            alike[key] = alike.get(key, 0) + 1
        rows = [
            ("%d %s" % (number, clean(host_class)), predicted)
            for (host_class, predicted), number in sorted(alike.items(), key=lambda item: -item[1])
        ]
        more = len(rows) - _LINES_OF_HOSTS
        rows = rows[:_LINES_OF_HOSTS]
    names = min(_NAME_MAX_COLUMNS, max(len(title), *(columns_of(name) for name, _predicted in rows)))
    lines = ["%s  %8s %8s %8s %8s %8s %8s" % (pad(title, names), "PREPARE", "DRAIN", "OUTAGE", "AFTER", "TOTAL", "P95")]
    for name, predicted in rows:
        cells = [*_phases_s(predicted.p50), predicted.p50.total_s, predicted.p95.total_s]
        lines.append(pad(name, names, glyphs.more) + "  " + " ".join("%8s" % _cell(seconds) for seconds in cells))
    if title == "HOSTS" and more > 0:
        lines.append("%s and %d more host classes" % (glyphs.more, more))
    return lines


def _spared(hosts: Sequence[HostSpec], columns: int) -> list[str]:
    """Say by how much parts of C(prepare_boot) that no reboot has tried are predicted to shorten outages."""
    spared_s = sorted(host.spared_s for host in hosts if host.spared_s)
    if not spared_s:
        return []
    said = (counted(len(spared_s), "host"), duration(percentile(spared_s, 50)), " (median)" if len(spared_s) > 1 else "")
    text = "%s: outage %s shorter than before%s, by parts of prepare_boot that have not been tried yet" % said
    return wrap(text, columns, subsequent_indent="  ")


def _phases_s(phases: Phases) -> list[float]:
    return [phases.prepare_s, phases.drain_s, phases.outage_s, phases.after_s]


def _cell(seconds: float) -> str:
    return duration(seconds) if seconds else "-"


def _sketch(course: Course, columns: int, glyphs: Glyphs) -> list[str]:
    """Chart of the hosts in flight over time: the maximum in each interval."""
    cells = max(8, min(60, columns - _LABEL_COLUMNS - 14))
    peaks = _peaks(course, cells)
    peak = max(peaks)
    if not peak:
        return []
    top = len(glyphs.levels) - 1
    # Round up, so that only 0 is drawn as nothing.
    chart = "".join(glyphs.levels[-(-top * value // peak)] for value in peaks)
    end = duration(course.total_s)
    scale = "0" + " " * (cells - 1 - len(end)) + end
    return [_labelled("in flight", "%s  most %d" % (chart, peak)), _labelled("", scale)]


def _peaks(course: Course, cells: int) -> list[int]:
    """Maximum number of hosts in flight in each of C(cells) equal intervals."""
    peaks = [0] * cells
    if course.total_s <= 0:
        return peaks
    until = [at for at, _out in course.out_over_time[1:]] + [course.total_s]
    for (since_s, out), until_s in zip(course.out_over_time, until, strict=True):
        if until_s <= since_s:
            continue
        first = min(cells - 1, int(since_s / course.total_s * cells))
        # An interval that begins where the span ends does not count.
        last = min(cells - 1, max(first, -int(-until_s / course.total_s * cells // 1) - 1))
        for cell in range(first, last + 1):
            peaks[cell] = max(peaks[cell], out)
    return peaks


def _by_reason(
    what: str,
    hosts: Iterable[tuple[str, Reason | None, bool]],
    columns: int,
    glyphs: Glyphs,
    most: int,
    *,
    elsewhere: str = "the journal",
) -> list[str]:
    """List hosts with their messages, grouped by the code and hint that they share.

    :param hosts: (name, reason, whether the host is down).
    :param most: number of hosts to name in each group.
    :param elsewhere: names them all.
    """
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for host, reason, down in hosts:
        if reason is not None:
            said = ("(down) " if down else "") + reason.message
            groups.setdefault((reason.code, reason.hint), []).append((host, said))
    lines = []
    for (code, hint), members in groups.items():
        lines += ["", "%d %s, %s" % (len(members), what, clean(code))]
        lines += wrap(clipped(hint), columns, initial_indent="  ", subsequent_indent="  ")
        shown = members if len(members) <= most else members[: most - 1]
        lines += _messages(shown, columns, glyphs)
        if len(shown) < len(members):
            lines.append("  %s and %d more; %s names them" % (glyphs.more, len(members) - len(shown), elsewhere))
    return lines


def _messages(hosts: Sequence[tuple[str, str]], columns: int, glyphs: Glyphs) -> list[str]:
    """List hosts with their messages; a message that many share is there once, with their names below it."""
    alike = {without_name(said, host) for host, said in hosts}
    if len(hosts) >= _LEAST_FOLDED and len(alike) == 1:
        message = wrap(clipped(alike.pop()), columns, initial_indent="  ", subsequent_indent="  ")
        return message + listed([clean(host) for host, _said in hosts], "    ", columns, glyphs, len(hosts))
    named = [(clean(host), clipped(said)) for host, said in hosts]
    names = min(_NAME_MAX_COLUMNS, max(columns_of(host) for host, _said in named))
    lines = []
    for host, said in named:
        # Names are never cut, so that they can be searched for.
        first = "  %s  " % (host + " " * (names - columns_of(host)))
        lines += wrap(said, columns, initial_indent=first, subsequent_indent=" " * (names + 4)) or [first.rstrip()]
    return lines


def _labelled(label: str, text: str) -> str:
    return label.ljust(_LABEL_COLUMNS) + text


def _wrapped(label: str, text: str, columns: int) -> list[str]:
    return wrap(text, columns, initial_indent=_labelled(label, ""), subsequent_indent=_labelled("", ""))
