# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rebooting one host: decide, stage, trigger, watch, verify.

Until the trigger everything is undone again if anything goes wrong. After it
the host is committed, and all that is left is to watch, and to say truly how
it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.cmdline import PANIC_S, has_one_boot_args
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.policy import RISK_CODES
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.proof import (
    PATH_FIRMWARE,
    prove,
)
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.trigger import CALL_OFF, TRIGGER
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.verdict import HOST_CODES
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError, Reason, reason

from .._transport.endpoint import addresses
from .._transport.prober import Prober, SockAddr, first_banner
from .._transport.session import PendingAnswer, Session, SessionLost
from . import scripts
from .watch import Watch

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
# What an attempt to call off may take beyond the deadline.
CALL_OFF_TIMEOUT_S = 10.0
BANNER_TIMEOUT_S = 5.0

# The answer to the trigger has to get out before the network goes.
TRIGGER_GRACE_S = 0.5

POLL_S = 0.05


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
class _Prepared:
    """A host that is ready for its trigger."""

    method: str
    token: str
    release: str
    reasons: list[Reason]
    staged: dict[str, Any] | None


class Rebooter:
    """Reboots one host.

    :param own_boot_id: of the machine this runs on, which is never rebooted.
    :param clock: monotonic seconds.
    :param sleep: waits for so many seconds.
    :param new_token: draws a token for reboots that stage nothing.
    :param progress: told in a few words what happens.
    :param committed: called when the reboot can no longer be called off.
    """

    def __init__(
        self,
        *,
        session: Session,
        prober: Prober,
        own_boot_id: str,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        new_token: Callable[[], str],
        progress: Callable[[str], None],
        committed: Callable[[], None],
    ) -> None:
        self._session = session
        self._prober = prober
        self._own_boot_id = own_boot_id
        self._clock = clock
        self._sleep = sleep
        self._new_token = new_token
        self._progress = progress
        self._tell_committed = committed
        # Whether the host is past the point up to which a reboot can be called off.
        self._committed = False
        self._token = ""
        # What the result says so far, whether it ends well or not.
        self._known: dict[str, Any] = {"notes": []}

    def reboot(self, request: RebootRequest, check_mode: bool = False) -> dict[str, Any]:
        """Reboot the host, or say how it would be.

        :return: the result as M(fleet.kexec.reboot) documents it.
        :raises RebootError: refused, failed, or not proven; its details are the
            result as far as it is known.
        :raises SessionLost: the host could not be reached before the trigger.
        """
        facts = self._facts(request)
        if facts["boot"]["boot_id"] == self._own_boot_id:
            raise RebootError("CONTROL_NODE", "this host is the machine that runs the playbook")
        if check_mode:
            self._prepare(request, facts)
            return dict(self._known, changed=True, rebooted=False)
        began = self._clock()
        try:
            prepared = self._prepare(request, facts)
            began = self._clock()
            self._commit(request, facts, prepared)
        except RebootError as error:
            error.details = {**self._known, **self._elapsed(began), **error.details}
            raise
        except BaseException:
            # An interrupt, a lost connection, or a mistake of ours.
            if not self._committed:
                self._call_off()
            raise
        finally:
            self._session.restore()
        return dict(self._known, **self._elapsed(began), changed=True, rebooted=True)

    def _elapsed(self, began: float) -> dict[str, Any]:
        return {"elapsed_ms": round((self._clock() - began) * 1000)} if self._committed else {}

    # Before the trigger.

    def _facts(self, request: RebootRequest) -> dict[str, Any]:
        args = {"gather_subset": FACTS, **({"policy": dict(request.policy)} if request.policy else {})}
        result = self._module("fleet.kexec.boot_facts", args)
        if result.get("failed"):
            raise RebootError(result.get("code", "FACTS_UNREADABLE"), "boot_facts failed: %s" % result.get("msg", "no message"))
        facts: dict[str, Any] = result["ansible_facts"]["fleet_kexec"]
        return facts

    def _module(self, name: str, args: Mapping[str, Any]) -> dict[str, Any]:
        return self._session.module(name, args, MODULE_TIMEOUT_S)

    def _prepare(self, request: RebootRequest, facts: dict[str, Any]) -> _Prepared:
        """Settle the method, and have the right image loaded for it, or none."""
        self._known["before"] = {"boot_id": facts["boot"]["boot_id"], "release": facts["kernel"]["release"]}
        blockers = [Reason(**blocker) for blocker in facts["blockers"]]
        if facts["container"]:
            raise RebootError(blockers[0].code, blockers[0].message)
        reasons: list[Reason] = []
        risks = [blocker for blocker in blockers if blocker.code in RISK_CODES]
        if risks and request.method == METHOD_KEXEC:
            raise RebootError(risks[0].code, "; ".join(risk.message for risk in risks))
        if risks and request.method == METHOD_AUTO:
            reasons = blockers
            self._progress("no kexec: %s" % "; ".join(each.message for each in reasons))
        elif request.method != METHOD_FIRMWARE:
            for warning in facts.get("warnings", []):
                self._progress("warning: %s" % warning["message"])
            # Blockers of loaders are judged by stage, for the loader asked for.
            result = self._stage(request, facts)
            if not result.get("failed"):
                staged = result["staged"]
                self._known["notes"] = result.get("notes", [])
                self._progress("staged %s by %s" % (staged["release"], staged["loader"]))
                return self._prepared(_Prepared(METHOD_KEXEC, staged["token"] or "", staged["release"], [], staged))
            if "code" not in result:
                raise RebootError("FACTS_UNREADABLE", "stage failed: %s" % result.get("msg", "no message"))
            if request.method == METHOD_KEXEC or result["code"] not in HOST_CODES:
                raise RebootError(result["code"], result["msg"])
            reasons = blockers or [reason(result["code"], result["msg"])]
            self._progress("no kexec: %s" % "; ".join(each.message for each in reasons))
        unstaged = self._module("fleet.kexec.stage", {"state": "unstaged"})
        if unstaged.get("failed"):
            raise RebootError(unstaged.get("code", "UNLOAD_FAILED"), "unstaging failed: %s" % unstaged.get("msg", "no message"))
        return self._prepared(_Prepared(METHOD_FIRMWARE, self._new_token(), "", reasons, None))

    def _prepared(self, prepared: _Prepared) -> _Prepared:
        self._token = prepared.token
        self._known.update(method=prepared.method, reasons=[each.as_dict() for each in prepared.reasons], staged=prepared.staged)
        return prepared

    def _stage(self, request: RebootRequest, facts: dict[str, Any]) -> dict[str, Any]:
        if facts["staged"] and not request.image:
            return {"staged": facts["staged"]}
        return self._module("fleet.kexec.stage", request.image)

    # From the trigger on.

    def _commit(self, request: RebootRequest, facts: dict[str, Any], prepared: _Prepared) -> None:
        endpoint = self._session.endpoint()
        self._session.unshare()
        found = first_banner(addresses(endpoint), BANNER_TIMEOUT_S) if endpoint and endpoint.direct else None

        delay_s = max(request.pre_reboot_delay_s, TRIGGER_GRACE_S)
        verb = "kexec" if prepared.method == METHOD_KEXEC else "reboot"
        trigger = _Trigger(prepared.token, verb, delay_s, request.message)
        self._trigger(trigger, COMMAND_TIMEOUT_S)
        due = self._clock() + delay_s
        self._progress("%s in %g s" % (verb, delay_s))
        if request.pre_reboot_delay_s:
            self._sleep(request.pre_reboot_delay_s)
        self._committed = True
        self._tell_committed()

        watch = Watch(due, due + request.reboot_timeout_s, probing=found is not None)
        try:
            state = self._watch(watch, found, trigger, facts["boot"]["boot_id"])
        finally:
            self._prober.forget(self)
        self._learn(watch, state, "banner" if found else "connection")
        self._progress("back by %s with %s" % (state.evidence.path, state.evidence.release))
        self._verify(request, prepared, state, facts["boot"]["boot_id"])
        self._restore_panic(facts, state, watch.deadline)
        self._sleep(max(0.0, min(request.post_reboot_delay_s, watch.deadline - self._clock())))
        self._test(request.test_command, watch.deadline)

    def _learn(self, watch: Watch, state: scripts.HostState, detected_by: str) -> None:
        """Note what is known of a host that is back, however the rest goes."""
        outage, back_at = watch.outage, watch.back_at
        self._known.update(
            rebooted=True,
            changed=True,
            path=state.evidence.path,
            proof=None,
            after={"boot_id": state.evidence.boot_id, "release": state.evidence.release},
            detected_by=detected_by,
            outage_ms=outage.duration_ms if outage else None,
            outage_error_ms=outage.error_ms if outage else None,
            login_ms=round((self._clock() - back_at) * 1000) if back_at is not None else None,
        )

    def _trigger(self, trigger: _Trigger, timeout_s: float) -> None:
        """Have the host reboot after a delay.

        :raises RebootError: C(TRIGGER_FAILED).
        """
        try:
            answer = self._session.run(TRIGGER, trigger.args, become=True, timeout_s=timeout_s)
        except SessionLost as error:
            # It may have been heard. The host tells, or is seen to go down.
            self._progress("no answer to the trigger: %s" % error)
            return
        if answer.rc != 0:
            raise self._not_begun("TRIGGER_FAILED", "the reboot could not be triggered: %s" % answer.last_words())

    def _call_off(self) -> bool:
        """Stop the trigger and unload the image.

        :return: whether both are certain.
        """
        try:
            answer = self._session.run(CALL_OFF, [self._token], become=True, timeout_s=CALL_OFF_TIMEOUT_S)
        except SessionLost:
            return False
        return answer.rc == 0

    def _not_begun(self, code: str, message: str) -> RebootError:
        """The error for a reboot that did not begin, after calling it off."""
        if self._call_off():
            return RebootError(code, message, rebooted=False, changed=False)
        message += "; calling it off failed, so it may still happen, and an image may be loaded"
        return RebootError("REBOOT_TIMEOUT" if code == "NOT_REBOOTED" else code, message, rebooted=None, changed=True)

    def _watch(self, watch: Watch, found: tuple[SockAddr, str] | None, trigger: _Trigger, old_boot_id: str) -> scripts.HostState:
        """Watch until the host answers from a new boot.

        :param found: address and banner of its sshd; None if it can't be probed.
        :raises RebootError: C(REBOOT_TIMEOUT), C(NOT_REBOOTED) or C(TRIGGER_FAILED).
        """
        question: _Question | None = None
        if found:
            self._prober.watch(self, *found)
        while True:
            now = self._clock()
            if now >= watch.deadline:
                if question is not None:
                    question.pending.abandon()
                raise self._timed_out(watch)
            if question is not None and question.over(now):
                state = question.state()
                if state is not None and state.evidence.boot_id != old_boot_id:
                    watch.new_boot(question.asked_at)
                    return state
                question = None
                self._still_old(watch, found, state, trigger)
            next_ask = watch.next_ask()
            if question is None and next_ask is not None and now >= next_ask:
                pending = self._session.start(scripts.STATE, [trigger.token], become=False)
                limit_s = ASK_TIMEOUT_S if found else ASK_BLIND_TIMEOUT_S
                question = _Question(pending, now, min(now + limit_s, watch.deadline))
            if self._observe(watch) and question is not None:
                # It was asked of the system that has just gone.
                question.pending.abandon()
                question = None

    def _still_old(
        self, watch: Watch, found: tuple[SockAddr, str] | None, state: scripts.HostState | None, trigger: _Trigger
    ) -> None:
        """Take in that the host gave no answer, or one from before the reboot.

        :raises RebootError: C(TRIGGER_FAILED).
        """
        now = self._clock()
        # Its sshd answered, but not to us yet, or from the old boot: it may go (again).
        if found and watch.is_back:
            self._prober.watch(self, *found, gently=True)
        if state is None:
            watch.no_answer(now)
            return
        if state.trigger == "failed":
            raise self._trigger_failed(trigger.token)
        if state.idle:
            # It was not heard, or somebody stopped it. The unit is named by
            # the token, so saying it again can't reboot the host twice.
            if trigger.repeated:
                raise self._not_begun("TRIGGER_FAILED", "the host was told twice to reboot and has not begun to")
            trigger.repeated = True
            self._trigger(trigger, min(COMMAND_TIMEOUT_S, watch.deadline - now))
        watch.same_boot(self._clock())

    def _observe(self, watch: Watch) -> bool:
        """Probe for a moment.

        :return: whether the host, or a system that had come back, went away in it.
        """
        was_down, was_back = watch.went_down, watch.is_back
        for observation in self._prober.poll(POLL_S):
            watch.observe(observation)
        if watch.is_back and not was_back:
            # Ask first; what else its sshd hears from here it may hold against us.
            self._prober.forget(self)
            self._progress("sshd answers")
        if (watch.went_down and not was_down) or (was_back and not watch.is_back):
            self._progress("sshd is gone")
            return True
        return False

    def _timed_out(self, watch: Watch) -> RebootError:
        timeout_s = watch.deadline - watch.due
        if watch.went_down:
            message = "the host went down and was not back in time (%g s)" % timeout_s
            return RebootError("REBOOT_TIMEOUT", message, rebooted=None, changed=True)
        return self._not_begun("NOT_REBOOTED", "the host did not reboot within %g s" % timeout_s)

    def _trigger_failed(self, token: str) -> RebootError:
        try:
            answer = self._session.run(scripts.TRIGGER_LOG, [token], become=True, timeout_s=CALL_OFF_TIMEOUT_S)
            said = answer.last_words()
        except SessionLost:
            said = "its journal could not be read"
        return self._not_begun("TRIGGER_FAILED", "the host could not begin its reboot: %s" % said)

    # Once the host is back.

    def _verify(self, request: RebootRequest, prepared: _Prepared, state: scripts.HostState, old_boot_id: str) -> None:
        """Hold the new boot against what was asked for.

        :raises RebootError: C(NOT_PROVEN).
        """
        if prepared.method == METHOD_FIRMWARE:
            if state.evidence.path != PATH_FIRMWARE:
                raise RebootError("NOT_PROVEN", "the host came back by kexec, not through firmware")
            return
        proof = prove(state.evidence, old_boot_id, prepared.token, prepared.release)
        self._known["proof"] = proof.as_dict()
        if proof.proven:
            return
        message = "the host came back by %s with %s, but not as staged: no %s"
        unproven = reason("NOT_PROVEN", message % (state.evidence.path, state.evidence.release, ", ".join(proof.missing)))
        if request.method != METHOD_AUTO or state.evidence.path != PATH_FIRMWARE:
            raise RebootError(unproven.code, unproven.message)
        self._known["reasons"] = [*self._known["reasons"], unproven.as_dict()]

    def _restore_panic(self, facts: dict[str, Any], state: scripts.HostState, deadline: float) -> None:
        """Put back what our one-boot arguments set, unless the host has settings of its own by now."""
        kernel = facts["kernel"]
        own = (kernel["panic_s"], kernel["panic_on_oops"])
        now = (state.panic_s, state.panic_on_oops)
        if not has_one_boot_args(state.evidence.cmdline) or state.panic_s != PANIC_S or own == now:
            return
        timeout_s = max(1.0, min(COMMAND_TIMEOUT_S, deadline - self._clock()))
        try:
            self._session.run(scripts.RESTORE_PANIC, [str(value) for value in own], become=True, timeout_s=timeout_s)
        except SessionLost as error:
            self._progress("kernel.panic stays at %d: %s" % (PANIC_S, error))

    def _test(self, command: str, deadline: float) -> None:
        """Run the user's test until it succeeds.

        :raises RebootError: C(TEST_COMMAND_FAILED).
        """
        pause_s = 0.25
        while True:
            remaining = deadline - self._clock()
            said = "no time was left"
            if remaining > 0:
                try:
                    answer = self._session.run(command, [], become=True, timeout_s=remaining)
                    if answer.rc == 0:
                        return
                    said = answer.last_words()
                except SessionLost as error:
                    said = str(error)
            if self._clock() + pause_s >= deadline:
                raise RebootError("TEST_COMMAND_FAILED", "test_command failed: %s" % said)
            self._sleep(pause_s)
            pause_s = min(pause_s * 2, 5.0)


@dataclass
class _Trigger:
    """What the host is told.

    :ivar verb: C(kexec) or C(reboot), for systemctl.
    :ivar repeated: whether it was told again, because it did nothing.
    """

    token: str
    verb: str
    delay_s: float
    message: str
    repeated: bool = False

    @property
    def args(self) -> list[str]:
        """Arguments of the script."""
        return [self.token, self.verb, "%.3f" % self.delay_s, self.message]


@dataclass(frozen=True)
class _Question:
    """The host was asked for its state."""

    pending: PendingAnswer
    asked_at: float
    answer_by: float

    def over(self, now: float) -> bool:
        """Whether there is an answer, or none is waited for any longer."""
        return self.pending.done() or now >= self.answer_by

    def state(self) -> scripts.HostState | None:
        """The answer; None if there is none, or none that makes sense."""
        try:
            answer = self.pending.result(0.0)
        except Exception:  # of a host that is going down or coming up, whatever it is, it is no answer
            return None
        return scripts.parse_state(answer.stdout) if answer.rc == 0 else None
