# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deadlines: a number of seconds, a time of day, or a point in time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from .._values import Value, setting

_TIME_OF_DAY = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def deadline_at(text: str, now: datetime) -> datetime:
    """Point in time of a deadline, in UTC.

    :param text: seconds; C(HH:MM), next time in the time zone of C(now); or ISO 8601, by default in that time zone.
    :param now: current time, with a time zone.
    :raises RolloutError: C(SETTINGS_INVALID): the text is none of these, or the time is past.
    """
    given = setting(text, "deadline")
    time_of_day = _TIME_OF_DAY.fullmatch(text.strip())
    if time_of_day:
        then = now.replace(hour=int(time_of_day[1]), minute=int(time_of_day[2]), second=0, microsecond=0)
        return (then if then > now else then + timedelta(days=1)).astimezone(UTC)
    try:
        then = now + timedelta(seconds=float(text))
    except OverflowError as error:
        raise given.wrong("a time that is still to come") from error
    except ValueError:
        then = _point(given, now)
    if then <= now:
        raise given.wrong("a time that is still to come")
    return then.astimezone(UTC)


def _point(given: Value, now: datetime) -> datetime:
    try:
        point = datetime.fromisoformat(given.raw.strip())
    except ValueError as error:
        raise given.wrong("seconds, HH:MM, or a point in time such as 2026-11-24T15:00:00Z") from error
    return point if point.tzinfo else point.replace(tzinfo=now.tzinfo)
