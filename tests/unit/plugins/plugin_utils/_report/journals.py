# SPDX-License-Identifier: GPL-3.0-or-later
"""Journals of runs that never were, with timelines: of as many hosts as asked for, and always the same ones."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Record
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import time_of, utc
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.difference import ReportedDifference
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.forecast import Forecast
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import HostSpec, Phases, Prediction, Status
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.plan import make_plan
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.settings import settings_from
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.simulation import Fate, simulate

STARTED = "2026-11-24T01:58:30.000Z"
RELEASE, RELEASE_BEFORE = "6.12.117+deb13-amd64", "6.12.110+deb13-amd64"
OLD, NEW = "0e0a6d8e-9a0f-4d8e-8a4f-1d6f0a4b9c55", "3c1f5a52-54c7-4bd7-9a3c-0f4dd1c0f0aa"

#: Hardware and kernel → share of the fleet, and how much slower than the first.
HOST_CLASSES: Mapping[str, tuple[float, float]] = {
    "PowerEdge R7625 6.12.117+deb13-amd64": (0.6, 1.0),
    "ProLiant DL385 Gen11 6.12.117+deb13-amd64": (0.3, 1.35),
    "AS-2125HS-TNR 6.12.117+deb13-amd64": (0.1, 2.1),
}

#: What hosts, hooks and units may be called, and may say.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "]]><svg/onload=alert(1)>",
    "</style><style>*{background:url(//evil)}",
    "</title></svg></details><iframe src=//evil>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "a\x00b\x08c\x1b[31md\x7f",
    "\u202egnp.exe\u2066",
    "שלום مرحبا",
    'quote" back\\slash\nnew line',
    "x" * 500,
    "&lt;already&gt;",
    "\ud800\udfff".encode("utf-16", "surrogatepass").decode("utf-16"),
    "日本語のホスト",
)

# Median of each phase of the outage in the first host class, in milliseconds.
_KEXEC = {"stop_units": 3900, "jump": 96, "kernel": 1450, "initrd": 2300, "userspace": 2600, "network": 900, "ssh": 350}
_FIRMWARE = {"stop_units": 3900, "firmware": 118_000, "loader": 5200, "kernel": 1700, "initrd": 2300, "userspace": 2700}
_FIRMWARE.update(network=950, ssh=350)
_ERRORS_MS = {"stop_units": 12.0, "jump": 0.8, "firmware": 40.0, "loader": 40.0, "kernel": 0.5, "ssh": 55.0, "network": 2.0}
_STOP = ("postgresql@16-main", "nginx", "systemd-networkd", "docker", "unattended-upgrades", "ssh")
_START = ("postgresql@16-main", "docker", "NetworkManager-wait-online", "cloud-init-local", "apparmor", "nginx")


# Share of the outage that each would save; phase, basis and evidence.
_GAINS = {"STOP_TIMEOUT": (0.05, 0.2), "DHCP": (0.05, 0.1), "CONSOLE_SERIAL": (0.01, 0.05), "START_SLOW": (0.01, 0.04)}
_FINDINGS = {
    "STOP_TIMEOUT": ("stop_units", "measured", "unit", "postgresql@16-main.service"),
    "DHCP": ("network", "measured", "interface", "vlan-berlin"),
    "CONSOLE_SERIAL": ("kernel", "measured", "device", "ttyS0"),
    "START_SLOW": ("userspace", "at_most", "unit", "home-alice.mount"),
}


@dataclass(frozen=True)
class Night:
    """What kind of run it is.

    :ivar failures: share of hosts that don't come back.
    :ivar refusals: share of hosts that are refused.
    :ivar firmware: share of hosts that go through firmware.
    :ivar timelines: share of hosts of which there is a timeline.
    :ivar slower: by how much everything is slower.
    """

    hosts: int = 40
    seed: int = 1
    run_id: str = "20261124T015830Z-5f0c"
    settings: Mapping[str, Any] = field(default_factory=lambda: {"window": "10%", "canaries": {"count": 1, "soak": 30}})
    failures: float = 0.05
    refusals: float = 0.03
    firmware: float = 0.1
    timelines: float = 0.9
    slower: float = 1.0
    names: Sequence[str] = ()


_BEGIN = frozenset(("host_preparing", "host_prepared", "host_draining"))

Timed = tuple[float, Record]


def records_of(night: Night) -> list[Timed]:
    """The records of a run, with the seconds since its beginning."""
    draw = random.Random(night.seed)
    classes = list(HOST_CLASSES)
    weights = [share for share, _slower in HOST_CLASSES.values()]
    names = list(night.names) or ["web%0*d" % (len(str(night.hosts)), number) for number in range(1, night.hosts + 1)]
    kinds = dict(zip(names, draw.choices(classes, weights, k=len(names)), strict=True))
    settings = settings_from({**night.settings, "failure_budget": "100%"})
    specs = [HostSpec(name, {}, frozenset(), kinds[name], False, prediction_of(kinds[name])) for name in names]
    plan = make_plan(specs, [], settings, 0)
    ways = {name: _Way.drawn(kinds[name], night, draw, well=name == plan.hosts[0].name) for name in names}

    def fate(host: HostSpec) -> Fate:
        return ways[host.name].fate

    course = simulate(plan, settings, fate)
    timed: list[Timed] = []
    for host in plan.hosts:
        way = ways[host.name]
        if host.name not in course.spans and not way.refused:
            continue
        # A refusal takes no turn; those come with their wave.
        span = course.spans.get(host.name, (draw.uniform(1, max(2.0, course.total_s)), 0.0))
        timed += way.records(host, span[0])
    # Who ends makes room for who goes in the same moment.
    timed = [(round(at_s, 3), record) for at_s, record in timed]
    timed.sort(key=lambda each: (each[0], each[1]["event"] in _BEGIN))
    first = events.RunStarted(
        run_id=night.run_id,
        controller="admin1",
        pid=4711,
        collection_version="0.1.0",
        hosts=tuple(host.name for host in plan.hosts),
        bystanders=("db1",),
        settings={**night.settings, "failure_budget": "100%"},
        waves=tuple(
            {"name": wave.name, "hosts": [each.name for each in wave.hosts], "soak_s": wave.soak_s} for wave in plan.waves
        ),
    ).as_record()
    last_s = max([course.total_s, *(at_s for at_s, _record in timed)])
    ended = events.RunEnded(
        counts={str(status): count for status, count in course.counts.items()}, duration_ms=round(last_s * 1000)
    ).as_record()
    terms = events.RunTerms.of(plan, settings, Forecast(0.9 * course.total_s, 1.1 * course.total_s, course, 1)).as_record()
    return [(0.0, first), (0.0, terms), *timed, (last_s, ended)]


def big(hosts: int, **more: Any) -> list[Timed]:
    """A run of many hosts, in waves."""
    settings = {"window": "5%", "canaries": {"count": 3, "soak": 60}, "waves": ["10%"]}
    return records_of(Night(hosts=hosts, failures=0.01, settings=settings, **more))


def hostile_run() -> list[Timed]:
    """Everything that comes from outside is hostile: names, hooks, reasons, units, sources, host classes, settings."""
    timed = records_of(Night(hosts=len(HOSTILE), names=HOSTILE, failures=0.2, refusals=0.1, timelines=1, seed=5))
    for number, (at_s, record) in enumerate(timed):
        text = HOSTILE[number % len(HOSTILE)]
        event = record["event"]
        if event == "run_started":
            record.update(controller=text, collection_version=HOSTILE[1], operator=HOSTILE[1])
            record["settings"].update(reason=HOSTILE[0], ticket=HOSTILE[2])
            for wave in record["waves"]:
                wave["name"] = HOSTILE[0]
        elif event == "run_terms":
            # Nobody may be out, so that a breach is told of, too.
            record["limits"].append({"of": text, "most": 0, "hosts": list(HOSTILE)})
        elif event == "hook_ended":
            record.update(hook=text, message=text + "\n" + HOSTILE[0], ok=False)
        elif event == "host_prepared":
            record["host_class"] = text
        elif event == "host_verified":
            record["path"] = text
        elif event in ("host_failed", "host_refused"):
            record["reason"] = {"code": text, "message": text, "hint": HOSTILE[1]}
        elif event == "host_timeline":
            timeline = record["timeline"]
            timeline["outage"]["seen_by"] = text
            timeline["phases"].append(
                {"name": text, "start_ms": 1, "duration_ms": 5, "error_ms": 1, "source": text, "within": None}
            )
            timeline["units"]["stop"].append({"unit": text, "duration_ms": 99_000})
            timeline["initcalls"].append({"name": text, "duration_ms": 99_000})
        timed[number] = (at_s, record)
    compared = [
        (at_s, _hostile_comparison(record["host"], HOSTILE[number % len(HOSTILE)]))
        for number, (at_s, record) in enumerate(timed)
        if record["event"] == "host_verified"
    ]
    timed += [(timed[-1][0], record) for _at_s, record in compared]
    stop = events.RunStopping(reason=Reason(HOSTILE[0], HOSTILE[1], HOSTILE[4])).as_record()
    return [*timed, (timed[-1][0], stop)]


def _hostile_comparison(host: str, text: str) -> Record:
    found = ReportedDifference(text, text, text, None, text, text)
    return events.HostCompared(
        host=host, compared=True, model=text, differences=(found,), more=10**15, settled_ms=-1, duration_ms=-1
    ).as_record()


def stamped(timed: Sequence[Timed], started: str = STARTED) -> list[Record]:
    """Records as they are read from a journal."""
    begun_s = time_of(started)
    return [{"v": 1, "seq": number, "at": utc(begun_s + at_s), **record} for number, (at_s, record) in enumerate(timed, 1)]


def write_journal(directory: Path, timed: Sequence[Timed], run_id: str | None = None, started: str = STARTED) -> Path:
    """Put a journal where a store of runs looks for it."""
    run = directory / (run_id or timed[0][1]["run_id"])
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    run.mkdir(mode=0o700)
    journal = run / "journal.jsonl"
    journal.touch(0o600)
    with journal.open("w", encoding="ascii") as stream:
        for record in stamped(timed, started):
            stream.write(json.dumps(record, separators=(",", ":")) + "\n")
    return journal


def host_timeline(host: str, timeline: Mapping[str, Any]) -> Record:
    """The record that brings a timeline into the journal."""
    return {"event": "host_timeline", "host": host, "timeline": dict(timeline)}


def prediction_of(kind: str) -> Prediction:
    slower = HOST_CLASSES[kind][1]
    return Prediction(Phases(6.0, 2.0, 11.5 * slower, 3.0), Phases(9.0, 6.0, 15.0 * slower, 8.0))


@dataclass(frozen=True)
class _Way:
    """How it goes for one host."""

    fate: Fate
    path: str
    phases_ms: Mapping[str, float]
    measured: bool
    refused: bool
    draw: random.Random

    @classmethod
    def drawn(cls, kind: str, night: Night, draw: random.Random, *, well: bool) -> _Way:
        """One of those that a night has.

        :param well: for the canary, without which no other host would go.
        """
        slower = HOST_CLASSES[kind][1] * night.slower
        refused = draw.random() < night.refusals and not well
        failed = not refused and not well and draw.random() < night.failures
        path = "firmware" if draw.random() < night.firmware else "kexec"
        medians = _KEXEC if path == "kexec" else _FIRMWARE
        own = draw.lognormvariate(0.0, 0.08)
        phases_ms = {phase: median * slower * own * draw.lognormvariate(0.0, 0.15) for phase, median in medians.items()}
        outage_s = sum(phases_ms.values()) / 1000
        phases = Phases(draw.uniform(4, 8), draw.uniform(1, 4), 300.0 if failed else outage_s, draw.uniform(1.5, 6.0))
        end = Status.REFUSED if refused else Status.FAILED if failed else Status.DONE
        fate = Fate(phases, end, down=failed)
        return cls(fate, path, phases_ms, draw.random() < night.timelines, refused, random.Random(draw.random()))

    def records(self, spec: HostSpec, go_s: float) -> list[Timed]:
        name, phases = spec.name, self.fate.phases
        prepared_s = max(0.5, go_s - self.draw.uniform(0, 20))
        begun_s = max(0.1, prepared_s - phases.prepare_s)
        timed: list[Timed] = [(begun_s, events.HostPreparing(host=name).as_record())]
        if self.refused:
            why = reason("LOCKDOWN", "the kernel is locked down (integrity), and its image has no signature that it accepts")
            return [*timed, (prepared_s, events.HostRefused(host=name, reason=why).as_record())]
        by_kexec = self.path == "kexec"
        notes = [] if by_kexec else [reason("FAST_IMAGE_MISSING", "no fast image of %s" % RELEASE)]
        prepared = events.HostPrepared(
            host=name,
            method=self.path,
            token="t-" + name,
            release=RELEASE if by_kexec else "",
            staged={"release": RELEASE, "image": "fast", "loader": "kexec_load", "integrity": "crc32c"} if by_kexec else None,
            boot_id=OLD,
            release_before=RELEASE_BEFORE,
            predicted_ms=spec.predicted.as_ms(),
            reasons=tuple(notes),
            duration_ms=round(phases.prepare_s * 1000),
            host_class=spec.host_class,
        ).as_record()
        trigger_s = go_s + phases.drain_s
        down_s = trigger_s + 0.9
        back_s = trigger_s + phases.outage_s
        timed += [
            (prepared_s, prepared),
            (go_s, events.HostDraining(host=name).as_record()),
            (trigger_s, self._hook(name, "before", round(phases.drain_s * 900))),
            (trigger_s, events.HostDrained(host=name, duration_ms=round(phases.drain_s * 1000)).as_record()),
            (trigger_s, self._intent(name)),
            (trigger_s + 0.2, events.HostTriggered(host=name).as_record()),
            (down_s + 0.1, events.HostDown(host=name, down_at=utc(time_of(STARTED) + down_s)).as_record()),
        ]
        if self.fate.end == Status.FAILED:
            why = reason("REBOOT_TIMEOUT", "%s did not come back within 300 s" % name)
            said = (
                "chassis power is on\nlast on the console:\n\t[    0.931742] nvme nvme0: I/O 0 QID 0 timeout, disable controller"
            )
            return [
                *timed,
                (
                    back_s,
                    events.HookEnded(
                        host=name, hook="console", phase="on_failure", attempts=1, ok=False, duration_ms=900, message=said
                    ).as_record(),
                ),
                (back_s, events.HostFailed(host=name, reason=why, down=True, phase="down").as_record()),
            ]
        end_s = back_s + phases.after_s
        outage_ms = round((back_s - down_s) * 1000)
        verified = events.HostVerified(
            host=name, path=self.path, proof={"proven": True}, boot_id=NEW, release=RELEASE, login_ms=400, reasons=tuple(notes)
        ).as_record()
        timed += [
            (back_s, events.HostBack(host=name, outage_ms=outage_ms, outage_error_ms=50, detected_by="banner").as_record()),
            (back_s + 0.4, verified),
            (end_s, self._hook(name, "after", round(phases.after_s * 900))),
            (end_s, events.HostHealthy(host=name, duration_ms=round(phases.after_s * 1000)).as_record()),
        ]
        timed.append((end_s, events.HostReleased(host=name, duration_ms=round((end_s - go_s) * 1000)).as_record()))
        if self.measured:
            timed.append((end_s, host_timeline(name, self._timeline(trigger_s, outage_ms))))
        return timed

    @staticmethod
    def _hook(name: str, phase: str, duration_ms: int) -> Record:
        return events.HookEnded(
            host=name, hook="lb", phase=phase, attempts=1, ok=True, duration_ms=duration_ms, message="ok"
        ).as_record()

    def _intent(self, name: str) -> Record:
        return events.HostIntent(
            host=name,
            boot_id=OLD,
            token="t-" + name,
            unit="fleet-kexec-t-%s.service" % name,
            method=self.path,
            release=RELEASE if self.path == "kexec" else "",
            reboot_timeout_s=300.0,
            panic={"panic_s": 0, "panic_on_oops": 0},
        ).as_record()

    def _timeline(self, trigger_s: float, outage_ms: int) -> dict[str, Any]:
        """As the collection writes it, see docs/journal.md."""
        phases = self.fate.phases
        start_ms = phases.drain_s * 1000
        begun_s = time_of(STARTED) + trigger_s - phases.drain_s
        rows: list[tuple[str, float, float, str | None]] = [("drain", 0.0, start_ms, None)]
        at_ms = start_ms
        for name, duration_ms in self.phases_ms.items():
            rows.append((name, at_ms, duration_ms, None))
            if name == "jump":
                rows.append(("stub", at_ms + duration_ms * 0.5, duration_ms * 0.05, "jump"))
            at_ms += duration_ms
        rows.append(("healthy", at_ms, phases.after_s * 1000, None))
        stop_ms, start_of_ms = self.phases_ms["stop_units"], self.phases_ms["userspace"]
        return {
            "boot_id": NEW,
            "boot_id_before": OLD,
            "token": "t",
            "path": self.path,
            "release": RELEASE,
            "release_before": RELEASE_BEFORE,
            "host_class": None,
            "start": utc(begun_s),
            "clock": {"offset_ms": 12.3, "error_ms": 4.5},
            "phases": [
                {
                    "name": name,
                    "start": utc(begun_s + start / 1000),
                    "start_ms": round(start, 3),
                    "duration_ms": round(duration_ms, 3),
                    "error_ms": _ERRORS_MS.get(name, 1.0),
                    "source": "systemd" if name in ("initrd", "userspace", "stop_units") else "tsc",
                    "within": within,
                }
                for name, start, duration_ms, within in rows
            ],
            "outage": {
                "start": utc(begun_s + start_ms / 1000 + 0.9),
                "start_ms": round(start_ms + 900, 3),
                "duration_ms": outage_ms,
                "error_ms": 50,
                "seen_by": "ssh",
            },
            "probe_outage": None,
            "units": {"stop": self._units(_STOP, stop_ms), "start": self._units(_START, start_of_ms)},
            "initcalls": [{"name": "acpi_init", "duration_ms": round(self.draw.uniform(20, 60), 3)}],
            **self._findings(outage_ms),
        }

    def _findings(self, outage_ms: int) -> dict[str, Any]:
        """Findings that share some of their time, so the total is less than their sum."""
        gains_ms = {code: round(self.draw.uniform(*ends) * outage_ms, 1) for code, ends in _GAINS.items()}
        findings: list[dict[str, Any]] = [
            {
                "code": code,
                "phases": {phase: gains_ms[code]},
                "time_ms": gains_ms[code],
                "gain_ms": gains_ms[code],
                "basis": basis,
                "evidence": [{kind: name, "ms": gains_ms[code], "note": ""}],
            }
            for code, (phase, basis, kind, name) in _FINDINGS.items()
        ]
        smp = {"code": "SMP_BRINGUP", "phases": {}, "time_ms": 480.0, "gain_ms": None, "basis": None, "evidence": []}
        return {"findings": [*findings, smp], "gain_ms": round(sum(gains_ms.values()) * 0.8, 1), "chains": {}}

    def _units(self, names: Sequence[str], whole_ms: float) -> list[dict[str, Any]]:
        costs = [(name + ".service", whole_ms * self.draw.uniform(0.02, 0.9 / (at + 1))) for at, name in enumerate(names)]
        costs.sort(key=lambda each: -each[1])
        return [{"unit": name, "duration_ms": round(duration_ms, 3)} for name, duration_ms in costs]
