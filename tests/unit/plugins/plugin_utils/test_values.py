# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of values that users give, and what is said of those that make no sense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._values import Options, Value, setting


def message_of(read: Callable[[Value], Any], raw: Any) -> str:
    with pytest.raises(RolloutError) as caught:
        read(setting(raw, "option"))
    assert caught.value.reason.code == "SETTINGS_INVALID"
    # A traceback shows what else was raised.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return caught.value.reason.message


READERS: list[tuple[Callable[[Value], Any], Any, Any]] = [
    (Value.text, "a", "a"),
    (Value.text, 5, "5"),
    (Value.boolean, True, True),
    (Value.boolean, "no", False),
    (Value.boolean, "Yes", True),
    (Value.boolean, 0, False),
    (Value.count, 3, 3),
    (Value.count, " 3 ", 3),
    (Value.count, "0", 0),
    (Value.seconds, 3, 3.0),
    (Value.seconds, "0.5", 0.5),
    (Value.url, "HTTPS://a:8443/b?c", "HTTPS://a:8443/b?c"),
    (Value.url, "http://[2001:db8::7]/", "http://[2001:db8::7]/"),
    (lambda value: value.url(with_credentials=True), "http://a:b@c/", "http://a:b@c/"),
    (lambda value: value.choice(("a", "b")), "b", "b"),
    (Value.headers, {"X-A": "é", "B": 3, "C": None}, {"X-A": "é", "B": "3"}),
    (lambda value: value.statuses(200), 204, frozenset({204})),
    (lambda value: value.statuses(200), ["204", 503], frozenset({204, 503})),
]


@pytest.mark.parametrize(("read", "raw", "found"), READERS)
def test_what_is_read(read: Callable[[Value], Any], raw: Any, found: Any) -> None:
    assert read(setting(raw, "option")) == found


@pytest.mark.parametrize("raw", [-1, "-1", 1.0, 1.5, "1.5", "1e3", "1_000", "", True, None, [1], "٣", "9" * 5000])
def test_what_is_no_count(raw: Any) -> None:
    assert message_of(Value.count, raw) == "option is %r, but has to be a whole number of at least 0" % (raw,)


@pytest.mark.parametrize("raw", [-1, "soon", "", True, None, [1], float("nan"), float("inf"), "inf"])
def test_what_is_no_duration(raw: Any) -> None:
    assert message_of(Value.seconds, raw) == "option is %r, but has to be a number of seconds, 0 or more" % (raw,)


def test_bounds_are_told() -> None:
    assert message_of(lambda value: value.count(1), 0).endswith("a whole number of at least 1")
    assert message_of(lambda value: value.count(1, 9), 10).endswith("a whole number from 1 to 9")
    assert message_of(lambda value: value.seconds(above_zero=True), 0).endswith("seconds, more than 0")
    assert message_of(lambda value: value.seconds(most=60), 61).endswith("seconds, 0 or more and at most 60")


@pytest.mark.parametrize(
    ("read", "raw", "wanted"),
    [
        (Value.text, True, "text; put it in quotes"),
        (Value.text, 1.10, "text; put it in quotes"),
        (Value.boolean, "maybe", "true or false"),
        (Value.boolean, [], "true or false"),
        (lambda value: value.choice(("a", "b")), "c", "one of a, b"),
        (lambda value: value.choice(("a", "b")), {}, "one of a, b"),
        (Value.items, "ab", "a list"),
        (Value.dictionary, "ab", "a dictionary"),
        (lambda value: value.one_or_more("a run, or several"), [], "a run, or several"),
    ],
)
def test_what_is_something_else(read: Callable[[Value], Any], raw: Any, wanted: str) -> None:
    assert message_of(read, raw) == "option is %r, but has to be %s" % (raw, wanted)
    assert message_of(lambda value: read(value.as_secret()), raw) == "option has to be %s" % wanted


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (5, "a URL that begins with http:// or https://"),
        ("ftp://a/secret", "a URL that begins with http:// or https://"),
        ("http://a/secret x", "a URL that begins with http:// or https://"),
        ("http://a/secret\r\nX: y", "a URL that begins with http:// or https://"),
        ("http://", "a URL that begins with http:// or https://"),
        ("http:///secret", "a URL with a host"),
        ("http://a:0/secret", "a URL with a host, and with a port from 1 to 65535"),
        ("http://a:99999/secret", "a URL with a host"),
        ("http://[::1/secret", "a URL with a host"),
        ("http://me:secret@a/", "a URL without credentials"),
    ],
)
def test_what_is_no_url_is_not_shown(raw: Any, wanted: str) -> None:
    message = message_of(Value.url, raw)
    assert message.startswith("option has to be " + wanted)
    assert "secret" not in message


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (["secret"], "option has to be a dictionary"),
        ({"X Y": "secret"}, "option has to be a dictionary whose keys are names of headers"),
        ({"X": ["secret"]}, "option.X has to be text; put it in quotes"),
        ({"X": "secret\n"}, "option.X has to be one line of Latin-1 text"),
        ({"X": "secret€"}, "option.X has to be one line of Latin-1 text"),
    ],
)
def test_what_is_no_header_is_not_shown(raw: Any, message: str) -> None:
    assert message_of(Value.headers, raw) == message


def test_each_value_knows_its_place() -> None:
    value = setting({"hosts": [{"port": 1}, {"port": "x"}]}, "option")
    second = value.options(("hosts",))["hosts"].items()[1]
    with pytest.raises(RolloutError, match=r"^option\.hosts\[1\]\.port is 'x', but has to be"):
        second.options(("port",))["port"].count()
    with pytest.raises(RolloutError, match=r"^option\.hosts\[1\]\.port has to be"):
        second.as_secret().entries()["port"].count()
    with pytest.raises(RolloutError, match=r"^option\.hosts\[1\] has to be left out with x$"):
        raise second.misplaced("with x")


def options_of(raw: Any) -> Options:
    return setting(raw, "option").options(("a", "b", "c"))


def test_options() -> None:
    given = options_of({"a": 1, "b": None, "d": None})
    assert "a" in given and "b" not in given
    assert given["a"].raw == given.required("a").raw == given.get("a", 2).raw == 1
    assert (given.get("b", 2).raw, given.get("b", 2).path) == (2, "option.b")
    assert given.one_of(("a", "b")) == "a"
    assert not given.both("b", "c") and options_of({"b": 1, "c": 1}).both("b", "c")


@pytest.mark.parametrize(
    ("read", "raw", "message"),
    [
        (lambda given: None, {"d": 1}, "option has no 'd'; it takes a, b, c"),
        (lambda given: None, {1: 1}, "option has no 1; it takes a, b, c"),
        (lambda given: given.required("a"), {}, "option needs a"),
        (lambda given: given.required("a", "how many"), {"a": None}, "option needs a: how many"),
        (lambda given: given.one_of(("a", "b")), {"c": 1}, "option needs exactly one of a, b; it has none"),
        (lambda given: given.one_of(("a", "b")), {"a": 1, "b": 1}, "option needs exactly one of a, b; it has a and b"),
        (lambda given: given.both("a", "b"), {"a": 1}, "option has a, but no b; they go together"),
        (lambda given: given.both("a", "b"), {"b": 1}, "option has b, but no a; they go together"),
    ],
)
def test_options_that_make_no_sense(read: Callable[[Options], Any], raw: Any, message: str) -> None:
    assert message_of(lambda value: read(value.options(("a", "b", "c"))), raw) == message


def test_options_have_other_names() -> None:
    value = setting({"old": 1, "other": None}, "option")
    assert value.options(("new",), aliases={"old": "new", "other": "new"})["new"].path == "option.old"
    with pytest.raises(RolloutError, match="option has new under both of its names"):
        setting({"old": 1, "new": 1}, "option").options(("new",), aliases={"old": "new"})
