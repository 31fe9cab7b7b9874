# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks that are Ansible modules, on the host or on the controller."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult

from .._transport.session import SessionLost
from .._values import Value
from .hook import HookAttempt, HookSessions

ON_HOST = "host"
ON_CONTROLLER = "controller"
PLACES = (ON_HOST, ON_CONTROLLER)

#: Keys of the option.
OPTIONS = ("name", "args", "run_on")

_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
# Shorter ones are in any text.
_SECRET_MIN_CHARS = 4
_MASK = "********"


@dataclass(frozen=True)
class ModuleCall:
    """One Ansible module.

    :ivar run_on: one of :data:`PLACES`.
    """

    name: str
    args: Mapping[str, Any] = field(repr=False)
    run_on: str = ON_HOST

    @classmethod
    def parse(cls, value: Value) -> ModuleCall:
        """Read the option C(module)."""
        given = value.options(OPTIONS)
        return cls(
            _name(given.required("name")),
            _args(given.get("args", {})),
            given.get("run_on", ON_HOST).choice(PLACES),
        )

    @property
    def label(self) -> str:
        """See :class:`HookAction`."""
        return "module " + self.name

    async def attempt(self, sessions: HookSessions, timeout_s: float) -> HookAttempt:
        """See :class:`HookAction`. What the module was given is not in the message."""
        session = sessions.host if self.run_on == ON_HOST else sessions.controller
        try:
            attempt = _judged(await session.module(self.name, self.args, timeout_s))
        except (SessionLost, AnsibleError) as error:
            attempt = HookAttempt(False, str(error))
        return HookAttempt(attempt.ok, _masked(attempt.message, self.secrets()))

    def secrets(self) -> Iterator[str]:
        """Values of the arguments, line by line: what nobody should read."""
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
    # Those that are None, too: to a module that may be something else than left out.
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
    # As Ansible judges a task, see its task executor.
    failed = bool(result.get("failed")) or result.get("rc", 0) not in (0, "0")
    message = str(result.get("msg") or "").strip()
    if failed:
        # A module that runs a command may say no more than that it failed.
        words = CommandResult(1, str(result.get("stdout") or ""), str(result.get("stderr") or "")).last_words()
        message = "%s: %s" % (message or "the module failed", words) if result.get("rc") else message
    return HookAttempt(not failed, message or ("the module failed, and did not say why" if failed else "no message"))


def _masked(text: str, secrets: Iterator[str]) -> str:
    """Text without secrets. Those of less than 4 characters stay: they would take half of any text with them."""
    # The longest first, because one may be part of another.
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= _SECRET_MIN_CHARS:
            text = text.replace(secret, _MASK)
    return text
