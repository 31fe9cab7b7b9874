# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB's default entry on hosts laid out as distributions do it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.boot_entry import BootChoice, DefaultEntry
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.grub_default import read_grub_default, read_grub_menu
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles

from ....conftest import write_tree
from .grub_hosts import BLOCK, FIRMWARE, HEADER, MACHINE, RED_HAT_DEFAULT, Mounted, debian_menu, entry, make_host

DEBIAN_13 = (Path(__file__).parent / "fixtures" / "debian-13-grub.cfg").read_text()
UUID = "1111-root"
ROOT = Mounted("sda2", "/", uuid=UUID)
BOOT = Mounted("sda1", "/boot", uuid="2222-boot")
KERNELS = ("6.12.9-amd64", "6.12.8-amd64")
GRUB = "/boot/grub/grub.cfg"
GRUB2 = "/boot/grub2/grub.cfg"
NEXT, OLDER = KERNELS


def choose(files: HostFiles, grub_cfg: str = GRUB) -> BootChoice:
    return read_grub_default(files, grub_cfg, "GRUB")


def chosen(files: HostFiles, grub_cfg: str = GRUB) -> DefaultEntry:
    choice = choose(files, grub_cfg)
    assert choice.entry is not None, choice.unknown
    assert choice.unknown == ""
    return choice.entry


def debian(tree: Path, default: str, grubenv: str = "", **files: str) -> HostFiles:
    text = HEADER % default + debian_menu(KERNELS, UUID) + FIRMWARE
    return make_host(tree, [ROOT], {GRUB: text, "/boot/grub/grubenv": BLOCK + grubenv, **files})


def test_a_generated_file(tmp_path: Path) -> None:
    uuid = "ca3dbd9e-4a18-59a1-988b-dbccac32c737"
    files = make_host(tmp_path, [Mounted("vda1", "/", uuid=uuid)], {GRUB: DEBIAN_13, "/sys/firmware/efi/x": ""})
    release = "6.12.117+deb13-cloud-amd64"
    line = DEBIAN_13[: DEBIAN_13.index("menuentry 'Debian")].count("\n") + 1
    assert chosen(files) == DefaultEntry(
        kernel="/boot/vmlinuz-" + release,
        initrds=("/boot/initrd.img-" + release,),
        cmdline="root=UUID=%s ro console=ttyS0 net.ifnames=0" % uuid,
        title="Debian GNU/Linux",
        bootloader="GRUB",
        source="%s:%d" % (GRUB, line),
    )
    entries = read_grub_menu(files, GRUB).entries
    assert [(each.path, each.section, each.kernel is not None) for each in entries] == [
        ((0,), "10_linux", True),
        ((1, 0), "10_linux", True),
        ((1, 1), "10_linux", True),
        ((2,), "30_uefi-firmware", False),
    ]


@pytest.mark.parametrize(
    ("default", "release", "suffix"),
    [
        ("0", NEXT, ""),
        ("", NEXT, ""),
        ("9", NEXT, ""),
        ("1>2", OLDER, "quiet"),
        ("1>3", OLDER, "single"),
        ("1>9", NEXT, "quiet"),
        # Seen with grub-emu 2.06: the first of the submenu, not its second, which is for recovery.
        ("1", NEXT, "quiet"),
        ("1>", NEXT, "quiet"),
        ("advanced", NEXT, "quiet"),
        ("advanced>gnulinux-%s-advanced" % OLDER, OLDER, "quiet"),
        ("Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux " + OLDER, OLDER, "quiet"),
        ("advanced>2", OLDER, "quiet"),
        # The kernel was removed.
        ("advanced>gnulinux-6.11.0-amd64-advanced", NEXT, "quiet"),
        ("gnulinux-gone", NEXT, ""),
    ],
)
def test_the_entry_that_a_default_means(tmp_path: Path, default: str, release: str, suffix: str) -> None:
    found = chosen(debian(tmp_path, default))
    assert found.kernel == "/boot/vmlinuz-" + release
    assert found.cmdline.endswith(suffix)


def test_a_saved_entry(tmp_path: Path) -> None:
    files = debian(tmp_path, "${saved_entry}", "saved_entry=advanced>gnulinux-%s-advanced\n" % OLDER)
    assert chosen(files).kernel.endswith(OLDER)


@pytest.mark.parametrize(
    "grubenv",
    ["saved_entry=0\nnext_entry=1>2\n", "saved_entry=1>2\nprev_saved_entry=0\n"],
)
def test_a_wish_for_the_next_boot_only(tmp_path: Path, grubenv: str) -> None:
    choice = choose(debian(tmp_path, "${saved_entry}", grubenv))
    assert choice.entry is not None
    assert choice.entry.kernel.endswith(NEXT)
    assert "entry=1>2 in /boot/grub/grubenv" in choice.one_shot


def test_a_boot_that_failed_changes_only_the_timeout(tmp_path: Path) -> None:
    assert chosen(debian(tmp_path, "0", "recordfail=1\n")).kernel.endswith(NEXT)


def test_an_administrators_script(tmp_path: Path) -> None:
    custom = "if [ -f $prefix/custom.cfg ]; then\n  source $prefix/custom.cfg\nfi\n"
    own = "set default=mine\n" + entry("It'\\''s mine", "mine", ["linux (fs-uuid/%s)/my/kernel a='b c' d=\\\"" % UUID])
    files = debian(tmp_path, "0")
    text = (tmp_path / "boot/grub/grub.cfg").read_text() + custom
    write_tree(tmp_path, {GRUB: text})
    assert chosen(files).kernel.endswith(NEXT)
    write_tree(tmp_path, {"/boot/grub/custom.cfg": own})
    found = chosen(files)
    assert (found.kernel, found.initrds, found.title) == ("/my/kernel", (), "It's mine")
    assert found.cmdline == '"a=b c" d=\\"'
    assert found.source == "/boot/grub/custom.cfg:2"


@pytest.mark.parametrize(
    "text",
    [
        "if cmostest 5:3 ; then\n  set default=1\nelse\n  set default=0\nfi\n",
        "smbios --type 1 --get-string 4 --set product\nset default=$product\n",
        "eval $something\n",
        "for file in /boot/*.iso ; do\n  menuentry $file { true; }\ndone\n",
        "source (fs-uuid/elsewhere)/grub.cfg\n",
        "load_env -f (hd0)512+1\nset default=${saved_entry}\n",
        "if [ $lockdown = y ]; then\n  menuentry 'first' { linux /vmlinuz; }\nfi\n",
        "menuentry 'unclosed {\n",
        "if true; then\n",
        "a | b\n",
        "function f { f; f; }\nf\n",
        "while true; do set default=$default; done; if sleep 1; then set default=1; fi\n",
        "menuentry windows { chainloader /EFI/Microsoft/Boot/bootmgfw.efi; }\n",
        "menuentry a { if keystatus --shift; then linux /a; else linux /b; fi; }\n",
        "menuentry a { set root=hd0,gpt2; linux /a; }\n",
        "menuentry a { linux /a-*; }\n",
    ],
)
def test_what_only_grub_knows_leads_to_no_guess(tmp_path: Path, text: str) -> None:
    files = make_host(tmp_path, [ROOT], {GRUB: text + debian_menu(KERNELS, UUID)})
    choice = choose(files)
    assert choice.entry is None
    assert choice.unknown


def test_a_menu_without_entries_and_a_missing_one(tmp_path: Path) -> None:
    files = make_host(tmp_path, [ROOT], {})
    assert "can't be read" in choose(files).unknown
    write_tree(tmp_path, {GRUB: "set default=0\n"})
    assert "no menu entry" in choose(files).unknown


def test_a_file_system_that_is_not_mounted(tmp_path: Path) -> None:
    files = make_host(tmp_path, [Mounted("sda9", "/", uuid="other")], {GRUB: HEADER % "0" + debian_menu(KERNELS, UUID)})
    assert "not mounted" in choose(files).unknown


def test_microcode_in_front_of_the_initrd(tmp_path: Path) -> None:
    text = HEADER % "0" + debian_menu(["linux"], "2222-boot", "", "/amd-ucode.img ").replace("initrd.img-", "initramfs-")
    files = make_host(tmp_path, [ROOT, BOOT], {GRUB: text})
    found = chosen(files)
    assert found.kernel == "/boot/vmlinuz-linux"
    assert found.initrds == ("/boot/amd-ucode.img", "/boot/initramfs-linux")


def test_a_snapshot_as_the_default_subvolume(tmp_path: Path) -> None:
    mount = Mounted("vda2", "/", uuid=UUID, fs_type="btrfs", root="/@/.snapshots/1/snapshot")
    text = 'set btrfs_relative_path="y"\nexport btrfs_relative_path\n' + HEADER % "${saved_entry}"
    text += debian_menu(["6.4.0-default"], UUID).replace(" quiet", "  ${extra_cmdline} splash=silent")
    found = chosen(make_host(tmp_path, [mount], {GRUB2: text}), GRUB2)
    assert found.kernel == "/boot/vmlinuz-6.4.0-default"
    assert found.cmdline.endswith("ro splash=silent")


RED_HAT = (
    """\
set default="${saved_entry}"
"""
    + RED_HAT_DEFAULT
    + """\
set root='hd0,gpt2'
search --no-floppy --fs-uuid --set=root --hint='hd0,gpt2'  %s
insmod part_gpt
if [ -z "${kernelopts}" ]; then
  set kernelopts="root=/dev/mapper/rhel-root ro fallback"
fi
%s
insmod blscfg
blscfg
if [ "${boot_success}" = "1" -o "${boot_indeterminate}" = "1" ]; then
  set menu_hide_ok=1
fi
"""
)


def bls(release: str, options: str, initrds: str = "", prefix: str = "") -> dict[str, str]:
    text = "title Red Hat Enterprise Linux (%s)\nversion %s\nlinux %s/vmlinuz-%s\ninitrd %s/initramfs-%s.img%s\noptions %s\n"
    path = "/boot/loader/entries/%s-%s.conf" % (MACHINE, release)
    return {path: text % (release, release, prefix, release, prefix, release, initrds, options) + "grub_users $grub_users\n"}


EL8 = "4.18.0-553.el8_10.x86_64"
EL8_RT = "4.18.0-553.rt7.342.el8_10.x86_64"
EL9, EL9_OLDER = "5.14.0-503.11.1.el9_5.x86_64", "5.14.0-427.13.1.el9_4.x86_64"


def test_red_hat_8(tmp_path: Path) -> None:
    files = make_host(
        tmp_path,
        [ROOT, BOOT],
        {
            GRUB2: RED_HAT % ("2222-boot", ""),
            "/boot/grub2/grubenv": BLOCK + "saved_entry=%s-%s\nkernelopts=root=/dev/mapper/rhel-root ro quiet\n" % (MACHINE, EL8),
            **bls(EL8, "$kernelopts $tuned_params", " $tuned_initrd"),
            **bls(EL8_RT, "$kernelopts"),
            **bls("0-rescue", "$kernelopts"),
        },
    )
    found = chosen(files, GRUB2)
    assert found.kernel == "/boot/vmlinuz-" + EL8
    assert found.initrds == ("/boot/initramfs-%s.img" % EL8,)
    assert found.cmdline == "root=/dev/mapper/rhel-root ro quiet"
    assert found.source == "/boot/loader/entries/%s-%s.conf" % (MACHINE, EL8)
    # Nothing saved: the first entry, which is that of the realtime kernel.
    write_tree(tmp_path, {"/boot/grub2/grubenv": ""})
    found = chosen(files, GRUB2)
    assert found.kernel == "/boot/vmlinuz-" + EL8_RT
    assert found.cmdline.endswith("fallback")


@pytest.mark.parametrize(
    ("saved", "release"),
    [
        ("", EL9),
        ("0", EL9),
        ("1", EL9_OLDER),
        ("%s-%s" % (MACHINE, EL9_OLDER), EL9_OLDER),
        ("Red Hat Enterprise Linux (%s)" % EL9_OLDER, EL9_OLDER),
        # The kernel was removed.
        (MACHINE + "-5.14.0-1.el9.x86_64", EL9),
    ],
)
def test_red_hat_9_with_tuned(tmp_path: Path, saved: str, release: str) -> None:
    tuned = 'set tuned_params="isolcpus=1-3 nohz_full=1-3"\nset tuned_initrd="($root)/tuned-initrd.img"\n'
    files = make_host(
        tmp_path,
        [ROOT, BOOT],
        {
            GRUB2: RED_HAT % ("2222-boot", tuned),
            "/boot/grub2/grubenv": BLOCK + "saved_entry=%s\nearly_initrd=acpi.cpio\n" % saved,
            **bls(EL9_OLDER, "root=UUID=1 ro $tuned_params", " $tuned_initrd"),
            **bls(EL9, "root=UUID=1 ro $tuned_params", " $tuned_initrd"),
        },
    )
    found = chosen(files, GRUB2)
    assert found.kernel == "/boot/vmlinuz-" + release
    assert found.initrds == ("/boot/acpi.cpio", "/boot/initramfs-%s.img" % release, "/boot/tuned-initrd.img")
    assert found.cmdline == "root=UUID=1 ro isolcpus=1-3 nohz_full=1-3"


def test_fedora_with_boot_on_the_root_subvolume(tmp_path: Path) -> None:
    mount = Mounted("vda3", "/", uuid=UUID, fs_type="btrfs", root="/root")
    release = "6.12.9-200.fc41.x86_64"
    files = make_host(
        tmp_path,
        [mount],
        {
            GRUB2: RED_HAT % (UUID, ""),
            "/boot/grub2/grubenv": BLOCK + "blsdir=/root/boot/loader/entries\n",
            **bls(release, "root=UUID=%s rootflags=subvol=root" % UUID, prefix="/root/boot"),
        },
    )
    found = chosen(files, GRUB2)
    assert found.kernel == "/boot/vmlinuz-" + release
    assert found.cmdline == "root=UUID=%s rootflags=subvol=root" % UUID


def test_a_stub_that_goes_on_with_the_real_file(tmp_path: Path) -> None:
    stub = "search.fs_uuid %s root hd0,gpt2\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n" % UUID
    files = debian(tmp_path, "1>2")
    write_tree(tmp_path, {"/boot/efi/EFI/debian/grub.cfg": stub})
    assert chosen(files, "/boot/efi/EFI/debian/grub.cfg").kernel.endswith(OLDER)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    files = debian(tmp_path, "0")
    text = (HEADER % "0" + debian_menu(KERNELS, UUID)).encode().replace(b" quiet", b" root=LABEL=caf\xe9")
    (tmp_path / "boot/grub/grub.cfg").write_bytes(text)
    assert chosen(files).cmdline.encode("utf-8", "surrogateescape").endswith(b" root=LABEL=caf\xe9")


def test_a_menu_with_hundreds_of_entries(tmp_path: Path) -> None:
    releases = ["6.12.%d-amd64" % number for number in range(300, 0, -1)]
    files = make_host(tmp_path, [ROOT], {GRUB: HEADER % "1>598" + debian_menu(releases, UUID)})
    start = time.process_time()
    assert chosen(files).kernel.endswith("6.12.1-amd64")
    assert time.process_time() - start < 5


PIECES = [
    *("menuentry", "submenu", "'a'", '"b', "{", "}", "\n", ";", "if", "then", "else", "elif", "fi", "[", "]", "for", "do"),
    *("done", "while", "function", "f", "set", "default=1", "$x", "${x}", "$", "linux", "/vmlinuz", "initrd", "source", "(a)/b"),
    *(
        "search",
        "--set=root",
        "--fs-uuid",
        "blscfg",
        "load_env",
        "-f",
        "!",
        "-a",
        "-o",
        "(",
        ")",
        "=",
        "\\",
        "'",
        "#",
        "--id",
        "$?",
    ),
    *("configfile", "$prefix/grub.cfg", "increment", "x", "x=1", "unset", "test", "-eq", "--", ">", "\x00", "boot", "1", "0"),
]


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=60))
def test_malformed_input_never_raises(tmp_path_factory: pytest.TempPathFactory, pieces: list[str]) -> None:
    tree = tmp_path_factory.mktemp("host")
    choice = choose(make_host(tree, [ROOT], {GRUB: " ".join(pieces), "/boot/grub/grubenv": BLOCK + " ".join(pieces)}))
    assert (choice.entry is None) == bool(choice.unknown)


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=200), start=st.integers(0, len(DEBIAN_13)))
def test_damaged_files_never_raise(tmp_path_factory: pytest.TempPathFactory, content: bytes, start: int) -> None:
    tree = tmp_path_factory.mktemp("host")
    files = make_host(tree, [ROOT], {GRUB: "", "/boot/loader/entries/a.conf": ""})
    (tree / "boot/grub/grub.cfg").write_bytes(DEBIAN_13[:start].encode() + content + b"\nblscfg\n")
    (tree / "boot/grub/grubenv").write_bytes(BLOCK.encode() + content)
    (tree / "boot/loader/entries/a.conf").write_bytes(b"linux /a\noptions " + content)
    (tree / "proc/self/mountinfo").write_bytes(content)
    choice = choose(files)
    assert (choice.entry is None) == bool(choice.unknown)
