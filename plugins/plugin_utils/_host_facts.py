# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts C(fleet_kexec) of hosts, as M(fleet.kexec.boot_facts) tells them, in types.

They come from hosts and are not trusted: everything that is used is checked here, in one place, and what is not as it should be
is an error of that host. Texts are as the host gave them; whoever shows them cleans them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ansible_collections.fleet.kexec.plugins.module_utils._host.hardware import Hardware
from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId
from ansible_collections.fleet.kexec.plugins.module_utils._json import finite_number
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.least import (
    KEXEC,
    METHODS,
    SOFT,
    LeastMethod,
    Need,
    decide_least,
)
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.verdict import REFUSE
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CATALOGUE, CodedError, Reason

from ._host_class import hardware_of
from ._text import clipped

UNREADABLE = "FACTS_UNREADABLE"

# Subsets of M(fleet.kexec.boot_facts); C(min) is always there.
MINIMUM = "min"
MINIMUM_KEY = "boot"
CONTAINER = "container"
ENTRY = "entry"
HARDWARE = "hardware"
HISTORY = "history"
LOADED = "kexec"
MACHINE = "machine"
NEED = "reboot_needed"
SOFTLY = "soft"
VERDICT = "verdict"

_SAID_MAX_CHARS = 2000

Read = TypeVar("Read")


class FactsError(CodedError):
    """Raised when a module of the collection failed on a host, or what it answered is none of its answers."""


@dataclass(frozen=True)
class ReportedVerdict:
    """How a host would reboot if nothing is asked for; None for what does not apply.

    :ivar predicted_ms: pieces of the jump, with their C(total).
    """

    method: str
    release: str | None = None
    image: str | None = None
    loader: str | None = None
    integrity: str | None = None
    placement: str | None = None
    predicted_ms: Mapping[str, float] | None = None
    notes: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class ReportedSoft:
    """Whether a host can reboot softly: it can without C(blockers)."""

    possible: bool
    survivors: tuple[str, ...]
    blockers: tuple[Reason, ...]
    warnings: tuple[Reason, ...]


@dataclass(frozen=True)
class ReportedImage:
    """Image that is staged, or would be.

    :ivar token: None if nothing was staged, because only a plan was asked for.
    :ivar values: all that is known of it, for results and the journal.
    """

    release: str
    loader: str
    token: str | None
    values: Mapping[str, Any]


@dataclass(frozen=True)
class StagedAnswer:
    """Result of staging.

    :ivar predicted_ms: pieces of the jump, with their C(total).
    """

    staged: ReportedImage
    notes: tuple[Reason, ...] = ()
    predicted_ms: Mapping[str, float] | None = None


@dataclass(frozen=True)
class PreparedBoot:
    """Parts of M(fleet.kexec.prepare_boot) that shorten the next outage of a host.

    :ivar parts: in order.
    :ivar untried_s: seconds by which it is predicted to be shorter than the last one, by parts that no reboot has tried yet.
    """

    parts: tuple[str, ...] = ()
    untried_s: float = 0.0


@dataclass(frozen=True)
class ReportedBoot:
    """Last entry of a host's history; None for what it does not know.

    :ivar outage_ms: milliseconds for which it was away.
    """

    boot_id: str
    start: str
    path: str
    release: str | None
    release_before: str | None
    host_class: str | None
    run_id: str | None
    outage_ms: float | None


_NO_SYSTEM = SystemId("")


@dataclass(frozen=True)
class ReportedFacts:
    """Facts of a host; those of subsets that were not read are empty, or None.

    :ivar system: that runs, and C(path) by which it was booted.
    :ivar release: of the running kernel.
    :ivar panic: C(kernel.panic) and C(kernel.panic_on_oops).
    :ivar hardware: None if unknown.
    :ivar blockers: why the verdict is not C(kexec).
    :ivar policy: effects by code.
    :ivar loaded: whether an image is loaded; None if that is not known.
    :ivar arguments_change: whether the default entry changes the kernel's arguments.
    :ivar needs: why the host needs a reboot.
    :ivar last_boot: None if the history is empty.
    :ivar failing_differences: whether the machine lacks what it had before its last reboot.
    :ivar prepared: None if the host's version of the collection does not tell.
    :ivar raw: the facts as they were given.
    """

    system: SystemId = _NO_SYSTEM
    path: str = ""
    release: str = ""
    panic: tuple[int, int] = (0, 0)
    container: str | None = None
    hardware: Hardware | None = None
    verdict: ReportedVerdict | None = None
    blockers: tuple[Reason, ...] = ()
    warnings: tuple[Reason, ...] = ()
    policy: Mapping[str, str] = field(default_factory=dict)
    staged: ReportedImage | None = None
    loaded: bool | None = None
    arguments_change: bool = False
    needs: tuple[Need, ...] | None = None
    soft: ReportedSoft | None = None
    last_boot: ReportedBoot | None = None
    failing_differences: bool = False
    prepared: PreparedBoot | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def least(self) -> LeastMethod:
        """Least reboot that applies what is pending, as C(method: least) decides; none of a host that is refused."""
        if self.verdict is None or self.needs is None or self.soft is None:
            raise ValueError("the subsets %s, %s and %s were not read" % (VERDICT, NEED, SOFTLY))
        if self.verdict.method == REFUSE:
            return LeastMethod(None)
        # Blockers of single loaders are left to staging, which knows the loader asked for.
        kexec = self.blockers if self.verdict.method != KEXEC else ()
        return decide_least(self.needs, {SOFT: self.soft.blockers, KEXEC: kexec})


def facts_by_host(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Facts C(fleet_kexec) of all hosts of a play, as they were gathered; None for a host without any.

    :param variables: of the task.
    """
    return {name: gathered(variables["hostvars"][name]) for name in variables["ansible_play_hosts_all"]}


def gathered(variables: Mapping[str, Any]) -> Any:
    """Facts C(fleet_kexec) of a host from its variables; None without any."""
    facts = variables.get("ansible_facts")
    return facts.get("fleet_kexec") if isinstance(facts, Mapping) else None


def read_answer(answer: Any, required: Collection[str]) -> ReportedFacts:
    """Read the result of M(fleet.kexec.boot_facts).

    :raises FactsError: the module failed, or as :func:`read_facts`.
    """
    require_success(answer, "boot_facts")
    return _read("boot_facts", lambda: _facts(_mapping(_mapping(answer, "ansible_facts"), "fleet_kexec"), required, ()))


def read_facts(facts: Any, required: Collection[str], optional: Collection[str] = ()) -> ReportedFacts:
    """Read the facts C(fleet_kexec) of a host.

    :param required: subsets that it has to have.
    :param optional: subsets that are read if it has them.
    :raises FactsError: C(FACTS_UNREADABLE): a fact is missing, or is not of its type.
    """
    if facts is None:
        raise FactsError(UNREADABLE, "there are no facts of this host: boot_facts did not run on it, or failed")
    return _read("boot_facts", lambda: _facts(_plain_mapping(facts, "fleet_kexec"), required, optional))


def read_staged(answer: Mapping[str, Any]) -> StagedAnswer:
    """Read the result of M(fleet.kexec.stage).

    :raises FactsError: C(FACTS_UNREADABLE): it is none.
    """

    def read() -> StagedAnswer:
        image = _image(answer, "staged")
        if image is None:
            raise _Unreadable("staged is none")
        return StagedAnswer(image, _reasons(answer, "notes") if "notes" in answer else (), _predicted(answer))

    return _read("stage", read)


def require_success(answer: Any, module: str) -> None:
    """Require that a module of the collection did not fail; raises FactsError with its code, or C(FACTS_UNREADABLE)."""
    if not isinstance(answer, Mapping):
        raise FactsError(UNREADABLE, "%s gave an answer that is none: a %s" % (module, type(answer).__name__))
    if answer.get("failed"):
        raise FactsError(known_code(answer.get("code")), "%s failed: %s" % (module, said(answer)))


def known_code(code: Any, otherwise: str = UNREADABLE) -> str:
    """Code that a host gave, if it is one of the catalogue."""
    return str(code) if isinstance(code, str) and code in CATALOGUE else otherwise


def said(answer: Mapping[str, Any]) -> str:
    """Message of a module, in one line."""
    # Each character is looked at, so most of an enormous text is dropped before.
    return clipped(str(answer.get("msg", "no message"))[:_SAID_MAX_CHARS])


class _Unreadable(Exception):
    """Raised with a sentence about a fact that is not as it should be."""


def _read(module: str, read: Callable[[], Read]) -> Read:
    try:
        return read()
    except _Unreadable as error:
        raise FactsError(UNREADABLE, "%s gave an answer that is none: %s" % (module, error)) from error


def _facts(facts: Mapping[str, Any], required: Collection[str], optional: Collection[str]) -> ReportedFacts:
    values: dict[str, Any] = {}
    for subset, (key, read) in _SUBSETS.items():
        if subset in required or (subset in optional and key in facts):
            values.update(read(facts))
    return ReportedFacts(**values, raw=facts)


# Readers of values by the name of their key, of which messages name the last part.


def _get(values: Mapping[str, Any], key: str) -> Any:
    if key not in values:
        raise _Unreadable("%s is missing" % key)
    return values[key]


def _typed(value: Any, key: str, kind: type[Read], words: str) -> Read:
    # A bool is an int to Python, and to nobody else.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _Unreadable("%s is no %s" % (key, words))
    return value


def _text(values: Mapping[str, Any], key: str) -> str:
    # Ansible's own strings carry tags.
    return str.__str__(_typed(_get(values, key), key, str, "text"))


def _text_or_none(values: Mapping[str, Any], key: str) -> str | None:
    return None if _get(values, key) is None else _text(values, key)


def _flag(values: Mapping[str, Any], key: str) -> bool:
    return _typed(_get(values, key), key, bool, "boolean")


def _count(values: Mapping[str, Any], key: str) -> int:
    return _typed(_get(values, key), key, int, "whole number")


def _number(value: Any, key: str) -> float:
    number = finite_number(value)
    if number is None:
        raise _Unreadable("%s is no number" % key)
    return number


def _plain_mapping(value: Any, key: str) -> Mapping[str, Any]:
    return _typed(value, key, Mapping, "dictionary")  # type: ignore[type-abstract]


def _mapping(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return _plain_mapping(_get(values, key), key)


def _list(values: Mapping[str, Any], key: str) -> list[Any]:
    return _typed(_get(values, key), key, list, "list")


def _texts(values: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(str.__str__(_typed(each, key, str, "list of texts")) for each in _list(values, key))


def _mappings(values: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    return [_typed(each, key, Mapping, "list of dictionaries") for each in _list(values, key)]  # type: ignore[type-abstract]


def _reason(each: Mapping[str, Any]) -> Reason:
    # The catalogue is not consulted: facts may have been gathered by a later version, and then cached.
    return Reason(_text(each, "code"), _text(each, "message"), _text(each, "hint"))


def _reasons(values: Mapping[str, Any], key: str) -> tuple[Reason, ...]:
    return tuple(map(_reason, _mappings(values, key)))


# Readers of subsets.


def _minimum(facts: Mapping[str, Any]) -> dict[str, Any]:
    boot, kernel = _mapping(facts, "boot"), _mapping(facts, "kernel")
    userspace_us = None if boot.get("userspace_us") is None else _count(boot, "userspace_us")
    return {
        "system": SystemId(_text(boot, "boot_id"), _count(boot, "soft_reboots"), userspace_us),
        "path": _text(boot, "path"),
        "release": _text(kernel, "release"),
        "panic": (_count(kernel, "panic_s"), _count(kernel, "panic_on_oops")),
        "prepared": _prepared(_mapping(boot, "prepared")) if "prepared" in boot else None,
    }


def _prepared(values: Mapping[str, Any]) -> PreparedBoot:
    untried_ms = max(0.0, _number(_get(values, "untried_ms"), "untried_ms"))
    # Hosts that differ by less have the same forecast, which is made once.
    return PreparedBoot(tuple(sorted(_texts(values, "parts"))), round(untried_ms / 1000, 1))


def prepared_of(facts: Any) -> PreparedBoot | None:
    """Parts of M(fleet.kexec.prepare_boot) in facts that were gathered earlier; None if they do not tell."""
    if not isinstance(facts, Mapping) or MINIMUM_KEY not in facts:
        return None
    try:
        return read_facts(facts, [MINIMUM]).prepared
    except FactsError:
        return None


def _verdict(facts: Mapping[str, Any]) -> dict[str, Any]:
    verdict = _mapping(facts, "verdict")
    texts = {name: _text_or_none(verdict, name) for name in ("release", "image", "loader", "integrity", "placement")}
    return {
        "verdict": ReportedVerdict(
            _text(verdict, "method"), **texts, predicted_ms=_predicted(verdict), notes=_reasons(verdict, "notes")
        ),
        "blockers": _reasons(facts, "blockers"),
        "warnings": _reasons(facts, "warnings"),
        "policy": {str(code): _text(_mapping(facts, "policy"), code) for code in _mapping(facts, "policy")},
    }


def _predicted(values: Mapping[str, Any]) -> Mapping[str, float] | None:
    if values.get("predicted_ms") is None:
        return None
    predicted = _mapping(values, "predicted_ms")
    _get(predicted, "total")
    return {str(name): _number(each, name) for name, each in predicted.items()}


def _image(values: Mapping[str, Any], key: str) -> ReportedImage | None:
    if _get(values, key) is None:
        return None
    image = _mapping(values, key)
    return ReportedImage(_text(image, "release"), _text(image, "loader"), _text_or_none(image, "token"), image)


def _loaded(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"staged": _image(facts, "staged"), "loaded": None if facts.get("loaded") is None else _flag(facts, "loaded")}


def _entry(facts: Mapping[str, Any]) -> dict[str, Any]:
    entry = _mapping(facts, "entry")
    # Of an entry that is not known, nothing is.
    changes = [_texts(entry, name) for name in ("added", "removed") if entry.get(name) is not None]
    return {"arguments_change": any(changes)}


def _need(facts: Mapping[str, Any]) -> dict[str, Any]:
    need = _mapping(facts, NEED)
    if not _flag(need, "needed"):
        return {"needs": ()}
    # A method that is not known counts as the one that applies everything.
    return {
        "needs": tuple(
            Need(_reason(each), each["method"] if each.get("method") in METHODS else METHODS[-1])
            for each in _mappings(need, "reasons")
        )
    }


def _soft(facts: Mapping[str, Any]) -> dict[str, Any]:
    soft = _mapping(facts, SOFTLY)
    lists = _reasons(soft, "blockers"), _reasons(soft, "warnings")
    return {"soft": ReportedSoft(_flag(soft, "possible"), _texts(soft, "survivors"), *lists)}


def _last_boot(facts: Mapping[str, Any]) -> dict[str, Any]:
    history = _mapping(facts, HISTORY)
    if _get(history, "last") is None:
        return {"last_boot": None}
    last = _mapping(history, "last")
    outage = None if last.get("outage") is None else _mapping(last, "outage")
    # Histories of earlier versions have fewer of them.
    names = ("release", "release_before", "host_class", "run_id")
    texts = {name: None if last.get(name) is None else _text(last, name) for name in names}
    return {
        "last_boot": ReportedBoot(
            boot_id=_text(last, "boot_id"),
            start=_text(last, "start"),
            path=_text(last, "path"),
            outage_ms=None if outage is None else _number(_get(outage, "duration_ms"), "duration_ms"),
            **texts,
        )
    }


def _machine(facts: Mapping[str, Any]) -> dict[str, Any]:
    differences = _mappings(_mapping(facts, MACHINE), "differences")
    return {"failing_differences": any(_text(each, "effect") == "fail" for each in differences)}


#: Subset → the key that it begins with, and its reader.
_SUBSETS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    MINIMUM: (MINIMUM_KEY, _minimum),
    CONTAINER: ("container", lambda facts: {"container": _text_or_none(facts, "container")}),
    # A machine that does not tell is one of no class.
    HARDWARE: ("hardware", lambda facts: {"hardware": hardware_of(facts.get("hardware"))}),
    VERDICT: ("verdict", _verdict),
    LOADED: ("staged", _loaded),
    ENTRY: ("entry", _entry),
    NEED: (NEED, _need),
    SOFTLY: (SOFTLY, _soft),
    HISTORY: (HISTORY, _last_boot),
    MACHINE: (MACHINE, _machine),
}
