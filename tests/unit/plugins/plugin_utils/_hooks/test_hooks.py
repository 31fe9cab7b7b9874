# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.fleet.kexec.plugins.doc_fragments.hooks import ModuleDocFragment
from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.hooks import (
    NAME_MAX_CHARS,
    PHASES,
    Command,
    Hook,
    HttpCheck,
    ModuleCall,
    hooks_argument_spec,
    parse_hooks,
)

URL = "https://lb.example:8443/T0KEN/nodes?key=T0KEN"
SECRET = "T0KEN"


def one(hook: dict[str, Any]) -> Hook:
    (parsed,) = parse_hooks([hook], "before")
    return parsed


def check(**given: Any) -> HttpCheck:
    action = one({"http": dict({"url": URL}, **given)}).action
    assert isinstance(action, HttpCheck)
    return action


def test_no_hooks() -> None:
    assert parse_hooks(None, "before") == parse_hooks([], "before") == ()


def test_a_command_on_the_host_with_defaults() -> None:
    hook = one({"command": ["/usr/local/bin/drain", "a b", "'\"$x\n", ""]})
    assert hook == Hook("command drain", Command(("/usr/local/bin/drain", "a b", "'\"$x\n", ""), "host"), 60.0, 0, 1.0)


def test_a_command_on_the_controller_with_everything_set() -> None:
    hook = one({"controller_command": ["sleep", 5], "name": " drain x ", "timeout": 2.5, "retries": 3, "delay": 0})
    assert hook == Hook("drain x", Command(("sleep", "5"), "controller"), 2.5, 3, 0.0)


def test_variables_from_a_command_line_are_text() -> None:
    hook = one({"http": {"url": URL, "status": "204", "validate_certs": "no"}, "timeout": "5", "retries": "2", "delay": "0.5"})
    assert (hook.timeout_s, hook.retries, hook.delay_s) == (5.0, 2, 0.5)
    assert isinstance(hook.action, HttpCheck)
    assert (hook.action.statuses, hook.action.validate_certs) == (frozenset({204}), False)


def test_a_request_with_defaults() -> None:
    assert check() == HttpCheck(URL, "GET", frozenset({200}), {}, None, True, None, None)


def test_a_request_with_everything_set() -> None:
    action = check(
        method="POST",
        status=[200, 204],
        headers={"X-Scope": "a", "X-Count": 3},
        body="é",
        validate_certs=False,
        ca_path="/etc/ca.pem",
        username="ops",
        password="p:ä",
        contains="ready",
    )
    authorization = "Basic " + base64.b64encode("ops:p:ä".encode()).decode()
    assert action == HttpCheck(
        URL,
        "POST",
        frozenset({200, 204}),
        {"X-Scope": "a", "X-Count": "3", "Authorization": authorization},
        "é".encode(),
        False,
        "/etc/ca.pem",
        "ready",
    )


def test_a_dictionary_is_sent_as_json() -> None:
    action = check(body={"a": [1, "é"]})
    assert (action.body, action.headers) == (b'{"a": [1, "\\u00e9"]}', {"Content-Type": "application/json"})
    assert check(body=[], headers={"content-type": "x/y"}).headers == {"content-type": "x/y"}


def test_a_module() -> None:
    hook = one({"module": {"name": "ansible.builtin.service", "args": {"name": "x", "state": "stopped"}}})
    assert hook.name == "module ansible.builtin.service"
    assert hook.action == ModuleCall("ansible.builtin.service", {"name": "x", "state": "stopped"}, "host")
    assert one({"module": {"name": "ping", "run_on": "controller"}}).action == ModuleCall("ping", {}, "controller")


def test_what_a_module_was_given_is_known_line_by_line() -> None:
    call = ModuleCall("x", {"a": "one\ntwo ", "b": [{"c": 42}, None, True], "d": ("x",)})
    assert list(call.secrets()) == ["one", "two", "42", "x"]


def test_names_are_unique() -> None:
    true = {"command": ["true"]}
    hooks = parse_hooks([true, true, dict(true, name="mine"), true], "after")
    assert [hook.name for hook in hooks] == ["command true", "command true (2)", "mine", "command true (3)"]
    with pytest.raises(RolloutError, match=r"^after\[1\]\.name has to be another than that of an earlier hook"):
        parse_hooks([dict(true, name="x"), dict(true, name="x")], "after")


def test_names_are_fit_for_a_terminal() -> None:
    name = one({"command": ["dr\x1b[31mä" + "x" * 200]}).name
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
        ([TRUE, {}], "before[1] has to be exactly one of command, controller_command, http, module; it has none"),
        ([{"command": None}], "before[0] has to be exactly one of command, controller_command, http, module; it has none"),
        ([dict(TRUE, http={"url": URL})], "it has command and http"),
        ([dict(TRUE, comand=[])], "before[0] has no 'comand'; it takes command, "),
        ([dict(TRUE, timeout=0)], "before[0].timeout has to be a number of seconds, above 0"),
        ([dict(TRUE, timeout=float("inf"))], "before[0].timeout has to be a number of seconds, above 0"),
        ([dict(TRUE, timeout=float("nan"))], "before[0].timeout has to be a number of seconds, above 0"),
        ([dict(TRUE, timeout=True)], "before[0].timeout has to be a number of seconds, above 0"),
        ([dict(TRUE, delay=-1)], "before[0].delay has to be a number of seconds, 0 or more"),
        ([dict(TRUE, delay="soon")], "before[0].delay has to be a number of seconds, 0 or more"),
        ([dict(TRUE, retries=-1)], "before[0].retries has to be a whole number, 0 or more"),
        ([dict(TRUE, retries=1.5)], "before[0].retries has to be a whole number, 0 or more"),
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
        ([{"http": {}}], "before[0].http has to be a dictionary with url"),
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
        ([{"http": {"url": URL, "status": [200, 99]}}], "before[0].http.status has to be from 100 to 599"),
        ([{"http": {"url": URL, "status": "ok"}}], "before[0].http.status has to be from 100 to 599"),
        ([{"http": {"url": URL, "headers": [SECRET]}}], "before[0].http.headers has to be a dictionary"),
        ([{"http": {"url": URL, "headers": {"X Y": SECRET}}}], "before[0].http.headers has to be a dictionary whose keys"),
        (
            [{"http": {"url": URL, "headers": {"X": SECRET + "\n"}}}],
            "before[0].http.headers.X has to be one line of Latin-1 text",
        ),
        ([{"http": {"url": URL, "headers": {"X": SECRET + "€"}}}], "before[0].http.headers.X has to be one line of Latin-1 text"),
        ([{"http": {"url": URL, "body": {SECRET: object()}}}], "before[0].http.body has to be text, or"),
        ([{"http": {"url": URL, "body": 1.5}}], "before[0].http.body has to be text"),
        ([{"http": {"url": URL, "validate_certs": "maybe"}}], "before[0].http.validate_certs has to be true or false"),
        ([{"http": {"url": URL, "password": SECRET}}], "before[0].http has to be both username and password, or neither"),
        (
            [{"http": {"url": URL, "username": "a:" + SECRET, "password": SECRET}}],
            "before[0].http.username has to be without a colon",
        ),
        (
            [{"http": {"url": URL, "username": "a", "password": SECRET, "headers": {"authorization": SECRET}}}],
            "before[0].http has to be either username and password or a header",
        ),
        ([{"http": {"url": URL, "method": "HEAD", "contains": "x"}}], "before[0].http.contains has to be left out"),
        ([{"module": "ping"}], "before[0].module has to be a dictionary"),
        ([{"module": {"args": {}}}], "before[0].module has to be a dictionary with name"),
        ([{"module": {"name": "../x"}}], "before[0].module.name has to be the name of a module"),
        ([{"module": {"name": "x", "args": SECRET}}], "before[0].module.args has to be a dictionary"),
        ([{"module": {"name": "x", "args": {1: SECRET}}}], "before[0].module.args has to be a dictionary whose keys"),
        ([{"module": {"name": "x", "run_on": "localhost"}}], "before[0].module.run_on has to be one of host, controller"),
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


def test_what_the_argument_specification_makes_of_hooks_is_read() -> None:
    given = {
        "before": [{"command": ["sleep", 5]}, {"http": {"url": URL, "status": 204}}],
        "after": [{"module": {"name": "ping"}, "timeout": 5}],
    }
    result = ArgumentSpecValidator(hooks_argument_spec()).validate(given)
    assert result.error_messages == []
    for phase in ("before", "after"):
        assert parse_hooks(result.validated_parameters[phase], phase) == parse_hooks(given[phase], phase)
    assert parse_hooks(result.validated_parameters["on_failure"], "on_failure") == ()


def test_the_argument_specification_wants_one_thing_done() -> None:
    for hook in ({}, dict(TRUE, controller_command=["x"])):
        assert ArgumentSpecValidator(hooks_argument_spec()).validate({"before": [hook]}).error_messages


def test_the_argument_specification_names_what_is_secret() -> None:
    secrets: dict[str, Any] = {"headers": {"X": "secret1"}, "body": "secret2", "username": "u", "password": "secret3"}
    given = {"before": [{"http": dict(secrets, url=URL)}, {"module": {"name": "x", "args": {"y": "secret4"}}}]}
    result = ArgumentSpecValidator(hooks_argument_spec()).validate(given)
    assert result._no_log_values == {"secret1", "secret2", "secret3", "secret4"}


def as_documented(options: dict[str, Any]) -> dict[str, Any]:
    """The part of a specification or a documentation that both have."""
    return {
        name: {
            **{key: option[key] for key in ("type", "elements", "default", "choices", "required") if key in option},
            "options": as_documented(option.get("options") or option.get("suboptions") or {}),
        }
        for name, option in options.items()
    }


def test_the_documentation_is_that_of_the_specification() -> None:
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    assert tuple(documented) == PHASES
    assert as_documented(documented) == as_documented(hooks_argument_spec())
