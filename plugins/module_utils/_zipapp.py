# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command C(fleet-kexec) as one file: a zip of the same code that runs in the modules, as C(zipapp) would build it."""

from __future__ import annotations

import ast
import importlib.util
import io
import os
import sys
import zipfile
from typing import Any, Dict, Iterator, Optional

from . import _cli
from ._command import run_command

_PACKAGE = _cli.__name__.rpartition(".")[0]
_NAME = "fleet_kexec"
_INTERPRETER = "/usr/bin/python3"
_TIMEOUT_S = 30.0
# Fixed, so that the same sources yield the same bytes.
_TIME = (1980, 1, 1, 0, 0, 0)
_MAIN = (
    """\
import sys

from %s._cli import main

sys.exit(main())
"""
    % _NAME
)


def _source(module: str) -> str:
    """Source of a module imported from a directory or from the zip file that Ansible sends."""
    spec = importlib.util.find_spec(module)
    # Both loaders have get_source(); zipimporter is not registered with the base class that declares it.
    loader: Any = spec.loader if spec else None
    source: Optional[str] = loader.get_source(module) if loader else None
    if source is None:
        raise ImportError("there is no source of %s" % module)
    return source


def _imports(module: str, source: str) -> Iterator[str]:
    """Modules of this package that a module imports; such imports are always relative."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = module.rsplit(".", node.level)[0]
            if node.module:
                yield "%s.%s" % (base, node.module)
            else:
                yield from ("%s.%s" % (base, alias.name) for alias in node.names)


def _sources() -> Dict[str, str]:
    found: Dict[str, str] = {}
    waiting = [_cli.__name__]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found[module] = _source(module)
            waiting.extend(_imports(module, found[module]))
    return found


def build_command() -> bytes:
    files = {"__main__.py": _MAIN, _NAME + "/__init__.py": ""}
    for module, source in _sources().items():
        path = os.path.join(_NAME, *module[len(_PACKAGE) + 1 :].split("."))
        files[path + ".py"] = source
        files[os.path.join(os.path.dirname(path), "__init__.py")] = ""
    out = io.BytesIO()
    # A distribution keeps this path across upgrades of Python; that of the running interpreter may vanish.
    current = run_command([_INTERPRETER, "-c", "import sys; sys.exit(sys.version_info < (3, 8))"], _TIMEOUT_S).rc == 0
    out.write(("#!%s\n" % (_INTERPRETER if current else sys.executable)).encode("utf-8"))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[path])
    return out.getvalue()
