# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rebooting one host: decide, stage, trigger, watch, verify, and tell how it went.

:class:`HostReboot` has the steps, for whoever has something to do between
them; :func:`reboot_host` is all of them in a row. Until the trigger everything
is undone again if anything goes wrong. After it the host is committed, and all
that is left is to watch, and to say truly how it ended.

Time is the running event loop's.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.policy import RISK_CODES
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.proof import (
    PATH_FIRMWARE,
    prove,
)
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.trigger import CALL_OFF, GOING_DOWN_RC, TRIGGER
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.verdict import HOST_CODES
from ansible_collections.fleet.kexec.plugins.module_utils._one_boot_args import PANIC_S, has_one_boot_args
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError, Reason, reason
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.axis import Offset
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.timeline import Interval

from .._transport.prober import Observation, Prober, Sshd
from .._transport.session import Session, SessionLost
from . import scripts
from .service_watch import Probed, ServiceWatch
from .sights import Sights, measure
from .watch import Outage, Watch

METHOD_KEXEC = "kexec"
METHOD_FIRMWARE = "firmware"
METHOD_AUTO = "auto"
METHODS = (METHOD_AUTO, METHOD_KEXEC, METHOD_FIRMWARE)

# What is needed of the facts.
FACTS = ["min", "container", "kexec", "verdict"]

# Before the trigger the host is up, and slow at worst.
MODULE_TIMEOUT_S = 300.0
COMMAND_TIMEOUT_S = 60.0
ASK_TIMEOUT_S = 30.0
# Where asking is all there is, a host that is down should not hold up the next question.
ASK_BLIND_TIMEOUT_S = 5.0
# What calling off may take, beyond the deadline too: an image that stays loaded turns the next reboot into a kexec.
CALL_OFF_TIMEOUT_S = 60.0
CALL_OFF_TRIES = 2
# A controller that runs, however busy, is not called so much too late.
OVERSLEPT_S = 5.0

# Reading clocks, and the journal of the boot before, on a host that is up and may be busy.
CLOCK_TIMEOUT_S = 30.0
TIMELINE_TIMEOUT_S = 180.0

# Of what ssh said when a host could not be asked, each time, in a message: its end is what it has against the host.
UNANSWERED_MAX_CHARS = 300

# The answer to the trigger has to get out before the network goes.
TRIGGER_GRACE_S = 0.5


class RebootError(CodedError):
    """A reboot was refused, or did not end as it should; the code says which."""


@dataclass(frozen=True)
class RebootRequest:
    """What the user asks for.

    :ivar method: one of :data:`METHODS`.
    :ivar image: options of M(fleet.kexec.stage) that were given; empty if none were.
    :ivar policy: what risks lead to, by code, where it is not left to the host.
    """

    method: str
    reboot_timeout_s: float
    test_command: str
    message: str
    pre_reboot_delay_s: float = 0.0
    post_reboot_delay_s: float = 0.0
    image: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Intent:
    """A host that is ready for its trigger: all that is needed from there on, by whoever goes on with it.

    :ivar method: C(kexec) or C(firmware).
    :ivar boot_id: of the boot that is to end.
    :ivar token: names the trigger's unit; for a kexec it is on the new command line, too.
    :ivar release: the kernel that is to come; empty if it can't be told.
    :ivar panic: C(kernel.panic) and C(kernel.panic_on_oops), to be put back.
    :ivar accepts_firmware: whether coming back through firmware is good enough, too.
    """

    method: str
    boot_id: str
    token: str
    release: str
    panic: tuple[int, int]
    accepts_firmware: bool

    @property
    def verb(self) -> str:
        """For systemctl."""
        return "kexec" if self.method == METHOD_KEXEC else "reboot"


class HostReboot:
    """The steps of one host's reboot.

    :param own_boot_id: of the machine this runs on, which is never rebooted.
    :param new_token: draws a token for reboots that stage nothing.
    :param progress: told in a few words what happens.
    :param utc_ns: nanoseconds since 1970; asked once, from where the event loop's clock goes on, so that nobody can set it.
    :param service: of the user's, to be watched beside the host's sshd.
    :ivar probed: told what came of watching the service, once that is known.
    :ivar sshd: of the host, as far as it can be reached from here; known after :meth:`unshare`.
    :ivar touched: whether an image may be staged on the host.
    :ivar deadline: monotonic seconds, until when the reboot should be over; known after :meth:`watch`.
    :ivar known: what is known of the reboot so far, as M(fleet.kexec.reboot)
        documents it, whether it ends well or not.
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
    ) -> None:
        self._session = session
        self.prober = prober
        self._own_boot_id = own_boot_id
        self.now = asyncio.get_running_loop().time
        self._epoch_ns = utc_ns() - round(self.now() * 1e9)
        self._new_token = new_token
        self.progress = progress
        self._token = ""
        self.sshd: Sshd | None = None
        self.touched = False
        self.deadline = 0.0
        # The last watch that came to nothing.
        self._timed_out: Watch | None = None
        self._sights = Sights()
        # Why questions had no answer: the first, and the last if there was more than one.
        self.unanswered: list[str] = []
        self.known: dict[str, Any] = {"notes": []}
        self.service = service
        self.probed: Callable[[Probed], None] = lambda probed: None
        if service is not None:
            service.ended = self._probed

    # Before the trigger.

    async def prepare(self, request: RebootRequest) -> Intent:
        """Settle the method, and have the right image loaded for it, or none.

        In check mode nothing is loaded, and the intent is what it would be.

        :raises RebootError: the host, or what is asked for, can't be.
        :raises SessionLost: the host could not be reached.
        """
        self._sights = Sights()
        facts = await self._facts(request)
        boot_id, kernel = facts["boot"]["boot_id"], facts["kernel"]
        if boot_id == self._own_boot_id:
            raise RebootError("CONTROL_NODE", "this host is the machine that runs the playbook")
        self.known["before"] = {"boot_id": boot_id, "release": kernel["release"]}
        blockers = [Reason(**blocker) for blocker in facts["blockers"]]
        if facts["container"]:
            raise RebootError(blockers[0].code, blockers[0].message)
        staged, reasons = await self._stage(request, facts, blockers)
        if staged is None:
            unstaged = await self._module("fleet.kexec.stage", {"state": "unstaged"})
            if unstaged.get("failed"):
                raise RebootError(
                    unstaged.get("code", "UNLOAD_FAILED"), "unstaging failed: %s" % unstaged.get("msg", "no message")
                )
        self._token = (staged["token"] or "") if staged else self._new_token()
        self.known.update(
            method=METHOD_KEXEC if staged else METHOD_FIRMWARE, reasons=[each.as_dict() for each in reasons], staged=staged
        )
        return Intent(
            method=self.known["method"],
            boot_id=boot_id,
            token=self._token,
            release=staged["release"] if staged else "",
            panic=(kernel["panic_s"], kernel["panic_on_oops"]),
            accepts_firmware=request.method != METHOD_KEXEC,
        )

    def adopt(self, intent: Intent, release_before: str, staged: Mapping[str, Any] | None) -> None:
        """Go on with a host that somebody else has prepared, and may have triggered."""
        self._token = intent.token
        self.touched = staged is not None
        self.known.update(
            before={"boot_id": intent.boot_id, "release": release_before}, method=intent.method, reasons=[], staged=staged
        )

    async def _facts(self, request: RebootRequest) -> dict[str, Any]:
        args = {"gather_subset": FACTS, **({"policy": dict(request.policy)} if request.policy else {})}
        result = await self._module("fleet.kexec.boot_facts", args)
        if result.get("failed"):
            raise RebootError(result.get("code", "FACTS_UNREADABLE"), "boot_facts failed: %s" % result.get("msg", "no message"))
        facts: dict[str, Any] = result["ansible_facts"]["fleet_kexec"]
        return facts

    async def _module(self, name: str, args: Mapping[str, Any]) -> dict[str, Any]:
        return await self._session.module(name, args, MODULE_TIMEOUT_S)

    async def _stage(
        self, request: RebootRequest, facts: dict[str, Any], blockers: list[Reason]
    ) -> tuple[dict[str, Any] | None, list[Reason]]:
        """What is staged, or would be, for a kexec; else None, and why not."""
        risks = [blocker for blocker in blockers if blocker.code in RISK_CODES]
        if request.method == METHOD_FIRMWARE:
            return None, []
        if risks:
            if request.method == METHOD_KEXEC:
                raise RebootError(risks[0].code, "; ".join(risk.message for risk in risks))
            self.progress("no kexec: %s" % "; ".join(each.message for each in blockers))
            return None, blockers
        for warning in facts.get("warnings", []):
            self.progress("warning: %s" % warning["message"])
        result: dict[str, Any]
        if facts["staged"] and not request.image:
            self.touched = True
            result = {"staged": facts["staged"]}
        else:
            self.touched = True
            began = self.now()
            # Blockers of loaders are judged by stage, for the loader asked for.
            result = await self._module("fleet.kexec.stage", request.image)
            self._sights.stage = self.since(began)
        if not result.get("failed"):
            staged: dict[str, Any] = result["staged"]
            self.known.update(notes=result.get("notes", []), predicted_ms=result.get("predicted_ms"))
            self.progress("staged %s by %s" % (staged["release"], staged["loader"]))
            return staged, []
        if "code" not in result:
            raise RebootError("FACTS_UNREADABLE", "stage failed: %s" % result.get("msg", "no message"))
        if request.method == METHOD_KEXEC or result["code"] not in HOST_CODES:
            raise RebootError(result["code"], result["msg"])
        reasons = blockers or [reason(result["code"], result["msg"])]
        self.progress("no kexec: %s" % "; ".join(each.message for each in reasons))
        return None, reasons

    async def call_off(self) -> bool:
        """Stop the trigger, if there is one, and unload the image.

        :return: whether both are certain.
        """
        deadline = self.now() + CALL_OFF_TIMEOUT_S
        for _try in range(CALL_OFF_TRIES):
            with contextlib.suppress(SessionLost):
                answer = await self._session.run(CALL_OFF, [self._token], become=True, timeout_s=deadline - self.now())
                return answer.rc == 0
            if self.now() >= deadline:
                break
        return False

    async def unshare(self) -> None:
        """Find the host's sshd, and use connections of its own from here on."""
        # While there is a connection: one that has to be made first tells less well what time it is at its other end.
        await self.read_clock()
        await self._session.unshare()
        self.sshd = await self._session.sshd()

    async def read_clock(self) -> None:
        """Find out how far the host's clock is from ours, as the system that is to end has it."""
        self._sights.before = await self._clock_offset()

    # From the trigger on.

    async def trigger(self, intent: Intent, message: str, delay_s: float, timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        """Have the host reboot after a delay.

        :raises RebootError: C(TRIGGER_FAILED).
        """
        if self.service is not None:
            self.service.begin(self.sshd.address if self.sshd else None)
        arguments = [intent.token, intent.verb, "%.3f" % delay_s, message, intent.boot_id]
        try:
            answer = await self._session.run(TRIGGER, arguments, become=True, timeout_s=timeout_s)
        except SessionLost as error:
            # It may have been heard. The host tells, or is seen to go down.
            self.progress("no answer to the trigger: %s" % error)
            return
        if answer.rc == GOING_DOWN_RC:
            # What it comes back with tells what that was.
            self.progress("somebody shuts the host down already")
        elif answer.rc != 0:
            raise await self.not_begun("TRIGGER_FAILED", "the reboot could not be triggered: %s" % answer.last_words())

    async def ask(self, token: str, timeout_s: float = ASK_TIMEOUT_S) -> scripts.HostState | None:
        """The host's state; None if there is no answer, or none that makes sense."""
        try:
            answer = await self._session.run(scripts.STATE, [token], become=False, timeout_s=timeout_s)
        except Exception as error:  # of a host that is going down or coming up, whatever it is, it is no answer
            self._unanswered_because(str(error))
            return None
        state = scripts.parse_state(answer.stdout) if answer.rc == 0 else None
        if state is None:
            self._unanswered_because(answer.last_words())
        else:
            self.unanswered.clear()
        return state

    def _unanswered_because(self, said: str) -> None:
        line = "; ".join(line.strip() for line in said.splitlines() if line.strip())[-UNANSWERED_MAX_CHARS:]
        if line:
            self.unanswered = [*self.unanswered[:1], line]

    async def watch(
        self,
        intent: Intent,
        due: float,
        timeout_s: float,
        *,
        again: Callable[[float], Any] | None = None,
        went_down: Callable[[], None] = lambda: None,
        ask_at: float | None = None,
    ) -> scripts.HostState:
        """Watch until the host answers from a new boot, and note how it came back.

        :param due: when the reboot is due.
        :param timeout_s: from then on, or from now on if that is later.
        :param again: triggers again within so many seconds, for a host that has not heard of it. None for a host that went
            down in an earlier watch, and is watched on.
        :param went_down: called when the host is first seen to be gone.
        :raises RebootError: C(REBOOT_TIMEOUT), C(NOT_REBOOTED) or C(TRIGGER_FAILED).
        """
        before = self._timed_out if again is None else None
        watch = Watch(due, max(due, self.now()) + timeout_s, probing=self.sshd is not None, ask_at=ask_at, before=before)
        if self.service is not None and self.sshd is None:
            # Nobody else sees it go.
            asyncio.get_running_loop().call_at(due, self.service.host_goes)
        watching = _Watching(self, intent, watch, again, went_down)
        try:
            state = await watching.until_back()
        except RebootError:
            self._timed_out = watch
            raise
        finally:
            watching.end()
        self.deadline = watch.deadline
        outage, back_at = watch.outage, watch.back_at
        self._sights.outage = self._span(outage) if outage else None
        if self.service is not None:
            self.service.host_is_back(self.now() if back_at is None else back_at)
        self.known.update(
            rebooted=True,
            changed=True,
            path=state.evidence.path,
            proof=None,
            after={"boot_id": state.evidence.boot_id, "release": state.evidence.release},
            detected_by="banner" if self.sshd else "connection",
            outage_ms=outage.duration_ms if outage else None,
            outage_error_ms=outage.error_ms if outage else None,
            login_ms=round((self.now() - back_at) * 1000) if back_at is not None else None,
        )
        self.progress("back by %s with %s" % (state.evidence.path, state.evidence.release))
        return state

    def end_probe(self) -> None:
        """Have the service watched no longer."""
        if self.service is not None:
            self.service.end()

    def _probed(self, probed: Probed) -> None:
        outage = probed.outage
        self.known.update(
            probe_seen_by=probed.seen_by,
            probe_outage_ms=outage.duration_ms if outage else None,
            probe_outage_error_ms=outage.error_ms if outage else None,
        )
        if outage is not None:
            began_ns = self.utc_ns(outage.last_good)
            self._sights.probe_outage = Interval(began_ns, outage.duration_ms * 10**6, outage.error_ms * 10**6, probed.seen_by)
        if probed.note is not None:
            self.known["notes"] = [*self.known["notes"], probed.note.as_dict()]
            self.progress(probed.note.message)
        self.probed(probed)

    async def not_begun(self, code: str, message: str) -> RebootError:
        """The error for a reboot that did not begin, after calling it off."""
        if await self.call_off():
            return RebootError(code, message, rebooted=False, changed=False)
        message += "; calling it off failed, so it may still happen, and an image may be loaded"
        return RebootError("REBOOT_TIMEOUT" if code == "NOT_REBOOTED" else code, message, rebooted=None, changed=True)

    async def trigger_failed(self, token: str) -> RebootError:
        try:
            answer = await self._session.run(scripts.TRIGGER_LOG, [token], become=True, timeout_s=ASK_TIMEOUT_S)
            said = answer.last_words()
        except SessionLost:
            said = "its journal could not be read"
        return await self.not_begun("TRIGGER_FAILED", "the host could not begin its reboot: %s" % said)

    # Once the host is back.

    def verify(self, intent: Intent, state: scripts.HostState) -> None:
        """Hold the new boot against what was asked for.

        :raises RebootError: C(NOT_PROVEN).
        """
        if intent.method == METHOD_FIRMWARE:
            if state.evidence.path != PATH_FIRMWARE:
                raise RebootError("NOT_PROVEN", "the host came back by kexec, not through firmware")
            return
        proof = prove(state.evidence, intent.boot_id, intent.token, intent.release)
        self.known["proof"] = proof.as_dict()
        if proof.proven:
            return
        message = "the host came back by %s with %s, but not as staged: no %s"
        unproven = reason("NOT_PROVEN", message % (state.evidence.path, state.evidence.release, ", ".join(proof.missing)))
        if not intent.accepts_firmware or state.evidence.path != PATH_FIRMWARE:
            raise RebootError(unproven.code, unproven.message)
        self.known["reasons"] = [*self.known.get("reasons", []), unproven.as_dict()]

    async def restore_panic(self, intent: Intent, state: scripts.HostState, timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        """Put back what our one-boot arguments set, unless the host has settings of its own by now."""
        now = (state.panic_s, state.panic_on_oops)
        if not has_one_boot_args(state.evidence.cmdline) or state.panic_s != PANIC_S or intent.panic == now:
            return
        arguments = [str(value) for value in intent.panic]
        try:
            await self._session.run(scripts.RESTORE_PANIC, arguments, become=True, timeout_s=timeout_s)
        except SessionLost as error:
            self.progress("kernel.panic stays at %d: %s" % (PANIC_S, error))

    async def test(self, command: str, deadline: float) -> None:
        """Run the user's test until it succeeds.

        :raises RebootError: C(TEST_COMMAND_FAILED).
        """
        pause_s = 0.25
        while True:
            remaining = deadline - self.now()
            said = "no time was left"
            if remaining > 0:
                try:
                    answer = await self._session.run(command, [], become=True, timeout_s=remaining)
                    if answer.rc == 0:
                        return
                    said = answer.last_words()
                except SessionLost as error:
                    said = str(error)
            if self.now() + pause_s >= deadline:
                raise RebootError("TEST_COMMAND_FAILED", "test_command failed: %s" % said)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 5.0)

    def restore(self) -> None:
        """Let later tasks connect as they did before."""
        self._session.restore()

    # How it went.

    def utc_ns(self, at: float) -> int:
        """A moment of the event loop in nanoseconds since 1970, by this machine's clock as it was at the beginning."""
        return self._epoch_ns + round(at * 1e9)

    def since(self, began: float) -> Interval:
        """From then to now."""
        return Interval(self.utc_ns(began), round((self.now() - began) * 1e9))

    def _span(self, outage: Outage) -> Interval:
        return Interval(self.utc_ns(outage.began_at), outage.duration_ms * 10**6, outage.error_ms * 10**6, "ssh")

    async def _clock_offset(self) -> Offset | None:
        return await measure(
            lambda: self._session.run(scripts.CLOCK, [], become=False, timeout_s=CLOCK_TIMEOUT_S),
            lambda: self.utc_ns(self.now()),
        )

    async def timeline(
        self, intent: Intent, *, healthy_at: float | None = None, drain: Interval | None = None, combination: str | None = None
    ) -> dict[str, Any] | None:
        """Where the time of the reboot went, as M(fleet.kexec.timeline) tells it; what keeps that from telling is no failure.

        :param healthy_at: when the host was found to be as it should.
        :return: None if it can't be told.
        """
        sights = self._sights
        sights.drain = drain
        sights.healthy_ns = self.utc_ns(healthy_at) if healthy_at is not None else None
        sights.words = {
            "token": intent.token,
            "boot_id_before": intent.boot_id,
            "release_before": self.known["before"]["release"],
            "combination": combination or "",
        }
        try:
            after = await self._clock_offset()
            answer = await self._session.module("fleet.kexec.timeline", {"seen": sights.as_args(after)}, TIMELINE_TIMEOUT_S)
            if "timeline" in answer:
                timeline: dict[str, Any] = answer["timeline"]
                return timeline
            said = str(answer.get("msg", "no message"))
        except Exception as error:  # it is about a reboot that is over, and went well or not without it
            said = str(error) or type(error).__name__
        self.progress("no timeline: %s" % said)
        return None


class _Watching:
    """One watch: probes and questions until the host has rebooted.

    :ivar _news: set when there is something to look at.
    """

    def __init__(
        self,
        host: HostReboot,
        intent: Intent,
        watch: Watch,
        again: Callable[[float], Any] | None,
        went_down: Callable[[], None],
    ) -> None:
        self._host = host
        self._intent = intent
        self._watch = watch
        self._again = again
        self._tell_went_down = went_down
        self._timeout_s = watch.deadline - watch.due
        self._told = False
        self._answered = False
        self._slept = False
        self._news = asyncio.Event()
        self._question: asyncio.Task[scripts.HostState | None] | None = None
        self._asked_at = 0.0
        if host.sshd:
            host.prober.watch(self, host.sshd, self._observe)

    def end(self) -> None:
        """Stop probing and asking."""
        self._host.prober.forget(self)
        if self._question is not None:
            self._question.cancel()

    async def until_back(self) -> scripts.HostState:
        """See :meth:`HostReboot.watch`."""
        while True:
            now = self._host.now()
            if now >= self._watch.deadline and not self._overslept(now):
                raise await self._timed_out()
            if self._question is not None and self._question.done():
                state, self._question = self._question.result(), None
                if state is not None and state.evidence.boot_id != self._intent.boot_id:
                    self._watch.new_boot(self._asked_at)
                    return state
                await self._still_old(state)
                continue
            next_ask = self._watch.next_ask()
            if self._question is None and next_ask is not None and now >= next_ask:
                self._ask(now)
            wait_until = self._watch.deadline
            if self._question is None and next_ask is not None:
                wait_until = min(wait_until, next_ask)
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), max(0.0, wait_until - now))

    def _overslept(self, now: float) -> bool:
        """Whether nobody has looked for a while, as when the controller was stopped; then the host gets a moment to be seen."""
        overslept_s = now - self._watch.deadline
        if self._slept or overslept_s < OVERSLEPT_S:
            return False
        self._slept = True
        self._watch.deadline = now + ASK_TIMEOUT_S
        self._host.progress("nobody has looked for %d s; looking once more" % overslept_s)
        return True

    def _ask(self, now: float) -> None:
        limit_s = ASK_TIMEOUT_S if self._host.sshd else ASK_BLIND_TIMEOUT_S
        self._asked_at = now
        self._question = asyncio.create_task(self._host.ask(self._intent.token, min(limit_s, self._watch.deadline - now)))
        self._question.add_done_callback(lambda task: self._news.set())

    def _observe(self, observation: Observation) -> None:
        """Take in what a probe saw."""
        was_back = self._watch.is_back
        if not self._watch.observe(observation):
            return
        self._news.set()
        if self._watch.is_back:
            # Ask first; what else its sshd hears from here it may hold against us.
            self._host.prober.forget(self)
            self._host.progress("sshd answers")
            self._answered = True
            return
        if not was_back and not self._told:
            self._told = True
            self._host.unanswered.clear()
            self._tell_went_down()
            if self._host.service is not None:
                self._host.service.host_goes()
        self._host.progress("sshd is gone")
        if self._question is not None:
            # It was asked of the system that has just gone.
            self._question.cancel()
            self._question = None

    async def _still_old(self, state: scripts.HostState | None) -> None:
        """Take in that the host gave no answer, or one from before the reboot.

        :raises RebootError: C(TRIGGER_FAILED).
        """
        now = self._host.now()
        # Its sshd answered, but not to us yet, or from the old boot: it may go (again).
        if self._host.sshd and self._watch.is_back:
            self._host.prober.watch(self, self._host.sshd, self._observe, gently=True)
        if state is None:
            self._watch.no_answer(now)
            return
        if state.trigger == "failed":
            raise await self._host.trigger_failed(self._intent.token)
        if state.idle:
            # It was not heard, or somebody stopped it. The unit is named by
            # the token, so saying it again can't reboot the host twice.
            if self._again is None:
                raise await self._host.not_begun("TRIGGER_FAILED", "the host was told twice to reboot and has not begun to")
            again, self._again = self._again, None
            await again(min(COMMAND_TIMEOUT_S, self._watch.deadline - now))
        self._watch.same_boot(self._host.now())

    async def _timed_out(self) -> RebootError:
        timeout_s = self._timeout_s
        if self._watch.went_down:
            message = "the host went down and was not back in time (%g s)" % timeout_s
            if self._answered and self._host.unanswered:
                # sshd refuses even to say who it is once a controller has turned away often enough, and ssh then has only
                # that to say: what it said first is why.
                first, last = self._host.unanswered[0], self._host.unanswered[-1]
                message += "; its sshd has answered, but the host could not be asked: %s" % first
                if last != first:
                    message += "; at last: %s" % last
            return RebootError("REBOOT_TIMEOUT", message, rebooted=None, changed=True)
        return await self._host.not_begun("NOT_REBOOTED", "the host did not reboot within %g s" % timeout_s)


async def reboot_host(
    host: HostReboot,
    request: RebootRequest,
    committed: Callable[[], None],
    check_mode: bool = False,
) -> dict[str, Any]:
    """Reboot a host from beginning to end, or say how it would be.

    :param committed: called when the reboot can no longer be called off.
    :return: the result as M(fleet.kexec.reboot) documents it.
    :raises RebootError: refused, failed, or not proven; its details are the
        result as far as it is known.
    :raises SessionLost: the host could not be reached before the trigger.
    """
    clock = asyncio.get_running_loop().time
    began: float | None = None
    try:
        intent = await host.prepare(request)
        if check_mode:
            return dict(host.known, changed=True, rebooted=False)
        await host.unshare()
        triggering = clock()
        delay_s = max(request.pre_reboot_delay_s, TRIGGER_GRACE_S)
        await host.trigger(intent, request.message, delay_s)
        due = clock() + delay_s
        await asyncio.sleep(request.pre_reboot_delay_s)
        began = triggering
        committed()
        state = await host.watch(
            intent,
            due,
            request.reboot_timeout_s,
            again=lambda timeout_s: host.trigger(intent, request.message, delay_s, timeout_s),
        )
        deadline = host.deadline
        host.verify(intent, state)
        await host.restore_panic(intent, state, max(1.0, min(COMMAND_TIMEOUT_S, deadline - clock())))
        await asyncio.sleep(max(0.0, min(request.post_reboot_delay_s, deadline - clock())))
        await host.test(request.test_command, deadline)
        healthy_at = clock()
        host.end_probe()
        # Later tasks share a connection, and the clock is read more closely over one that is there.
        host.restore()
        host.known["timeline"] = await host.timeline(intent, healthy_at=healthy_at)
    except RebootError as error:
        host.end_probe()
        elapsed = {"elapsed_ms": round((clock() - began) * 1000)} if began is not None else {}
        error.details = {**host.known, **elapsed, **error.details}
        raise
    except BaseException:
        # An interrupt, a lost connection, or a mistake of ours.
        if began is None and host.touched and not check_mode:
            await host.call_off()
        raise
    finally:
        host.end_probe()
        host.restore()
    return dict(host.known, elapsed_ms=round((healthy_at - began) * 1000), changed=True, rebooted=True)
