# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules, of hosts that are simulated."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.module_call import ModuleCall
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.runner import HookOutcome
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import SessionError, SessionLost

from .hosts import Host, hook, run_virtually


def test_a_module() -> None:
    parsed = hook(module={"name": "ansible.builtin.service", "args": {"name": "x", "state": None}})
    assert parsed.name == "module ansible.builtin.service"
    assert parsed.action == ModuleCall("ansible.builtin.service", {"name": "x", "state": None}, "host")
    assert hook(module={"name": "ping"}, run_on="controller").action == ModuleCall("ping", {}, "controller")


def test_what_a_module_was_given_is_known_line_by_line() -> None:
    call = ModuleCall("x", {"a": "one\ntwo ", "b": [{"c": 42}, None, True], "d": ("x",)})
    assert list(call.secrets()) == ["one", "two", "42", "x"]


def test_a_module_runs_where_it_should() -> None:
    host, controller = Host({"changed": True}), Host({"changed": False, "msg": "ok"})
    assert run_virtually(hook(module={"name": "a.b.c", "args": {"x": 1}}, timeout=7), host, controller).message == "no message"
    assert (host.asked, controller.asked) == ([("a.b.c", {"x": 1}, 7.0)], [])
    outcome = run_virtually(hook(module={"name": "d"}, run_on="controller"), host, controller)
    assert (outcome.ok, outcome.message) == (True, "ok")
    assert controller.asked == [("d", {}, 60.0)]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"failed": True, "msg": "no such unit"}, "no such unit"),
        ({"failed": True}, "the module failed, and did not say why"),
        ({"failed": True, "msg": "non-zero return code", "rc": 2, "stderr": "a\nb\n"}, "non-zero return code: a; b"),
        ({"rc": 2, "stdout": "x"}, "the module failed: x"),
        ({"failed": True, "msg": ["odd"], "rc": 0}, "['odd']"),
    ],
)
def test_a_module_that_fails_is_an_attempt_that_failed(result: dict[str, Any], message: str) -> None:
    outcome = run_virtually(hook(module={"name": "x"}), Host(result))
    assert (outcome.ok, outcome.message) == (False, message)


def test_a_module_that_hangs_is_an_attempt_that_failed() -> None:
    outcome = run_virtually(hook(module={"name": "x"}, timeout=5), Host(takes_s=600))
    assert outcome == HookOutcome(False, 1, 5_000, "no answer within 5.0 s")


def test_what_a_module_was_given_is_not_in_its_message() -> None:
    args = {"key": "BEGIN\nline one\nline two", "login": {"password": "hunter22", "pin": 12345}, "long": "hunter22 and more"}
    for said in (
        {"failed": True, "msg": "no login with hunter22 and more, hunter22, 12345", "invocation": {"module_args": args}},
        {"failed": True, "msg": "failed", "rc": 1, "stderr": "x\n  line two  \nline one, 12345"},
        {"msg": "fine: hunter22"},
        SessionLost("no hunter22"),
        SessionError("MODULE_FAILED", "bad key BEGIN\nline one\nline two"),
    ):
        message = run_virtually(hook(module={"name": "x", "args": args}), Host(said)).message
        assert "********" in message
        assert not [secret for secret in ("line one", "line two", "hunter22", "12345", "and more") if secret in message]
