# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host needs a reboot: a Debian 13 host, and what may be different about it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.facts import present
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.reading import read
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.subsets import resolve

from ....bzimages import make_bzimage
from ....conftest import RELEASE, HostTree

NEWER = "6.12.118+deb13-cloud-amd64"
ARGUMENTS = "root=UUID=1 ro console=ttyS0"
KEXECED = "%s fleet_kexec.token=%s fleet_kexec.kexecs=2 panic=10 oops=panic\n" % (ARGUMENTS, "ab" * 8)


def grub(release: str = RELEASE, arguments: str = ARGUMENTS) -> str:
    return "menuentry 'Debian GNU/Linux' {\n\tlinux\t/boot/vmlinuz-%s %s\n\tinitrd\t/boot/initrd.img-%s\n}\n" % (
        *(release, arguments),
        release,
    )


def install(files: HostFiles, name: str, **header: Any) -> None:
    with open(files.path("/boot/vmlinuz-" + name), "wb") as stream:
        stream.write(make_bzimage(**{"release": name, **header}))


def need(files: HostFiles, **tools: CommandResult) -> dict[str, str]:
    """Reasons by code, with their messages.

    :param tools: answers of programs on the host.
    """
    for name in tools:
        with open(files.path("/usr/sbin/" + name), "w", encoding="ascii") as stream:
            stream.write("")
        os.chmod(files.path("/usr/sbin/" + name), 0o755)

    def run(argv: Sequence[str], timeout_s: float) -> CommandResult:
        return tools.get(argv[0].rpartition("/")[2], CommandResult(0, "", ""))

    fact = present(read(files, run, resolve(["!min", "reboot_needed"])))["reboot_needed"]
    assert fact["needed"] == bool(fact["reasons"])
    return {each["code"]: each["message"] for each in fact["reasons"]}


def test_a_host_that_runs_what_it_would_boot_needs_none(host_tree: HostTree) -> None:
    files = host_tree({"/proc/sys/kernel/version": "#1 SMP\n"})
    install(files, RELEASE)
    assert need(files) == {}
    assert need(files, dnf=CommandResult(0, "Reboot should not be necessary.", "")) == {}


def test_what_a_kexec_added_for_one_boot_is_no_change(host_tree: HostTree) -> None:
    files = host_tree({"/proc/cmdline": KEXECED})
    install(files, RELEASE)
    assert need(files) == {}


@pytest.mark.parametrize("flag", ["/run/reboot-required", "/var/run/reboot-required", "/run/reboot-needed"])
def test_packages_that_ask(host_tree: HostTree, flag: str) -> None:
    files = host_tree({flag: "*** System restart required ***", "/run/reboot-required.pkgs": "libc6\n"})
    install(files, RELEASE)
    assert need(files) == {"PENDING_REBOOT_REQUIRED": "packages ask for a reboot: libc6"}


def test_updates_that_a_tool_knows_of(host_tree: HostTree) -> None:
    files = host_tree({})
    install(files, RELEASE)
    said = CommandResult(1, "Core libraries or services have been updated since boot-up:\n  * glibc\n\nReboot is required.\n", "")
    assert need(files, dnf=said) == {"PENDING_PACKAGES": "dnf says that glibc were updated since the boot"}


def test_another_kernel_in_the_default_entry(host_tree: HostTree) -> None:
    files = host_tree({"/boot/grub/grub.cfg": grub(NEWER)})
    install(files, RELEASE)
    install(files, NEWER)
    assert need(files) == {"PENDING_KERNEL": "the default entry boots %s, %s runs" % (NEWER, RELEASE)}


def test_a_newer_kernel_that_is_not_the_next_one_changes_nothing(host_tree: HostTree) -> None:
    files = host_tree({})
    install(files, RELEASE)
    install(files, NEWER)
    outdated = CommandResult(0, "NEEDRESTART-KSTA: 3\n", "")
    assert need(files, needrestart=outdated) == {}, "a reboot would end in the same kernel"


def test_another_build_of_the_same_release(host_tree: HostTree) -> None:
    files = host_tree({"/proc/sys/kernel/version": "#1 SMP PREEMPT_DYNAMIC Debian 6.12.117-1 (2026-02-01)\n"})
    install(files, RELEASE, build="#1 SMP PREEMPT_DYNAMIC Debian 6.12.117-2 (2026-03-01)")
    assert "6.12.117-2" in need(files)["PENDING_KERNEL"]
    install(files, RELEASE, build="#1 SMP PREEMPT_DYNAMIC Debian 6.12.117-1 (2026-02-01)")
    assert need(files) == {}


def test_other_arguments(host_tree: HostTree) -> None:
    files = host_tree({"/boot/grub/grub.cfg": grub(arguments="root=UUID=1 ro hugepages=64")})
    install(files, RELEASE)
    assert need(files) == {"PENDING_CMDLINE": "the default entry changes the kernel's arguments: +hugepages=64 -console=ttyS0"}


@pytest.mark.parametrize(
    ("tools", "codes"),
    [
        ({}, set()),
        ({"needrestart": CommandResult(0, "NEEDRESTART-KSTA: 1\n", "")}, set()),
        ({"needrestart": CommandResult(0, "NEEDRESTART-KSTA: 2\n", "")}, {"PENDING_KERNEL"}),
    ],
)
def test_where_the_entry_is_unknown_the_installed_kernels_tell(
    host_tree: HostTree, tools: dict[str, CommandResult], codes: set[str]
) -> None:
    files = host_tree({"/boot/grub/grub.cfg": ""})
    install(files, RELEASE)
    assert set(need(files, **tools)) == codes
    install(files, NEWER)
    assert need(files, **tools) == {"PENDING_KERNEL": "%s is installed, %s runs" % (NEWER, RELEASE)}


def test_what_can_not_be_told_counts_as_a_reason(host_tree: HostTree) -> None:
    files = host_tree({})
    install(files, RELEASE)
    assert need(files, dnf=CommandResult(124, "", "dnf did not end within 30 s")) == {
        "PENDING_UNKNOWN": "dnf could not tell: dnf did not end within 30 s"
    }
    files = host_tree({"/boot/grub/grub.cfg": ""})
    os.unlink(files.path("/usr/sbin/dnf"))
    os.unlink(files.path("/boot/vmlinuz-" + RELEASE))
    assert need(files)["PENDING_UNKNOWN"].startswith("the next kernel can't be told: ")
    assert methods(files)["PENDING_UNKNOWN"] == "firmware"


def test_another_reason_is_enough(host_tree: HostTree) -> None:
    files = host_tree({"/run/reboot-required": ""})
    install(files, RELEASE)
    assert set(need(files, dnf=CommandResult(124, "", "dnf did not end"))) == {"PENDING_REBOOT_REQUIRED"}


def methods(files: HostFiles, soft_reboots: int = 0, **tools: CommandResult) -> dict[str, str]:
    """Least method for all reasons (C(all)) and by code; systemd says that userspace began a minute after the kernel."""

    def run(argv: Sequence[str], timeout_s: float) -> CommandResult:
        if argv[0] == "systemctl":
            said = "Version=257\nSoftRebootsCount=%d\nUserspaceTimestampMonotonic=60000000\n" % soft_reboots
            return CommandResult(0, said, "")
        return tools.get(argv[0].rpartition("/")[2], CommandResult(0, "", ""))

    fact = present(read(files, run, resolve(["!min", "reboot_needed"])))["reboot_needed"]
    return {"all": fact["method"], **{each["code"]: each["method"] for each in fact["reasons"]}}


def test_what_each_reason_takes(host_tree: HostTree) -> None:
    deleted = "7f3a1c028000-7f3a1c1b0000 r-xp 00028000 fd:00 131 /usr/lib/libc.so.6 (deleted)\n"
    current = host_tree({"/proc/sys/kernel/version": "#1 SMP\n"})
    install(current, RELEASE)
    assert methods(current) == {"all": None}
    userspace = host_tree({"/proc/1/maps": deleted, "/run/reboot-required": "", "/run/reboot-required.pkgs": "libc6\ndbus\n"})
    install(userspace, RELEASE)
    assert methods(userspace) == {"all": "soft", "PENDING_REBOOT_REQUIRED": "soft", "PENDING_USERSPACE": "soft"}
    with open(userspace.path("/boot/grub/grub.cfg"), "w", encoding="ascii") as stream:
        stream.write(grub(arguments="root=UUID=1 ro quiet"))
    assert methods(userspace)["all"] == methods(userspace)["PENDING_CMDLINE"] == "kexec"
    environment = "# GRUB Environment Block\nnext_entry=other\n".ljust(1024, "#")
    script = 'load_env\nif [ "${next_entry}" ]; then\nset default="${next_entry}"\nfi\n'
    wished = host_tree({"/boot/grub/grubenv": environment, "/boot/grub/grub.cfg": script + grub()})
    install(wished, RELEASE)
    assert (methods(wished)["all"], methods(wished)["PENDING_ONE_SHOT"]) == ("firmware", "firmware")


def test_what_is_not_known_may_be_a_kernel(host_tree: HostTree) -> None:
    files = host_tree({"/run/reboot-required": "", "/run/reboot-required.pkgs": "libc6\n"})
    install(files, RELEASE)
    for name in ("dnf",):
        with open(files.path("/usr/sbin/" + name), "w", encoding="ascii") as stream:
            stream.write("")
        os.chmod(files.path("/usr/sbin/" + name), 0o755)
    found = methods(files, dnf=CommandResult(1, "", "Error: rpmdb open failed\n"))
    assert found == {"all": "kexec", "PENDING_REBOOT_REQUIRED": "soft", "PENDING_UNKNOWN": "kexec"}


def test_a_flag_in_run_outlives_the_soft_reboot_that_applied_it(host_tree: HostTree) -> None:
    flag = {"/run/reboot-required": "", "/run/reboot-required.pkgs": "libc6\n"}
    files = host_tree(flag)
    install(files, RELEASE)
    began_s = time.time() - time.monotonic()
    for after_s, pending in ((30, False), (90, True)):
        for name in flag:
            os.utime(files.path(name), (began_s + after_s, began_s + after_s))
        assert methods(files)["all"] == "soft", "there was none"
        assert ("PENDING_REBOOT_REQUIRED" in methods(files, soft_reboots=1)) is pending
    for name in flag:
        os.utime(files.path(name), (began_s + 30, began_s + 30))
    with open(files.path("/run/reboot-required.pkgs"), "a", encoding="ascii") as stream:
        stream.write("linux-image-9\n")
    os.utime(files.path("/run/reboot-required.pkgs"), (began_s + 30, began_s + 30))
    assert methods(files, soft_reboots=1)["PENDING_REBOOT_REQUIRED"] == "kexec"


# A host of OSTree: three boot entries, of which the first is the default one, and the second was booted.

BOOTED = "/ostree/boot.1/fedora/ab12/0"


def deployed(host_tree: HostTree, default: str, running: str = BOOTED, **more: str) -> HostFiles:
    entry = "title Fedora\nversion %d\noptions root=UUID=1 rw ostree=%s\nlinux /ostree/fedora-ab12/vmlinuz\n"
    files = host_tree(
        {
            "/run/ostree-booted": "",
            "/proc/cmdline": "BOOT_IMAGE=(hd0,1)/vmlinuz root=UUID=1 rw ostree=%s\n" % running,
            "/boot/loader/entries/ostree-10.conf": entry % (10, default),
            "/boot/loader/entries/ostree-9.conf": entry % (9, BOOTED),
            "/boot/loader/entries/ostree-11.conf.old": entry % (11, BOOTED),
            "/boot/loader/entries/rescue.conf": "title Rescue\nversion 6.12\noptions ro\n",
            **more,
        }
    )
    install(files, RELEASE)
    return files


def test_a_deployment_that_runs_and_boots_next(host_tree: HostTree) -> None:
    files = deployed(host_tree, BOOTED)
    assert methods(files) == {"all": None}
    os.unlink(files.path("/boot/vmlinuz-" + RELEASE))
    assert methods(files) == {"all": None}, "the kernel is in the deployment"


@pytest.mark.parametrize("default", ["/ostree/boot.0/fedora/cd34/0", "/ostree/boot.1/fedora/ab12/1"])
def test_another_deployment_boots_next(host_tree: HostTree, default: str) -> None:
    files = deployed(host_tree, default)
    assert methods(files) == {"all": "firmware", "PENDING_SYSTEM": "firmware"}
    assert default in need(files)["PENDING_SYSTEM"]


def test_a_deployment_that_is_staged_is_in_no_boot_entry_yet(host_tree: HostTree) -> None:
    staged = {"/run/ostree/staged-deployment": "x"}
    assert methods(deployed(host_tree, BOOTED, **staged)) == {"all": "firmware", "PENDING_SYSTEM": "firmware"}
    # Nothing finalizes one that is locked.
    locked = {**staged, "/run/ostree/staged-deployment-locked": ""}
    assert methods(deployed(host_tree, BOOTED, **locked)) == {"all": None}


def test_a_deployment_that_can_not_be_told_may_be_another(host_tree: HostTree) -> None:
    files = host_tree({"/run/ostree-booted": "", "/proc/cmdline": "root=UUID=1 rw ostree=%s\n" % BOOTED})
    install(files, RELEASE)
    assert methods(files) == {"all": "firmware", "PENDING_UNKNOWN": "firmware"}


def test_neither_a_kexec_nor_a_soft_reboot_ends_in_another_deployment(host_tree: HostTree) -> None:
    def run(argv: Sequence[str], timeout_s: float) -> CommandResult:
        return CommandResult(0, "Version=257\nSoftRebootsCount=0\n" if argv[0] == "systemctl" else "", "")

    facts = present(read(deployed(host_tree, "/ostree/boot.0/fedora/cd34/0"), run))
    assert "COLD_BOOT_PENDING" in [each["code"] for each in facts["blockers"]]
    assert [each["code"] for each in facts["soft"]["blockers"]] == ["SOFT_INCOMPLETE"]
