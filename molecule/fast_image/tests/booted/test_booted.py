# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Three boots in a row went through the stub, each as it was asked for, and the last left all in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from testinfra.host import Host

BOOTS = ("auto", "other_loader", "plain")
# Where kernels are linked for, CONFIG_PHYSICAL_START above the text mapping.
LINKED_AT = 0xFFFFFFFF81000000


@pytest.fixture
def boots(remembered: Callable[[str], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What came of each boot, by name."""
    return {name: remembered(name) for name in BOOTS}


def test_each_is_proven(boots: dict[str, dict[str, Any]]) -> None:
    for boot in boots.values():
        assert boot["reboot"]["proof"]["proven"]
        assert boot["reboot"]["staged"]["image"] == "fast"
    assert len({boot["facts"]["boot"]["boot_id"] for boot in boots.values()}) == len(BOOTS)
    assert len({boots[name]["reboot"]["staged"]["loader"] for name in ("auto", "other_loader")}) == 2


def test_kexecs_are_counted(boots: dict[str, dict[str, Any]]) -> None:
    first = boots[BOOTS[0]]["facts"]["boot"]["kexecs"]
    assert [boots[name]["facts"]["boot"]["kexecs"] for name in BOOTS] == [first, first + 1, first + 2]


def test_the_stub_did_what_was_asked_of_it(boots: dict[str, dict[str, Any]]) -> None:
    for name, boot in boots.items():
        stub, staged = boot["facts"]["boot"]["stub"], boot["reboot"]["staged"]
        assert stub["checked"] is (staged["integrity"] == "crc32c")
        assert stub["relocated"] is staged["kaslr"] is (name != "plain")
        assert stub["moved"] is (stub["load_address"] % (2 << 20) != 0)
        assert stub["entry_cycles"] < stub["moved_cycles"] < stub["exit_cycles"]


def test_the_stub_is_a_part_of_the_jump(
    boots: dict[str, dict[str, Any]], complete_timeline: Callable[[dict[str, Any]], dict[str, dict[str, Any]]]
) -> None:
    for boot in boots.values():
        phases = complete_timeline(boot["reboot"])
        stub, jump = phases["stub"], phases["jump"]
        assert stub["within"] == "jump"
        assert jump["start_ms"] < stub["start_ms"]
        assert stub["start_ms"] + stub["duration_ms"] < jump["start_ms"] + jump["duration_ms"]
        assert stub["error_ms"] < 1 + stub["duration_ms"] / 5000


def test_the_address_is_another_at_every_boot_unless_it_may_not(boots: dict[str, dict[str, Any]]) -> None:
    addresses = {name: int(boot["text"], 16) for name, boot in boots.items()}
    assert addresses["plain"] == LINKED_AT
    assert len(set(addresses.values())) == len(BOOTS)
    assert all(address % (2 << 20) == 0 for address in addresses.values())


def test_the_uncompressed_initrd_was_taken(host: Host, boots: dict[str, dict[str, Any]]) -> None:
    assert boots["plain"]["reboot"]["staged"]["initrd"].startswith("/var/lib/fleet-kexec/")
    log = host.check_output("journalctl --quiet --boot 0 --dmesg --output=cat")
    assert "unpack rootfs image as initramfs" in log
    assert "Initramfs unpacking failed" not in log


def test_nokaslr_is_not_handed_on(host: Host, boots: dict[str, dict[str, Any]]) -> None:
    words = host.file("/proc/cmdline").content_string.split()
    assert words[-1] == "nokaslr"
    assert "nokaslr" not in boots["plain"]["reboot"]["staged"]["cmdline"].split()


def test_what_firmware_handed_on_is_still_there(host: Host) -> None:
    assert host.file("/sys/class/dmi/id/sys_vendor").content_string.strip() == "QEMU"
    assert host.file("/sys/firmware/acpi/tables/FACP").exists
    if host.ansible.get_variables()["lab_firmware"] == "uefi":
        assert host.check_output("ls /sys/firmware/efi/efivars | grep -c .") != "0"
        assert host.file("/sys/firmware/efi/systab").exists


def test_all_units_came_up(host: Host) -> None:
    assert host.check_output("systemctl --failed --no-legend --plain") == ""
