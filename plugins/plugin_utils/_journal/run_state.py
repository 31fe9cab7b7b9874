# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a journal says of a run: a fold over its records.

It is what a resume goes on from, and what a report is made of. It is pure, and
tolerant of events and fields that a later minor version has added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._errors import RolloutError
from .records import EVENTS, Record


class Phase(str, Enum):
    """How far a host came, by its last record."""

    WAITING = "waiting"
    PREPARING = "preparing"
    READY = "ready"
    DRAINING = "draining"
    GATE = "gate"
    DISCARDED = "discarded"
    REFUSED = "refused"
    # From here on the host may have rebooted.
    INTENT = "intent"
    TRIGGERED = "triggered"
    DOWN = "down"
    BACK = "back"
    VERIFIED = "verified"
    HEALTHY = "healthy"
    RELEASED = "released"
    FAILED = "failed"


class Resume(Enum):
    """What a resume does with a host."""

    #: Nothing: it is released or given up.
    DONE = "done"
    #: It may have rebooted, so it is asked before anything else, and never triggered again unasked.
    ASK = "ask"
    #: It did not reboot: it is prepared anew, or has undone what was begun.
    ANEW = "anew"


_RESUME: Mapping[Phase, Resume] = {
    **dict.fromkeys(Phase, Resume.ASK),
    **dict.fromkeys((Phase.WAITING, Phase.PREPARING, Phase.READY, Phase.DRAINING, Phase.GATE), Resume.ANEW),
    # What spoke against it may have been put right since.
    **dict.fromkeys((Phase.DISCARDED, Phase.REFUSED), Resume.ANEW),
    **dict.fromkeys((Phase.RELEASED, Phase.FAILED), Resume.DONE),
}


@dataclass(slots=True)
class HookRun:
    """How a hook went; the last of its name and phase, if it ran again."""

    hook: str
    phase: str
    attempts: int
    ok: bool
    duration_ms: int
    message: str


@dataclass(slots=True)
class HostState:
    """What is known of a host that is to be rebooted.

    :ivar boot_id: of the system that was to be rebooted, empty before it is prepared.
    :ivar release_before: of its kernel.
    :ivar release: of the kernel that was staged; empty through firmware.
    :ivar method: C(kexec) or C(firmware), as decided.
    :ivar unit: of systemd, which reboots it; empty before the intent.
    :ivar panic: the kernel's own settings, to be put back; C(None) if nothing is.
    :ivar maybe_staged: an image may be loaded on it that has to be unloaded if it is not rebooted.
    :ivar maybe_drained: its C(before) hooks may have begun, and C(after) hooks have not made up for it.
    :ivar down: it was given up and has to be taken for down, and has not been seen since.
    :ivar failed_in: the phase in which it was given up.
    :ivar intended_at: UTC, as the journal writes it.
    :ivar outage_ms: as seen from the controller.
    :ivar timeline: where the time of its reboot went; None unless it is kept.
    :ivar probe_seen_by: what else was probed; empty if nothing was, or nothing came of it yet.
    """

    host: str
    phase: Phase = Phase.WAITING
    reason: Reason | None = None
    failed_in: str = ""
    down: bool = False
    combination: str | None = None
    boot_id: str = ""
    release_before: str = ""
    release: str = ""
    method: str = ""
    token: str = ""
    unit: str = ""
    reboot_timeout_s: float = 0.0
    panic: dict[str, int] | None = None
    staged: dict[str, Any] | None = None
    maybe_staged: bool = False
    maybe_drained: bool = False
    intended_at: str = ""
    down_at: str | None = None
    path: str = ""
    proof: dict[str, Any] | None = None
    release_after: str = ""
    boot_id_after: str = ""
    detected_by: str = ""
    predicted_ms: dict[str, Any] | None = None
    prepare_ms: int | None = None
    drain_ms: int | None = None
    outage_ms: int | None = None
    outage_error_ms: int | None = None
    probe_seen_by: str = ""
    probe_outage_ms: int | None = None
    probe_outage_error_ms: int | None = None
    probe_down_at: str | None = None
    login_ms: int | None = None
    after_ms: int | None = None
    total_ms: int | None = None
    reasons: list[Reason] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    hooks: dict[tuple[str, str], HookRun] = field(default_factory=dict)
    timeline: dict[str, Any] | None = None

    @property
    def resume(self) -> Resume:
        """What a resume does with it."""
        return _RESUME[self.phase]

    @property
    def out(self) -> bool:
        """Whether it takes up capacity: it is drained or on its way, or given up and down."""
        if self.phase is Phase.FAILED:
            return self.down
        return self.maybe_drained or self.resume is Resume.ASK


class RunState:
    """What is known of a run.

    :param timelines: whether to keep them; a resume needs none, and those of 10,000 hosts take a lot of memory.
    :ivar hosts: in the order of the run.
    :ivar seen: whether a host was up when last seen, of hosts that were not being rebooted just then, bystanders among them.
    :ivar pid: of the controller process that took the run up last.
    :ivar stop_reason: why nothing new is started any more; a resume clears it.
    :ivar ended: whether the controller process came to an end of its own.
    """

    def __init__(self, *, timelines: bool = False) -> None:
        self._timelines = timelines
        self.run_id = ""
        self.started_at = ""
        self.controller = ""
        self.pid: int | None = None
        self.collection_version = ""
        self.hosts: dict[str, HostState] = {}
        self.bystanders: tuple[str, ...] = ()
        self.settings: dict[str, Any] = {}
        self.waves: list[dict[str, Any]] = []
        self.seen: dict[str, bool] = {}
        self.resumes = 0
        self.stop_reason: Reason | None = None
        self.ended = False
        self.counts: dict[str, int] = {}
        self.duration_ms = 0
        self.last_at = ""

    @classmethod
    def from_records(cls, records: Iterable[Record]) -> RunState:
        """The state after all of these records.

        :raises RolloutError: C(JOURNAL_DAMAGED).
        """
        state = cls()
        for record in records:
            state.apply(record)
        return state

    def with_resume(self, resume: Resume) -> list[HostState]:
        """The hosts with which a resume does this, in the order of the run."""
        return [host for host in self.hosts.values() if host.resume is resume]

    def apply(self, record: Record) -> None:
        """Take in one more record.

        :raises RolloutError: C(JOURNAL_DAMAGED): it lacks what its event always has.
        """
        event = record["event"]
        self.last_at = record.get("at", self.last_at)
        if event not in EVENTS:
            return
        try:
            if event.startswith("run_"):
                _RUN[event](self, record)
            elif event == "host_seen":
                self._seen(record["host"], record["up"])
            elif event == "host_timeline":
                if self._timelines:
                    self.hosts[record["host"]].timeline = dict(record["timeline"])
            elif event == "host_preparing":
                self._preparing(self.hosts[record["host"]])
            else:
                _HOST[event](self.hosts[record["host"]], record)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            line = record.get("seq")
            raise RolloutError("JOURNAL_DAMAGED", "line %s, %s, can't be used: %r" % (line, event, error), line=line) from error

    def _started(self, record: Record) -> None:
        self.run_id = record["run_id"]
        self.started_at = self.last_at
        self.controller = record["controller"]
        self.pid = record.get("pid")
        self.collection_version = record["collection_version"]
        self.hosts = {host: HostState(host) for host in record["hosts"]}
        self.bystanders = tuple(record["bystanders"])
        self.settings = dict(record["settings"])
        self.waves = [dict(wave) for wave in record["waves"]]

    def _resumed(self, record: Record) -> None:
        self.controller = record["controller"]
        self.pid = record["pid"]
        self.resumes += 1
        self.stop_reason = None
        self.ended = False

    def _terms(self, _record: Record) -> None:
        """Nothing to keep: whoever resumes the run goes by terms of its own."""

    def _stopping(self, record: Record) -> None:
        # The first reason is why; what comes later follows from it.
        self.stop_reason = self.stop_reason or _reason(record["reason"])

    def _ended(self, record: Record) -> None:
        self.ended = True
        self.counts = dict(record["counts"])
        self.duration_ms = record["duration_ms"]

    def _preparing(self, before: HostState) -> None:
        # What an earlier attempt found out is of no use: the host may have changed since. What it left on the host stays.
        self.hosts[before.host] = HostState(
            before.host,
            Phase.PREPARING,
            combination=before.combination,
            maybe_staged=True,
            maybe_drained=before.maybe_drained,
        )

    def _seen(self, name: str, up: bool) -> None:
        self.seen[name] = up
        host = self.hosts.get(name)
        if host is not None and host.phase is Phase.FAILED:
            host.down = not up


def _reason(value: Mapping[str, Any]) -> Reason:
    # Not by the catalogue: a later version may have codes that this one does not know.
    return Reason(value["code"], value["message"], value["hint"])


def _prepared(host: HostState, record: Record) -> None:
    host.phase = Phase.READY
    host.method = record["method"]
    host.token = record["token"]
    host.release = record["release"]
    host.staged = record["staged"]
    host.boot_id = record["boot_id"]
    host.release_before = record["release_before"]
    host.predicted_ms = record.get("predicted_ms")
    host.reasons = [_reason(each) for each in record.get("reasons", ())]
    host.notes = [dict(each) for each in record.get("notes", ())]
    host.prepare_ms = record.get("duration_ms")
    host.combination = record.get("combination")
    host.maybe_staged = record["staged"] is not None


def _draining(host: HostState, _record: Record) -> None:
    host.phase = Phase.DRAINING
    host.maybe_drained = True


def _hook(host: HostState, record: Record) -> None:
    run = HookRun(
        record["hook"], record["phase"], record["attempts"], record["ok"], record["duration_ms"], record.get("message", "")
    )
    host.hooks[(run.phase, run.hook)] = run


def _drained(host: HostState, record: Record) -> None:
    host.phase = Phase.GATE
    host.drain_ms = record.get("duration_ms")


def _undrained(host: HostState, record: Record) -> None:
    host.maybe_drained = not record["ok"]


def _unstaged(host: HostState, record: Record) -> None:
    host.maybe_staged = not record["ok"]
    # One that was about to be told, and was not, is as good as before its intent.
    untold = host.phase is Phase.INTENT and record.get("told") is False
    if untold or (host.resume is Resume.ANEW and host.phase is not Phase.REFUSED):
        host.phase = Phase.DISCARDED


def _refused(host: HostState, record: Record) -> None:
    host.phase = Phase.REFUSED
    host.reason = _reason(record["reason"])
    host.maybe_staged = False


def _intent(host: HostState, record: Record) -> None:
    host.phase = Phase.INTENT
    host.boot_id = record["boot_id"]
    host.token = record["token"]
    host.unit = record["unit"]
    host.method = record["method"]
    host.release = record["release"]
    host.reboot_timeout_s = float(record["reboot_timeout_s"])
    host.panic = record.get("panic")
    host.intended_at = record.get("at", "")
    # A second one follows a boot that was not as asked. How that one came is not how this one does.
    host.path, host.proof, host.boot_id_after, host.release_after = "", None, "", ""


def _triggered(host: HostState, _record: Record) -> None:
    host.phase = Phase.TRIGGERED


def _down(host: HostState, record: Record) -> None:
    host.phase = Phase.DOWN
    host.down_at = record.get("down_at") or record.get("at")


def _back(host: HostState, record: Record) -> None:
    host.phase = Phase.BACK
    host.outage_ms = record["outage_ms"]
    host.outage_error_ms = record["outage_error_ms"]
    host.detected_by = record["detected_by"]
    # What was loaded is gone with the kernel that held it.
    host.maybe_staged = False


def _probed(host: HostState, record: Record) -> None:
    host.probe_seen_by = record["probe_seen_by"]
    host.probe_outage_ms = record["probe_outage_ms"]
    host.probe_outage_error_ms = record["probe_outage_error_ms"]
    host.probe_down_at = record.get("probe_down_at")
    note = record.get("note")
    if note is not None:
        host.notes.append(_reason(note).as_dict())


def _unproven(host: HostState, record: Record) -> None:
    host.path = record["path"]
    host.proof = dict(record["proof"])
    host.boot_id_after = record["boot_id"]
    host.release_after = record["release"]


def _verified(host: HostState, record: Record) -> None:
    _unproven(host, record)
    host.phase = Phase.VERIFIED
    host.login_ms = record.get("login_ms")
    host.reasons = [_reason(each) for each in record.get("reasons", ())] or host.reasons


def _healthy(host: HostState, record: Record) -> None:
    host.phase = Phase.HEALTHY
    host.after_ms = record.get("duration_ms")
    host.maybe_drained = False


def _released(host: HostState, record: Record) -> None:
    host.phase = Phase.RELEASED
    host.total_ms = record.get("duration_ms")
    host.maybe_drained = False


def _failed(host: HostState, record: Record) -> None:
    host.phase = Phase.FAILED
    host.reason = _reason(record["reason"])
    host.down = record["down"]
    host.failed_in = record["phase"]


_RUN = {
    "run_started": RunState._started,
    "run_resumed": RunState._resumed,
    "run_terms": RunState._terms,
    "run_stopping": RunState._stopping,
    "run_ended": RunState._ended,
}

_HOST = {
    "host_prepared": _prepared,
    "host_draining": _draining,
    "hook_ended": _hook,
    "host_drained": _drained,
    "host_undrained": _undrained,
    "host_unstaged": _unstaged,
    "host_refused": _refused,
    "host_intent": _intent,
    "host_triggered": _triggered,
    "host_down": _down,
    "host_back": _back,
    "host_probed": _probed,
    "host_unproven": _unproven,
    "host_verified": _verified,
    "host_healthy": _healthy,
    "host_released": _released,
    "host_failed": _failed,
}
