# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Terms of a rollout: what its options say, or the journal of the run that is resumed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import starmap
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._options import image_argument_spec

from .._errors import RolloutError
from .._journal.file import utc
from .._journal.run_state import RunState
from .._reboot.request import RebootRequest
from .._schedule.deadline import deadline_at
from .._schedule.settings import Settings, settings_from
from .._text import clean
from .arguments import rolling_argument_spec
from .resuming import Rest

# Hosts that are named in a line.
_NAMED = 10

#: Options that say what a run does, and in which order. A resume takes them from the journal.
ORDER = ("canaries", "waves", "wave_soak", "order")
FIXED = ("method", "only", *image_argument_spec(), *ORDER)
#: Limits that are absent unless given. A resume that does not give them goes by those of the journal.
KEPT = ("max_unavailable", "min_available", "stop_on_regression")


@dataclass(frozen=True)
class Terms:
    """Terms of one controller process.

    :ivar settings: without the deadline, see :meth:`settings_at`.
    :ivar deadline: point in time, in UTC; None if there is none.
    :ivar options: options as recorded in the journal, without secrets.
    :ivar taken: options of the journal that apply instead of a default, for display.
    """

    settings: Settings
    deadline: datetime | None
    request: RebootRequest
    options: Mapping[str, Any]
    taken: Mapping[str, Any]

    @property
    def deadline_text(self) -> str | None:
        """Deadline as the journal writes times."""
        return utc(self.deadline.timestamp()) if self.deadline else None

    def settings_at(self, now: datetime) -> Settings:
        """Settings of a rollout that starts now. The deadline of a resume may be past."""
        if self.deadline is None:
            return self.settings
        return replace(self.settings, deadline_s=(self.deadline - now).total_seconds())


def terms_of(options: Mapping[str, Any], request: RebootRequest, now: datetime) -> Terms:
    """Read the terms of a new run from validated options; C(now) has a time zone, that of a deadline such as V(06:00).

    :raises RolloutError: C(SETTINGS_INVALID).
    """
    deadline = deadline_at(options["deadline"], now) if options["deadline"] else None
    return Terms(_settings(options), deadline, request, shown(options), {})


def terms_again(options: Mapping[str, Any], request: RebootRequest, before: RunState, now: datetime) -> Terms:
    """Read the terms of a resume.

    An option at its default counts as omitted: callers such as the role pass defaults on.

    :raises RolloutError: C(RESUME_MISMATCH): an option contradicts the journal; or C(SETTINGS_INVALID).
    """
    defaults = {name: spec.get("default") for name, spec in rolling_argument_spec().items()}
    began_with = {**defaults, **before.settings}
    taken: dict[str, Any] = {}
    for name in (*FIXED, *KEPT):
        given, recorded = options.get(name), began_with[name]
        if _same(name, given, recorded):
            continue
        if given == defaults[name]:
            taken[name] = recorded
        elif name in FIXED:
            raise RolloutError(
                "RESUME_MISMATCH",
                "resume: run %s was begun with %s, and %s is given now"
                % (before.run_id, _assignment(name, recorded), _assignment(name, given)),
            )
    _require_lock(options, before)
    effective = {**options, **taken}
    # The journal has the waves themselves.
    limits = {**effective, **dict.fromkeys(ORDER)}
    image = {name: effective[name] for name in image_argument_spec() if effective.get(name) != defaults[name]}
    deadline = _deadline_again(options["deadline"], before, now)
    if deadline is not None and not options["deadline"]:
        taken["deadline"] = utc(deadline.timestamp())
    return Terms(
        _settings(limits),
        deadline,
        replace(request, method=effective["method"], only=effective["only"], image=image),
        shown(effective),
        taken,
    )


def shown(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options for the journal, which must not hold secrets."""
    lock = options["lock"] or {}
    return {
        **{name: value for name, value in options.items() if value is not None and name != "lock"},
        "lock": {name: lock[name] for name in ("backend", "name", "slots") if lock.get(name) is not None},
    }


def told_at_resume(terms: Terms, rest: Rest) -> list[str]:
    """Lines for a user who resumes a run: what comes from its journal, and which hosts of the play it does not have."""
    run_id = clean(rest.before.run_id)
    lines = []
    if terms.taken:
        lines.append(
            "resume of %s, by its journal: %s" % (run_id, ", ".join(map(clean, starmap(_assignment, terms.taken.items()))))
        )
    return lines + told_of_strangers(rest)


def told_of_strangers(rest: Rest) -> list[str]:
    """Lines for a user about hosts of the play that the run does not have; none if it has all of them."""
    if not rest.strangers:
        return []
    named = [clean(name) for name in rest.strangers[:_NAMED]]
    more = len(rest.strangers) - len(named)
    return [
        "run %s does not have these hosts of the play, which are left as they are: %s%s"
        % (clean(rest.before.run_id), ", ".join(named), " and %d more" % more if more else "")
    ]


def _settings(options: Mapping[str, Any]) -> Settings:
    return settings_from({**options, "deadline": None})


def _deadline_again(given: str | None, before: RunState, now: datetime) -> datetime | None:
    """Deadline of a resume. A text that the run knows means the point in time that it meant first, even if that is past."""
    text = given or before.deadline
    if text is None:
        return None
    if text not in before.deadlines:
        return deadline_at(text, now)
    recorded = before.deadlines[text]
    if recorded is not None:
        return datetime.fromisoformat(recorded).astimezone(UTC)
    # Journals of earlier versions have the text only.
    return deadline_at(text, datetime.fromisoformat(before.started_at).astimezone(now.tzinfo))


def _require_lock(options: Mapping[str, Any], before: RunState) -> None:
    """Refuse a resume that leaves out the lock, which the journal can't provide: it has no addresses and no secrets."""
    recorded = before.settings.get("lock")
    if recorded and options["lock"] is None:
        raise RolloutError(
            "RESUME_MISMATCH",
            "resume: run %s was begun with %s, and no lock is given now" % (before.run_id, _assignment("lock", recorded)),
        )


def _same(name: str, given: Any, recorded: Any) -> bool:
    if given == recorded:
        return True
    if name in ORDER or name in KEPT:
        # The same amount may be a number here and a text there. An earlier version may have taken what this one refuses.
        with contextlib.suppress(RolloutError):
            return settings_from({name: given}) == settings_from({name: recorded})
    return False


def _assignment(name: str, value: Any) -> str:
    return "%s=%s" % (name, value if isinstance(value, str) else json.dumps(value))
