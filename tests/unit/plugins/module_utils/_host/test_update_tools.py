# SPDX-License-Identifier: GPL-3.0-or-later
"""Tools of distributions: texts and exit codes as their sources and test suites have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.update_tools import (
    ToolAnswer,
    ask_needrestart,
    ask_package_tool,
)

REQUIRED = """Core libraries or services have been updated since boot-up:
  * glibc
  * kernel
  * kernel-core

Reboot is required to fully utilize these updates.
More information: https://access.redhat.com/solutions/27943
"""
NOT_REQUIRED = "No core libraries or services have been updated since boot-up.\nReboot should not be necessary.\n"
NO_COMMAND = "No such command: needs-restarting. Please use /usr/bin/dnf --help\n"
NO_COMMAND_5 = 'Unknown argument "needs-restarting" for command "dnf5". Add "--help" for more information.\n'

RPMS = ("glibc", "kernel", "kernel-core")


class Tools:
    """Tools of a host, with what each answers."""

    def __init__(self, root: Path, answers: Mapping[str, CommandResult]) -> None:
        self.files = HostFiles(str(root))
        self.answers = answers
        self.asked: list[str] = []
        for name in answers:
            path = root / "usr/bin" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
            path.chmod(0o755)

    def run(self, argv: Sequence[str], timeout_s: float) -> CommandResult:
        """Answer as the tool does."""
        assert 0 < timeout_s <= 60
        self.asked.append(" ".join(argv))
        return self.answers[argv[0].rpartition("/")[2]]

    def answer(self) -> ToolAnswer | None:
        return ask_package_tool(self.files, self.run)


@pytest.mark.parametrize(
    ("tools", "answer"),
    [
        ({}, None),
        ({"dnf": CommandResult(1, REQUIRED, "")}, ToolAnswer("dnf", True, "glibc, kernel, kernel-core", RPMS)),
        ({"dnf": CommandResult(0, NOT_REQUIRED, "")}, ToolAnswer("dnf", False)),
        ({"dnf": CommandResult(1, "", "Error: rpmdb open failed\n")}, ToolAnswer("dnf", None, "Error: rpmdb open failed")),
        ({"dnf": CommandResult(124, "", "dnf did not end")}, ToolAnswer("dnf", None, "dnf did not end")),
        ({"dnf": CommandResult(1, "", NO_COMMAND)}, None),
        ({"dnf": CommandResult(2, "", NO_COMMAND_5)}, None),
        (
            {"dnf": CommandResult(1, "", NO_COMMAND), "needs-restarting": CommandResult(1, REQUIRED, "")},
            ToolAnswer("needs-restarting", True, "glibc, kernel, kernel-core", RPMS),
        ),
        ({"zypper": CommandResult(102, "Reboot is suggested.", "")}, ToolAnswer("zypper", True)),
        ({"zypper": CommandResult(0, "", ""), "needs-restarting": CommandResult(1, "", "")}, ToolAnswer("zypper", False)),
        (
            {"zypper": CommandResult(7, "", "System management is locked")},
            ToolAnswer("zypper", None, "System management is locked"),
        ),
    ],
)
def test_package_tools(tmp_path: Path, tools: Mapping[str, CommandResult], answer: ToolAnswer | None) -> None:
    assert Tools(tmp_path, tools).answer() == answer


def test_dnf_is_kept_from_the_network(tmp_path: Path) -> None:
    tools = Tools(tmp_path, {"dnf": CommandResult(0, "", "")})
    tools.answer()
    assert tools.asked == ["/usr/bin/dnf --cacheonly --disablerepo=* needs-restarting --reboothint"]


def test_only_names_of_packages_are_taken_from_a_list(tmp_path: Path) -> None:
    hostile = "  * glibc\n  * \x1b[2J\n  * a b\n" + "".join("  * p%d\n" % number for number in range(9)) + "Reboot is required\n"
    answer = Tools(tmp_path, {"dnf": CommandResult(1, hostile, "")}).answer()
    assert answer == ToolAnswer("dnf", True, "glibc, p0, p1, p2, p3 and 5 more"), "the list is not known in full"


@pytest.mark.parametrize(("state", "needed"), [("0", None), ("1", False), ("2", True), ("3", True), ("x", None)])
def test_needrestart(tmp_path: Path, state: str, needed: bool | None) -> None:
    said = (
        "NEEDRESTART-VER: 3.6\nNEEDRESTART-KCUR: 6.1.0-18-amd64\nNEEDRESTART-KEXP: 6.1.0-20-amd64\nNEEDRESTART-KSTA: %s\n" % state
    )
    tools = Tools(tmp_path, {"needrestart": CommandResult(0, said, "")})
    answer = ask_needrestart(tools.files, tools.run)
    assert answer == (None if needed is None else ToolAnswer("needrestart", needed))
    assert tools.asked == ["/usr/bin/needrestart -b -k"]


def test_a_host_without_needrestart(tmp_path: Path) -> None:
    tools = Tools(tmp_path, {})
    assert ask_needrestart(tools.files, tools.run) is None
