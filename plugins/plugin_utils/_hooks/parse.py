# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parser for lists of hooks, and the registry of the kinds of hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._values import Options, Value, setting
from .command import CommandOnController, CommandOnHost
from .hook import DELAY_S, ON_CONTROLLER, ON_HOST, RETRIES, TIMEOUT_S, Hook, HookAction
from .http_check import HttpCheck
from .module_call import ModuleCall

#: Parsers by the key that selects the kind. A new kind is added here, and to the documentation of hooks.
ON_CONTROLLER_ONLY: Mapping[str, Callable[[Value], HookAction]] = {
    "controller_command": CommandOnController.parse,
    "http": HttpCheck.parse,
}
#: Those of the kinds that C(run_on) may move to another host.
MOVABLE: Mapping[str, Callable[[Value, Value], HookAction]] = {"command": CommandOnHost.parse, "module": ModuleCall.parse}
KINDS = (*MOVABLE, *ON_CONTROLLER_ONLY)
#: Keys of a hook.
OPTIONS = (*KINDS, "run_on", "name", "timeout", "retries", "delay")

#: Limit for names, which appear in the journal and on terminals.
NAME_MAX_CHARS = 100


def parse_hooks(value: Any, option: str, *, of_run: bool = False) -> tuple[Hook, ...]:
    """Parse a list of hooks, its variables already filled in. None means no hooks; a key that is None counts as left out.

    :param option: where the list stands, for errors only.
    :param of_run: whether they are for a run, not for a host.
    :raises RolloutError: C(SETTINGS_INVALID), naming option, index (from 0) and key.
    """
    if value is None:
        return ()
    hooks: list[Hook] = []
    taken: set[str] = set()
    # Any part may be secret.
    for each in setting(value, option).as_secret().items("a list of dictionaries"):
        hook = _hook(each, taken, of_run)
        taken.add(hook.name)
        hooks.append(hook)
    return tuple(hooks)


def _hook(value: Value, taken: set[str], of_run: bool) -> Hook:
    given = value.options(OPTIONS)
    kind = given.one_of(KINDS)
    action = MOVABLE[kind](given[kind], _place(given, kind, of_run)) if kind in MOVABLE else ON_CONTROLLER_ONLY[kind](given[kind])
    if kind not in MOVABLE and "run_on" in given:
        raise given["run_on"].misplaced("with %s, which runs on the controller" % kind)
    return Hook(
        _name(given["name"], taken) if "name" in given else _default_name(action, taken),
        action,
        timeout_s=given.get("timeout", TIMEOUT_S).seconds(above_zero=True),
        retries=given.get("retries", RETRIES).count(),
        delay_s=given.get("delay", DELAY_S).seconds(),
    )


def _place(given: Options, kind: str, of_run: bool) -> Value:
    """Where a hook runs that may run in several places: by default on its host, if it has one."""
    if not of_run:
        return given.get("run_on", ON_HOST)
    place = (
        given.required("run_on", "the host to run it on, since a run has none")
        if kind == "command"
        else given.get("run_on", ON_CONTROLLER)
    )
    if place.raw == ON_HOST:
        raise place.wrong("the name of a host or controller, since a run has no host of its own")
    return place


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
