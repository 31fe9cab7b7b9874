# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB's default entry where distributions and administrators leave the beaten track."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.boot_entry import BootChoice
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.default_entry import read_default_entry
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.grub_default import read_grub_default
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles

from ....conftest import write_tree
from ....efi import write_boot_option
from .grub_hosts import BLOCK, MACHINE, RED_HAT_DEFAULT, Mounted, make_host

UUID, BOOT_UUID, ESP_UUID = "1111-root", "2222-boot", "3333-ESP"
ROOT = Mounted("sda3", "/", uuid=UUID)
BOOT = Mounted("sda2", "/boot", uuid=BOOT_UUID)
ESP = Mounted("sda1", "/boot/efi", uuid=ESP_UUID, fs_type="vfat")
GRUB, GRUB2 = "/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"


def item(name: str, body: str = "", more: str = "") -> str:
    return "menuentry '%s' --class os $menuentry_id_option '%s-id' %s {\n%s\n}\n" % (name, name, more, body or "linux /" + name)


def choose(tree: Path, text: str, grub_cfg: str = GRUB, files: Mapping[str, str] | None = None) -> BootChoice:
    made = make_host(tree, [ROOT], {grub_cfg: text, **(files or {})})
    return read_grub_default(made, grub_cfg, "GRUB")


def kernel_of(choice: BootChoice) -> str:
    assert choice.entry is not None, choice.unknown
    return choice.entry.kernel


# Hosts as a whole, with UEFI

STUB = "search.fs_uuid %s root hd0,gpt2 \nset prefix=($root)'%s'\nconfigfile $prefix/grub.cfg\n"
RED_HAT_STUB = "search --no-floppy --fs-uuid --set=dev %s\nset prefix=($dev)/grub2\nexport $prefix\nconfigfile $prefix/grub.cfg\n"
RED_HAT = (
    """\
set pager=1
"""
    + RED_HAT_DEFAULT
    + """\
insmod part_gpt
set root='hd0,gpt2'
search --no-floppy --fs-uuid --set=root --hint-efi=hd0,gpt2  2222-boot
set boot='hd0,gpt2'
blscfg
"""
)
RELEASES = ("6.12.9-200.fc41.x86_64", "6.11.4-301.fc41.x86_64")


def booted_from(tree: Path, files: Mapping[str, str], path: str, tool: str) -> HostFiles:
    made = make_host(tree, [ROOT, BOOT, ESP], {"/sys/firmware/efi/fw_platform_size": "64\n", tool: "", **files})
    (tree / tool.lstrip("/")).chmod(0o755)
    write_boot_option(tree, "BootCurrent", 1, "Linux", path)
    return made


def fedora(saved: str) -> dict[str, str]:
    entry = "title Fedora Linux (%s) 41 (Server)\nversion %s\nlinux /vmlinuz-%s\ninitrd /initramfs-%s.img\n"
    entry += "options root=/dev/sda3 ro\ngrub_users $grub_users\ngrub_arg --unrestricted\ngrub_class fedora\n"
    return {
        GRUB2: RED_HAT,
        "/boot/grub2/grubenv": BLOCK + "saved_entry=%s\nmenu_auto_hide=1\nboot_success=0\n" % saved,
        **{"/boot/loader/entries/%s-%s.conf" % (MACHINE, each): entry % ((each,) * 4) for each in RELEASES},
    }


@pytest.mark.parametrize("stub", [RED_HAT_STUB % BOOT_UUID, None])
def test_a_saved_entry_of_red_hats_family_under_uefi(tmp_path: Path, stub: str | None) -> None:
    files = fedora("%s-%s" % (MACHINE, RELEASES[1]))
    if stub:
        files["/boot/efi/EFI/fedora/grub.cfg"] = stub
    host = booted_from(tmp_path, files, "\\EFI\\fedora\\shimx64.efi", "/usr/sbin/grubby")
    (tmp_path / "etc").mkdir(exist_ok=True)
    (tmp_path / "etc/grub2-efi.cfg").symlink_to("../boot/grub2/grub.cfg")
    choice = read_default_entry(host)
    assert kernel_of(choice) == "/boot/vmlinuz-" + RELEASES[1]
    assert choice.entry is not None and choice.entry.initrds == ("/boot/initramfs-%s.img" % RELEASES[1],)


def test_the_file_beside_a_signed_grub_counts(tmp_path: Path) -> None:
    """grub-mkconfig -o was pointed there once, or another system with the same name owns it."""
    usual, beside = item("usual"), "/boot/efi/EFI/debian/grub.cfg"
    host = booted_from(tmp_path, {GRUB: usual, beside: item("beside")}, "\\EFI\\debian\\shimx64.efi", "/usr/sbin/update-grub")
    assert kernel_of(read_default_entry(host)) == "/boot/efi/beside"
    write_tree(tmp_path, {beside: STUB % (BOOT_UUID, "/grub")})
    assert kernel_of(read_default_entry(host)) == "/boot/usual"
    write_tree(tmp_path, {beside: STUB % ("9999-of-another-disk", "/boot/grub")})
    assert "9999-of-another-disk is not mounted" in read_default_entry(host).unknown
    # A copy for removable media: where it reads its configuration is compiled in.
    write_boot_option(tmp_path, "BootCurrent", 2, "UEFI OS", "\\EFI\\BOOT\\BOOTX64.EFI")
    assert kernel_of(read_default_entry(host)) == "/boot/usual"


# Scripts

UBUNTU = """\
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
set default="0"
function gfxmode {
  set gfxpayload="${1}"
  if [ "${1}" = "keep" ]; then
    set vt_handoff=vt.handoff=7
  else
    set vt_handoff=
  fi
}
if [ "${recordfail}" != 1 ]; then
  if [ -e ${prefix}/gfxblacklist.txt ]; then
    if [ ${grub_platform} != pc ]; then
      set linux_gfx_mode=keep
    elif hwmatch ${prefix}/gfxblacklist.txt 3; then
      if [ ${match} = 0 ]; then
        set linux_gfx_mode=keep
      else
        set linux_gfx_mode=text
      fi
    else
      set linux_gfx_mode=text
    fi
  else
    set linux_gfx_mode=keep
  fi
else
  set linux_gfx_mode=text
fi
export linux_gfx_mode
menuentry 'Ubuntu' --class ubuntu $menuentry_id_option 'gnulinux-simple' {
  recordfail
  load_video
  gfxmode $linux_gfx_mode
  linux	/boot/vmlinuz-6.8.0-45-generic root=UUID=1 ro  quiet splash $vt_handoff
  initrd	/boot/initrd.img-6.8.0-45-generic
}
"""


def test_ubuntus_splash_under_uefi(tmp_path: Path) -> None:
    choice = choose(tmp_path, UBUNTU, files={"/boot/grub/gfxblacklist.txt": "v1002d*\n", "/sys/firmware/efi/x": ""})
    assert choice.entry is not None and choice.entry.cmdline == "root=UUID=1 ro quiet splash vt.handoff=7"


def test_ubuntus_splash_under_bios_depends_on_the_graphics_card(tmp_path: Path) -> None:
    assert choose(tmp_path, UBUNTU, files={"/boot/grub/gfxblacklist.txt": "v1002d*\n"}).entry is None


SUSE_TAIL = "hiddenentry 'Text mode' --hotkey 't' {\n  set textmode=true\n  terminal_output console\n}\n"


@pytest.mark.parametrize(
    ("default", "kernel"), [("0", "/one"), ("1", "/two"), ("two", "/two"), ("two-id", "/two"), ("7", "/one")]
)
def test_a_hidden_entry_behind_the_others(tmp_path: Path, default: str, kernel: str) -> None:
    text = 'menuentry_id_option=--id\nset default="%s"\n' % default + item("one") + item("two") + SUSE_TAIL
    assert kernel_of(choose(tmp_path, text)) == kernel


def test_a_hidden_entry_in_front_of_the_default(tmp_path: Path) -> None:
    assert "hidden entries" in choose(tmp_path, "set default=1\n" + SUSE_TAIL + item("one") + item("two")).unknown


RED_HAT_7 = """\
load_env
set default="${saved_entry}"
menuentry 'CentOS Linux (3.10.0-1160.el7.x86_64) 7 (Core)' --class centos $menuentry_id_option 'gnulinux-3.10.0-1160-advanced' {
  set gfxpayload=keep
  %s /boot/vmlinuz-3.10.0-1160.el7.x86_64 root=/dev/sda3 ro LANG=en_US.UTF-8
  %s /boot/initramfs-3.10.0-1160.el7.x86_64.img
}
menuentry 'CentOS Linux (3.10.0-957.el7.x86_64) 7 (Core)' --class centos $menuentry_id_option 'gnulinux-3.10.0-957-advanced' {
  %s /boot/vmlinuz-3.10.0-957.el7.x86_64 root=/dev/sda3 ro LANG=en_US.UTF-8
  %s /boot/initramfs-3.10.0-957.el7.x86_64.img
}
"""


@pytest.mark.parametrize("suffix", ["16", "efi", ""])
def test_red_hat_7(tmp_path: Path, suffix: str) -> None:
    text = RED_HAT_7 % (("linux" + suffix, "initrd" + suffix) * 2)
    saved = {
        "/boot/grub2/grubenv": BLOCK + "saved_entry=CentOS Linux (3.10.0-957.el7.x86_64) 7 (Core)\n",
        "/etc/redhat-release": "",
    }
    choice = choose(tmp_path, text, GRUB2, saved)
    assert kernel_of(choice) == "/boot/vmlinuz-3.10.0-957.el7.x86_64"
    assert choice.entry is not None and choice.entry.initrds == ("/boot/initramfs-3.10.0-957.el7.x86_64.img",)


@pytest.mark.parametrize(
    ("text", "kernel"),
    [
        # No such file: GRUB goes on with the menu that it has.
        (item("one") + "configfile $prefix/missing.cfg\n" + item("two"), "/one"),
        (item("one").replace("\n", "\r\n"), "/one"),
        ("set a=\\\r\nb\r\n" + item("one", "linux /$a\r"), "/b"),
        # White space around a value joins words, and only white space of ASCII separates them.
        ("set a=' x '\n" + item("one", "linux /one$a"), "/onex"),
        ("set a='x\u00a0y'\n" + item("one", "linux /$a"), "/x\u00a0y"),
        ("if [ ! = ! ]; then\n" + item("one") + "fi\n", "/one"),
        ("set default=" + "9" * 5000 + "\n" + item("one") + item("two"), "/one"),
        ("\ufeff### BEGIN /etc/grub.d/00_header ###\n" + item("one"), "/one"),
        ("set default='a>>b>two'\nsubmenu 'a>b' {\n" + item("one") + item("two") + "}\n", "/two"),
        ('set default="it\'s \\"it\\""\n' + item("one") + 'menuentry "it\'s \\"it\\"" {\nlinux /two\n}\n', "/two"),
        (item("one", "linux /one\nlinux /two"), "/two"),
    ],
)
def test_scripts_that_can_be_told(tmp_path: Path, text: str, kernel: str) -> None:
    assert kernel_of(choose(tmp_path, "menuentry_id_option=--id\n" + text)) == kernel


@pytest.mark.parametrize(
    "text",
    [
        "search.file /boot/marker root\n" + item("one"),
        "hwmatch /boot/list 3\nset default=$match\n" + item("one") + item("two"),
        "setpci -s 0:0 -v default 0.w\n" + item("one") + item("two"),
        "\0" * 4096,
        item("one") + "\0" * 100,
        item("one", "xen_hypervisor /xen.gz\nxen_module /vmlinuz"),
        item("one", "multiboot2 /xen.gz placeholder\nmodule2 /vmlinuz placeholder"),
        item("one", "loopback loop /a.iso\nset root=(loop)\nlinux /vmlinuz"),
        item("one", "linux (hd0,gpt2)/vmlinuz"),
        item("one", "configfile /other.cfg"),
        item("one", "linux /a\\\0b"),
    ],
)
def test_what_can_not_be_told(tmp_path: Path, text: str) -> None:
    choice = choose(tmp_path, text)
    assert choice.entry is None
    assert choice.unknown


@pytest.mark.parametrize(
    ("default", "kernel"),
    [
        ("m-2", "/b"),
        ("1", "/b"),
        # This GRUB takes nothing behind an id or a number, and titles as they are.
        ("m-2 ", "/c"),
        ("1 ", "/c"),
        ("title b", "/b"),
    ],
)
def test_names_in_red_hats_grub(tmp_path: Path, default: str, kernel: str) -> None:
    entries = {"/boot/loader/entries/m-%d.conf" % n: "title title %s\nlinux /%s\n" % (k, k) for n, k in enumerate("abc", 1)}
    assert kernel_of(choose(tmp_path, 'set default="%s"\nblscfg\nblscfg\n' % default, GRUB2, entries)) == kernel


@pytest.mark.parametrize(
    ("text", "kernel", "line"),
    [
        ("linux\t/a\noptions\tb\n", "/a", "b"),
        ("linux /a\r\noptions b\r\n", "/a", "b"),
        # GRUB looks for a space first, then for a tab, and stops at a key without a value.
        ("linux /a\noptions\tb c\n", "/a", ""),
        ("linux /a\nversion \noptions b\n", "/a", ""),
        ("linux /a\n\noptions b\n", "/a", ""),
        ("linux /a\n# c\n  options b\noptions d\n", "/a", "b"),
        ("linux /a\noptions b\u2028c\u0085d\n", "/a", "b\u2028c\u0085d"),
    ],
)
def test_entry_files_as_red_hats_grub_reads_them(tmp_path: Path, text: str, kernel: str, line: str) -> None:
    choice = choose(tmp_path, "blscfg\n", GRUB2, {"/boot/loader/entries/m.conf": text})
    assert kernel_of(choice) == kernel
    assert choice.entry is not None and choice.entry.cmdline == line


# Cost

DOUBLED = "set x=aaaaaaaa\n" + "set x=$x$x\n" * 60


@pytest.mark.parametrize(
    "text",
    [
        DOUBLED + "echo $x\n" * 1000,
        "if [ " + "! " * 20000 + "]; then true; fi\n",
        "search " + "a " * 20000 + "\n",
        "".join("set a%d=1\n" % n for n in range(2000)) + "if x; then y; fi\n" * 2000,
        "function f { f0; }\n" + "source $prefix/grub.cfg\n" * 60,
        "### BEGIN /a/b ###\nmenuentry a {\n}\n" * 500,
    ],
    ids=["doubled", "test", "search", "variables", "source", "sections"],
)
def test_a_hostile_script_is_read_in_bounded_time(tmp_path: Path, text: str) -> None:
    start = time.process_time()
    choice = choose(tmp_path, text)
    assert (choice.entry is None) == bool(choice.unknown)
    assert time.process_time() - start < 30
