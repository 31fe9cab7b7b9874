# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries that GRUB's C(blscfg) reads, by the Boot Loader Specification as Red Hat's family has it.

Source: rhboot's grub-core/commands/blscfg.c.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Tuple

from .._host.files import HostFiles
from .grub_menu import Unknown, Value

_SEPARATOR = re.compile(r"[^A-Za-z0-9~+]+")
_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+")
_VARIABLE = re.compile(r"(?<!\\)\$(\w*)( ?)", re.ASCII)


@dataclass(frozen=True)
class BlsFile:
    """Entry file.

    :ivar identity: its name without C(.conf).
    """

    identity: str
    path: str
    values: Dict[str, Tuple[str, ...]]

    def value(self, key: str) -> str:
        """First value of a key; empty if there is none."""
        return self.values.get(key, ("",))[0]


def read_bls_files(files: HostFiles, directory: str) -> List[BlsFile]:
    """Read the entry files of a directory that boot Linux, in the order of the menu."""
    found = []
    for name in files.listdir(directory):
        if name.startswith(".") or len(name) <= len(".conf") or not name.endswith(".conf"):
            continue
        path = os.path.join(directory, name)
        content = files.read_bytes(path)
        if content is not None:
            found.append(BlsFile(name[: -len(".conf")], path, _parse(content.decode("utf-8", "surrogateescape"))))
    found.sort(key=functools.cmp_to_key(lambda one, other: compare_names(other.identity, one.identity)))
    # Of two that compare equal, GRUB keeps the one that it reads first.
    kept: List[BlsFile] = []
    for each in found:
        if not kept or compare_names(kept[-1].identity, each.identity):
            kept.append(each)
    return [each for each in kept if each.value("linux")]


def _parse(text: str) -> Dict[str, Tuple[str, ...]]:
    values: Dict[str, List[str]] = {}
    # GRUB drops carriage returns, and a zero byte ends a text.
    for written in text.replace("\r", "").split("\n"):
        line = written.split("\0", 1)[0].lstrip(" \t")
        if line.startswith("#"):
            continue
        key, separator, value = line.partition(" " if " " in line else "\t")
        if not separator or not value:
            # GRUB stops here.
            break
        values.setdefault(key, []).append(value.lstrip(" \t"))
    return {key: tuple(each) for key, each in values.items()}


def compare_names(one: str, other: str) -> int:
    """Compare file names as name, version and release; positive if C(one) is newer."""
    for left, right in zip(_split(one), _split(other)):
        order = compare_versions(left, right)
        if order:
            return order
    return 0


def _split(name: str) -> Tuple[str, str, str]:
    parts = name.rsplit("-", 2)
    return (parts[0], parts[1] if len(parts) > 1 else "", parts[2] if len(parts) > 2 else "")


def compare_versions(one: str, other: str) -> int:
    """Compare versions as rpm does; positive if C(one) is newer."""
    while one or other:
        one, other = (_SEPARATOR.sub("", each, count=1) if _SEPARATOR.match(each) else each for each in (one, other))
        for sign in "~+":
            if one.startswith(sign) or other.startswith(sign):
                break
        else:
            if not one or not other:
                break
            left, right = _segments(one, other)
            order = _compare_segments(left, right)
            if order:
                return order
            one, other = one[len(left) :], other[len(right) :]
            continue
        if sign == "+" and not (one and other):
            return 1 if one else -1
        if not one.startswith(sign):
            return 1
        if not other.startswith(sign):
            return -1
        one, other = one[1:], other[1:]
    return bool(one) - bool(other)


def _segments(one: str, other: str) -> Tuple[str, str]:
    """First segments of both, of the kind that C(one) begins with; empty if the other begins with another kind."""
    left, right = _SEGMENT.match(one), _SEGMENT.match(other)
    first, second = (each.group() if each else "" for each in (left, right))
    return first, second if first.isdigit() == second.isdigit() else ""


def _compare_segments(one: str, other: str) -> int:
    numeric = one.isdigit()
    if not other:
        return 1 if numeric else -1
    if numeric:
        one, other = one.lstrip("0"), other.lstrip("0")
        if len(one) != len(other):
            return len(one) - len(other)
    return (one > other) - (one < other)


def entry_script(entry: BlsFile, variables: Mapping[str, Value]) -> str:
    """Script that GRUB makes of an entry file."""
    options = _expanded(entry.value("options"), variables) or _expanded(_text(variables, "default_kernelopts"), variables)
    early = _text(variables, "early_initrd")
    initrds = list(entry.values.get("initrd", ()))
    beside = (initrds or [entry.value("linux")])[0].rpartition("/")[0] + "/"
    if early:
        initrds = [beside + name for name in early.split(" ") if name] + initrds
    lines = ["linux %s %s" % (entry.value("linux"), options)]
    if initrds:
        lines.append("initrd %s" % " ".join("($root)" + each for each in initrds))
    return "\n".join(lines) + "\n"


def unknown_variable(entry: BlsFile, variables: Mapping[str, Value]) -> Optional[Unknown]:
    """Find a variable that the entry's script is made of and whose value can't be told."""
    names = ["early_initrd", "default_kernelopts", *(match.group(1) for match in _VARIABLE.finditer(entry.value("options")))]
    values = (variables.get(name) for name in names)
    return next((value for value in values if isinstance(value, Unknown)), None)


def _text(variables: Mapping[str, Value], name: str) -> str:
    value = variables.get(name, "")
    return value if isinstance(value, str) else ""


def _expanded(value: str, variables: Mapping[str, Value]) -> str:
    """Replace the variables; each value set is followed by a space, in place of the one that is there."""

    def replace(match: re.Match[str]) -> str:
        text = _text(variables, match.group(1))
        return text + " " if match.group(1) in variables else ""

    return _VARIABLE.sub(replace, value)
