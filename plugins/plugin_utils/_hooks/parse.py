# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parser for lists of hooks, and the registry of the kinds of hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._values import Value, setting
from .command import CommandOnController, CommandOnHost
from .hook import DELAY_S, RETRIES, TIMEOUT_S, Hook, HookAction
from .http_check import HttpCheck
from .module_call import ModuleCall

#: Parsers by the key that selects the kind. A new kind is added here, and to the documentation of hooks.
KINDS: Mapping[str, Callable[[Value], HookAction]] = {
    "command": CommandOnHost.parse,
    "controller_command": CommandOnController.parse,
    "http": HttpCheck.parse,
    "module": ModuleCall.parse,
}
#: Keys of a hook.
OPTIONS = (*KINDS, "name", "timeout", "retries", "delay")

#: Limit for names, which appear in the journal and on terminals.
NAME_MAX_CHARS = 100


def parse_hooks(value: Any, option: str) -> tuple[Hook, ...]:
    """Parse a list of hooks, its variables already filled in. None means no hooks; a key that is None counts as left out.

    :param option: where the list stands, for errors only.
    :raises RolloutError: C(SETTINGS_INVALID), naming option, index (from 0) and key.
    """
    if value is None:
        return ()
    hooks: list[Hook] = []
    taken: set[str] = set()
    # Any part may be secret.
    for each in setting(value, option).as_secret().items("a list of dictionaries"):
        hook = _hook(each, taken)
        taken.add(hook.name)
        hooks.append(hook)
    return tuple(hooks)


def _hook(value: Value, taken: set[str]) -> Hook:
    given = value.options(OPTIONS)
    kind = given.one_of(KINDS)
    action = KINDS[kind](given[kind])
    return Hook(
        _name(given["name"], taken) if "name" in given else _default_name(action, taken),
        action,
        timeout_s=given.get("timeout", TIMEOUT_S).seconds(above_zero=True),
        retries=given.get("retries", RETRIES).count(),
        delay_s=given.get("delay", DELAY_S).seconds(),
    )


def _name(value: Value, taken: set[str]) -> str:
    name = value.text().strip()
    if not name or len(name) > NAME_MAX_CHARS or not name.isprintable():
        raise value.wrong("1 to %d printable characters" % NAME_MAX_CHARS)
    if name in taken:
        raise value.wrong("another than that of an earlier hook")
    return name


def _default_name(action: HookAction, taken: set[str]) -> str:
    name = "".join(each if each.isprintable() else "?" for each in action.label)[:NAME_MAX_CHARS]
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = "%s (%d)" % (name, number)
    return unique
