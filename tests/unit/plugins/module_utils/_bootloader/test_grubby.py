# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB with grubby, by transcripts of commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.grubby import Grubby, parse_info
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.interface import Setting
from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles

from ....conftest import write_tree
from ....outcomes import code_of
from .conftest import Listing

TRANSCRIPTS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "transcripts" / "grubby.yml").read_text())


class GrubbyHost:
    """A host whose tools answer as the transcript says, and are asked what it says."""

    def __init__(self, root: Path, files: dict[str, str]) -> None:
        self.root = root
        self.left: list[dict[str, Any]] = []
        write_tree(root, {"/usr/sbin/grubby": "", "/usr/bin/kdumpctl": "", "/boot/loader/entries/.marker": "", **files})
        for tool in ("usr/sbin/grubby", "usr/bin/kdumpctl"):
            (root / tool).chmod(0o755)
        write_tree(root, {"/etc/default/marker": "", "/var/lib/marker": ""})

    def run(self, argv: Sequence[str], timeout_s: float) -> CommandResult:
        assert self.left, "a command too many: %s" % list(argv)
        command = self.left.pop(0)
        assert list(argv) == command["run"]
        write_tree(self.root, command.get("writes", {}))
        return CommandResult(command.get("rc", 0), command.get("out", ""), command.get("err", ""))

    def bootloader(self, commands: list[dict[str, Any]]) -> Grubby:
        self.left = list(commands)
        return Grubby(HostFiles(str(self.root)), self.run)


def settings_of(written: dict[str, Any]) -> dict[str, Setting]:
    return {name: Setting(tuple(setting.get("values", ())), setting.get("overrule", False)) for name, setting in written.items()}


def put(bootloader: Grubby, settings: dict[str, Setting], kernels: str) -> bool:
    plan = bootloader.plan(settings, kernels)
    if plan.needed:
        bootloader.apply(plan)
    return plan.needed


@pytest.mark.parametrize("case", TRANSCRIPTS["cases"], ids=lambda case: str(case["name"]))
def test_transcript(tmp_path: Path, listing: Callable[[], Listing], case: dict[str, Any]) -> None:
    host = GrubbyHost(tmp_path, case.get("files", {}))
    for step in case["steps"]:
        before = listing()
        bootloader = host.bootloader(step["commands"])
        settings, kernels = settings_of(step["settings"]), step.get("kernels", "all")
        if "code" in step:
            assert code_of(put, bootloader, settings, kernels) == step["code"]
        else:
            assert put(bootloader, settings, kernels) == step["changed"]
            assert bootloader.own() == settings_of(step["own"])
        assert host.left == []
        if step.get("kept"):
            assert listing() == before


@pytest.mark.parametrize("case", TRANSCRIPTS["setters"], ids=lambda case: str(case["name"]))
def test_who_sets_an_argument(tmp_path: Path, case: dict[str, Any]) -> None:
    host = GrubbyHost(tmp_path, {})
    found = host.bootloader(case["commands"]).setters(case["argument"])
    assert {setter.source: list(setter.values) for setter in found} == case["setters"]
    assert host.left == []


def test_entries(tmp_path: Path) -> None:
    answers = TRANSCRIPTS["answers"]
    host = GrubbyHost(tmp_path, {})
    entries = host.bootloader([answers["default_is_1"], answers["nothing_set"]]).entries()
    assert [(entry.release, entry.is_default) for entry in entries] == [
        ("5.14.0-503.11.1.el9_5.x86_64", False),
        ("5.14.0-427.13.1.el9_4.x86_64", True),
    ]
    assert entries[1].title == "Red Hat Enterprise Linux (5.14.0-427.13.1.el9_4.x86_64) 9.4 (Plow)"
    assert entries[1].cmdline == "ro rd.lvm.lv=rhel/root rhgb quiet $tuned_params"
    assert entries[1].source == "0123456789abcdef0123456789abcdef-5.14.0-427.13.1.el9_4.x86_64"


def test_entries_that_boot_no_linux_are_none(tmp_path: Path) -> None:
    host = GrubbyHost(tmp_path, {})
    answer = {"run": ["/usr/sbin/grubby", "--info=ALL"], "out": "index=0\nnon linux entry\nindex=1\nkernel=/boot/vmlinuz-1\n"}
    entries = host.bootloader([TRANSCRIPTS["answers"]["default_is_0"], answer]).entries()
    assert [(entry.title, entry.cmdline, entry.is_default) for entry in entries] == [("/boot/vmlinuz-1", "", False)]


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("", []),
        ("kernel=/before-any-index\n", []),
        ('index=0\nargs="a="b c" d"\n', [{"index": "0", "args": 'a="b c" d'}]),
        ("index=0\nargs=\n  title = x\nindex=1\n", [{"index": "0", "args": ""}, {"index": "1"}]),
    ],
)
def test_what_grubby_says(text: str, blocks: list[dict[str, str]]) -> None:
    assert parse_info(text) == blocks
