# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports run down only: from each floor to those below it, and in no circle. No two classes share a name.

A room is a directory of C(module_utils) or C(plugin_utils), or a file that lies
beside them. Rooms of one floor know nothing of each other.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
PACKAGE = "ansible_collections.fleet.kexec.plugins"

# From the ground up.
HOST = (
    "_json _text",
    "_command _finding_kinds _native _paths _reasons",
    "_cmdline _finding_outcomes _module _privileges",
    "_one_boot_args",
    "_image",
    "_arch",
    "_host",
    "_bootloader _machine",
    "_kexec",
    "_prepare _timeline",
    "_findings _prepare_boot",
    "_cli_words _options",
    "_cli",
    "_zipapp",
)
CONTROLLER = (
    "_errors _host_class _text",
    "_host_facts _values _variables",
    "_preflight",
    "_transport",
    "_hooks _lock",
    "_reboot",
    "_schedule",
    "_journal",
    "_ledger",
    "_console _report",
    "_rollout",
)
FLOORS = (
    *(["module_utils." + room for room in floor.split()] for floor in HOST),
    ["modules"],
    *(["plugin_utils." + room for room in floor.split()] for floor in CONTROLLER),
    ["action", "doc_fragments", "filter"],
)
HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PLUGINS).with_suffix("").parts)


def room_of(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0].endswith("_utils") else parts[0]


def imports_of(module: str, source: str) -> Iterator[str]:
    """Files of the collection that a file imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            package = (PACKAGE + "." + module).rsplit(".", node.level)[0] if node.level else ""
            imported = ".".join(filter(None, (package, node.module)))
            for name in (imported, *("%s.%s" % (imported, alias.name) for alias in node.names)):
                inside = name[len(PACKAGE) + 1 :] if name.startswith(PACKAGE + ".") else ""
                if PLUGINS.joinpath(*inside.split(".")).with_suffix(".py").is_file():
                    yield inside


def read_graph() -> dict[str, set[str]]:
    paths = (path for path in PLUGINS.rglob("*.py") if path.name != "__init__.py")
    return {name_of(path): set(imports_of(name_of(path), path.read_text())) for path in paths}


def climbs(graph: dict[str, set[str]]) -> list[str]:
    """Imports of another room that is not on a floor below."""
    return [
        "%s imports %s" % (module, imported)
        for module, found in sorted(graph.items())
        for imported in sorted(found)
        if room_of(module) != room_of(imported) and HEIGHT[room_of(imported)] >= HEIGHT[room_of(module)]
    ]


def circles(graph: dict[str, set[str]]) -> set[str]:
    """Files that lie on a circle, or lead into one: what is left once those that import nothing that is left are gone."""
    left = dict(graph)
    while True:
        done = [module for module, found in left.items() if found.isdisjoint(left)]
        if not done:
            return set(left)
        for module in done:
            del left[module]


def test_every_room_has_its_floor() -> None:
    assert {room_of(module) for module in read_graph()} == set(HEIGHT)


def test_imports_run_down_only() -> None:
    assert climbs(read_graph()) == []


def test_there_is_no_circle() -> None:
    assert circles(read_graph()) == set()


def test_no_class_name_means_two_things() -> None:
    found: dict[str, list[str]] = {}
    for path in PLUGINS.glob("*_utils/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(name_of(path))
    assert {name: modules for name, modules in found.items() if len(modules) > 1} == {}


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("module_utils._image.elf", "module_utils._host.files"),
        ("module_utils._paths", "module_utils._reasons"),
        ("module_utils._kexec.record", "modules.stage"),
        ("plugin_utils._schedule.queue", "plugin_utils._journal.file"),
        ("plugin_utils._report.page", "plugin_utils._console.live"),
    ],
)
def test_a_climb_is_seen(module: str, imported: str) -> None:
    assert climbs({module: {imported}}) == ["%s imports %s" % (module, imported)]


def test_a_circle_is_seen() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set[str]()}
    assert circles(graph) == {"a", "b", "c"}


@pytest.mark.parametrize(
    "line",
    [
        "from .. import _paths",
        "from .._paths import STATE_DIRECTORY",
        "def late():\n    from .._paths import STATE_DIRECTORY",
        "from %s.module_utils._paths import STATE_DIRECTORY" % PACKAGE,
        "from %s.module_utils import _paths" % PACKAGE,
    ],
)
def test_an_import_is_seen(line: str) -> None:
    assert list(imports_of("module_utils._host.cpu", "import os\nfrom typing import Any\n" + line)) == ["module_utils._paths"]
