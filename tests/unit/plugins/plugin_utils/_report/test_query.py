# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import builtins
import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.fleet.kexec.plugins.filter.query import FilterModule
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError, reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.query import query

from ....outcomes import code_of
from .journals import Night, records_of, stamped, write_journal

NIGHT = Night(hosts=30, failures=0.1, refusals=0.1)
# What did not happen in that night, at its end.
_OTHERWISE: dict[str, Any] = {"path": "firmware", "proof": {"proven": False, "missing": ["token"]}, "boot_id": "", "release": ""}
UNPROVEN = [
    (9999.0, events.HostVerified(host="web01", **_OTHERWISE).as_record()),
    (9999.0, events.HostUnproven(host="web02", **_OTHERWISE).as_record()),
]
STOPPING = events.RunStopping(reason=reason("DEADLINE", "it is six o'clock")).as_record()
RECORDS = stamped([*records_of(NIGHT), *UNPROVEN, (9999.0, STOPPING)])
TIMELINES = [record["timeline"] for record in RECORDS if record["event"] == "host_timeline"]
TIMELINE = next(each for each in TIMELINES if each["path"] == "kexec")

PAGE = (Path(__file__).resolve().parents[5] / "docs/queries.md").read_text()
OF_JOURNALS, OF_ONE = PAGE.split("## Queries of one timeline")


def documented(text: str) -> list[str]:
    return [each.strip() for each in re.findall(r"^```jmespath\n(.*?)```$", text, re.MULTILINE | re.DOTALL)]


def ask(source: Any, expression: str) -> Any:
    return query(source, expression, "/nonexistent")


@pytest.mark.parametrize("expression", documented(OF_JOURNALS))
def test_documented_queries_of_journals(expression: str) -> None:
    assert ask(RECORDS, expression)


@pytest.mark.parametrize("expression", documented(OF_ONE))
def test_documented_queries_of_a_timeline(expression: str) -> None:
    assert ask(TIMELINE, expression)


def test_the_documentation_has_queries() -> None:
    assert len(documented(OF_JOURNALS)) > 15 and len(documented(OF_ONE)) > 3


def test_what_documented_queries_find() -> None:
    failed = {record["host"] for record in RECORDS if record["event"] == "host_failed"}
    assert failed and {each["host"] for each in ask(RECORDS, documented(PAGE)[0])} == failed
    (unproven,) = (each for each in documented(PAGE) if "host_unproven" in each)
    assert [each["host"] for each in ask(RECORDS, unproven)] == ["web01", "web02"]
    outages = sorted((record["outage_ms"] for record in RECORDS if record["event"] == "host_back"), reverse=True)
    assert [each["outage_ms"] for each in ask(RECORDS, documented(PAGE)[3])] == outages[:3]


def test_a_run_by_its_name_or_path(tmp_path: Path) -> None:
    journal = write_journal(tmp_path, records_of(NIGHT))
    expression = "[0].run_id"
    assert query("latest", expression, str(tmp_path)) == NIGHT.run_id
    assert query(NIGHT.run_id, expression, str(tmp_path)) == NIGHT.run_id
    assert query(str(journal), expression, "/nonexistent") == NIGHT.run_id


def test_a_journal_that_is_not_there(tmp_path: Path) -> None:
    assert code_of(query, "latest", "@", str(tmp_path)) == "RUN_NOT_FOUND"
    assert code_of(query, str(tmp_path / "none"), "@", str(tmp_path)) == "JOURNAL_FAILED"


@pytest.mark.parametrize(
    ("expression", "place"),
    [
        ("[?event=='x' && ]", "at character 17: ']' can't stand there"),
        ("foo.bar[", "at character 9: it ends too early"),
        ("foo.'bar'", "at character 5"),
        ("", "it is empty"),
        ("foo ~ bar", "at character 5"),
        ("a.\nb.\n  ?", "in line 3, at character 3"),
        ("[].outage_ms | medium(@)", "at character 16: Unknown function: medium()"),
        ("avg(event)", "at character 1"),
        ("[].event | avg(@)", "at character 12"),
        ("length(@, @)", "at character 1"),
        ('`{"a": `', "at character 1"),
        ("x" * 200 + "..y", "at character 202"),
    ],
)
def test_errors_name_the_position(expression: str, place: str) -> None:
    with pytest.raises(CodedError) as caught:
        ask(RECORDS, expression)
    assert caught.value.reason.code == "QUERY_INVALID"
    assert place in caught.value.reason.message, caught.value.reason.message
    assert len(caught.value.reason.message) < 400


@pytest.mark.parametrize("expression", [None, 7, ["a"]])
def test_an_expression_that_is_no_text(expression: Any) -> None:
    assert code_of(query, [], expression, "/nonexistent") == "QUERY_INVALID"


def test_what_can_not_be_sorted() -> None:
    assert code_of(ask, [{"a": 1}, {"a": "x"}, {"a": None}], "sort_by(@, &a)") == "QUERY_INVALID"


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    import_module = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("jmespath"):
            raise ImportError("No module named 'jmespath'")
        return import_module(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    assert code_of(ask, [], "@") == "QUERY_LIBRARY_MISSING"


class Tagged(str):
    """A text that is more than one, as Ansible has them."""


class Lazy(dict[Any, Any]):
    """And a dictionary."""


def test_values_as_ansible_has_them() -> None:
    """The library asks for the very types, and Ansible's are subclasses."""
    values = (Lazy({Tagged("name"): Tagged("web1"), "times": (1, 2.5)}),)
    found = ask(values, "[?contains(name, 'web')].{name: name, sum: sum(times)}")
    assert found == [{"name": "web1", "sum": 3.5}]
    assert found[0]["name"].__class__ is str


def test_the_filter_tells_ansible() -> None:
    filter_ = FilterModule().filters()["query"]
    assert filter_([{"a": 1}], "[0].a") == 1
    with pytest.raises(AnsibleFilterError, match=r"QUERY_INVALID: .* at character 4.*jmespath\.org"):
        filter_([], "[0]]")


def test_plain_values_stay_as_they_are() -> None:
    values = {"a": [1, 2.5, None, True, "x"], "b": {"c": {}}}
    assert ask(json.loads(json.dumps(values)), "@") == values
