# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of hooks, and what is said to nonsense in them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.http_check import HttpCheck
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.parse import NAME_MAX_CHARS, parse_hooks

from .hosts import hook as one

URL = "https://lb.example:8443/T0KEN/nodes?key=T0KEN"
SECRET = "T0KEN"


def test_no_hooks() -> None:
    assert parse_hooks(None, "before") == parse_hooks([], "before") == ()


def test_variables_from_a_command_line_are_text() -> None:
    hook = one(http={"url": URL, "status": "204", "validate_certs": "no"}, timeout="5", retries="2", delay="0.5")
    assert (hook.timeout_s, hook.retries, hook.delay_s) == (5.0, 2, 0.5)
    assert isinstance(hook.action, HttpCheck)
    assert (hook.action.statuses, hook.action.validate_certs) == (frozenset({204}), False)


def test_names_are_unique() -> None:
    true = {"command": ["true"]}
    hooks = parse_hooks([true, true, dict(true, name="mine"), true], "after")
    assert [hook.name for hook in hooks] == ["command true", "command true (2)", "mine", "command true (3)"]
    with pytest.raises(RolloutError, match=r"^after\[1\]\.name has to be another than that of an earlier hook"):
        parse_hooks([dict(true, name="x"), dict(true, name="x")], "after")


def test_names_are_fit_for_a_terminal() -> None:
    name = one(command=["dr\x1b[31mä" + "x" * 200]).name
    assert name.startswith("command dr?[31mäxx")
    assert len(name) == NAME_MAX_CHARS


def test_no_secret_is_in_a_name_or_a_representation() -> None:
    hooks = parse_hooks(
        [
            {"command": ["x", SECRET]},
            {"controller_command": ["x", SECRET]},
            {"http": {"url": URL, "headers": {"X": SECRET}, "body": SECRET, "username": "u", "password": SECRET}},
            {"module": {"name": "x", "args": {"x": SECRET}}},
        ],
        "before",
    )
    assert [hook.name for hook in hooks] == ["command x", "controller_command x", "http GET lb.example:8443", "module x"]
    assert SECRET not in repr(hooks)
    assert base64.b64encode(b"u:" + SECRET.encode()).decode() not in repr(hooks)


TRUE = {"command": ["true"]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("x", "before has to be a list of dictionaries"),
        ({"command": ["x"]}, "before has to be a list of dictionaries"),
        (["x"], "before[0] has to be a dictionary"),
        ([TRUE, {}], "before[1] needs exactly one of command, module, controller_command, http; it has none"),
        ([{"command": None}], "before[0] needs exactly one of command, module, controller_command, http; it has none"),
        ([dict(TRUE, http={"url": URL})], "it has command and http"),
        ([dict(TRUE, comand=[])], "before[0] has no 'comand'; it takes command, "),
        ([dict(TRUE, timeout=0)], "before[0].timeout has to be a number of seconds, more than 0"),
        ([dict(TRUE, timeout=float("inf"))], "before[0].timeout has to be a number of seconds, more than 0"),
        ([dict(TRUE, timeout=float("nan"))], "before[0].timeout has to be a number of seconds, more than 0"),
        ([dict(TRUE, timeout=True)], "before[0].timeout has to be a number of seconds, more than 0"),
        ([dict(TRUE, delay=-1)], "before[0].delay has to be a number of seconds, 0 or more"),
        ([dict(TRUE, delay="soon")], "before[0].delay has to be a number of seconds, 0 or more"),
        ([dict(TRUE, retries=-1)], "before[0].retries has to be a whole number of at least 0"),
        ([dict(TRUE, retries=1.5)], "before[0].retries has to be a whole number of at least 0"),
        ([dict(TRUE, name=" ")], "before[0].name has to be 1 to 100 printable characters"),
        ([dict(TRUE, name="a\nb")], "before[0].name has to be 1 to 100 printable characters"),
        ([dict(TRUE, name="x" * 101)], "before[0].name has to be 1 to 100 printable characters"),
        ([dict(TRUE, name=["x"])], "before[0].name has to be text"),
        ([{"command": "drain now"}], "before[0].command has to be a list of a program and its arguments"),
        ([{"command": []}], "before[0].command has to be a list that begins with a program"),
        ([{"controller_command": ["", "x"]}], "before[0].controller_command has to be a list that begins with a program"),
        ([{"command": ["x", True]}], "before[0].command[1] has to be text; put it in quotes"),
        ([{"command": ["x", 1.10]}], "before[0].command[1] has to be text; put it in quotes"),
        ([{"command": ["x", SECRET + "\0"]}], "before[0].command[1] has to be without null characters"),
        ([{"http": URL}], "before[0].http has to be a dictionary"),
        ([{"http": {}}], "before[0].http needs url"),
        ([{"http": {"url": URL, "verify": False}}], "before[0].http has no 'verify'; it takes url, "),
        ([{"http": {"url": "file:///etc/shadow"}}], "before[0].http.url has to be a URL that begins with http"),
        ([{"http": {"url": "https://x/ " + SECRET}}], "before[0].http.url has to be a URL that begins with http"),
        ([{"http": {"url": "https://x/\r\nX: " + SECRET}}], "before[0].http.url has to be a URL that begins with http"),
        ([{"http": {"url": "https://x/ä" + SECRET}}], "before[0].http.url has to be a URL that begins with http"),
        ([{"http": {"url": "https://x:port/" + SECRET}}], "before[0].http.url has to be a URL with a host"),
        ([{"http": {"url": "https:///" + SECRET}}], "before[0].http.url has to be a URL with a host"),
        ([{"http": {"url": "https://[::1/" + SECRET}}], "before[0].http.url has to be a URL with a host"),
        ([{"http": {"url": "https://u:%s@x/" % SECRET}}], "before[0].http.url has to be a URL without credentials"),
        ([{"http": {"url": URL, "method": "get"}}], "before[0].http.method has to be one of GET, HEAD, "),
        ([{"http": {"url": URL, "status": []}}], "before[0].http.status has to be a status"),
        ([{"http": {"url": URL, "status": [200, 99]}}], "before[0].http.status[1] has to be a whole number from 100 to 599"),
        ([{"http": {"url": URL, "status": "ok"}}], "before[0].http.status has to be a whole number from 100 to 599"),
        ([{"http": {"url": URL, "headers": [SECRET]}}], "before[0].http.headers has to be a dictionary"),
        ([{"http": {"url": URL, "headers": {"X Y": SECRET}}}], "before[0].http.headers has to be a dictionary whose keys"),
        (
            [{"http": {"url": URL, "headers": {"X": SECRET + "\n"}}}],
            "before[0].http.headers.X has to be one line of Latin-1 text",
        ),
        ([{"http": {"url": URL, "headers": {"X": SECRET + "€"}}}], "before[0].http.headers.X has to be one line of Latin-1 text"),
        (
            [{"http": {"url": URL, "headers": {"Content-Length": 3}}}],
            "before[0].http.headers.content-length has to be left out because it follows from the request",
        ),
        ([{"http": {"url": URL, "body": {SECRET: object()}}}], "before[0].http.body has to be text, or"),
        ([{"http": {"url": URL, "body": 1.5}}], "before[0].http.body has to be text"),
        ([{"http": {"url": URL, "validate_certs": "maybe"}}], "before[0].http.validate_certs has to be true or false"),
        ([{"http": {"url": URL, "password": SECRET}}], "before[0].http has password, but no username; they go together"),
        (
            [{"http": {"url": URL, "username": "a:" + SECRET, "password": SECRET}}],
            "before[0].http.username has to be without a colon",
        ),
        (
            [{"http": {"url": URL, "username": "a", "password": SECRET, "headers": {"authorization": SECRET}}}],
            "before[0].http.username has to be left out with a header Authorization",
        ),
        ([{"http": {"url": URL, "method": "HEAD", "contains": "x"}}], "before[0].http.contains has to be left out"),
        ([{"module": "ping"}], "before[0].module has to be a dictionary"),
        ([{"module": {"args": {}}}], "before[0].module needs name"),
        ([{"module": {"name": "../x"}}], "before[0].module.name has to be the name of a module"),
        ([{"module": {"name": "x", "args": SECRET}}], "before[0].module.args has to be a dictionary"),
        ([{"module": {"name": "x", "args": {1: SECRET}}}], "before[0].module.args has to be a dictionary whose keys"),
        ([{"module": {"name": "x", "run_on": "controller"}}], "before[0].module has no 'run_on'; it takes name, args"),
        ([{"module": {"name": "x"}, "run_on": [SECRET]}], "before[0].run_on has to be text"),
        (
            [{"http": {"url": URL}, "run_on": "lb1"}],
            "before[0].run_on has to be left out with http, which runs on the controller",
        ),
        (
            [{"command": ["x"], "run_on": "controller"}],
            "before[0].run_on has to be the name of a host; controller_command runs on the controller",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_place_and_without_its_value(value: Any, message: str) -> None:
    with pytest.raises(RolloutError) as caught:
        parse_hooks(value, "before")
    assert caught.value.reason.code == "SETTINGS_INVALID"
    assert message in caught.value.reason.message
    assert SECRET not in caught.value.reason.message
    # A traceback shows what an exception was raised from.
    assert caught.value.__cause__ is None
