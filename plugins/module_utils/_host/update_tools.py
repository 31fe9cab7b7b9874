# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tools of distributions that tell whether updates wait for a reboot.

Their texts are in English, because commands run in the C locale. Each has a time limit, because dnf and zypper wait for locks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, Optional, Tuple

from .._command import CommandResult, Runner, find_executable
from .files import HostFiles

TOOL_TIMEOUT_S = 30.0

# dnf-plugins-core, plugins/needs_restarting.py, and dnf5-plugins, needs-restarting: exit code 1 and this sentence. dnf also ends
# with 1 if it has no such command.
_DNF_REQUIRED = "Reboot is required"
_NO_COMMAND = ("No such command", "Unknown argument", "Unknown command")
# A line of dnf's list, and a package in one. Anything else in a line is not shown.
_DNF_LINE = re.compile(r"^\s+\* ", re.MULTILINE)
_DNF_PACKAGE = re.compile(r"^\s+\* ([A-Za-z0-9][A-Za-z0-9+._-]{0,99})\s*$", re.MULTILINE)
# zypper(8), ZYPPER_EXIT_INF_REBOOT_NEEDED.
_ZYPPER_REQUIRED_RC = 102
# needrestart, README.batch.md: 1 for no pending upgrade, 2 for a compatible one, 3 for another version; 0 for unknown.
_KERNEL_STATE = re.compile(r"^NEEDRESTART-KSTA: ([123])$", re.MULTILINE)

_PACKAGES_SHOWN = 5


@dataclass(frozen=True)
class ToolAnswer:
    """Answer of a tool.

    :ivar needed: whether updates wait for a reboot; None if the tool is there and could not tell.
    :ivar words: packages that wait, or why the tool could not tell; may be empty.
    :ivar packages: all packages that wait; empty if they are not told.
    """

    tool: str
    needed: Optional[bool]
    words: str = ""
    packages: Tuple[str, ...] = ()


def _of_dnf(tool: str, result: CommandResult) -> Optional[ToolAnswer]:
    if result.rc == 1 and _DNF_REQUIRED in result.stdout:
        packages = _DNF_PACKAGE.findall(result.stdout)
        more = len(packages) - _PACKAGES_SHOWN
        words = ", ".join(packages[:_PACKAGES_SHOWN]) + (" and %d more" % more if more > 0 else "")
        return ToolAnswer(tool, True, words, tuple(packages) if len(packages) == len(_DNF_LINE.findall(result.stdout)) else ())
    return _other(tool, result)


def _of_zypper(tool: str, result: CommandResult) -> Optional[ToolAnswer]:
    return ToolAnswer(tool, True) if result.rc == _ZYPPER_REQUIRED_RC else _other(tool, result)


def _other(tool: str, result: CommandResult) -> Optional[ToolAnswer]:
    if result.rc == 0:
        return ToolAnswer(tool, False)
    if any(words in result.stdout + result.stderr for words in _NO_COMMAND):
        return None
    return ToolAnswer(tool, None, result.last_words())


# Program, its arguments, and the reader of its answer. SUSE has a needs-restarting of its own, so zypper comes first; dnf comes
# before its wrapper, because it can be kept from the network.
_PACKAGE_TOOLS: Tuple[Tuple[str, Tuple[str, ...], Callable[[str, CommandResult], Optional[ToolAnswer]]], ...] = (
    ("zypper", ("--non-interactive", "needs-rebooting"), _of_zypper),
    ("dnf", ("--cacheonly", "--disablerepo=*", "needs-restarting", "--reboothint"), _of_dnf),
    ("needs-restarting", ("--reboothint",), _of_dnf),
)


def ask_package_tool(files: HostFiles, run: Runner) -> Optional[ToolAnswer]:
    """Ask the first package manager that can tell whether updates wait for a reboot; None if there is none."""
    for tool, arguments, read in _PACKAGE_TOOLS:
        path = find_executable(tool, files.root)
        answer = read(tool, run([path, *arguments], TOOL_TIMEOUT_S)) if path else None
        if answer is not None:
            return answer
    return None


def ask_needrestart(files: HostFiles, run: Runner) -> Optional[ToolAnswer]:
    """Ask needrestart whether a newer kernel than the running one is installed; None if it is not there or does not know."""
    path = find_executable("needrestart", files.root)
    state = _KERNEL_STATE.search(run([path, "-b", "-k"], TOOL_TIMEOUT_S).stdout) if path else None
    return ToolAnswer("needrestart", state.group(1) != "1") if state else None
