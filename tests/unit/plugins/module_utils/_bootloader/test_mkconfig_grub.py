# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB with update-grub, on a directory tree whose update-grub really runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.interface import Setter, Setting
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.mkconfig_grub import DebianGrub
from ansible_collections.fleet.kexec.plugins.module_utils._cmdline import values_of
from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult

from ....conftest import RELEASE, write_tree
from ....outcomes import code_of
from .conftest import Listing
from .debian import KDUMP, KDUMP_PATH, MAIN, DebianHost

CMA = {"cma": Setting(("256M",))}
NO_CMA = {"cma": Setting(())}


@pytest.fixture
def host(tmp_path: Path) -> DebianHost:
    return DebianHost(tmp_path)


def put(host: DebianHost, settings: dict[str, Setting]) -> bool:
    """Plan and apply; whether there was anything to do."""
    plan = host.bootloader().plan(settings, "all")
    if plan.needed:
        host.bootloader().apply(plan)
    return plan.needed


def values(host: DebianHost, name: str) -> set[tuple[str, ...]]:
    """Values of an argument in normal entries."""
    return {values_of(entry.cmdline, name) for entry in host.bootloader().affected()}


def test_entries(host: DebianHost) -> None:
    entries = host.bootloader().entries()
    assert [(entry.title, entry.release, entry.is_default) for entry in entries] == [
        ("Debian", RELEASE, True),
        ("Debian, with Linux " + RELEASE, RELEASE, False),
        ("Debian, with Linux %s (recovery mode)" % RELEASE, RELEASE, False),
        ("Debian, with Linux 6.1.0-9-cloud-amd64", "6.1.0-9-cloud-amd64", False),
        ("Debian, with Linux 6.1.0-9-cloud-amd64 (recovery mode)", "6.1.0-9-cloud-amd64", False),
    ]
    assert entries[0].cmdline == "root=/dev/vda1 ro console=ttyS0 quiet"


def test_the_entry_that_was_saved_is_the_default(host: DebianHost) -> None:
    host.write("/etc/default/grub", MAIN.replace("GRUB_DEFAULT=0", "GRUB_DEFAULT=saved"))
    assert host.bootloader().entries()[0].is_default
    host.write("/boot/grub/grubenv", "# GRUB Environment Block\nsaved_entry=advanced>gnulinux-6.1.0-9-cloud-amd64-advanced\n")
    default = host.bootloader().default_entry()
    assert default is not None
    assert default.release == "6.1.0-9-cloud-amd64"


def test_without_a_grub_cfg_nothing_is_known(host: DebianHost) -> None:
    (host.root / "boot/grub/grub.cfg").unlink()
    assert code_of(host.bootloader().entries) == "BOOTLOADER_CONFIG_INVALID"


def test_an_argument_is_set_once_for_all_kernels(host: DebianHost) -> None:
    assert put(host, CMA)
    assert values(host, "cma") == {("256M",)}
    assert host.bootloader().own() == CMA
    assert host.bootloader().setters("cma") == []
    for entry in host.bootloader().entries():
        assert entry.title.endswith("(recovery mode)") != bool(values_of(entry.cmdline, "cma"))
    assert host.updates == 1
    assert not put(host, CMA)
    assert host.updates == 1


def test_it_is_set_again_where_somebody_lost_it(host: DebianHost) -> None:
    generated = (host.root / "boot/grub/grub.cfg").read_bytes()
    put(host, CMA)
    (host.root / "boot/grub/grub.cfg").write_bytes(generated)
    assert put(host, CMA)
    assert values(host, "cma") == {("256M",)}


def test_both_arguments_and_a_change_of_one(host: DebianHost) -> None:
    put(host, CMA)
    put(host, {"crashkernel": Setting(("1G,high", "128M,low"))})
    put(host, {"cma": Setting(("512M",))})
    assert values(host, "cma") == {("512M",)}
    assert values(host, "crashkernel") == {("1G,high", "128M,low")}
    put(host, NO_CMA)
    assert values(host, "cma") == {()}
    assert values(host, "crashkernel") == {("1G,high", "128M,low")}


@pytest.mark.parametrize("others", [{}, {"/etc/default/grub.d/50-admin.cfg": "GRUB_TIMEOUT=1\n"}])
def test_taken_back_everything_is_as_before(host: DebianHost, listing: Callable[[], Listing], others: dict[str, str]) -> None:
    write_tree(host.root, others)
    host.update_grub()
    before = listing()
    put(host, CMA)
    assert listing() != before
    put(host, {"crashkernel": Setting(("128M",))})
    assert put(host, {**NO_CMA, "crashkernel": Setting(())})
    assert listing() == before
    assert not put(host, NO_CMA)


def test_a_directory_that_was_made_stays_for_what_others_put_there(host: DebianHost) -> None:
    put(host, CMA)
    host.write("/etc/default/grub.d/50-admin.cfg", "GRUB_TIMEOUT=1\n")
    put(host, NO_CMA)
    assert host.files.listdir("/etc/default/grub.d") == ["50-admin.cfg"]


def test_what_others_set_is_overruled_and_given_back(host: DebianHost, listing: Callable[[], Listing]) -> None:
    host.write(KDUMP_PATH, KDUMP)
    host.write("/etc/default/grub", MAIN.replace("console=ttyS0", "crashkernel=64M console=ttyS0 crashkernel=96M"))
    before = listing()
    assert host.bootloader().setters("crashkernel") == [
        Setter("/etc/default/grub", ("64M", "96M")),
        Setter(KDUMP_PATH, ("384M-:128M",)),
    ]
    overruled = {"crashkernel": Setting(("512M",), overrule=True)}
    assert put(host, overruled)
    assert values(host, "crashkernel") == {("512M",)}
    assert " ".join(host.bootloader().entries()[0].cmdline.split()) == "root=/dev/vda1 ro console=ttyS0 quiet crashkernel=512M"
    assert host.bootloader().own() == overruled
    assert host.bootloader().setters("crashkernel") == []
    assert not put(host, overruled)
    put(host, {"crashkernel": Setting((), overrule=True)})
    assert values(host, "crashkernel") == {()}
    put(host, {"crashkernel": Setting(())})
    assert values(host, "crashkernel") == {("64M", "96M", "384M-:128M")}
    assert listing() == before


def test_beside_what_others_set(host: DebianHost) -> None:
    host.write(KDUMP_PATH, KDUMP)
    put(host, {"crashkernel": Setting(("512M",))})
    assert values(host, "crashkernel") == {("384M-:128M", "512M")}
    assert host.bootloader().setters("crashkernel") == [Setter(KDUMP_PATH, ("384M-:128M",))]


def test_who_sets_an_argument_where_a_later_file_sets_the_variable_anew(host: DebianHost) -> None:
    host.write(KDUMP_PATH, KDUMP)
    host.write("/etc/default/grub.d/50-ignored", "GRUB_CMDLINE_LINUX=crashkernel=1M\n")
    host.write("/etc/default/grub.d/60-cloud.cfg", 'GRUB_CMDLINE_LINUX_DEFAULT="quiet crashkernel=64M"\n')
    # Drop-ins are read in the order of their names.
    assert host.bootloader().setters("crashkernel") == [
        Setter("/etc/default/grub.d/60-cloud.cfg", ("64M",)),
        Setter(KDUMP_PATH, ("384M-:128M",)),
    ]
    host.write("/etc/default/grub.d/zz-admin.cfg", "GRUB_CMDLINE_LINUX_DEFAULT=crashkernel=32M\n")
    assert host.bootloader().setters("crashkernel") == [Setter("/etc/default/grub.d/zz-admin.cfg", ("32M",))]
    host.write("/etc/default/grub.d/zzz-admin.cfg", "GRUB_CMDLINE_LINUX_DEFAULT=quiet\n")
    assert host.bootloader().setters("crashkernel") == []


def test_a_file_that_is_read_later_and_takes_it_away(host: DebianHost, listing: Callable[[], Listing]) -> None:
    host.write("/etc/default/grub.d/zzz-admin.cfg", "GRUB_CMDLINE_LINUX_DEFAULT=quiet\n")
    before = listing()
    assert code_of(put, host, CMA) == "BOOTLOADER_MISMATCH"
    assert listing() == before


@pytest.mark.parametrize("broken", ['GRUB_CMDLINE_LINUX="\n', "exit 1\n", "nonsense-that-is-no-command\n", "if\n"])
def test_a_configuration_that_is_broken(host: DebianHost, listing: Callable[[], Listing], broken: str) -> None:
    write_tree(host.root, {"/etc/default/grub": MAIN + broken})
    before = listing()
    assert code_of(put, host, CMA) == "BOOTLOADER_CONFIG_INVALID"
    assert code_of(host.bootloader().setters, "cma") == "BOOTLOADER_CONFIG_INVALID"
    # Where others are overruled they are not asked: update-grub finds it.
    assert code_of(put, host, {"cma": Setting(("256M",), overrule=True)}) == "BOOTLOADER_FAILED"
    assert listing() == before


FAILS_HALFWAY = """#!/bin/sh
root=${0%/usr/sbin/update-grub}
echo 'menuentry' > "$root/boot/grub/grub.cfg.new"
echo 'error: no space left' >&2
exit 1
"""
REPLACES_AND_FAILS = FAILS_HALFWAY.replace(
    "echo 'error", 'mv "$root/boot/grub/grub.cfg.new" "$root/boot/grub/grub.cfg"\necho \'error'
)


@pytest.mark.parametrize("script", [FAILS_HALFWAY, REPLACES_AND_FAILS])
@pytest.mark.parametrize("was_set", [False, True])
def test_an_update_grub_that_fails_leaves_nothing(
    host: DebianHost, listing: Callable[[], Listing], script: str, was_set: bool
) -> None:
    if was_set:
        put(host, CMA)
    (host.root / "boot/grub/grub.cfg").chmod(0o400)
    host.install_update_grub(script)
    before = listing()
    assert code_of(put, host, {"cma": Setting(("512M",))}) == "BOOTLOADER_FAILED"
    assert listing() == before
    assert host.bootloader().own() == (CMA if was_set else {})


@pytest.mark.parametrize(
    "script",
    [
        "#!/bin/sh\nexit 0\n",
        # All entries are gone, and with them all that could be wrong.
        "#!/bin/sh\n: > ${0%/usr/sbin/update-grub}/boot/grub/grub.cfg\n",
    ],
)
def test_an_update_grub_that_ignores_the_drop_in(host: DebianHost, listing: Callable[[], Listing], script: str) -> None:
    host.install_update_grub(script)
    before = listing()
    assert code_of(put, host, CMA) == "BOOTLOADER_MISMATCH"
    assert listing() == before


def test_a_default_that_is_not_reached(host: DebianHost, listing: Callable[[], Listing]) -> None:
    write_tree(
        host.root,
        {
            "/etc/grub.d/40_custom": "#!/bin/sh\nprintf 'menuentry \"Mine\" {\\n  linux /boot/vmlinuz-1 ro\\n}\\n'\n",
        },
    )
    (host.root / "etc/grub.d/40_custom").chmod(0o755)
    host.write("/etc/default/grub", MAIN.replace("GRUB_DEFAULT=0", "GRUB_DEFAULT=Mine"))
    default = host.bootloader().default_entry()
    assert default is not None
    assert (default.title, default.source) == ("Mine", DebianGrub.GRUB_CFG + " (40_custom)")
    before = listing()
    assert code_of(put, host, CMA) == "BOOTLOADER_MISMATCH"
    assert listing() == before


def test_a_file_where_the_directory_should_be(host: DebianHost, listing: Callable[[], Listing]) -> None:
    write_tree(host.root, {"/etc/default/grub.d": "no directory"})
    before = listing()
    assert code_of(put, host, CMA) == "BOOTLOADER_FAILED"
    assert listing() == before


def test_a_run_that_is_interrupted(host: DebianHost, listing: Callable[[], Listing]) -> None:
    before = listing()

    def run(argv: Sequence[str], timeout_s: float) -> CommandResult:
        done = host.run(argv, timeout_s)
        if argv[0] != "sh":
            raise KeyboardInterrupt
        return done

    bootloader = DebianGrub(host.files, run)
    plan = bootloader.plan(CMA, "all")
    with pytest.raises(KeyboardInterrupt):
        bootloader.apply(plan)
    assert listing() == before


@pytest.mark.parametrize("kernels", ["default", RELEASE])
def test_one_kernel_alone_can_not_be_set(host: DebianHost, kernels: str) -> None:
    assert code_of(host.bootloader().plan, CMA, kernels) == "NOT_EXPRESSIBLE"


def test_a_host_without_update_grub(host: DebianHost) -> None:
    (host.root / "usr/sbin/update-grub").unlink()
    assert code_of(host.bootloader().plan, CMA, "all") == "BOOTLOADER_FAILED"


def test_a_plan_changes_nothing(host: DebianHost, listing: Callable[[], Listing]) -> None:
    before = listing()
    assert host.bootloader().plan(CMA, "all").needed
    assert listing() == before
    assert host.updates == 0
