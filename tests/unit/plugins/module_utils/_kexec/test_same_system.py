# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts as other fleets have them: a kexec starts from what the bootloader would boot, read from files to plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.default_entry import read_default_entry
from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.facts import gather
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.requests import StagingRequest
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.staging import StagingPlan, plan_image

from ....bzimages import make_bzimage
from ....conftest import HostTree

GRUB = "/boot/grub/grub.cfg"
LINE = "root=UUID=1 ro"


def entry(release: str, line: str = LINE, initrds: Sequence[str] = ()) -> str:
    files = " ".join("/boot/" + name for name in (*initrds, "initrd.img-" + release))
    return "menuentry 'Linux %s' --id 'linux-%s' {\n linux /boot/vmlinuz-%s %s\n initrd %s\n}\n" % (
        release,
        release,
        release,
        line,
        files,
    )


def grub(default: str, *entries: str) -> dict[str, str]:
    """Files of a GRUB that has a first entry, and a submenu with all."""
    menu = entries[0] + "submenu 'Advanced options' --id 'advanced' {\n" + "".join(entries) + "}\n"
    return {GRUB: 'load_env\nset default="%s"\n%s' % (default, menu)}


def blscfg(saved: str, *releases: str) -> dict[str, str]:
    files = {
        "/boot/grub2/grub.cfg": 'load_env\nset default="${saved_entry}"\nblscfg\n',
        "/boot/grub2/grubenv": "# GRUB Environment Block\nsaved_entry=m-%s\nkernelopts=%s\n" % (saved, LINE),
        "/usr/sbin/grubby": "",
    }
    for release in releases:
        text = "title Linux\nversion %s\nlinux /boot/vmlinuz-%s\ninitrd /boot/initrd.img-%s\noptions $kernelopts\n"
        files["/boot/loader/entries/m-%s.conf" % release] = text % (release, release, release)
    return files


class Fleet:
    """Makes hosts with installed kernels."""

    def __init__(self, host_tree: HostTree) -> None:
        self._host_tree = host_tree

    def plan(self, running: str, kernels: Sequence[str], changes: Mapping[str, str], line: str = LINE) -> StagingPlan:
        initrds = {"/boot/initrd.img-" + release: "070701 of " + release for release in kernels}
        files = self._host_tree(
            {"/proc/sys/kernel/osrelease": running + "\n", "/proc/cmdline": line + "\n", **initrds, **changes}
        )
        for release in kernels:
            Path(files.path("/boot/vmlinuz-" + release)).write_bytes(make_bzimage(release=release))
        if "/usr/sbin/grubby" in changes:
            for path in (GRUB, "/usr/sbin/update-grub"):
                Path(files.path(path)).unlink()
            Path(files.path("/usr/sbin/grubby")).chmod(0o755)
        return self._plan(files)

    def _plan(self, files: HostFiles) -> StagingPlan:
        facts = gather(files, lambda argv, timeout_s: CommandResult(0, "kexec-tools 2.0.29\n", ""))
        facts = replace(facts, kernel=replace(facts.kernel, machine="x86_64"))
        choice = read_default_entry(files)
        assert (choice.unknown, choice.elsewhere, choice.one_shot) == ("", "", "")
        return plan_image(StagingRequest(), facts, files, choice)


@pytest.fixture
def fleet(host_tree: HostTree) -> Fleet:
    return Fleet(host_tree)


@pytest.mark.parametrize("default", ["advanced>linux-6.1.0-40-amd64", "1>1", "Advanced options>Linux 6.1.0-40-amd64"])
def test_a_kernel_that_is_pinned_stays_pinned(fleet: Fleet, default: str) -> None:
    kernels = ["6.1.0-50-amd64", "6.1.0-40-amd64"]
    assert fleet.plan("6.1.0-40-amd64", kernels, grub(default, *map(entry, kernels))).image.release == "6.1.0-40-amd64"


def test_a_saved_default(fleet: Fleet) -> None:
    kernels = ["6.1.0-50-amd64", "6.1.0-40-amd64"]
    saved = {"/boot/grub/grubenv": "# GRUB Environment Block\nsaved_entry=advanced>linux-6.1.0-40-amd64\n"}
    menu = grub("${saved_entry}", *map(entry, kernels))
    assert fleet.plan("6.1.0-50-amd64", kernels, {**menu, **saved}).image.release == "6.1.0-40-amd64"


@pytest.mark.parametrize(
    ("running", "beside", "chosen"),
    [
        # A realtime kernel beside the standard one, and the other way round.
        ("4.18.0-553.el8.x86_64", "4.18.0-553.rt7.342.el8.x86_64", "4.18.0-553.el8.x86_64"),
        ("4.18.0-553.rt7.342.el8.x86_64", "4.18.0-553.el8.x86_64", "4.18.0-553.rt7.342.el8.x86_64"),
        # Oracle's two, a stock kernel beside kernel-ml, and Amazon's.
        ("5.14.0-503.el9.x86_64", "5.15.0-300.163.18.el9uek.x86_64", "5.14.0-503.el9.x86_64"),
        ("5.14.0-503.el9.x86_64", "6.12.1-1.el9.elrepo.x86_64", "5.14.0-503.el9.x86_64"),
        ("6.1.115-126.amzn2023.x86_64", "6.12.20-23.97.amzn2023.x86_64", "6.1.115-126.amzn2023.x86_64"),
    ],
)
def test_the_kernel_of_another_vendor_or_flavour_is_the_entrys_to_choose(
    fleet: Fleet, running: str, beside: str, chosen: str
) -> None:
    assert fleet.plan(running, [running, beside], blscfg(chosen, running, beside)).image.release == chosen
    assert fleet.plan(running, [running, beside], blscfg(beside, running, beside)).image.release == beside


@pytest.mark.parametrize(
    ("running", "update"),
    [
        ("6.6.58-xanmod1", "6.6.58-xanmod2"),
        ("6.6.58-g0123456789ab", "6.6.59-gba9876543210"),
        ("6.6.58-gentoo-r1", "6.6.58-gentoo-r2"),
        ("6.6.58-fleet.5", "6.6.58-fleet.6"),
    ],
)
def test_an_update_is_booted_whatever_its_suffix(fleet: Fleet, running: str, update: str) -> None:
    planned = fleet.plan(running, [running, update], grub("0", entry(update), entry(running)))
    assert planned.image.release == update
    assert any(note.code == "ENTRY_CHANGES" and update in note.message for note in planned.notes)


def test_what_an_administrator_left_beside_a_kernel_is_not_looked_at(fleet: Fleet) -> None:
    release = "6.1.0-40-amd64"
    leftovers = {"/boot/vmlinuz-%s%s" % (release, suffix): "kept" for suffix in (".orig", ".rpmsave")}
    assert fleet.plan(release, [release], {**grub("0", entry(release)), **leftovers}).image.kernel.path == (
        "/boot/vmlinuz-" + release
    )


def test_new_arguments_arrive(fleet: Fleet) -> None:
    release = "6.1.0-40-amd64"
    planned = fleet.plan(release, [release], grub("0", entry(release, LINE + " hugepages=64 intel_iommu=on")))
    assert planned.image.cmdline == LINE + " hugepages=64 intel_iommu=on"


def test_what_was_typed_at_the_prompt_is_gone(fleet: Fleet) -> None:
    release = "6.1.0-40-amd64"
    planned = fleet.plan(release, [release], grub("0", entry(release)), LINE + " systemd.unit=rescue.target")
    assert planned.image.cmdline == LINE
    (note,) = [note for note in planned.notes if note.code == "ENTRY_CHANGES"]
    assert "removed: systemd.unit=rescue.target" in note.message


def test_all_initrds_are_loaded_in_order(fleet: Fleet) -> None:
    release, early = "6.1.0-40-amd64", ["intel-ucode.img", "acpi.cpio"]
    changes = {**grub("0", entry(release, initrds=early)), **{"/boot/" + name: "070701" for name in early}}
    planned = fleet.plan(release, [release], changes)
    assert [Path(each.path).name for each in planned.image.initrds] == [*early, "initrd.img-" + release]
