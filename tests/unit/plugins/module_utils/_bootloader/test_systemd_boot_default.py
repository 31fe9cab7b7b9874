# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd-boot would boot, on directory trees shaped like those of Debian, Arch and Fedora."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.boot_entry import BootChoice, DefaultEntry
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.systemd_boot_default import read_systemd_boot_default
from ansible_collections.fleet.kexec.plugins.module_utils._host.efi_variables import LOADER
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles

from ....conftest import write_tree
from ....efi import write_loader_string, write_variable
from ....unified_images import OSREL, make_unified

ID = "0123456789abcdef0123456789abcdef"
OTHER_ID = "f" * 32
ENTRIES = "/loader/entries/"
UNIFIED = "/EFI/Linux/"


def entry(version: str, machine_id: str = ID, *, sort_key: str = "debian", more: str = "") -> dict[str, str]:
    """Files of an entry as kernel-install makes it, relative to its partition."""
    directory = "/%s/%s" % (machine_id, version)
    lines = [
        "# Boot Loader Specification type#1 entry",
        "title      Debian GNU/Linux 13 (trixie)",
        "version    " + version,
        "machine-id " + machine_id,
        *(["sort-key   " + sort_key] if sort_key else []),
        "options    root=UUID=1 ro",
        "options    systemd.machine_id=" + machine_id,
        "linux      %s/linux" % directory,
        "initrd     %s/microcode" % directory,
        "initrd     %s/initrd.img" % directory,
        more,
    ]
    return {
        "%s%s-%s.conf" % (ENTRIES, machine_id, version): "\n".join(lines),
        directory + "/linux": "kernel",
        directory + "/initrd.img": "initrd",
        directory + "/microcode": "microcode",
    }


def renamed(files: Mapping[str, str], tries: str) -> dict[str, str]:
    return {path.replace(".conf", tries + ".conf"): text for path, text in files.items()}


class Host:
    """A host whose EFI system partition is at /boot/efi."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.add({"/EFI/systemd/systemd-bootx64.efi": "", "/loader/loader.conf": "timeout 3\n"})

    def add(self, files: Mapping[str, str], partition: str = "/boot/efi") -> None:
        write_tree(self.root, {partition + path: text for path, text in files.items()})

    def add_image(self, name: str, content: bytes) -> None:
        self.add({UNIFIED + name: ""})
        (self.root / ("boot/efi" + UNIFIED + name)).write_bytes(content)

    def read(self) -> BootChoice:
        return read_systemd_boot_default(HostFiles(str(self.root)))

    def default(self) -> DefaultEntry:
        choice = self.read()
        assert choice.unknown == ""
        assert choice.entry is not None
        return choice.entry

    def version(self) -> str:
        """Version of the default entry, which is in the path of its kernel."""
        return self.default().kernel.split("/")[-2]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_an_entry_of_kernel_install(host: Host) -> None:
    host.add(entry("6.12.117+deb13-amd64"))
    directory = "/boot/efi/%s/6.12.117+deb13-amd64" % ID
    assert host.default() == DefaultEntry(
        kernel=directory + "/linux",
        initrds=(directory + "/microcode", directory + "/initrd.img"),
        cmdline="root=UUID=1 ro systemd.machine_id=" + ID,
        title="Debian GNU/Linux 13 (trixie)",
        bootloader="systemd-boot",
        source="/boot/efi%s%s-6.12.117+deb13-amd64.conf" % (ENTRIES, ID),
    )


def test_the_newest_version_comes_first(host: Host) -> None:
    for version in ("6.12.9", "6.12.117", "6.1.140"):
        host.add(entry(version))
    assert host.version() == "6.12.117"


def test_entries_with_a_sort_key_come_first(host: Host) -> None:
    host.add(entry("6.18", sort_key=""))
    host.add(entry("6.12"))
    assert host.version() == "6.12"


def test_other_machines_are_sorted_by_their_id(host: Host) -> None:
    host.add(entry("6.18", OTHER_ID))
    host.add(entry("6.12"))
    assert host.version() == "6.12"


def test_an_entry_that_has_failed_too_often_comes_last(host: Host) -> None:
    host.add(renamed(entry("6.18"), "+0-3"))
    host.add(renamed(entry("6.12"), "+3-1"))
    host.add(entry("6.1"))
    assert host.version() == "6.12"
    assert host.default().source.endswith("+3-1.conf")


def test_a_plus_that_counts_nothing(host: Host) -> None:
    host.add(entry("6.12+deb13"))
    host.add(entry("6.12+0-rt"))
    write_loader_string(host.root, "LoaderEntryDefault", ID + "-6.12+0-rt.conf")
    assert host.version() == "6.12+0-rt"


@pytest.mark.parametrize(
    ("conf", "variables", "version"),
    [
        ("", {}, "6.18"),
        ("default *-6.1.conf", {}, "6.1"),
        ("default 0123*-6.1[0-9].conf", {}, "6.18"),
        ("default nothing", {}, "6.18"),
        ("default *-6.1.conf", {"LoaderEntryDefault": "*-6.12.conf"}, "6.12"),
        ("default *-6.1.conf", {"LoaderEntryDefault": "gone.conf"}, "6.1"),
        ("default @saved", {"LoaderEntryLastBooted": ID.upper() + "-6.12.conf"}, "6.12"),
        ("default @saved", {}, "6.18"),
        ("default *-6.1.conf", {"LoaderEntryDefault": "@saved", "LoaderEntryLastBooted": "*-6.12.conf"}, "6.12"),
        # Only loaders that say so know it.
        ("preferred *-6.1.conf", {"LoaderEntryPreferred": "*-6.12.conf"}, "6.18"),
    ],
)
def test_the_choice(host: Host, conf: str, variables: dict[str, str], version: str) -> None:
    for each in ("6.1", "6.12", "6.18"):
        host.add(entry(each))
    host.add({"/loader/loader.conf": conf + "\n"})
    for name, value in variables.items():
        write_loader_string(host.root, name, value)
    assert host.version() == version


def test_a_preferred_entry_must_not_be_bad(host: Host) -> None:
    host.add(renamed(entry("6.18"), "+0-3"))
    host.add(entry("6.12"))
    host.add(entry("6.1"))
    write_variable(host.root, "LoaderFeatures", struct.pack("<Q", 1 << 19), LOADER)
    write_loader_string(host.root, "LoaderEntryPreferred", "*-6.18.conf")
    assert host.version() == "6.12"
    write_loader_string(host.root, "LoaderEntryPreferred", "*-6.1.conf")
    assert host.version() == "6.1"
    # The default may be.
    write_loader_string(host.root, "LoaderEntryPreferred", "*-6.18.conf")
    write_loader_string(host.root, "LoaderEntryDefault", "*-6.18.conf")
    assert host.version() == "6.18"


def test_a_choice_for_one_boot(host: Host) -> None:
    host.add(entry("6.12"))
    write_loader_string(host.root, "LoaderEntryOneShot", "auto-windows")
    assert "auto-windows" in host.read().one_shot
    assert host.version() == "6.12"


def test_both_partitions(host: Host) -> None:
    host.add(entry("6.12"))
    host.add(entry("6.18"), "/boot")
    assert host.default().kernel == "/boot/%s/6.18/linux" % ID


@pytest.mark.parametrize(
    ("mountinfo", "kind", "version"),
    [
        ("31 22 254:2 / /boot rw - vfat /dev/vda2 rw\n", "bc13c2ff-59e6-4262-a352-b275fd6f7172", "6.18"),
        ("31 22 254:2 / /boot rw - ext4 /dev/vda2 rw\n", "0fc63daf-8483-4772-8e79-3d69d8477de4", "6.12"),
        # A directory of the root file system.
        ("22 1 254:3 / / rw - ext4 /dev/vda3 rw\n", "", "6.12"),
    ],
)
def test_what_the_loader_can_not_see(host: Host, mountinfo: str, kind: str, version: str) -> None:
    host.add(entry("6.12"))
    host.add(entry("6.18"), "/boot")
    write_tree(host.root, {"/proc/self/mountinfo": mountinfo, "/run/udev/data/b254:2": "E:ID_PART_ENTRY_TYPE=%s\n" % kind})
    assert host.version() == version


def test_entries_that_are_not_shown(host: Host) -> None:
    host.add(entry("6.12"))
    host.add({ENTRIES + "auto-6.18.conf": "linux /loader/loader.conf\n", ENTRIES + ".hidden.conf": "linux /loader/loader.conf\n"})
    host.add(
        {ENTRIES + "z-gone.conf": "sort-key a\nlinux /gone\n", ENTRIES + "z.conf~": "sort-key a\nlinux /loader/loader.conf\n"}
    )
    host.add({ENTRIES + "z-arm.conf": "sort-key a\narchitecture aa64\nlinux /loader/loader.conf\n"})
    host.add({ENTRIES + "z-two.conf": "sort-key a\nefi /loader/loader.conf\nlinux /loader/loader.conf\n"})
    assert host.version() == "6.12"


def test_an_empty_initrd_is_passed_over(host: Host) -> None:
    host.add({**entry("6.12"), "/%s/6.12/microcode" % ID: ""})
    assert host.default().initrds == ("/boot/efi/%s/6.12/initrd.img" % ID,)


def test_an_entry_as_written_by_hand(host: Host) -> None:
    host.add({"/vmlinuz-linux": "kernel", ENTRIES + "arch.conf": 'linux \\vmlinuz-linux\noptions "root=/dev/sda2 rw"\r\n'})
    made = host.default()
    assert (made.kernel, made.cmdline, made.title) == ("/boot/efi/vmlinuz-linux", "root=/dev/sda2 rw", "arch.conf")


def test_bytes_are_kept(host: Host) -> None:
    host.add({"/linux": "kernel", ENTRIES + "a.conf": ""})
    (host.root / "boot/efi/loader/entries/a.conf").write_bytes(b"linux /linux\noptions root=LABEL=caf\xe9\n")
    assert host.default().cmdline.encode("utf-8", "surrogateescape") == b"root=LABEL=caf\xe9"


# --- unified kernel images ---------------------------------------------------------------


def test_a_unified_image(host: Host) -> None:
    host.add(entry("6.1"))
    host.add_image("debian-6.12+3.efi", make_unified(" root=/dev/vda1\nro \0", OSREL + "IMAGE_ID=appliance\nIMAGE_VERSION=7\n"))
    path = "/boot/efi/EFI/Linux/debian-6.12+3.efi"
    assert host.default() == DefaultEntry(
        path, (path,), "root=/dev/vda1 ro", "Debian GNU/Linux 13 (trixie)", "systemd-boot", path, unified=True
    )


def test_the_name_decides_between_unified_images(host: Host) -> None:
    for name in ("debian-6.9.efi", "debian-6.12.efi", "readme.txt"):
        host.add_image(name, make_unified())
    assert host.default().source.endswith("debian-6.12.efi")
    host.add({"/loader/loader.conf": "default debian-6.9.efi\n"})
    assert host.default().source.endswith("debian-6.9.efi")


@pytest.mark.parametrize("key", ["uki", "linux", "efi"])
def test_an_entry_that_names_a_unified_image(host: Host, key: str) -> None:
    host.add_image("../image.efi", make_unified("quiet"))
    host.add({ENTRIES + "a.conf": "title A\n%s /EFI/image.efi\n" % key})
    made = host.default()
    assert (made.unified, made.cmdline, made.kernel) == (True, "quiet", "/boot/efi/EFI/image.efi")
    host.add({ENTRIES + "a.conf": "title A\n%s /EFI/image.efi\noptions debug\n" % key})
    assert "gives arguments" in host.read().unknown


def test_a_damaged_unified_image(host: Host) -> None:
    host.add_image("a.efi", make_unified()[:-512])
    assert "a.efi ends within its section .linux" in host.read().unknown


@pytest.mark.parametrize(
    "path",
    [
        "/EFI/Linux/a+3.efi.extra.d/b.addon.efi",
        "/EFI/Linux/a.efi.extra.d/b.addon.efi",
        "/EFI/Linux/a.efi.extra.d/b.sysext.raw",
        "/loader/addons/b.addon.efi",
        "/loader/credentials/b.cred",
    ],
)
def test_what_the_stub_adds(host: Host, path: str) -> None:
    host.add_image("a+3.efi", make_unified())
    host.add({path: ""})
    assert path in host.read().unknown


def test_what_the_firmware_adds(host: Host) -> None:
    host.add_image("a.efi", make_unified())
    write_tree(host.root, {"/sys/firmware/dmi/entries/11-0/raw": "\x0b\x05vendor\0"})
    assert host.default().unified
    write_tree(host.root, {"/sys/firmware/dmi/entries/11-1/raw": "\x0b\x05io.systemd.stub.kernel-cmdline-extra=quiet\0"})
    assert "SMBIOS" in host.read().unknown


def test_another_profile(host: Host) -> None:
    host.add_image("a.efi", make_unified(more=[(".profile", b"ID=main"), (".profile", b"ID=reset")]))
    assert host.default().unified
    host.add({"/loader/loader.conf": "default a.efi@reset\n"})
    assert "another profile" in host.read().unknown


# --- what can't be told ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "no entries"),
        ({"/loader/loader.conf": "default auto-windows\n"}, "auto-windows"),
        ({ENTRIES + "a.conf": "efi /EFI/systemd/systemd-bootx64.efi\n"}, "not a Linux kernel"),
        ({ENTRIES + "a.conf": "uki-url https://example.org/a.efi\n"}, "network"),
        (entry("6.12", more="devicetree /a.dtb"), "devicetree"),
    ],
)
def test_what_can_not_be_told(host: Host, files: dict[str, str], words: str) -> None:
    host.add(files)
    choice = host.read()
    assert choice.entry is None
    assert words in choice.unknown


def test_no_partition(tmp_path: Path) -> None:
    choice = read_systemd_boot_default(HostFiles(str(tmp_path)))
    assert choice.entry is None
    assert "no EFI system partition" in choice.unknown


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["linux", "uki", "efi", "initrd", "options", " ", "/k", "\\", "\n", "\0", "\r", "é", "sort-key x", '"', "+0"]
        )
    )
)
def test_any_entry(host: Host, parts: list[str]) -> None:
    host.add({"/k": "kernel", ENTRIES + "a.conf": "".join(parts), "/loader/loader.conf": "default " + "".join(parts)})
    choice = host.read()
    assert (choice.entry is None) == bool(choice.unknown)
