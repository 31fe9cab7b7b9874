# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB with grub-mkconfig or grub2-mkconfig, on a directory tree where that really runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.interface import Setter, Setting
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.mkconfig_grub import (
    DROP_IN,
    MAIN_FILE,
    DebianGrub,
    Grub2,
    MkconfigGrub,
)
from ansible_collections.fleet.kexec.plugins.module_utils._cmdline import values_of

from ....conftest import write_tree
from ....outcomes import code_of
from .conftest import Listing
from .grub_generated import DROP_INS, KINDS, MAIN, SCRIPT, GeneratedHost

CMA = {"cma": Setting(("256M",))}
NO_CMA = {"cma": Setting(())}


@pytest.fixture
def host(tmp_path: Path) -> GeneratedHost:
    return GeneratedHost(tmp_path)


def put(host: GeneratedHost, settings: dict[str, Setting]) -> bool:
    """Plan and apply; whether there was anything to do."""
    plan = host.bootloader().plan(settings, "all")
    if plan.needed:
        host.bootloader().apply(plan)
    return plan.needed


def values(host: GeneratedHost, name: str) -> set[tuple[str, ...]]:
    """Values of an argument in normal entries."""
    return {values_of(entry.cmdline, name) for entry in host.bootloader().affected()}


@pytest.mark.parametrize("kind", KINDS)
def test_an_argument_is_set_once_and_leaves_no_trace(
    tmp_path: Path, listing: Callable[[], Listing], kind: type[MkconfigGrub]
) -> None:
    host = GeneratedHost(tmp_path, kind)
    host.main.chmod(0o640)
    before = listing()
    assert put(host, CMA)
    assert host.runs == [[host.tool, "-o", kind.GRUB_CFG]]
    assert values(host, "cma") == {("256M",)}
    assert host.bootloader().own() == CMA
    assert host.bootloader().setters("cma") == []
    assert not put(host, CMA)
    assert put(host, {"crashkernel": Setting(("1G,high", "128M,low"))})
    assert put(host, {**NO_CMA, "crashkernel": Setting(())})
    assert listing() == before
    assert not put(host, NO_CMA)


def test_recovery_is_told_by_its_identity(host: GeneratedHost) -> None:
    assert [entry.title for entry in host.bootloader().affected()] == ["Arch Linux"]


@pytest.mark.parametrize("content", [None, b"", MAIN.rstrip().encode(), MAIN.encode() + b"GRUB_TIMEOUT=5\r\n", b"# \xff\n"])
def test_any_main_file_is_restored_byte_by_byte(
    host: GeneratedHost, listing: Callable[[], Listing], content: bytes | None
) -> None:
    host.main.unlink()
    if content is not None:
        host.main.write_bytes(content)
    host.generate()
    before = listing()
    assert put(host, CMA)
    assert values(host, "cma") == {("256M",)}
    assert put(host, NO_CMA)
    assert listing() == before


def test_what_others_set_is_overruled_and_given_back(host: GeneratedHost, listing: Callable[[], Listing]) -> None:
    host.main.write_text(MAIN.replace("quiet", "crashkernel=64M quiet crashkernel=96M"))
    host.generate()
    before = listing()
    assert host.bootloader().setters("crashkernel") == [Setter(MAIN_FILE, ("64M", "96M"))]
    put(host, {"crashkernel": Setting(("512M",))})
    assert values(host, "crashkernel") == {("64M", "96M", "512M")}
    assert host.bootloader().setters("crashkernel") == [Setter(MAIN_FILE, ("64M", "96M"))]
    put(host, {"crashkernel": Setting(("512M",), overrule=True)})
    assert values(host, "crashkernel") == {("512M",)}
    assert host.bootloader().setters("crashkernel") == []
    put(host, {"crashkernel": Setting(())})
    assert listing() == before


def test_the_block_moves_to_the_end_again(host: GeneratedHost) -> None:
    put(host, CMA)
    with host.main.open("a") as stream:
        stream.write('GRUB_CMDLINE_LINUX_DEFAULT="debug cma=1M"\n')
    assert host.bootloader().setters("cma") == [Setter(MAIN_FILE, ("1M",))]
    assert put(host, {"cma": Setting(("512M",), overrule=True)})
    assert values(host, "cma") == {("512M",)}
    put(host, NO_CMA)
    assert host.main.read_text() == MAIN + 'GRUB_CMDLINE_LINUX_DEFAULT="debug cma=1M"\n'


def test_a_block_that_was_edited(host: GeneratedHost, listing: Callable[[], Listing]) -> None:
    put(host, CMA)
    host.main.write_text(host.main.read_text().replace("cma=256M", "cma=1M"))
    before = listing()
    for settings in (CMA, NO_CMA):
        assert code_of(put, host, settings) == "BOOTLOADER_CONFIG_INVALID"
    assert code_of(host.bootloader().setters, "cma") == "BOOTLOADER_CONFIG_INVALID"
    assert listing() == before


@pytest.mark.parametrize("broken", ['GRUB_CMDLINE_LINUX="\n', "exit 1\n", "if\n"])
def test_a_configuration_that_is_broken(host: GeneratedHost, listing: Callable[[], Listing], broken: str) -> None:
    host.main.write_text(MAIN + broken)
    before = listing()
    assert code_of(put, host, CMA) == "BOOTLOADER_CONFIG_INVALID"
    assert listing() == before


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ('#!/bin/sh\necho menuentry > "${0%/usr/bin/*}$2.new"\necho "error: no space left" >&2\nexit 1\n', "BOOTLOADER_FAILED"),
        ('#!/bin/sh\n: > "${0%/usr/bin/*}$2"\nexit 1\n', "BOOTLOADER_FAILED"),
        ('#!/bin/sh\n: > "${0%/usr/bin/*}$2"\n', "BOOTLOADER_MISMATCH"),
        ("#!/bin/sh\n", "BOOTLOADER_MISMATCH"),
    ],
)
def test_a_script_that_fails_leaves_nothing(host: GeneratedHost, listing: Callable[[], Listing], script: str, code: str) -> None:
    host.install(script)
    before = listing()
    assert code_of(put, host, CMA) == code
    assert listing() == before


def test_a_version_of_grub_that_reads_drop_ins(host: GeneratedHost, listing: Callable[[], Listing]) -> None:
    host.install(SCRIPT, DROP_INS)
    write_tree(host.root, {"/etc/default/grub.d/50-admin.cfg": 'GRUB_CMDLINE_LINUX="cma=1M"\n'})
    host.generate()
    before = listing()
    assert put(host, CMA)
    assert host.files.exists(DROP_IN)
    assert host.main.read_text() == MAIN
    assert values(host, "cma") == {("1M", "256M")}
    assert host.bootloader().setters("cma") == [Setter("/etc/default/grub.d/50-admin.cfg", ("1M",))]
    put(host, NO_CMA)
    assert listing() == before


def test_a_block_stays_one_when_drop_ins_become_possible(host: GeneratedHost) -> None:
    put(host, CMA)
    host.install(SCRIPT, DROP_INS)
    assert host.bootloader().own() == CMA
    assert not put(host, CMA)
    assert put(host, NO_CMA)
    assert host.main.read_text() == MAIN


def test_drop_ins_that_are_read_before_the_main_file(host: GeneratedHost) -> None:
    host.install(SCRIPT.replace("if test -f", "@DROP_INS@if test -f").replace("fi\n@DROP_INS@", "fi\n"), DROP_INS)
    assert put(host, CMA)
    assert not host.files.exists(DROP_IN)
    assert values(host, "cma") == {("256M",)}


def test_update_grub_without_drop_ins(host: GeneratedHost) -> None:
    """As Void and Manjaro have it."""
    shutil.copy(host.root / "usr/bin/grub-mkconfig", host.root / "usr/bin/update-grub")
    bootloader = DebianGrub(host.files, host.run)
    change = bootloader.plan(CMA, "all").changes[0]
    assert change.path == MAIN_FILE


def test_a_link_to_the_main_file_and_to_grub_cfg_stays(host: GeneratedHost, listing: Callable[[], Listing]) -> None:
    (host.root / "efi/grub").mkdir(parents=True)
    for there, target in (("etc/default/grub", "etc/default/grub.real"), ("boot/grub/grub.cfg", "efi/grub/grub.cfg")):
        (host.root / there).rename(host.root / target)
        (host.root / there).symlink_to(os.path.relpath(host.root / target, (host.root / there).parent))
    before = listing()
    assert put(host, CMA)
    assert host.runs == [[host.tool, "-o", "/efi/grub/grub.cfg"]]
    assert (host.root / "boot/grub/grub.cfg").is_symlink()
    assert host.main.is_symlink()
    put(host, NO_CMA)
    assert listing() == before


def test_another_grub_cfg_that_may_be_the_one_in_use(host: GeneratedHost) -> None:
    write_tree(host.root, {"/efi/grub/grub.cfg": ""})
    assert code_of(host.bootloader().plan, CMA, "all") == "BOOTLOADER_AMBIGUOUS"


def test_the_grub_cfg_that_is_read_under_uefi(tmp_path: Path) -> None:
    host = GeneratedHost(tmp_path, Grub2)
    write_tree(tmp_path, {"/boot/efi/EFI/rocky/grub.cfg": "", "/sys/firmware/efi/fw_platform_size": "64\n"})
    link = tmp_path / "etc/grub2-efi.cfg"
    link.symlink_to("../boot/grub2/grub.cfg")
    assert host.bootloader().plan(CMA, "all").needed
    link.unlink()
    link.symlink_to("../boot/efi/EFI/rocky/grub.cfg")
    assert code_of(host.bootloader().plan, CMA, "all") == "BOOTLOADER_AMBIGUOUS"


@pytest.mark.parametrize("path", ["etc/default", "etc/default/grub", "boot/grub", "boot/grub/grub.cfg"])
def test_what_can_not_be_written_is_found_before(
    host: GeneratedHost, listing: Callable[[], Listing], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    before = listing()
    access = os.access
    denied = str(host.root / path)
    monkeypatch.setattr(os, "access", lambda each, mode: not (mode == os.W_OK and str(each) == denied) and access(each, mode))
    assert code_of(host.bootloader().plan, CMA, "all") == "BOOTLOADER_FAILED"
    assert listing() == before


@pytest.mark.parametrize("kernels", ["default", "6.1.0"])
def test_one_kernel_alone_can_not_be_set(host: GeneratedHost, kernels: str) -> None:
    assert code_of(host.bootloader().plan, CMA, kernels) == "NOT_EXPRESSIBLE"


def test_a_host_without_the_script(host: GeneratedHost) -> None:
    (host.root / "usr/bin/grub-mkconfig").unlink()
    assert code_of(host.bootloader().plan, CMA, "all") == "BOOTLOADER_FAILED"


def test_entry_files_are_refused(tmp_path: Path) -> None:
    host = GeneratedHost(tmp_path, Grub2)
    write_tree(
        tmp_path,
        {
            Grub2.GRUB_CFG: "### BEGIN /etc/grub.d/10_linux ###\nblscfg\n### END /etc/grub.d/10_linux ###\n",
            "/boot/loader/entries/a-6.12.conf": "title Fedora\nlinux /vmlinuz-6.12\noptions root=/dev/vda1\n",
        },
    )
    assert code_of(host.bootloader().plan, CMA, "all") == "BOOTLOADER_UNSUPPORTED"
    assert code_of(host.bootloader().entries) == "BOOTLOADER_UNSUPPORTED"
