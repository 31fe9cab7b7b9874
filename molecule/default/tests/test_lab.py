# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""The guests boot and answer as real machines do."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from testinfra.host import Host


@pytest.fixture
def lab(host: Host) -> dict[str, Any]:
    """What the inventory says of the guest."""
    variables: dict[str, Any] = host.ansible.get_variables()
    return variables


def test_boots_from_its_own_disk(host: Host, lab: dict[str, Any]) -> None:
    # Type 7 is GRUB's, see Documentation/arch/x86/boot.rst. On UEFI bootloaders start the kernel as
    # an EFI application, and the kernel's own EFI stub says 2.
    assert host.sysctl("kernel.bootloader_type") >> 4 == (2 if lab["lab_firmware"] == "uefi" else 7)
    assert host.mount_point("/").device == "/dev/vda3"


def test_boots_through_the_bootloader_asked_for(host: Host, lab: dict[str, Any]) -> None:
    grub = "BOOT_IMAGE=/boot/vmlinuz-" in host.file("/proc/cmdline").content_string
    assert grub is (lab["lab_bootloader"] == "grub")
    if not grub:
        variable = host.file("/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f").content
        assert variable[4:].decode("utf-16-le").startswith("systemd-boot ")
        entry = f"{host.check_output('cat /etc/kernel/entry-token')}-{host.check_output('uname -r')}.conf"
        assert f"Current Entry: {entry}" in host.check_output("bootctl status --no-pager")
        (selected,) = [kernel for kernel in json.loads(host.check_output("bootctl list --json=short")) if kernel["isSelected"]]
        assert selected["id"] == entry


def test_is_bare_if_it_is_to_be(host: Host, lab: dict[str, Any]) -> None:
    assert host.package("kexec-tools").is_installed is not lab["lab_bare"]


def test_firmware_is_the_one_asked_for(host: Host, lab: dict[str, Any]) -> None:
    assert host.file("/sys/firmware/efi").exists == (lab["lab_firmware"] == "uefi")


def test_has_its_cpus(host: Host, lab: dict[str, Any]) -> None:
    assert host.check_output("nproc") == str(lab["lab_cpus"])


def test_has_its_name(host: Host, lab: dict[str, Any]) -> None:
    if lab["lab_release"] == "bookworm":
        pytest.skip("systemd older than 253 takes no name from SMBIOS")
    assert host.check_output("hostname") == lab["inventory_hostname"]


def test_has_its_addresses(host: Host, lab: dict[str, Any]) -> None:
    assert {lab["lab_ipv4"], lab["lab_ipv6"]} <= set(host.interface("eth0").addresses)


@pytest.mark.parametrize("port", [22, 2222])
@pytest.mark.parametrize("family", ["lab_ipv4", "lab_ipv6"])
def test_sshd_answers(lab: dict[str, Any], family: str, port: int) -> None:
    with socket.create_connection((lab[family], port), timeout=30) as probe:
        assert probe.recv(64).startswith(b"SSH-2.0-")


def test_sshd_penalises_as_by_default(host: Host, lab: dict[str, Any]) -> None:
    if lab["lab_release"] == "bookworm":
        pytest.skip("sshd older than 9.8")
    assert "persourcepenalties crash:90" in host.check_output("sshd -T")


def test_has_a_watchdog(host: Host, lab: dict[str, Any]) -> None:
    if lab["lab_release"] == "bookworm" and not lab["lab_backports"]:
        pytest.skip("no driver in this kernel")
    host.check_output("test -c /dev/watchdog0")
    assert host.file("/sys/class/watchdog/watchdog0/identity").content_string.strip() == "i6300ESB timer"


def test_ops_is_root_by_sudo_only(host: Host) -> None:
    assert host.check_output("runuser -u ops -- sudo --non-interactive id -u") == "0"
    assert host.run("runuser -u ops -- cat /etc/shadow").failed


def test_is_in_order(host: Host) -> None:
    assert host.check_output("systemctl --failed --no-legend --plain") == ""
