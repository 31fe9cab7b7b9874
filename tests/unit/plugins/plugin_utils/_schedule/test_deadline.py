# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.deadline import deadline_at

NOW = datetime(2026, 11, 24, 22, 30, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1800.5", 1800.5),
        ("22:31", 60),
        ("22:30", 24 * 3600),
        ("6:00", 7.5 * 3600),
        ("2026-11-24T22:00:00Z", 1800),
        ("2026-11-24T23:00", 1800),
        ("2026-11-25", 1.5 * 3600),
    ],
)
def test_until_then(text: str, seconds: float) -> None:
    then = deadline_at(text, NOW)
    assert (then - NOW).total_seconds() == seconds
    assert then.tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["0", "-5", "nan", "inf", "1e300", "1e15", "24:00", "tomorrow", "", "2026-11-24T22:29", "2026-13-01"]
)
def test_no_deadline(text: str) -> None:
    with pytest.raises(RolloutError) as caught:
        deadline_at(text, NOW)
    assert caught.value.reason.code == "SETTINGS_INVALID"
