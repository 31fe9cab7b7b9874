# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare one host for its reboot: facts, method and image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.least import METHODS, Need
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.policy import RISK_CODES, Judgement
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.requests import DEFAULT, is_fault_of_host
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.trigger import MENDED_BY_REBOOT
from ansible_collections.fleet.kexec.plugins.module_utils._options import image_request
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason

from .._host_class import hardware_of
from .._transport.session import Session
from .errors import NotNeeded, RebootError
from .methods import RebootMethod
from .request import Intent, RebootRequest
from .result import KnownSystem, RebootResult
from .sights import Sights, WallClock

# Subsets of M(fleet.kexec.boot_facts) that the choice of method depends on.
FACTS = ["min", "container", "hardware", "kexec", "verdict"]
# Whether the host needs a reboot, which its tools may take seconds to tell.
NEED = "reboot_needed"

# Before the trigger the host is up, and slow at worst.
MODULE_TIMEOUT_S = 300.0


#: Judges the risks that only the controller knows of, from the facts of a host and the release that it would boot by kexec.
Judge = Callable[[Mapping[str, Any], str], Judgement]


def no_judge(_facts: Mapping[str, Any], _release: str) -> Judgement:
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
        self._judged: tuple[Mapping[str, Any], str] | None = None

    async def prepare(self) -> Intent:
        """Choose the method, and load the right image for it, or none. In check mode, only say what the intent would be.

        :raises RebootError: the host can't be rebooted, or not as requested.
        :raises NotNeeded: the host is to be rebooted only if it needs it, or by the least that it needs, and needs none.
        :raises SessionError: the host could not be reached, or refuses.
        """
        of_methods = [method.facts for method in self._request.methods if method.facts is not None]
        facts = await self._facts([*FACTS, *of_methods, *([NEED] if self._request.asks_for_need else [])])
        boot, kernel = facts["boot"], facts["kernel"]
        system = SystemId(boot["boot_id"], boot["soft_reboots"], boot["userspace_us"])
        boot_id = system.boot_id
        if boot_id == self._own_boot_id:
            raise RebootError("CONTROL_NODE", "this host is the machine that runs the playbook")
        self._result.before = KnownSystem(system, kernel["release"])
        self._result.hardware = hardware_of(facts.get("hardware"))
        blockers = [Reason(**blocker) for blocker in facts["blockers"]]
        if facts["container"]:
            raise RebootError(blockers[0].code, blockers[0].message)
        needs = _needs(facts[NEED]) if NEED in facts else []
        if NEED in facts:
            self._result.needed = tuple(need.reason for need in needs)
        if self._request.spares and not needs:
            raise NotNeeded
        methods = self._request.methods_for(needs)
        # A container has the boot_id of the machine that it runs on, and is refused as what it is.
        self._claim(boot_id)
        method, staged, reasons = await self._settle(methods, facts, blockers)
        self._result.method, self._result.staged, self._result.reasons = method.name, staged, tuple(reasons)
        return Intent(
            system=system,
            token=(staged["token"] or "") if staged else self._new_token(),
            release=staged["release"] if staged else "",
            method=method,
            panic=(kernel["panic_s"], kernel["panic_on_oops"]),
            allowed=methods,
        )

    async def require_need(self) -> None:
        """Find out whether the host needs a reboot, and nothing else; raises as :meth:`prepare`."""
        if not _needs((await self._facts(["min", NEED]))[NEED]):
            raise NotNeeded

    async def facts(self) -> dict[str, Any]:
        """Read what the choice of method depends on, and nothing else; raises as :meth:`prepare`."""
        return await self._facts(FACTS)

    async def _facts(self, subsets: list[str]) -> dict[str, Any]:
        result = await self._module("fleet.kexec.boot_facts", {"gather_subset": subsets, **self._request.policy_args})
        if result.get("failed"):
            raise RebootError(result.get("code", "FACTS_UNREADABLE"), "boot_facts failed: %s" % _said(result))
        facts: dict[str, Any] = result["ansible_facts"]["fleet_kexec"]
        return facts

    async def _module(self, name: str, args: Mapping[str, Any]) -> dict[str, Any]:
        return await self._session.module(name, args, MODULE_TIMEOUT_S)

    async def _settle(
        self, methods: Sequence[RebootMethod], facts: dict[str, Any], blockers: list[Reason]
    ) -> tuple[RebootMethod, dict[str, Any] | None, list[Reason]]:
        """Choose the first possible method; return it with its image, loaded or predicted, and what rules out earlier ones."""
        *preferred, last = methods
        reasons: list[Reason] = []
        for method in preferred:
            try:
                return method, await self._loaded(method, facts, blockers), reasons
            except _HostRefuses as refused:
                reasons += refused.reasons
                self._progress("no %s: %s" % (method.name, "; ".join(each.message for each in refused.reasons)))
        try:
            return last, await self._loaded(last, facts, blockers), reasons
        except _HostRefuses as refused:
            raise refused.error from None

    async def _loaded(self, method: RebootMethod, facts: dict[str, Any], blockers: list[Reason]) -> dict[str, Any] | None:
        self._judged = None
        if method.stages:
            return await self._stage(facts, blockers)
        if method.facts is not None:
            self._require_possible(facts[method.facts])
        unstaged = await self._module("fleet.kexec.stage", {"state": "unstaged"})
        if not unstaged.get("failed"):
            return None
        if unstaged.get("code") not in MENDED_BY_REBOOT:
            raise RebootError(unstaged.get("code", "UNLOAD_FAILED"), "unstaging failed: %s" % _said(unstaged))
        left = reason(unstaged["code"], _said(unstaged))
        self._result.notes = (*(self._result.notes or ()), left.as_dict())
        self._progress(left.message)
        return None

    def _require_possible(self, facts: dict[str, Any]) -> None:
        """Report the risks of a method that stages nothing; raises _HostRefuses if the host can't reboot that way."""
        blockers = [Reason(**blocker) for blocker in facts["blockers"]]
        if blockers:
            said = "; ".join(each.message for each in blockers)
            raise _HostRefuses(blockers, RebootError(blockers[0].code, said))
        for warning in facts["warnings"]:
            self._progress("warning: %s" % warning["message"])

    async def _stage(self, facts: dict[str, Any], blockers: list[Reason]) -> dict[str, Any]:
        risks = [blocker for blocker in blockers if blocker.code in RISK_CODES]
        if risks:
            raise _HostRefuses(blockers, RebootError(risks[0].code, "; ".join(risk.message for risk in risks)))
        # Which kernel a task names is known for sure once it is staged.
        known = "kernel" not in self._request.image and (facts.get("verdict") or {}).get("release")
        warned = self._require_calm(facts, known) if known else []
        for warning in facts.get("warnings", []):
            self._progress("warning: %s" % warning["message"])
        self.touched = True
        # Somebody may have staged another kernel than the default entry's, which alone applies what is pending.
        if facts["staged"] and not self._request.image and not self._request.asks_for_need:
            result: dict[str, Any] = {"staged": facts["staged"]}
        else:
            began = self._clock.now()
            # Blockers of single loaders are left to stage, which knows the loader asked for.
            result = await self._module("fleet.kexec.stage", {**self._request.image, **self._request.policy_args})
            self._sights.stage = self._clock.since(began)
        if not result.get("failed"):
            staged: dict[str, Any] = result["staged"]
            if not known:
                warned = self._require_calm(facts, staged["release"])
            notes = (*result.get("notes", ()), *(each.as_dict() for each in warned))
            self._result.notes, self._result.predicted_ms = notes, result.get("predicted_ms")
            self._progress("staged %s via %s" % (staged["release"], staged["loader"]))
            return staged
        if "code" not in result:
            raise RebootError("FACTS_UNREADABLE", "stage failed: %s" % _said(result))
        error = RebootError(result["code"], result["msg"])
        if not is_fault_of_host(result["code"], image_request({"kernel": DEFAULT, **self._request.image})):
            raise error
        raise _HostRefuses(blockers or [reason(result["code"], result["msg"])], error)

    def require_calm(self) -> None:
        """Judge the kexec that was prepared once more, by what the controller knows now.

        :raises RebootError: it is blocked by now.
        """
        found = self._judge(*self._judged) if self._judged is not None else Judgement()
        if found.blocked:
            raise RebootError(found.blocked[0].code, found.blocked[0].message)

    def _require_calm(self, facts: Mapping[str, Any], release: str) -> list[Reason]:
        """Risks that only the controller knows of, and that are no more than warned of; raises :class:`_HostRefuses`."""
        found = self._judge(facts, release)
        self._judged = (facts, release)
        if found.blocked:
            first = found.blocked[0]
            raise _HostRefuses(found.blocked, RebootError(first.code, "; ".join(risk.message for risk in found.blocked)))
        for risk in found.warned:
            self._progress("warning: %s" % risk.message)
        return found.warned


def _said(result: Mapping[str, Any]) -> str:
    return str(result.get("msg", "no message"))


def _needs(fact: Mapping[str, Any]) -> list[Need]:
    """Reasons why a host needs a reboot, from the fact; a method that is not known counts as the one that applies everything."""
    return [
        Need(
            Reason(each["code"], each["message"], each["hint"]), each["method"] if each.get("method") in METHODS else METHODS[-1]
        )
        for each in fact["reasons"]
    ]
