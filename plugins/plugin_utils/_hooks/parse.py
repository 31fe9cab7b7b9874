# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of hooks, as users write them, and the registry of the kinds of hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._values import Value, setting
from .command import CommandOnController, CommandOnHost
from .hook import DELAY_S, RETRIES, TIMEOUT_S, Hook, HookAction
from .http_check import HttpCheck
from .module_call import ModuleCall

#: By the key that says what a hook does. A kind is added here; the documentation of hooks lists them, too.
KINDS: Mapping[str, Callable[[Value], HookAction]] = {
    "command": CommandOnHost.parse,
    "controller_command": CommandOnController.parse,
    "http": HttpCheck.parse,
    "module": ModuleCall.parse,
}
#: Keys of a hook.
OPTIONS = (*KINDS, "name", "timeout", "retries", "delay")

#: Of a name, in the journal and on a terminal.
NAME_MAX_CHARS = 100


def parse_hooks(value: Any, option: str) -> tuple[Hook, ...]:
    """Read a list of hooks, their variables already filled in. None is no hooks; in a hook, it is as if left out.

    :param option: where they stand, for errors and nothing else.
    :raises RolloutError: C(SETTINGS_INVALID), naming option, index (from 0) and key.
    """
    if value is None:
        return ()
    hooks: list[Hook] = []
    taken: set[str] = set()
    # Any of it may be secret.
    for each in setting(value, option).as_secret().items("a list of dictionaries"):
        hook = _hook(each, taken)
        taken.add(hook.name)
        hooks.append(hook)
    return tuple(hooks)


def _hook(value: Value, taken: set[str]) -> Hook:
    """Read a hook.

    :param taken: names of earlier ones.
    """
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
