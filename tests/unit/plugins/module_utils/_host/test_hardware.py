# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardware from fixture trees, and nothing in them that could do harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.hardware import Hardware, plain, read_hardware


def write(root: Path, path: str, content: str | bytes) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


def device(root: Path, address: str, kind: str, driver: str | None) -> None:
    base = root / "sys/bus/pci/devices" / address
    write(root, "sys/bus/pci/devices/%s/class" % address, kind + "\n")
    if driver is not None:
        (base / "driver").symlink_to("../../../bus/pci/drivers/" + driver)


def test_a_server(tmp_path: Path) -> None:
    names = {"sys_vendor": "Dell Inc.", "product_name": "PowerEdge R650 ", "board_name": "0F2X5K", "bios_version": "2.14.1"}
    for name, text in names.items():
        write(tmp_path, "/sys/class/dmi/id/" + name, text + "\n")
    device(tmp_path, "0000:01:00.0", "0x020000", "ixgbe")
    device(tmp_path, "0000:01:00.1", "0x020000", "ixgbe")
    device(tmp_path, "0000:02:00.0", "0x010802", "nvme")
    device(tmp_path, "0000:03:00.0", "0x030200", "nvidia")
    device(tmp_path, "0000:04:00.0", "0x120000", "habanalabs")
    # A bridge, a device without a driver, one that is gone by now, and one of a kind that does not matter.
    device(tmp_path, "0000:00:01.0", "0x060400", "pcieport")
    device(tmp_path, "0000:05:00.0", "0x020000", None)
    device(tmp_path, "0000:06:00.0", "gone", "igb")
    device(tmp_path, "0000:07:00.0", "0x0c0330", "xhci_hcd")
    write(tmp_path, "/sys/module/nvidia/taint", "POE\n")
    write(tmp_path, "/sys/module/nvidia/version", "550.54.14\n")
    write(tmp_path, "/sys/module/nvme/version", "1.0\n")
    assert read_hardware(HostFiles(str(tmp_path))) == Hardware(
        vendor="Dell Inc.",
        product="PowerEdge R650",
        board="0F2X5K",
        firmware_version="2.14.1",
        drivers={"network": ["ixgbe"], "storage": ["nvme"], "display": ["habanalabs", "nvidia 550.54.14"]},
    )


def test_a_machine_with_a_device_tree(tmp_path: Path) -> None:
    write(tmp_path, "/sys/firmware/devicetree/base/model", b"Ampere Mt. Jade\0")
    assert read_hardware(HostFiles(str(tmp_path))).product == "Ampere Mt. Jade"


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    assert read_hardware(HostFiles(str(tmp_path))) == Hardware("", "", "", "", {"network": [], "storage": [], "display": []})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (None, ""),
        ("  R650\t\x1b[31m\n", "R650 ?[31m"),
        ("Stra\u00dfe", "Stra?e"),
        ("\udcff\x00", "??"),
        ("x" * 500, "x" * 64),
    ],
)
def test_texts_are_short_lines_of_ascii(text: str | None, shown: str) -> None:
    assert plain(text) == shown


def test_many_drivers_are_bounded(tmp_path: Path) -> None:
    for number in range(40):
        device(tmp_path, "0000:%02x:00.0" % number, "0x020000", "driver%02d" % number)
    assert len(read_hardware(HostFiles(str(tmp_path))).drivers["network"]) == 16
