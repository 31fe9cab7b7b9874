# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences about a run, for its page and its headline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.fleet.kexec.plugins.module_utils._finding_kinds import KINDS

from .._text import by_path, clean, clipped, counted, duration
from . import words
from .figures import CapacityUse, Figures, KernelChange, Savings
from .gains import FleetGains
from .read import RunReport
from .timeline import BootFinding

_BREACHES_NAMED = 5
_KERNELS_NAMED = 3


@dataclass(frozen=True)
class Standing:
    """State of a run in a word, with its colour."""

    title: str
    css: str


def standing_of(run: RunReport, figures: Figures) -> Standing:
    if run.state.stop_reason is not None:
        return Standing("Stopped", "bad")
    if not run.state.ended:
        return Standing("Not ended", "warn")
    if figures.as_asked:
        return Standing("Done", "good")
    return Standing("Ended", "bad" if figures.statuses.get("failed") else "warn")


def headline(run: RunReport, figures: Figures) -> str:
    """Summarize a run in one line."""
    parts = ["%d of %s rebooted" % (figures.statuses.get("done", 0), counted(figures.hosts, "host"))]
    if figures.others:
        parts[0] += " (%s)" % figures.others
    if figures.paths:
        parts.append(_paths(figures))
    if figures.outage:
        times = (figures.outage.p50_ms, figures.outage.p95_ms, figures.outage.longest_ms)
        parts.append("outage p50 %s, p95 %s, longest %s" % tuple(map(words.ms, times)))
    parts.append("host-hours saved against firmware %s" % (words.hours(figures.saved.total_ms) if figures.saved else "n/a"))
    parts.append("capacity %s" % held(figures.capacity))
    parts.append("took %s" % duration(run.end_s))
    return "; ".join(parts) + "."


def _paths(figures: Figures) -> str:
    return ", ".join("%d %s" % (number, by_path(path)) for path, number in sorted(figures.paths.items(), reverse=True))


def held(capacity: CapacityUse) -> str:
    return {True: "within limits", False: "exceeded", None: "not known"}[capacity.held]


def capacity_text(run: RunReport, capacity: CapacityUse) -> str:
    """Describe the unavailable hosts against the limits."""
    text = "At most %s in flight at a time" % counted(capacity.most_in_flight, "host")
    if capacity.windows:
        text += ", with a window of %s" % in_turn(capacity.windows)
    if any(allowed is not None for allowed in capacity.allowed):
        allowed = in_turn("no limit" if each is None else each for each in capacity.allowed)
        text += "; at most %d of the whole fleet unavailable, with max_unavailable at %s" % (capacity.most_unavailable, allowed)
    if capacity.limits:
        text += "; and %s by domain or group" % counted(capacity.limits, "limit")
    verdict = {
        True: "all limits were kept.",
        False: "limits were exceeded.",
        None: "the journal does not have all limits, so this can't be judged.",
    }[capacity.held]
    breaches = [
        "With %s, in flight from %s UTC, %d were unavailable where %s allows %d."
        % (clean(each.host), words.clock(run.started_s + each.at_s), each.unavailable, each.of, each.most)
        for each in capacity.breaches[:_BREACHES_NAMED]
    ]
    more = len(capacity.breaches) - len(breaches)
    beside = _beside_text(run)
    said = ["%s: %s" % (text, verdict), *([beside] if beside else []), *breaches, *(["And %d more." % more] if more else [])]
    return " ".join(said)


def _beside_text(run: RunReport) -> str:
    """Describe the hosts that were unavailable without being in flight; empty if there were none."""
    given_up, most = run.given_up, run.most_beside
    if not most:
        return ""
    who = "%s given up and still down" % counted(given_up, "host") if given_up else "hosts that were not in flight"
    return (
        "The window bounds the hosts in flight only. %s come on top of it, up to %d at a time, and count towards the other "
        "limits until they answer again." % (words.capital(who), most)
    )


def in_turn(values: Iterable[object]) -> str:
    """List values that followed one another."""
    return ", then ".join(map(str, values))


@dataclass(frozen=True)
class Claim:
    """Sentence, and the measurements that it is based on."""

    text: str
    basis: str


def shorter(saved: Savings | None) -> Claim | None:
    """Compare the median outage with that through firmware; None unless that was measured."""
    if saved is None:
        return None
    text = "Median outage %s instead of %s through firmware" % (words.ms(saved.kexec_p50_ms), words.ms(saved.firmware_p50_ms))
    text += ": %s" % (words.times(saved.times_shorter) + " shorter" if saved.times_shorter is not None else "no shorter")
    samples = counted(sum(each.samples for each in saved.baselines.values()), "reboot")
    compared = counted(saved.hosts, "host")
    hosts = compared if saved.hosts == saved.rebooted else "%d of %s" % (saved.hosts, counted(saved.rebooted, "host"))
    basis = "%s via kexec, against %s through firmware that were measured on the same hardware and kernel." % (hosts, samples)
    return Claim(text + ".", basis)


def kernels_text(kernels: Sequence[KernelChange]) -> str:
    """Describe which kernels the hosts came from and to; empty if none is known."""
    said = ["%s: %s" % (change_text(each), counted(each.hosts, "host")) for each in kernels[:_KERNELS_NAMED]]
    more = len(kernels) - len(said)
    return "; ".join(said) + ("; and %d more" % more if more > 0 else "")


def change_text(change: KernelChange) -> str:
    if change.before == change.after:
        return "%s as before" % clean(change.after)
    return "%s → %s" % (clean(change.before) or "unknown", clean(change.after) or "unknown")


def saved_text(saved: Savings | None) -> str:
    """Describe the outage saved and its baselines; empty without baselines."""
    if saved is None:
        return ""
    text = "Against firmware, %s host-hours of outage were saved" % words.hours(saved.total_ms)
    if saved.hosts < saved.rebooted:
        text += (
            ", counting %d of %s rebooted via kexec; no firmware reboot was measured for the hardware and kernel of the others"
            % (
                saved.hosts,
                counted(saved.rebooted, "host"),
            )
        )
    measured = [
        "%s %s (median of %d)" % (host_class or "hosts of an unknown class", words.ms(each.p50_ms), each.samples)
        for host_class, each in saved.baselines.items()
    ]
    more = " and %d more" % (len(measured) - 5) if len(measured) > 5 else ""
    return "%s. Measured through firmware: %s%s." % (text, "; ".join(measured[:5]), more)


def notices(run: RunReport) -> list[str]:
    """Warnings that the figures are incomplete."""
    said = []
    if not run.state.ended:
        said.append(
            "The journal has no end: the run is still going on, or its controller was killed. The last record is of %s UTC."
            % words.moment(run.started_s + run.end_s)
        )
    if run.torn:
        said.append("The last line of the journal is incomplete and was left out.")
    if run.state.resumes:
        said.append(
            "The run was resumed %s; it was without a controller for %s."
            % (counted(run.state.resumes, "time"), duration(sum(end_s - start_s for start_s, end_s in run.absences)))
        )
    return said


def gains_text(gains: FleetGains) -> str:
    """Say what all findings together would save."""
    text = "All of it together would save up to %s of %s of outage" % (words.ms(gains.total_ms), words.ms(gains.outage_ms))
    if gains.outage_ms:
        text += " (%s)" % words.share(gains.total_ms / gains.outage_ms)
    return text + " over %s. Time that several findings share counts once, so this is no sum of the rows." % counted(
        gains.hosts, "host"
    )


def finding_title(finding: BootFinding) -> str:
    """Name a finding in words; by its code if this version does not know it."""
    known = KINDS.get(finding.code)
    return known.title if known else clean(finding.code)


def finding_hint(finding: BootFinding) -> str:
    known = KINDS.get(finding.code)
    return known.hint if known else ""


def gain_text(finding: BootFinding) -> str:
    """Format a gain with its basis."""
    if finding.gain_ms is None:
        return "gain unknown, took %s" % words.ms(finding.time_ms)
    basis = words.BASES.get(finding.basis, "")
    return "%s%s" % ("at most " if finding.basis == "at_most" else "", words.ms(finding.gain_ms)) + (
        ", modelled" if basis == "modelled" else ""
    )


def evidence_text(finding: BootFinding) -> str:
    """List the evidence of a finding."""
    return "; ".join(
        "%s %s%s" % (clipped(each.name, 100), words.ms(each.ms), " (%s)" % clean(each.note) if each.note else "")
        for each in finding.evidence
    )


def forecast_texts(figures: Figures) -> list[str]:
    """Compare the forecasts of the run and of the outages with the actual times."""
    return [each for each in (_run_forecast_text(figures), _outage_forecast_text(figures)) if each]


def _run_forecast_text(figures: Figures) -> str:
    forecast = figures.run_forecast
    if forecast is None:
        return ""
    text = "%s was forecast to take %s, and no more than %s in 95 of 100 cases; " % (
        "When the run was resumed, the rest of it" if forecast.resumed else "The run",
        duration(forecast.p50_ms / 1000),
        duration(forecast.p95_ms / 1000),
    )
    if forecast.took_ms is None:
        return text + "it has not completed."
    apart_ms = forecast.took_ms - forecast.p50_ms
    than = "longer" if apart_ms >= 0 else "shorter"
    return text + "it took %s, %s %s than forecast." % (duration(forecast.took_ms / 1000), duration(abs(apart_ms) / 1000), than)


def _outage_forecast_text(figures: Figures) -> str:
    outage = next((each for each in figures.forecast if each.phase == "outage"), None)
    if outage is None:
        return ""
    apart_ms = outage.actual_p50_ms - outage.forecast_p50_ms
    than = "%s %s than forecast" % (words.ms(abs(apart_ms)), "longer" if apart_ms > 0 else "shorter")
    usual = max(1, round(outage.hosts / 20))
    text = "The median outage was %s. " % (than if abs(apart_ms) >= 1 else "as forecast")
    text += "%d of %s took longer than the p95 of their forecast" % (outage.beyond_p95, counted(outage.hosts, "host"))
    return text + (", more than the one in twenty that a p95 allows for." if outage.beyond_p95 > usual else ".")
