# SPDX-License-Identifier: GPL-3.0-or-later
"""Records as events for other programs: bounded, and plain text only."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.publish import NUMBER_MAX, TEXT_MAX_CHARS, published

from .. import stories

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    max_leaves=20,
)


@pytest.mark.parametrize("record", [*stories.night(), *stories.OF_PENDING], ids=lambda record: record["event"])
def test_what_is_harmless_stays_as_it_is(record: dict[str, Any]) -> None:
    plain = json.loads(json.dumps(record).replace("\\n\\t", " ").replace("\\t", " ").replace("\\u0000", ""))
    assert published("night", record) == {**plain, "run_id": "night"}


def test_texts_are_no_templates_and_no_control_sequences() -> None:
    record = {"event": "hook_ended", "host": "web1", "message": "{{ lookup('pipe', 'x') }}\x1b[2J{%x%}{#y#}{{{z", "{{ key }}": 1}
    event = published("night", record)
    assert event["message"] == "{ { lookup('pipe', 'x') }}{ %x%}{ #y#}{ { {z"
    assert event["{ { key }}"] == 1


@given(st.dictionaries(st.text(), JSON))
def test_whatever_is_in_a_record(record: dict[str, Any]) -> None:
    event = published("night", record)
    assert json.dumps(event, allow_nan=False)
    for text in strings(event):
        assert text.isprintable() and not any(opening in text for opening in ("{{", "{%", "{#"))
    assert event["run_id"] == "night" and "meta" not in event


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for key, each in value.items() for text in (key, *strings(each))]
    if isinstance(value, list):
        return [text for each in value for text in strings(each)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("host", ["{{ x }}", "web1\n", "a" * 256, "\x1b[2Jweb1", 7, ["web1"]])
def test_a_name_that_would_have_to_be_changed_is_none(host: object) -> None:
    assert published("night", {"event": "host_down", "host": host})["host"] is None


def test_sizes_are_bounded() -> None:
    deep: Any = "x"
    for _level in range(50):
        deep = [deep]
    record = {
        "event": "x",
        "text": "a" * 10_000_000,
        "list": ["web%d" % number for number in range(10_000)],
        "dictionary": {str(number): number for number in range(10_000)},
        "deep": deep,
        "number": 10**400,
        "infinity": float("inf"),
        "exact": NUMBER_MAX,
    }
    event = published("night", record)
    assert len(event["text"]) == TEXT_MAX_CHARS and len(event["list"]) == len(event["dictionary"]) == 100
    assert event["number"] is None and event["infinity"] is None and event["exact"] == NUMBER_MAX
    assert len(json.dumps(event)) < 8000


def test_nobody_chooses_hosts_for_ansible_rulebook() -> None:
    assert "meta" not in published("night", {"event": "x", "meta": {"hosts": "all"}, "m\x00eta": {"hosts": "all"}})
