# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bootloader started a system, from directory trees."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.detection import detect, detect_name
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.errors import BootloaderError
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.grubby import Grubby
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.kernel_install import KernelInstall
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.mkconfig_grub import (
    DebianGrub,
    Grub2,
    MkconfigGrub,
    UpstreamGrub,
)
from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.efi_variables import LOADER, read_efi_string, read_efi_variable
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles

from ....conftest import write_tree
from ....efi import write_boot_option

# What the kernel says of who started it: the loader's type, then its version.
TYPE = "/proc/sys/kernel/bootloader_type"
BY_GRUB, BY_EFI_STUB, BY_KEXEC, BY_QEMU, BY_EXTLINUX = ({TYPE: "%d\n" % number} for number in (0x72, 0x21, 0xD0, 0xB0, 0x33))

DEBIAN_GRUB = {"/boot/grub/grub.cfg": "", "/usr/sbin/update-grub": ""}
GRUBBY = {"/boot/grub2/grub.cfg": "", "/usr/sbin/grubby": ""}
GRUBBY_BLS = {"/boot/loader/entries/a.conf": "", "/usr/sbin/grubby": ""}
SYSTEMD_BOOT = {"/usr/bin/bootctl": "", "/boot/efi/EFI/systemd/systemd-bootx64.efi": ""}
GRUB_MKCONFIG = {"/boot/grub/grub.cfg": "", "/usr/bin/grub-mkconfig": ""}
GRUB2_MKCONFIG = {"/boot/grub2/grub.cfg": "", "/usr/sbin/grub2-mkconfig": ""}
GRUB2_BLS = {"/etc/sysconfig/bootloader": 'SECURE_BOOT="yes"\nLOADER_TYPE="grub2-bls"\n'}
REFIND = {"/boot/efi/EFI/refind/refind_x64.efi": ""}
EXTLINUX = {"/boot/extlinux/extlinux.conf": ""}
EFI = {"/sys/firmware/efi/fw_platform_size": "64\n"}
VARIABLES = {**EFI, "/sys/firmware/efi/efivars/Boot0000-8be4df61-93ca-11d2-aa0d-00e098032b8c": ""}
LOADER_INFO = "LoaderInfo-" + LOADER


def host_of(root: Path, trees: list[dict[str, str]], info: str | None = None) -> HostFiles:
    for tree in trees:
        write_tree(root, tree)
    for tool in (
        "usr/sbin/update-grub",
        "usr/sbin/grubby",
        "usr/bin/bootctl",
        "usr/bin/grub-mkconfig",
        "usr/sbin/grub2-mkconfig",
    ):
        if (root / tool).exists():
            (root / tool).chmod(0o755)
    if info is not None:
        write_tree(root, VARIABLES)
        path = root / "sys/firmware/efi/efivars" / LOADER_INFO
        path.write_bytes(b"\x06\0\0\0" + info.encode("utf-16-le") + b"\0\0")
    return HostFiles(str(root))


@pytest.mark.parametrize(
    ("trees", "info", "name"),
    [
        ([BY_GRUB, DEBIAN_GRUB], None, DebianGrub.NAME),
        ([BY_GRUB, DEBIAN_GRUB, SYSTEMD_BOOT], None, DebianGrub.NAME),
        ([BY_GRUB, DEBIAN_GRUB, EXTLINUX], None, DebianGrub.NAME),
        ([BY_GRUB, GRUBBY], None, Grubby.NAME),
        ([BY_GRUB, GRUBBY_BLS], None, Grubby.NAME),
        # Under BIOS there is no systemd-boot, whatever is installed.
        ([BY_KEXEC, DEBIAN_GRUB, SYSTEMD_BOOT], None, DebianGrub.NAME),
        # Under UEFI it would have said so.
        ([BY_KEXEC, DEBIAN_GRUB, SYSTEMD_BOOT, VARIABLES], None, DebianGrub.NAME),
        ([BY_EFI_STUB, GRUBBY_BLS, SYSTEMD_BOOT, VARIABLES], None, Grubby.NAME),
        ([BY_EFI_STUB, DEBIAN_GRUB, SYSTEMD_BOOT], "GRUB 2.12-9", DebianGrub.NAME),
        ([BY_EFI_STUB, DEBIAN_GRUB, SYSTEMD_BOOT], "rEFInd 0.14.2", "rEFInd"),
        ([BY_EFI_STUB, DEBIAN_GRUB], "Limine 9.3.0", "Limine"),
        ([BY_GRUB, DEBIAN_GRUB, GRUB_MKCONFIG], None, DebianGrub.NAME),
        ([BY_GRUB, GRUB_MKCONFIG], None, "GRUB (grub-mkconfig)"),
        ([BY_GRUB, GRUB2_MKCONFIG], None, "GRUB (grub2-mkconfig)"),
        ([BY_GRUB, GRUBBY, GRUB2_MKCONFIG], None, Grubby.NAME),
        ([BY_GRUB, GRUB2_MKCONFIG, {"/etc/sysconfig/bootloader": 'LOADER_TYPE="grub2-efi"\n'}], None, "GRUB (grub2-mkconfig)"),
        # Its grub.cfg may be left over from before.
        ([BY_GRUB, GRUB2_MKCONFIG, GRUB2_BLS], None, "GRUB (grub2-bls)"),
        ([BY_EFI_STUB, GRUB2_BLS], "GRUB 2.14", "GRUB (grub2-bls)"),
        # Left over from a boot by UEFI.
        ([BY_KEXEC, DEBIAN_GRUB, REFIND], None, DebianGrub.NAME),
        ([BY_KEXEC, EFI, REFIND], None, "rEFInd"),
        ([BY_KEXEC, EFI, {"/efi/EFI/ZBM/vmlinuz.EFI": ""}], None, "ZFSBootMenu"),
        ([BY_KEXEC, {"/boot/limine/limine.conf": ""}], None, "Limine"),
        ([BY_EFI_STUB, SYSTEMD_BOOT], "systemd-boot 257.7-1", KernelInstall.NAME),
        ([BY_EFI_STUB, SYSTEMD_BOOT, DEBIAN_GRUB, GRUBBY_BLS], "systemd-boot 257.7-1", KernelInstall.NAME),
        ([BY_KEXEC, SYSTEMD_BOOT, DEBIAN_GRUB], "systemd-boot 257.7-1", KernelInstall.NAME),
        ([BY_KEXEC, SYSTEMD_BOOT, EFI], None, KernelInstall.NAME),
        # Without a type: not x86.
        ([DEBIAN_GRUB], None, DebianGrub.NAME),
        ([BY_EXTLINUX, EXTLINUX, DEBIAN_GRUB], None, "extlinux"),
        ([BY_EXTLINUX, {"/boot/syslinux/syslinux.cfg": ""}], None, "extlinux"),
        ([BY_EXTLINUX, {"/boot/extlinux.conf": ""}], None, "extlinux"),
        ([{"/etc/zipl.conf": ""}, GRUBBY_BLS], None, "zipl"),
        ([BY_GRUB, GRUBBY_BLS, {"/run/ostree-booted": ""}], None, "rpm-ostree"),
    ],
)
def test_the_one_in_use(tmp_path: Path, trees: list[dict[str, str]], info: str | None, name: str) -> None:
    assert detect_name(host_of(tmp_path, trees, info)) == name


@pytest.mark.parametrize(
    ("trees", "info", "code", "words"),
    [
        ([BY_EXTLINUX, EXTLINUX], None, "BOOTLOADER_UNSUPPORTED", ["extlinux"]),
        ([{"/etc/zipl.conf": ""}], None, "BOOTLOADER_UNSUPPORTED", ["zipl"]),
        ([BY_GRUB, {"/run/ostree-booted": ""}], None, "BOOTLOADER_UNSUPPORTED", ["rpm-ostree"]),
        (
            [BY_KEXEC, EFI, DEBIAN_GRUB, SYSTEMD_BOOT],
            None,
            "BOOTLOADER_AMBIGUOUS",
            [DebianGrub.NAME, "/boot/grub/grub.cfg", KernelInstall.NAME, "/boot/efi/EFI/systemd"],
        ),
        ([BY_KEXEC, DEBIAN_GRUB, EXTLINUX], None, "BOOTLOADER_AMBIGUOUS", [DebianGrub.NAME, "extlinux"]),
        ([BY_QEMU, DEBIAN_GRUB], None, "BOOTLOADER_UNKNOWN", ["QEMU"]),
        ([{TYPE: "%d\n" % 0x40}, DEBIAN_GRUB], None, "BOOTLOADER_UNKNOWN", ["iPXE"]),
        ([], None, "BOOTLOADER_UNKNOWN", ["no bootloader"]),
        ([BY_GRUB, SYSTEMD_BOOT], None, "BOOTLOADER_UNKNOWN", ["no bootloader"]),
        ([BY_EFI_STUB, SYSTEMD_BOOT], "rEFInd 0.14.2", "BOOTLOADER_UNSUPPORTED", ["rEFInd"]),
        ([BY_GRUB, GRUB2_MKCONFIG, GRUB2_BLS], None, "BOOTLOADER_UNSUPPORTED", ["GRUB (grub2-bls)"]),
        ([BY_KEXEC, EFI, DEBIAN_GRUB, REFIND], None, "BOOTLOADER_AMBIGUOUS", [DebianGrub.NAME, "rEFInd (/boot/efi/EFI/refind)"]),
        # Its configuration without its tool is what is left of it.
        ([BY_GRUB, {"/boot/grub/grub.cfg": ""}], None, "BOOTLOADER_UNKNOWN", ["no bootloader"]),
    ],
)
def test_refusals_name_what_was_found(
    tmp_path: Path, trees: list[dict[str, str]], info: str | None, code: str, words: list[str]
) -> None:
    with pytest.raises(BootloaderError) as caught:
        detect(host_of(tmp_path, trees, info), lambda argv, timeout_s: CommandResult(127, "", ""))
    assert caught.value.reason.code == code
    for word in words:
        assert word in caught.value.reason.message


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("\\EFI\\refind\\refind_x64.efi", "rEFInd"),
        ("\\EFI\\Limine\\BOOTX64.EFI", "Limine"),
        ("\\EFI\\ZBM\\VMLINUZ.EFI", "ZFSBootMenu"),
        ("\\EFI\\zfsbootmenu\\zfsbootmenu.efi", "ZFSBootMenu"),
        ("\\EFI\\debian\\shimx64.efi", DebianGrub.NAME),
        ("\\EFI\\debian\\grubx64.efi", DebianGrub.NAME),
        ("\\EFI\\systemd\\systemd-bootx64.efi", KernelInstall.NAME),
        ("\\vmlinuz-linux", "EFI stub"),
        ("\\EFI\\debian\\linux.efi", "EFI stub"),
        ("\\EFI\\Linux\\debian-6.12.efi", "EFI stub"),
        # A copy of any loader: whatever is installed; systemd-boot would have identified itself.
        ("\\EFI\\BOOT\\BOOTX64.EFI", DebianGrub.NAME),
        ("", DebianGrub.NAME),
    ],
)
def test_the_file_that_the_firmware_started(tmp_path: Path, path: str, name: str) -> None:
    host = host_of(tmp_path, [BY_KEXEC, EFI, DEBIAN_GRUB, SYSTEMD_BOOT])
    write_boot_option(tmp_path, "BootCurrent", 1, "the one", path)
    assert detect_name(host) == name


def test_shim_may_start_any_loader(tmp_path: Path) -> None:
    host = host_of(tmp_path, [BY_EFI_STUB, DEBIAN_GRUB, SYSTEMD_BOOT], "systemd-boot 257.7-1")
    write_boot_option(tmp_path, "BootCurrent", 1, "opensuse", "\\EFI\\opensuse\\shim.efi")
    assert detect_name(host) == KernelInstall.NAME


def test_a_kernel_that_grub_started_is_of_grub(tmp_path: Path) -> None:
    host = host_of(tmp_path, [BY_GRUB, DEBIAN_GRUB, REFIND])
    write_boot_option(tmp_path, "BootCurrent", 1, "rEFInd", "\\EFI\\refind\\refind_x64.efi")
    assert detect_name(host) == DebianGrub.NAME


@pytest.mark.parametrize(
    ("tree", "bootloader"), [(DEBIAN_GRUB, DebianGrub), (GRUB_MKCONFIG, UpstreamGrub), (GRUB2_MKCONFIG, Grub2)]
)
def test_a_bootloader_to_work_with(tmp_path: Path, tree: dict[str, str], bootloader: type[MkconfigGrub]) -> None:
    host = host_of(tmp_path, [BY_GRUB, tree])
    assert detect(host, lambda argv, timeout_s: CommandResult(127, "", "")).NAME == bootloader.NAME


def test_efi_variables(tmp_path: Path) -> None:
    files = host_of(tmp_path, [], "systemd-boot 257")
    assert read_efi_string(files, "LoaderInfo", LOADER) == "systemd-boot 257"
    assert read_efi_variable(files, "LoaderInfo", LOADER) == "systemd-boot 257\0".encode("utf-16-le")
    assert read_efi_variable(files, "Missing", "0") is None
    assert read_efi_string(files, "Missing", "0") is None
    (tmp_path / "sys/firmware/efi/efivars/Short-0").write_bytes(b"\x06\0")
    assert read_efi_variable(files, "Short", "0") is None
    (tmp_path / "sys/firmware/efi/efivars/Odd-0").write_bytes(b"\x06\0\0\0a")
    assert read_efi_string(files, "Odd", "0") == "\ufffd"
