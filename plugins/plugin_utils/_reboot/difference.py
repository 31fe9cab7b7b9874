# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences of a machine that has rebooted, as M(fleet.kexec.machine) reports them.

All of it comes from the host and is not trusted: types are checked, texts are cleaned and cut, and lists are bounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason

from .._text import clipped, counted

FAIL = "fail"
WARN = "warn"

# Kept of the differences of a host, and looked at: whoever controls a host could send any number of them.
DIFFERENCES_MAX = 100
EXAMINED_MAX = 1000
# Named where there is only one line.
NAMED = 3

CODE_MAX_CHARS = 40
SUBJECT_MAX_CHARS = 120
MESSAGE_MAX_CHARS = 400


@dataclass(frozen=True, slots=True)
class ReportedDifference:
    """Difference of a machine from what it was before its reboot.

    :ivar code: in the catalogue, unless the host has a later version of the collection.
    :ivar subject: part of the machine, such as C(eth1).
    :ivar before: what that was; None if it was not there. C(after) likewise.
    :ivar effect: C(fail) or C(warn).
    """

    code: str
    subject: str
    before: str | None
    after: str | None
    effect: str
    message: str

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> ReportedDifference:
        """Read a difference of plain values, its texts as they are.

        :raises KeyError, TypeError, ValueError: a value is missing, or is not of its type.
        """
        return cls(
            code=_text(values["code"]),
            subject=_text(values["subject"]),
            before=_text_or_none(values["before"]),
            after=_text_or_none(values["after"]),
            effect=_text(values["effect"]),
            message=_text(values["message"]),
        )

    @property
    def fails(self) -> bool:
        return self.effect == FAIL

    @property
    def name(self) -> str:
        """Code and subject."""
        return ("%s %s" % (self.code, self.subject)).rstrip()

    def as_dict(self) -> dict[str, str | None]:
        return asdict(self)


@dataclass(frozen=True)
class ReportedComparison:
    """Comparison of a machine with what it was before its reboot.

    :ivar compared: false if there was nothing to compare with.
    :ivar model: vendor and product; empty if unknown.
    :ivar differences: those that fail the host come first.
    :ivar more: number of further differences, which are not kept.
    :ivar settled_ms: time that the host took until nothing was left that time could mend.
    """

    compared: bool
    model: str
    differences: tuple[ReportedDifference, ...]
    more: int
    settled_ms: int

    @property
    def degraded(self) -> Reason | None:
        """Reason for which the host fails, C(DEGRADED); None if it does not."""
        failing = [each for each in self.differences if each.fails]
        if not failing:
            return None
        return reason("DEGRADED", "the machine did not come back as it was: %s" % named(failing, self.more))


def comparison_of(answer: Mapping[str, Any]) -> ReportedComparison:
    """Read the result of M(fleet.kexec.machine).

    :raises KeyError, TypeError, ValueError: it is none.
    """
    found = answer["differences"]
    if not isinstance(found, list):
        raise TypeError("differences is no list")
    # The host sorts them, and is not relied on for that.
    read = sorted(map(_cleaned, found[:EXAMINED_MAX]), key=lambda each: (not each.fails, each.code, each.subject))
    kept = tuple(read[:DIFFERENCES_MAX])
    settled_ms = answer["settled_ms"]
    if isinstance(settled_ms, bool) or not isinstance(settled_ms, int) or not 0 <= settled_ms < 2**53:
        raise TypeError("settled_ms is no time")
    if not isinstance(answer["compared"], bool):
        raise TypeError("compared is neither true nor false")
    return ReportedComparison(answer["compared"], model_of(answer), kept, len(found) - len(kept), int(settled_ms))


def model_of(machine: Mapping[str, Any]) -> str:
    """Model of a machine, clean; raises KeyError or TypeError if it is no text."""
    return shown(_text(machine["model"]), SUBJECT_MAX_CHARS)


def named(differences: Sequence[ReportedDifference], more: int = 0) -> str:
    """Name the first few differences in a line: C(NIC_NO_CARRIER eth1, CPU_LOST cpu3 and 2 more)."""
    said = ", ".join(each.name for each in differences[:NAMED])
    left = len(differences[NAMED:]) + more
    return "%s and %d more" % (said, left) if left else said


def summed_up(differences: Sequence[ReportedDifference], more: int = 0) -> str:
    """Sum up differences in a line: C(2 differences: NIC_NO_CARRIER eth1, CPU_LOST cpu3)."""
    if not differences:
        return "no difference"
    return "%s: %s" % (counted(len(differences) + more, "difference"), named(differences, more))


def shown(text: str, chars: int) -> str:
    """Clean a text of the host, and cut it."""
    # Each character is looked at, so most of an enormous text is dropped before.
    return clipped(text[: 4 * chars], chars)


def _cleaned(values: Any) -> ReportedDifference:
    if not isinstance(values, dict):
        raise TypeError("a difference is no dictionary")
    read = ReportedDifference.read(values)
    code = shown(read.code, CODE_MAX_CHARS)
    if not code or read.effect not in (FAIL, WARN):
        raise ValueError("a difference has no code, or another effect than %s and %s" % (FAIL, WARN))
    before, after = (None if each is None else shown(each, SUBJECT_MAX_CHARS) for each in (read.before, read.after))
    return ReportedDifference(
        code=code,
        subject=shown(read.subject, SUBJECT_MAX_CHARS),
        before=before,
        after=after,
        effect=read.effect,
        message=shown(read.message, MESSAGE_MAX_CHARS),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("%s is no text" % type(value).__name__)
    # Ansible's own strings carry tags.
    return str.__str__(value)


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value)
