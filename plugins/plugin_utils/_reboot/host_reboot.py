# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of one host's reboot, for callers that act between them.

If anything goes wrong before the trigger, everything is undone. After it the host is committed: all that is left is to watch, and
to report truthfully how it ended. All times are those of the running event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.timeline import Interval

from .._host_class import host_class_of
from .._host_facts import ReportedFacts
from .._text import by_path
from .._transport.prober import Prober
from .._transport.session import Session
from .._transport.sshd import Sshd
from . import scripts
from .comparing import Comparing
from .difference import ReportedComparison
from .errors import NotRebooted, RebootError
from .host_track import HostTrack
from .host_watch import HostWatch
from .preparing import Judge, Preparing, no_judge
from .request import Intent, RebootRequest
from .result import KnownSystem, OutageMs, ProbedOutage, RebootResult
from .service_watch import Probed, ServiceWatch
from .shell import ASK_TIMEOUT_S, COMMAND_TIMEOUT_S, HostShell
from .sights import Sights, WallClock

# The answer to the trigger has to get out before the network goes.
TRIGGER_GRACE_S = 0.5

# A shared connection that has answered within this time is taken to work. Firewalls and the other end forget it sooner or later.
SHARED_TRUST_S = 15.0

# A timeline reads the journal of the previous boot, on a host that is up but may be busy.
TIMELINE_TIMEOUT_S = 180.0


class HostReboot:
    """Reboot of one host, step by step.

    :param own_boot_id: of the controller, which is never rebooted.
    :param new_token: makes a token for reboots that stage nothing.
    :param progress: called with short messages.
    :param utc_ns: nanoseconds since 1970; read once and continued by the event loop's clock, so that nobody can set it.
    :param service: the user's, watched beside the host's sshd.
    :param probe_ssh: whether the host's sshd is probed; otherwise the host is only asked.
    :param claim: called with each boot_id of the host; raises :class:`RebootError` if another host has it.
    :param judge: finds risks of a kexec beside those that the host finds.
    :ivar result: what is known of the reboot so far, also after a failure.
    :ivar probed: called with the outcome of watching the service, once it is known.
    :ivar deadline: monotonic seconds by which the reboot should be over; set by :meth:`watch`.
    """

    def __init__(
        self,
        *,
        session: Session,
        prober: Prober,
        own_boot_id: str,
        new_token: Callable[[], str],
        progress: Callable[[str], None],
        utc_ns: Callable[[], int] = time.time_ns,
        service: ServiceWatch | None = None,
        probe_ssh: bool = True,
        claim: Callable[[str], None] = lambda boot_id: None,
        judge: Judge = no_judge,
    ) -> None:
        self._session = session
        self._prober = prober
        self._own_boot_id = own_boot_id
        self._new_token = new_token
        self._progress = progress
        self._now = asyncio.get_running_loop().time
        self._clock = WallClock(utc_ns)
        self._shell = HostShell(session, progress)
        self._service = service
        self._probe_ssh = probe_ssh
        self._claim = claim
        self._judge = judge
        if service is not None:
            service.ended = self._probed
        self._token = ""
        self._prepared: Preparing | None = None
        # None if it can't be probed from here; set by locate.
        self._sshd: Sshd | None = None
        # When the shared connection last answered.
        self._answered_at = -math.inf
        # That of a watch that timed out, for the next one to continue.
        self._last_track: HostTrack | None = None
        self._sights = Sights(probe_port=service.port if service is not None else None)
        self.result = RebootResult(notes=())
        self.probed: Callable[[Probed], None] = lambda probed: None
        self.deadline = 0.0

    @property
    def touched(self) -> bool:
        """Whether something may have to be called off on the host: an image, or a trigger."""
        return self._shell.touched or self._shell.maybe_triggered

    @property
    def maybe_triggered(self) -> bool:
        """Whether a trigger may have reached the host, and was not called off since."""
        return self._shell.maybe_triggered

    # Before the trigger.

    async def prepare(self, request: RebootRequest) -> Intent:
        """Choose the method, and load the right image for it, or none; see :meth:`Preparing.prepare`."""
        self._sights = Sights()
        preparing = self._prepared = self._preparing(request)
        try:
            intent = await preparing.prepare()
        finally:
            self._shell.touched = self._shell.touched or preparing.touched
        self._token = intent.token
        return intent

    def require_calm(self) -> None:
        """Judge the kexec that was prepared once more; see :meth:`Preparing.require_calm`."""
        if self._prepared is not None:
            self._prepared.require_calm()

    def owes_image(self, token: str) -> None:
        """Take over a host on which another process may have staged an image, and not triggered a reboot."""
        self._token = token
        self._shell.touched = True

    async def require_need(self, request: RebootRequest) -> str | None:
        """Find out whether the host needs a reboot, and which; see :meth:`Preparing.require_need`."""
        return await self._preparing(request).require_need()

    async def facts(self, request: RebootRequest) -> ReportedFacts:
        """Read the facts that the choice of method depends on; see :meth:`Preparing.facts`."""
        return await self._preparing(request).facts()

    def _preparing(self, request: RebootRequest) -> Preparing:
        return Preparing(
            self._session,
            request,
            own_boot_id=self._own_boot_id,
            claim=self._claim,
            new_token=self._new_token,
            progress=self._progress,
            result=self.result,
            sights=self._sights,
            clock=self._clock,
            judge=self._judge,
        )

    def adopt(self, intent: Intent, release_before: str, staged: Mapping[str, Any] | None) -> None:
        """Take over a host that another process has prepared, and may have triggered."""
        self._token = intent.token
        self._shell.maybe_triggered = True
        self._shell.touched = staged is not None
        # A preparation that failed early has not said which system it found.
        self.result.before = KnownSystem(intent.system, release_before) if intent.system.boot_id else None
        self.result.method, self.result.staged, self.result.reasons = intent.method.name, staged, ()

    async def call_off(self, *, patient: bool = False) -> None:
        """Stop the trigger, if any, and unload the image; see :meth:`HostShell.call_off`."""
        await self._shell.call_off(self._token, patient=patient)

    async def remember(self, request: RebootRequest, intent: Intent) -> Intent:
        """Have the host remember its machine, if it is to be compared; return the intent with that.

        :raises RebootError, SessionError: see :meth:`Comparing.remember`.
        """
        if not request.compare:
            return intent
        system, self.result.model = await Comparing(self._session, request, self._progress).remember(intent.system)
        return replace(intent, remembered=str(system))

    async def locate(self) -> None:
        """Read the host's clock, and find its sshd, for the watch."""
        await self.read_clock()
        self._leave_sshd()
        self._sshd = await self._session.sshd() if self._probe_ssh else None

    async def read_clock(self) -> None:
        """Measure the offset of the host's clock, as the outgoing system has it."""
        # Over the existing connection: the offset is less accurate if one has to be made first.
        self._sights.before = await self._shell.clock_offset(self._clock.utc_ns)
        if self._sights.before is not None:
            self._answered_at = self._now()

    # From the trigger on.

    async def trigger(self, intent: Intent, message: str, delay_s: float, timeout_s: float = COMMAND_TIMEOUT_S) -> bool:
        """See :meth:`HostShell.trigger`; also starts watching the service."""
        if self._service is not None:
            self._service.begin(self._sshd.address if self._sshd else None)
        if self._now() - self._answered_at > SHARED_TRUST_S:
            await self._session.leave()
        acknowledged = await self._shell.trigger(intent, message, delay_s, timeout_s)
        await self._session.leave()
        return acknowledged

    async def ask(self, token: str, timeout_s: float = ASK_TIMEOUT_S) -> scripts.HostAnswer | None:
        """Ask the host which boot it runs; None if it gives no usable answer."""
        return await self._shell.ask(token, timeout_s)

    async def watch(
        self,
        intent: Intent,
        due: float,
        timeout_s: float,
        *,
        again: Callable[[float], Awaitable[object]] | None = None,
        went_down: Callable[[], None] = lambda: None,
        ask_at: float | None = None,
    ) -> scripts.HostAnswer:
        """Watch until the host has rebooted, and record how it came back.

        :param timeout_s: counted from C(due), or from now if that is later.
        :param again: triggers again within this many seconds, for a host that did not receive the trigger. None to continue with
            a host that went down in an earlier watch.
        :param went_down: called when the host first stops answering.
        :raises NotRebooted: C(REBOOT_TIMEOUT), C(NOT_REBOOTED) or C(TRIGGER_FAILED).
        """
        before = self._last_track if again is None else None
        deadline = max(due, self._now()) + timeout_s
        track = HostTrack(due, deadline, probing=self._sshd is not None, ask_at=ask_at, before=before)
        if self._service is not None and self._sshd is None:
            # Nothing else sees the host go.
            asyncio.get_running_loop().call_at(due, self._service.host_goes)
        watch = HostWatch(
            self._shell,
            self._prober,
            self._sshd,
            intent,
            track,
            service=self._service,
            again=again,
            went_down=went_down,
            progress=self._progress,
        )
        if self._sshd is not None:
            # Its connection is the watch's now.
            self._sshd = self._sshd._replace(connection=None)
        try:
            answer = await watch.until_back()
        except NotRebooted:
            self._last_track = track
            raise
        finally:
            watch.end()
        self.deadline = track.deadline
        self._came_back(answer, track)
        return answer

    def _came_back(self, answer: scripts.HostAnswer, track: HostTrack) -> None:
        outage, back_at, evidence = track.outage, track.back_at, answer.evidence
        self._sights.outage = self._clock.span(outage.began_at, outage, "ssh") if outage else None
        if self._service is not None:
            self._service.host_is_back(self._now() if back_at is None else back_at)
        result = self.result
        result.rebooted, result.path, result.proof = True, evidence.path, None
        result.after = KnownSystem(evidence.system, evidence.release)
        with contextlib.suppress(RebootError):
            # Another name of this machine may have been prepared before this one was triggered. It is refused, or seen to reboot.
            self._claim(evidence.boot_id)
        result.detected_by = "banner" if self._sshd else "connection"
        result.outage = OutageMs.of(outage)
        result.login_ms = round((self._now() - back_at) * 1000) if back_at is not None else None
        self._progress("back %s with %s" % (by_path(evidence.path), evidence.release))

    def end_probe(self) -> None:
        """Stop watching the user's service, and leave the host's sshd."""
        self._leave_sshd()
        if self._service is not None:
            self._service.end()

    def _leave_sshd(self) -> None:
        if self._sshd is not None:
            self._sshd = self._sshd.close()

    def _probed(self, probed: Probed) -> None:
        self.result.probe = ProbedOutage(probed.seen_by, OutageMs.of(probed.outage))
        if probed.outage is not None:
            self._sights.probe_outage = self._clock.span(probed.outage.last_good, probed.outage, probed.seen_by)
        if probed.note is not None:
            self.result.notes = (*(self.result.notes or ()), probed.note.as_dict())
            self._progress(probed.note.message)
        self.probed(probed)

    # Once the host is back.

    def verify(self, intent: Intent, answer: scripts.HostAnswer) -> None:
        """Compare the new boot with what was asked for.

        :raises RebootError: C(NOT_PROVEN).
        """
        verification = intent.method.verify(intent, answer.evidence)
        self.result.proof = verification.proof.as_dict() if verification.proof else None
        if verification.objection is None:
            return
        unproven = reason("NOT_PROVEN", verification.objection)
        others = (method for method in intent.allowed if method is not intent.method)
        if not any(method.accepts(intent, answer.evidence) for method in others):
            raise RebootError(unproven.code, unproven.message)
        self.result.reasons = (*self.result.reasons, unproven)

    async def compare(self, request: RebootRequest, intent: Intent) -> ReportedComparison | None:
        """Compare the machine with what it was; None if it is not to be compared.

        :raises NotCompared: that was not possible in time.
        """
        if not request.compare:
            return None
        if not intent.remembered:
            # Of whatever the host may have remembered, this reboot knows nothing.
            return ReportedComparison(compared=False, model="", differences=(), more=0, settled_ms=0)
        comparison = await Comparing(self._session, request, self._progress).compare(intent.remembered)
        self.result.model = comparison.model
        # None is not the same as that there are none.
        self.result.differences = comparison.differences if comparison.compared or comparison.differences else None
        return comparison

    async def restore_panic(self, intent: Intent, answer: scripts.HostAnswer, timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        """See :meth:`HostShell.restore_panic`."""
        await self._shell.restore_panic(intent, answer, timeout_s)

    async def test(self, command: str, deadline: float) -> None:
        """See :meth:`HostShell.test`."""
        await self._shell.test(command, deadline)

    def restore(self) -> None:
        """Restore the connection's options for later tasks."""
        self._session.restore()

    # The timeline.

    def since(self, began: float) -> Interval:
        """Interval from an event-loop time to now."""
        return self._clock.since(began)

    async def timeline(
        self,
        intent: Intent,
        *,
        healthy_at: float | None = None,
        drain: Interval | None = None,
        host_class: str | None = None,
        run_id: str = "",
    ) -> dict[str, Any] | None:
        """Timeline of the reboot, as M(fleet.kexec.timeline) returns it; None if it can't be made, which is no failure.

        :param healthy_at: when the host was found healthy.
        :param host_class: None for that of its hardware.
        :param run_id: name of the run that rebooted it; empty if none did.
        """
        sights, before = self._sights, self.result.before
        sights.drain = drain
        sights.healthy_ns = self._clock.utc_ns(healthy_at) if healthy_at is not None else None
        sights.words = {
            "token": intent.token,
            "boot_id_before": intent.system.boot_id,
            "release_before": before.release if before else "",
            "host_class": host_class_of(self.result.hardware) if host_class is None else host_class,
            "run_id": run_id,
        }
        try:
            after = await self._shell.clock_offset(self._clock.utc_ns)
            answer = await self._session.module("fleet.kexec.timeline", {"seen": sights.as_args(after)}, TIMELINE_TIMEOUT_S)
            timeline = answer.get("timeline")
            if isinstance(timeline, dict):
                return timeline
            said = str(answer.get("msg", "no message"))
        except Exception as error:  # the reboot is over, and ended well or not regardless
            said = str(error) or type(error).__name__
        self._progress("no timeline: %s" % said)
        return None
