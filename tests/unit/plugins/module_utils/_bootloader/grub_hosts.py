# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that boot by GRUB, as directory trees: their mounts, and the menu entries of their distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles

from ....conftest import write_tree

#: First line of an environment block.
BLOCK = "# GRUB Environment Block\n"
#: ID of a machine, which names its entry files.
MACHINE = "3f1c9a60b5ab4a0c8d6c2f7ce8a1d9b4"

_DEFAULT = """\
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="%s"
fi
"""
#: What grub2-mkconfig of Red Hat's family writes about the environment block and the default.
RED_HAT_DEFAULT = (
    """\
if [ -f ${config_directory}/grubenv ]; then
  load_env -f ${config_directory}/grubenv
elif [ -s $prefix/grubenv ]; then
  load_env
fi
"""
    + _DEFAULT % "${saved_entry}"
)
#: What grub-mkconfig puts at the head of the file; the default is to be filled in.
HEADER = (
    """\
### BEGIN /etc/grub.d/00_header ###
if [ -s $prefix/grubenv ]; then
  load_env
fi
"""
    + _DEFAULT
    + """\

if [ x"${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi
export menuentry_id_option
if [ "${prev_saved_entry}" ]; then
  set saved_entry="${prev_saved_entry}"
  save_env saved_entry
fi
function savedefault {
  if [ -z "${boot_once}" ]; then
    saved_entry="${chosen}"
    save_env saved_entry
  fi
}
function load_video {
  if [ x$feature_all_video_module = xy ]; then insmod all_video; else insmod vga; fi
}
if loadfont unicode ; then
  set gfxmode=auto
  load_video
fi
if [ "${recordfail}" = 1 ] ; then
  set timeout=30
else
  set timeout=5
fi
### END /etc/grub.d/00_header ###
"""
)
FIRMWARE = """\
### BEGIN /etc/grub.d/30_uefi-firmware ###
if [ "$grub_platform" = "efi" ]; then
    fwsetup --is-supported
    if [ "$?" = 0 ]; then
        menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
            fwsetup
        }
    fi
fi
### END /etc/grub.d/30_uefi-firmware ###
"""


@dataclass(frozen=True)
class Mounted:
    node: str
    point: str
    uuid: str
    label: str = ""
    fs_type: str = "ext4"
    root: str = "/"
    source: str = ""


def mount_all(tree: Path, mounts: Sequence[Mounted]) -> None:
    """Write what the kernel and udev show of mounts."""
    lines = []
    devices: dict[str, str] = {}
    for number, each in enumerate(mounts):
        device = devices.setdefault(each.node, "%d:%d" % (8, number))
        source = each.source or "/dev/" + each.node
        where = "%s %s" % (each.root.replace(" ", "\\040"), each.point.replace(" ", "\\040"))
        lines.append("%d 1 %s %s rw,relatime shared:1 - %s %s rw" % (30 + number, device, where, each.fs_type, source))
        for kind, name in (("uuid", each.uuid), ("label", each.label)):
            _link(tree / "dev/disk" / ("by-" + kind), name.replace(" ", "\\x20"), "../../" + each.node)
        if each.source:
            _link(tree / "dev/mapper", Path(each.source).name, "../" + each.node)
    write_tree(tree, {"/proc/self/mountinfo": "".join(line + "\n" for line in lines)})


def _link(directory: Path, name: str, target: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if name and not (directory / name).is_symlink():
        (directory / name).symlink_to(target)


def make_host(tree: Path, mounts: Sequence[Mounted], files: Mapping[str, str]) -> HostFiles:
    mount_all(tree, mounts)
    write_tree(tree, files)
    return HostFiles(str(tree))


def entry(title: str, identity: str, body: Sequence[str], indent: str = "") -> str:
    lines = ["menuentry '%s' --class os $menuentry_id_option '%s' {" % (title, identity), *("\t" + line for line in body), "}"]
    return "".join(indent + line + "\n" for line in lines)


def debian_menu(releases: Sequence[str], uuid: str, directory: str = "/boot", early: str = "") -> str:
    """Section 10_linux of a host with these kernels, newest first."""

    def body(release: str, arguments: str) -> list[str]:
        return [
            "load_video",
            "insmod gzio",
            "if [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi",
            "set root='hd0,gpt2'",
            "if [ x$feature_platform_search_hint = xy ]; then",
            "  search --no-floppy --fs-uuid --set=root --hint-bios=hd0,gpt2 --hint-efi=hd0,gpt2  %s" % uuid,
            "else",
            "  search --no-floppy --fs-uuid --set=root %s" % uuid,
            "fi",
            "echo	'Loading Linux %s ...'" % release,
            "linux	%s/vmlinuz-%s root=UUID=%s ro  %s" % (directory, release, uuid, arguments),
            "initrd	%s%s/initrd.img-%s" % (early, directory, release),
        ]

    text = "### BEGIN /etc/grub.d/10_linux ###\n"
    text += entry("Debian GNU/Linux", "simple", body(releases[0], "quiet"))
    text += "submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'advanced' {\n"
    for release in releases:
        title = "Debian GNU/Linux, with Linux " + release
        text += entry(title, "gnulinux-%s-advanced" % release, body(release, "quiet"), "\t")
        text += entry(title + " (recovery mode)", "gnulinux-%s-recovery" % release, body(release, "single"), "\t")
    return text + "}\n### END /etc/grub.d/10_linux ###\n"
