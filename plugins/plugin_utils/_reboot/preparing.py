# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare one host for its reboot: facts, method and image."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.policy import RISK_CODES, Judgement
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.requests import DEFAULT, is_fault_of_host
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.trigger import MENDED_BY_REBOOT
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.verdict import REFUSE
from ansible_collections.fleet.kexec.plugins.module_utils._options import image_request
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason

from .._host_facts import (
    CONTAINER,
    HARDWARE,
    LOADED,
    MINIMUM,
    NEED,
    SOFTLY,
    UNREADABLE,
    VERDICT,
    FactsError,
    ReportedFacts,
    ReportedImage,
    StagedAnswer,
    known_code,
    read_answer,
    read_staged,
    said,
)
from .._transport.session import Session
from .errors import NotNeeded, RebootError
from .methods import FIRMWARE, KEXEC, LEAST, RebootMethod
from .request import Intent, RebootRequest
from .result import KnownSystem, RebootResult
from .sights import Sights, WallClock

# Subsets that the choice of method depends on. Beside them, the host's tools may take seconds to tell whether it needs a reboot.
FACTS = [MINIMUM, CONTAINER, HARDWARE, LOADED, VERDICT]

# Before the trigger the host is up, and slow at worst.
MODULE_TIMEOUT_S = 300.0


#: Judges the risks that only the controller knows of, from the facts of a host and the release that it would boot by kexec.
Judge = Callable[[ReportedFacts, str], Judgement]


def no_judge(_facts: ReportedFacts, _release: str) -> Judgement:
    """Judge no risks."""
    return Judgement()


class _HostRefuses(Exception):
    """Raised when an image can't be staged because of the host, so that a method without one may do.

    :ivar reasons: why no image can be staged.
    :ivar error: to be raised if no such method is allowed.
    """

    def __init__(self, reasons: list[Reason], error: RebootError) -> None:
        super().__init__(error.reason.message)
        self.reasons = reasons
        self.error = error


class Preparing:
    """Preparation of one host.

    :param own_boot_id: of the controller, which is never rebooted.
    :param claim: called with the host's boot_id; raises :class:`RebootError` if another host has it.
    :param new_token: makes a token for reboots that stage nothing.
    :param result: updated with what becomes known, also on failure.
    :param sights: updated with the time that staging took.
    :param judge: finds risks of a kexec beside those that the host finds.
    :ivar touched: whether an image may be staged on the host.
    """

    def __init__(
        self,
        session: Session,
        request: RebootRequest,
        *,
        own_boot_id: str,
        claim: Callable[[str], None],
        new_token: Callable[[], str],
        progress: Callable[[str], None],
        result: RebootResult,
        sights: Sights,
        clock: WallClock,
        judge: Judge = no_judge,
    ) -> None:
        self._session = session
        self._request = request
        self._own_boot_id = own_boot_id
        self._claim = claim
        self._new_token = new_token
        self._progress = progress
        self._result = result
        self._sights = sights
        self._clock = clock
        self._judge = judge
        self.touched = False
        self._judged: tuple[ReportedFacts, str] | None = None

    async def prepare(self) -> Intent:
        """Choose the method, and load the right image for it, or none. In check mode, only say what the intent would be.

        :raises RebootError: the host can't be rebooted, or not as requested.
        :raises NotNeeded: the host is to be rebooted only if it needs it, or by the least that it needs, and needs none.
        :raises SessionError: the host could not be reached, or refuses.
        """
        of_methods = [method.facts for method in self._request.methods if method.facts is not None]
        facts = await self._facts([*FACTS, *of_methods, *([NEED] if self._request.asks_for_need else [])])
        if facts.system.boot_id == self._own_boot_id:
            raise RebootError("CONTROL_NODE", "this host is the machine that runs the playbook")
        self._result.before = KnownSystem(facts.system, facts.release)
        self._result.hardware, self._result.prepared = facts.hardware, facts.prepared
        if facts.container:
            raise _refusal(facts.blockers, "this is a %s container" % facts.container)
        if facts.needs is not None:
            self._result.needed = tuple(need.reason for need in facts.needs)
        self._result.auto = self._auto(facts) if self._request.method == LEAST else None
        if self._request.spares and not facts.needs:
            raise NotNeeded
        methods = self._request.methods_for(facts.needs or ())
        # A container has the boot_id of the machine that it runs on, and is refused as what it is.
        self._claim(facts.system.boot_id)
        method, staged, reasons = await self._settle(methods, facts)
        self._result.method, self._result.reasons = method.name, tuple(reasons)
        self._result.staged = staged.values if staged else None
        return Intent(
            system=facts.system,
            token=(staged.token or "") if staged else self._new_token(),
            release=staged.release if staged else "",
            method=method,
            panic=facts.panic,
            allowed=methods,
        )

    async def require_need(self) -> str | None:
        """Find out whether the host needs a reboot, and nothing else; raises as :meth:`prepare`.

        :return: method by which it would be rebooted, as far as facts tell; None if that does not depend on what it needs.
        """
        least = self._request.method == LEAST
        facts = await self._facts([*FACTS, SOFTLY, NEED] if least else [MINIMUM, NEED])
        if not facts.needs:
            raise NotNeeded
        # What the controller knows of its class may be another by the time the host is prepared.
        if not least:
            return None
        return facts.least.method

    async def facts(self) -> ReportedFacts:
        """Read what the choice of method depends on, and nothing else; raises as :meth:`prepare`."""
        return await self._facts(FACTS)

    async def _facts(self, subsets: list[str]) -> ReportedFacts:
        result = await self._module("fleet.kexec.boot_facts", {"gather_subset": subsets, **self._request.policy_args})
        with _as_reboot_error():
            return read_answer(result, subsets)

    async def _module(self, name: str, args: Mapping[str, Any]) -> dict[str, Any]:
        return await self._session.module(name, args, MODULE_TIMEOUT_S)

    async def _settle(
        self, methods: Sequence[RebootMethod], facts: ReportedFacts
    ) -> tuple[RebootMethod, ReportedImage | None, list[Reason]]:
        """Choose the first possible method; return it with its image, loaded or predicted, and what rules out earlier ones."""
        *preferred, last = methods
        reasons: list[Reason] = []
        for method in preferred:
            try:
                return method, await self._loaded(method, facts), reasons
            except _HostRefuses as refused:
                reasons += refused.reasons
                self._progress("no %s: %s" % (method.name, "; ".join(each.message for each in refused.reasons)))
        try:
            return last, await self._loaded(last, facts), reasons
        except _HostRefuses as refused:
            raise refused.error from None

    async def _loaded(self, method: RebootMethod, facts: ReportedFacts) -> ReportedImage | None:
        self._judged = None
        if method.stages:
            return await self._stage(facts)
        if method.facts is not None:
            self._require_possible(facts)
        unstaged = await self._module("fleet.kexec.stage", {"state": "unstaged"})
        if not unstaged.get("failed"):
            return None
        code = known_code(unstaged.get("code"), "UNLOAD_FAILED")
        if code not in MENDED_BY_REBOOT:
            raise RebootError(code, "unstaging failed: %s" % said(unstaged))
        left = reason(code, said(unstaged))
        self._result.notes = (*(self._result.notes or ()), left.as_dict())
        self._progress(left.message)
        return None

    def _auto(self, facts: ReportedFacts) -> str | None:
        """Method that C(auto) would choose, as far as facts tell."""
        verdict = facts.verdict
        if verdict is None or verdict.method == REFUSE:
            return None
        if verdict.method == KEXEC.name and verdict.release and self._judge(facts, verdict.release).blocked:
            return FIRMWARE.name
        return verdict.method

    def _require_possible(self, facts: ReportedFacts) -> None:
        """Report the risks of a soft reboot; raises _HostRefuses if the host can't reboot that way."""
        if facts.soft is None:
            raise ValueError("the subset %s was not read" % SOFTLY)
        if facts.soft.blockers:
            raise _HostRefuses(list(facts.soft.blockers), _refusal(facts.soft.blockers))
        for warning in facts.soft.warnings:
            self._progress("warning: %s" % warning.message)

    async def _stage(self, facts: ReportedFacts) -> ReportedImage:
        risks = [blocker for blocker in facts.blockers if blocker.code in RISK_CODES]
        if risks:
            raise _HostRefuses(list(facts.blockers), _refusal(risks))
        # Which kernel a task names is known for sure once it is staged.
        known = "kernel" not in self._request.image and facts.verdict is not None and facts.verdict.release
        warned = self._require_calm(facts, known) if known else []
        for warning in facts.warnings:
            self._progress("warning: %s" % warning.message)
        self.touched = True
        # Somebody may have staged another kernel than the default entry's, which alone applies what is pending.
        if facts.staged and not self._request.image and not self._request.asks_for_need:
            image = StagedAnswer(facts.staged)
        else:
            began = self._clock.now()
            # Blockers of single loaders are left to stage, which knows the loader asked for.
            answer = await self._module("fleet.kexec.stage", {**self._request.image, **self._request.policy_args})
            self._sights.stage = self._clock.since(began)
            if answer.get("failed"):
                raise self._stage_failed(facts, answer)
            with _as_reboot_error():
                image = read_staged(answer)
        if not known:
            warned = self._require_calm(facts, image.staged.release)
        self._result.notes = tuple(each.as_dict() for each in (*image.notes, *warned))
        self._result.predicted_ms = image.predicted_ms
        self._progress("staged %s via %s" % (image.staged.release, image.staged.loader))
        return image.staged

    def _stage_failed(self, facts: ReportedFacts, answer: Mapping[str, Any]) -> Exception:
        """Error of a host on which nothing could be staged: its own, or one because of which another method may do."""
        code = known_code(answer.get("code"))
        error = RebootError(code, "stage failed: %s" % said(answer) if code == UNREADABLE else said(answer))
        if not is_fault_of_host(code, image_request({"kernel": DEFAULT, **self._request.image})):
            return error
        return _HostRefuses(list(facts.blockers) or [error.reason], error)

    def require_calm(self) -> None:
        """Judge the kexec that was prepared once more, by what the controller knows now.

        :raises RebootError: it is blocked by now.
        """
        found = self._judge(*self._judged) if self._judged is not None else Judgement()
        if found.blocked:
            raise RebootError(found.blocked[0].code, found.blocked[0].message)

    def _require_calm(self, facts: ReportedFacts, release: str) -> list[Reason]:
        """Risks that only the controller knows of, and that are no more than warned of; raises :class:`_HostRefuses`."""
        found = self._judge(facts, release)
        self._judged = (facts, release)
        if found.blocked:
            first = found.blocked[0]
            raise _HostRefuses(found.blocked, RebootError(first.code, "; ".join(risk.message for risk in found.blocked)))
        for risk in found.warned:
            self._progress("warning: %s" % risk.message)
        return found.warned


def _refusal(reasons: Sequence[Reason], otherwise: str = "") -> RebootError:
    """Error for reasons that a host gives; it has the code of the first one, if that is one of the catalogue."""
    code = known_code(reasons[0].code if reasons else None)
    return RebootError(code, "; ".join(each.message for each in reasons) or otherwise)


@contextlib.contextmanager
def _as_reboot_error() -> Iterator[None]:
    try:
        yield
    except FactsError as error:
        raise RebootError(error.reason.code, error.reason.message) from error
