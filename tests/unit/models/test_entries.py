# SPDX-License-Identifier: GPL-3.0-or-later
"""Random menus of GRUB and systemd-boot as files: the entry that boots by itself is the one that the guide names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.boot_entry import BootChoice
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.default_entry import read_default_entry
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles

from ..conftest import write_tree
from ..efi import write_loader_string
from ..plugins.module_utils._bootloader.grub_hosts import BLOCK, HEADER, RED_HAT_DEFAULT, Mounted, mount_all
from .entries import EntryFile, GrubEntry, Loader, LoaderFile, Menu, Submenu, entry_menu, grub_default, loader_default, spelt
from .examples import MEMORY, tried

UUID = "6db3bd38-60f0-4e0e-9dbf-ba4f3fc3e6ee"
ROOT = Mounted("sda1", "/", UUID)
# Characters that mean something to GRUB's scripts or paths, or to no program at all.
TITLES = st.one_of(
    st.sampled_from(
        ["Debian", "Debian GNU/Linux, with Linux 6.12", "a>b", ">", "$x", "{", "}", "#", 'say "hi"', "é", "\\", ";", " "]
    ),
    st.text("ab>$ {}", min_size=1, max_size=4),
)
IDENTITIES = st.sampled_from(["gnulinux-simple", "gnulinux-advanced", "a>b", "osprober", "x"])


def read(files: Mapping[str, str], *, programs: tuple[str, ...], efi: Mapping[str, str] | None = None) -> BootChoice:
    """Lay out a host and read what it boots."""
    with TemporaryDirectory(dir=MEMORY) as directory:
        root = Path(directory)
        mount_all(root, [ROOT])
        write_tree(root, files)
        for program in programs:
            path = root / program.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(0o755)
        for name, value in (efi or {}).items():
            write_loader_string(root, name, value)
        return read_default_entry(HostFiles(str(root)))


# --- GRUB --------------------------------------------------------------------------------


@st.composite
def menus(draw: st.DrawFn, depth: int = 2) -> list[GrubEntry | Submenu]:
    """Menus with submenus in them, which GRUB's scripts do not allow to be empty; some entries boot no Linux."""
    items: list[GrubEntry | Submenu] = []
    for _item in range(draw(st.integers(0 if depth == 2 else 1, 3))):
        title, identity = draw(TITLES), draw(IDENTITIES)
        if depth and draw(st.integers(0, 2)) == 0:
            items.append(Submenu(title, identity, tuple(draw(menus(depth - 1)))))
        else:
            kernel = "/boot/vmlinuz-%d" % draw(st.integers(0, 10**9))
            items.append(GrubEntry(title, identity, draw(st.sampled_from([kernel, kernel, kernel, ""]))))
    return items


def _written(menu: Menu, indent: str = "") -> str:
    """A menu as grub-mkconfig writes it."""
    text = ""
    for each in menu:
        kind = "menuentry" if isinstance(each, GrubEntry) else "submenu"
        title = each.title.replace("'", "'\\''")
        text += "%s%s '%s' --class debian $menuentry_id_option '%s' {\n" % (indent, kind, title, each.identity)
        if isinstance(each, Submenu):
            text += _written(each.items, indent + "\t")
        elif each.kernel:
            text += "%s\tlinux\t%s root=UUID=%s ro\n%s\tinitrd\t%s.img\n" % (indent, each.kernel, UUID, indent, each.kernel)
        else:
            text += indent + "\tchainloader +1\n"
        text += indent + "}\n"
    return text


@st.composite
def paths(draw: st.DrawFn, menu: Menu) -> str:
    """Path to an entry, or to nowhere."""
    if not menu or draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(["9", "nowhere", "nowhere>0", "0>9", "gone>gone"]))
    number = draw(st.integers(0, len(menu) - 1))
    each = menu[number]
    name = draw(st.sampled_from([str(number), spelt(each.title), spelt(each.identity)]))
    if isinstance(each, Submenu) and draw(st.integers(0, 4)):
        return "%s>%s" % (name, draw(paths(each.items)))
    return name


@tried(12)
@given(st.data())
def test_grub_boots_the_entry_that_default_names(data: st.DataObject) -> None:
    menu = data.draw(menus())
    path = data.draw(paths(menu))
    saved = data.draw(st.booleans()) and "\n" not in path
    once = data.draw(st.one_of(st.just(""), paths(menu)))
    block = (
        BLOCK + ("saved_entry=%s\n" % _in_block(path) if saved else "") + ("next_entry=%s\n" % _in_block(once) if once else "")
    )
    default = "${saved_entry}" if saved else _quoted(path)
    text = HEADER % default + _written(menu)
    choice = read({"/boot/grub/grub.cfg": text, "/boot/grub/grubenv": block}, programs=("/usr/sbin/update-grub",))
    assert bool(choice.one_shot) == bool(once), choice
    expected = grub_default(menu, path)
    if expected is None or not expected.kernel:
        assert choice.entry is None and choice.unknown
        return
    assert choice.entry is not None, choice.unknown
    assert (choice.entry.kernel, choice.entry.title) == (expected.kernel, expected.title)
    assert choice.entry.initrds == (expected.kernel + ".img",)


def _in_block(value: str) -> str:
    """A value as grub-editenv writes it."""
    return value.replace("\\", "\\\\")


def _quoted(value: str) -> str:
    """A value within double quotes of GRUB's scripts."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")


VERSIONS = st.tuples(
    st.sampled_from([5, 6]), st.sampled_from([1, 9, 14]), st.integers(0, 2), st.sampled_from([1, 9, 70, 427, 503])
)


@tried(12)
@given(st.data())
def test_grub_boots_the_newest_entry_file_or_the_one_that_is_saved(data: st.DataObject) -> None:
    files = data.draw(st.lists(st.builds(EntryFile, VERSIONS), min_size=1, max_size=5, unique_by=lambda each: each.version))
    menu = entry_menu(files)
    saved = data.draw(
        st.one_of(st.just(""), st.just("gone"), st.integers(0, 6).map(str), st.sampled_from([each.identity for each in menu]))
    )
    tree = {
        "/boot/grub2/grub.cfg": "set config_directory=/boot/grub2\n" + RED_HAT_DEFAULT + "insmod blscfg\nblscfg\n",
        "/boot/grub2/grubenv": BLOCK + ("saved_entry=%s\n" % saved if saved else ""),
        "/etc/default/grub": "GRUB_ENABLE_BLSCFG=true\n",
    }
    for each in files:
        lines = ["title Linux " + each.release, "version " + each.release, "linux /boot/vmlinuz-" + each.release]
        lines += ["initrd /boot/initramfs-%s.img" % each.release, "options root=UUID=%s ro" % UUID]
        tree["/boot/loader/entries/%s.conf" % each.identity] = "\n".join(lines)
    choice = read(tree, programs=("/usr/sbin/grub2-mkconfig", "/usr/sbin/grubby"))
    expected = grub_default(menu, saved)
    assert expected is not None
    assert choice.entry is not None, choice.unknown
    assert (choice.entry.kernel, choice.entry.title) == (expected.kernel, expected.title)


# --- systemd-boot ------------------------------------------------------------------------

MACHINES = ["", "0" * 32, "f" * 32]
LOADER_FILES = st.builds(
    LoaderFile,
    name=st.builds("{}{}".format, st.sampled_from(["debian-", "arch-", "Debian-"]), st.sampled_from([1, 2, 9, 10, 11])),
    version=st.tuples(st.sampled_from([5, 6]), st.sampled_from([1, 9, 12]), st.integers(0, 11), st.sampled_from([0, 0, 1, 2])),
    sort_key=st.sampled_from(["", "", "debian", "arch"]),
    machine=st.sampled_from(MACHINES),
    tries=st.one_of(st.none(), st.none(), st.tuples(st.integers(0, 3), st.integers(0, 2))),
    architecture=st.sampled_from(["", "", "x64", "aa64"]),
    has_kernel=st.sampled_from([True, True, True, False]),
)
PATTERNS = st.sampled_from(
    ["", "debian-*", "DEBIAN-1*", "arch-?.conf", "*", "debian-[29].conf", "gone.conf", "arch-10.conf", "*1.conf"]
)
LOADERS = st.builds(
    Loader,
    entries=st.lists(LOADER_FILES, max_size=5, unique_by=lambda each: each.name.lower()).map(tuple),
    default=PATTERNS,
    variable=PATTERNS,
    one_shot=st.sampled_from(["", "", "", "debian-1.conf"]),
)


def _loader_tree(loader: Loader) -> dict[str, str]:
    tree = {
        "/sys/firmware/efi/fw_platform_size": "64\n",
        "/efi/EFI/systemd/systemd-bootx64.efi": "",
        "/efi/loader/loader.conf": "timeout 3\n" + ("default %s\n" % loader.default if loader.default else ""),
    }
    for each in loader.entries:
        pairs = {
            "title": "Linux " + each.name,
            "version": each.words,
            "sort-key": each.sort_key,
            "machine-id": each.machine,
            "architecture": each.architecture,
            "linux": each.kernel,
            "options": "root=UUID=%s ro name=%s" % (UUID, each.name),
        }
        lines = ["%s %s" % (key, value) for key, value in pairs.items() if value]
        tree["/efi/loader/entries/" + each.file_name] = "\n".join(lines) + "\n"
        if each.has_kernel:
            tree["/efi" + each.kernel] = "kernel"
    return tree


@tried(12)
@given(LOADERS)
def test_systemd_boot_boots_the_first_entry_that_matches(loader: Loader) -> None:
    variables = {
        "LoaderInfo": "systemd-boot 257.7-1",
        "LoaderEntryDefault": loader.variable,
        "LoaderEntryOneShot": loader.one_shot,
    }
    efi = {name: value for name, value in variables.items() if value}
    choice = read(_loader_tree(loader), programs=("/usr/bin/bootctl",), efi=efi)
    assert bool(choice.one_shot) == bool(loader.one_shot)
    expected = loader_default(loader)
    if expected is None:
        assert choice.entry is None and choice.unknown
        return
    assert choice.entry is not None, choice.unknown
    assert choice.entry.source == "/efi/loader/entries/" + expected.file_name
    assert choice.entry.kernel == "/efi" + expected.kernel
    assert choice.entry.cmdline == "root=UUID=%s ro name=%s" % (UUID, expected.name)
