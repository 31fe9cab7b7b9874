# SPDX-License-Identifier: GPL-3.0-or-later
"""What GRUB boots, by a grub.cfg of a Debian 13 guest and variations of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.grub_cfg import (
    SAVED_ENTRY,
    Menu,
    MenuEntry,
    parse_grub_cfg,
    parse_grubenv,
)

GENERATED = (Path(__file__).parent / "fixtures" / "debian-13-grub.cfg").read_text()
RELEASE = "6.12.117+deb13-cloud-amd64"
KERNEL = "/boot/vmlinuz-" + RELEASE
UUID = "ca3dbd9e-4a18-59a1-988b-dbccac32c737"
CMDLINE = "root=UUID=%s ro  console=ttyS0 net.ifnames=0" % UUID
ADVANCED = "Advanced options for Debian GNU/Linux"
WITH_LINUX = "Debian GNU/Linux, with Linux "


def test_a_generated_file() -> None:
    menu = parse_grub_cfg(GENERATED)
    assert menu.default == "0"
    assert [(entry.path, entry.title, entry.section, entry.kernel) for entry in menu.entries] == [
        ((0,), "Debian GNU/Linux", "10_linux", KERNEL),
        ((1, 0), WITH_LINUX + RELEASE, "10_linux", KERNEL),
        ((1, 1), WITH_LINUX + RELEASE + " (recovery mode)", "10_linux", KERNEL),
        ((2,), "UEFI Firmware Settings", "30_uefi-firmware", ""),
    ]
    assert [entry.cmdline for entry in menu.entries] == [
        CMDLINE,
        CMDLINE,
        "root=UUID=%s ro single dis_ucode_ldr" % UUID,
        "",
    ]
    assert menu.entries[1].names == (
        (ADVANCED, "gnulinux-advanced-" + UUID),
        (WITH_LINUX + RELEASE, "gnulinux-%s-advanced-%s" % (RELEASE, UUID)),
    )


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("0", (0,)),
        ("Debian GNU/Linux", (0,)),
        ("gnulinux-simple-" + UUID, (0,)),
        ("1>0", (1, 0)),
        ("1>1", (1, 1)),
        ("%s>%s%s" % (ADVANCED, WITH_LINUX, RELEASE), (1, 0)),
        ("gnulinux-advanced-{0}>gnulinux-{1}-advanced-{0}".format(UUID, RELEASE), (1, 0)),
        ("gnulinux-advanced-%s>1" % UUID, (1, 1)),
        ("2", (2,)),
        # A submenu is entered, at its first entry.
        ("1", (1, 0)),
        # GRUB takes the first entry where it does not find the one it should.
        ("", (0,)),
        ("9", (0,)),
        ("1>9", (1, 0)),
        ("gnulinux-of-a-kernel-that-is-gone", (0,)),
    ],
)
def test_the_entry_that_a_default_means(wanted: str, path: tuple[int, ...]) -> None:
    found = parse_grub_cfg(GENERATED).find(wanted)
    assert found is not None
    assert found.path == path


def test_a_menu_without_entries_has_no_default() -> None:
    assert parse_grub_cfg("").find("0") is None


@pytest.mark.parametrize("default", [SAVED_ENTRY, "1>2", "gnulinux-advanced-x>gnulinux-y"])
def test_what_default_is_set_to(default: str) -> None:
    menu = parse_grub_cfg(GENERATED.replace('set default="0"', 'set default="%s"' % default))
    assert menu.default == default


def entry_text(title: str, kernel: str, indent: str = "") -> str:
    return "".join(
        indent + line + "\n"
        for line in (
            "menuentry %s --class os $menuentry_id_option 'id-%s' {" % (title, kernel),
            "\tinsmod gzio",
            "\tlinux\t/boot/vmlinuz-%s root=/dev/vda1 ro" % kernel,
            "\tinitrd\t/boot/initrd.img-%s" % kernel,
            "}",
        )
    )


def find(menu: Menu, wanted: str) -> MenuEntry:
    found = menu.find(wanted)
    assert found is not None
    return found


def test_kernels_in_a_submenu_and_what_follows_it() -> None:
    menu = parse_grub_cfg(
        "### BEGIN /etc/grub.d/10_linux ###\n"
        + entry_text("'Debian'", "3")
        + "submenu 'Advanced' $menuentry_id_option 'advanced' {\n"
        + "".join(entry_text("'Debian, with Linux %s'" % release, release, "\t") for release in "321")
        + "}\n"
        + "### END /etc/grub.d/10_linux ###\n"
        + "### BEGIN /etc/grub.d/30_os-prober ###\n"
        + entry_text("'Other Linux (on /dev/vdb1)'", "9")
        + "### END /etc/grub.d/30_os-prober ###\n"
    )
    assert [(entry.path, entry.section, entry.kernel[-1]) for entry in menu.entries] == [
        ((0,), "10_linux", "3"),
        ((1, 0), "10_linux", "3"),
        ((1, 1), "10_linux", "2"),
        ((1, 2), "10_linux", "1"),
        ((2,), "30_os-prober", "9"),
    ]
    assert find(menu, "Advanced>2").kernel.endswith("1")
    assert find(menu, "advanced>id-2").kernel.endswith("2")
    assert find(menu, "2").kernel.endswith("9")


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("'It'\\''s Debian'", "It's Debian"),
        ("'Debian \"testing\"'", 'Debian "testing"'),
        ('"It\'s mine"', "It's mine"),
        ("Mine", "Mine"),
    ],
)
def test_titles_in_any_quotes(written: str, title: str) -> None:
    menu = parse_grub_cfg(entry_text(written, "1") + entry_text("'Second'", "2"))
    assert [entry.title for entry in menu.entries] == [title, "Second"]
    assert find(menu, title).kernel.endswith("1")
    assert find(menu, "1").kernel.endswith("2")


@pytest.mark.parametrize("command", ["linux", "linux16", "linuxefi"])
def test_names_of_the_command_that_loads_a_kernel(command: str) -> None:
    menu = parse_grub_cfg("menuentry 'a' {\n  %s /vmlinuz-1 ro quiet\n}\n" % command)
    assert (menu.entries[0].kernel, menu.entries[0].cmdline) == ("/vmlinuz-1", "ro quiet")


def test_a_default_for_one_boot_is_none() -> None:
    text = 'if [ "${next_entry}" ] ; then\n   set default="${next_entry}"\nelse\n   set default="2"\nfi\n'
    assert parse_grub_cfg(text).default == "2"


def test_grubenv() -> None:
    text = "# GRUB Environment Block\n# WARNING: a=b\nsaved_entry=gnulinux-advanced>a=b\nboot_success=1\n" + "#" * 900
    assert parse_grubenv(text) == {"saved_entry": "gnulinux-advanced>a=b", "boot_success": "1"}
    assert parse_grubenv("") == {}
