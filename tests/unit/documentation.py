# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the collection's modules, as they are documented and as they are specified."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.testing import patch_module_args
from ansible.playbook.task import Task
from ansible.utils.display import Display
from ansible.utils.plugin_docs import get_docstring

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "fleet.kexec"
PLUGINS = "ansible_collections.%s.plugins" % COLLECTION
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("[!_]*.py"))
ACTIONS = sorted(path.stem for path in (ROOT / "plugins/action").glob("[!_]*.py"))

Options = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Option:
    """Option as documentation and specification both have it, with what either may leave out filled in."""

    type: str
    elements: str | None
    choices: tuple[Any, ...] | None
    # As YAML would tell them apart: True is 1 to Python, and 60 is 60.0 to everybody.
    default: tuple[bool, Any]
    required: bool
    aliases: frozenset[str]


def flat(options: Options, path: str = "") -> dict[str, Option]:
    """Options and, below each, its suboptions, by path: C(lock), C(lock.backend)."""
    found: dict[str, Option] = {}
    for name, option in options.items():
        found[path + name] = Option(
            type=option.get("type", "str"),
            elements=option.get("elements"),
            choices=tuple(option["choices"]) if "choices" in option else None,
            default=(isinstance(option.get("default"), bool), option.get("default")),
            required=option.get("required", False),
            aliases=frozenset(option.get("aliases", ())),
        )
        found.update(flat(suboptions(option), path + name + "."))
    return found


def suboptions(option: Mapping[str, Any]) -> Options:
    """Suboptions, which specifications call options; none if there are none."""
    found: Options = option.get("suboptions") or option.get("options") or {}
    return found


def as_argument_spec(documented: Options) -> dict[str, Any]:
    """Types and choices of documented options as an argument specification, for values that may be incomplete."""
    return {
        name: {
            **{key: option[key] for key in ("type", "elements", "choices", "aliases") if key in option},
            **({"options": as_argument_spec(suboptions(option))} if suboptions(option) else {}),
        }
        for name, option in documented.items()
    }


class _Fragments:
    """Loader of the collection's documentation fragments; Ansible's own would want the collection installed."""

    @staticmethod
    def get(name: str) -> Any:
        """The class of a fragment, or None: then the last part of the name is one of its attributes."""
        fragment = name.removeprefix(COLLECTION + ".")
        if "." in fragment:
            return None
        module = importlib.import_module("%s.doc_fragments.%s" % (PLUGINS, fragment))
        return type(fragment, (module.ModuleDocFragment,), {"ansible_name": name})


@cache
def _documentation(module: str) -> tuple[dict[str, Any], str]:
    path = str(ROOT / "plugins/modules" / (module + ".py"))
    documentation, examples, _returned, _metadata = get_docstring(path, _Fragments, plugin_type="module")
    return documentation, examples


def warnings_about(module: str) -> list[str]:
    """Warnings that Ansible gives when it reads a module's documentation."""
    warned: list[str] = []
    with patch.object(Display, "warning", lambda _self, msg, *_args, **_options: warned.append(msg)):
        _documentation.__wrapped__(module)
    return warned


def documented_options(module: str) -> dict[str, dict[str, Any]]:
    """Options in a module's documentation, those of its fragments included."""
    return dict(_documentation(module)[0]["options"])


def documented_attributes(module: str) -> dict[str, dict[str, Any]]:
    """Attributes in a module's documentation, those of its fragments included."""
    return dict(_documentation(module)[0]["attributes"])


def examples(module: str) -> Any:
    """Tasks or plays in a module's documentation."""
    return yaml.safe_load(_documentation(module)[1])


class _Specified(Exception):
    """Raised in place of validating anything."""

    def __init__(self, argument_spec: Mapping[str, Any]) -> None:
        super().__init__()
        self.argument_spec = argument_spec


def specified_options(module: str) -> dict[str, dict[str, Any]]:
    """Options in the argument specification that a module, or its action plugin if it has one, validates by."""

    def stop(_self: Any, argument_spec: Mapping[str, Any], *_args: Any, **_kwargs: Any) -> None:
        raise _Specified(argument_spec)

    with patch.object(ArgumentSpecValidator, "__init__", stop):
        try:
            _run_action(module) if module in ACTIONS else _run_module(module)
        except _Specified as specified:
            return dict(specified.argument_spec)
    raise AssertionError("%s validates nothing" % module)


def _run_module(name: str) -> None:
    module = importlib.import_module("%s.modules.%s" % (PLUGINS, name))
    with patch_module_args():
        module.main()


def _run_action(name: str) -> None:
    module = importlib.import_module("%s.action.%s" % (PLUGINS, name))
    task = Task()
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/nowhere"))
    module.ActionModule(task, connection, play_context=None, loader=None, templar=None).run(task_vars={})


@dataclass(frozen=True)
class Call:
    """Use of one of the collection's modules.

    :ivar where: file, and the task's name.
    """

    where: str
    module: str
    args: Mapping[str, Any]


def calls(value: Any, where: str) -> Iterator[Call]:
    """Uses of the collection's modules in plays and tasks, however deep in blocks."""
    if isinstance(value, list):
        for each in value:
            yield from calls(each, where)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key.removeprefix(COLLECTION + ".") in MODULES and key.startswith(COLLECTION + "."):
                yield Call("%s: %s" % (where, value.get("name")), key.removeprefix(COLLECTION + "."), each or {})
            elif key in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers"):
                yield from calls(each, where)


@cache
def yaml_of(path: Path) -> Any:
    """Content of a YAML file."""
    return yaml.safe_load(path.read_text())


# Variables.

# A variable, perhaps another one in its place, perhaps neither.
_WHOLE = re.compile(
    r"\{\{ (?P<variable>\w+)(?: \| default\((?P<other>(?!omit\b)\w+)\))?(?P<omit> \| default\(omit(?P<empty>, true)?\))? \}\}"
)


@dataclass(frozen=True)
class Passed:
    """Option of a module that is set to a variable as it is.

    :ivar if_undefined: whether the option is left out where the variable is not defined.
    :ivar if_empty: and where it is empty.
    """

    module: str
    option: str
    variable: str
    if_undefined: bool
    if_empty: bool


def passed(found: Iterable[Call]) -> Iterator[Passed]:
    """Options that are set to nothing but a variable, or another one where that is not defined."""
    for call in found:
        for option, value in call.args.items():
            whole = _WHOLE.fullmatch(value) if isinstance(value, str) else None
            if whole is not None:
                for variable in filter(None, (whole["variable"], whole["other"])):
                    yield Passed(call.module, option, variable, bool(whole["omit"]), bool(whole["empty"]))


def strings(value: Any) -> Iterator[str]:
    """All text in a value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from strings(key)
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
