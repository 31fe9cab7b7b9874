# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks that run an Ansible module on the host, another host or the controller."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError

from .._transport.session import SessionError
from .._values import Value
from .hook import ON_HOST, HookAttempt, HookSessions

#: Keys of the option.
OPTIONS = ("name", "args")

_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
# Shorter ones occur in any text.
_SECRET_MIN_CHARS = 4
_MASK = "********"


@dataclass(frozen=True)
class ModuleCall:
    """Call of an Ansible module; see :class:`HookAction`."""

    name: str
    args: Mapping[str, Any] = field(repr=False)
    run_on: str = ON_HOST

    @classmethod
    def parse(cls, value: Value, run_on: Value) -> ModuleCall:
        """Parse the options C(module) and C(run_on)."""
        given = value.options(OPTIONS)
        return cls(_name(given.required("name")), _args(given.get("args", {})), run_on.text())

    @property
    def label(self) -> str:
        return "module " + self.name

    async def attempt(self, sessions: HookSessions, _environment: Mapping[str, str], timeout_s: float) -> HookAttempt:
        """See :class:`HookAction`. The message does not show the module's arguments; its environment is the task's."""
        try:
            attempt = _judged(await sessions.to(self.run_on).module(self.name, self.args, timeout_s))
        except SessionError as error:
            attempt = HookAttempt(False, error.said)
        except CodedError as error:
            attempt = HookAttempt(False, str(error))
        return HookAttempt(attempt.ok, _masked(attempt.message, self.secrets()))

    def secrets(self) -> Iterator[str]:
        """Values of the arguments, line by line; no message may show them."""
        return _leaves(self.args)


def _name(value: Value) -> str:
    name = value.text()
    if not _NAME.fullmatch(name):
        raise value.wrong("the name of a module, such as ansible.builtin.service")
    return name


def _args(value: Value) -> dict[str, Any]:
    args = value.dictionary()
    if not all(isinstance(key, str) for key in args):
        raise value.wrong("a dictionary whose keys are names of options")
    # Keep those that are None: to a module, None may differ from an option left out.
    return dict(args)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from _leaves(each)
    elif value is not None and not isinstance(value, bool):
        yield from (line.strip() for line in str(value).splitlines())


def _judged(result: Mapping[str, Any]) -> HookAttempt:
    # Judge the result as Ansible's task executor does.
    failed = bool(result.get("failed")) or result.get("rc", 0) not in (0, "0")
    message = str(result.get("msg") or "").strip()
    if failed:
        # A module that runs a command may report no more than that it failed.
        words = CommandResult(1, str(result.get("stdout") or ""), str(result.get("stderr") or "")).last_words()
        message = "%s: %s" % (message or "the module failed", words) if result.get("rc") else message
    return HookAttempt(not failed, message or ("the module failed, and did not say why" if failed else "no message"))


def _masked(text: str, secrets: Iterator[str]) -> str:
    """Mask secrets in a text. Those of less than 4 characters stay: masking them would blot out half of any text."""
    # Longest first, because one may be part of another.
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= _SECRET_MIN_CHARS:
            text = text.replace(secret, _MASK)
    return text
