# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kernel runs in, from directory trees and captured outputs."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.console import (
    ConsoleLine,
    cost_of,
    loglevel_of,
    printed_bytes,
    rates_of,
    read_console,
)
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.firmware import Firmware, read_firmware
from ansible_collections.fleet.kexec.plugins.module_utils._host.guests import Guests, read_guests
from ansible_collections.fleet.kexec.plugins.module_utils._host.hypervisor import Hypervisor, cloud_of, read_hypervisor
from ansible_collections.fleet.kexec.plugins.module_utils._host.luks import bound_to_tpm
from ansible_collections.fleet.kexec.plugins.module_utils._host.pci import PciDevice, read_pci_devices
from ansible_collections.fleet.kexec.plugins.module_utils._host.pending import PendingReason, read_pending
from ansible_collections.fleet.kexec.plugins.module_utils._host.surroundings import READERS, read_surroundings
from ansible_collections.fleet.kexec.plugins.module_utils._host.timespans import INFINITY_S, parse_timespan
from ansible_collections.fleet.kexec.plugins.module_utils._host.tpm_disks import TpmDisks, read_tpm_disks
from ansible_collections.fleet.kexec.plugins.module_utils._host.watchdog import Watchdog, Watchdogs, read_watchdogs

from ....conftest import RELEASE, write_tree

GUID = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
EFIVARS = "/sys/firmware/efi/efivars"


class Tree:
    """A host as files, bytes and links."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = HostFiles(str(root))

    def write(self, files: Mapping[str, str]) -> HostFiles:
        write_tree(self.root, files)
        return self.files

    def write_bytes(self, path: str, content: bytes) -> None:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def link(self, path: str, target: str) -> None:
        link = self.root / path.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def nothing(argv: Sequence[str], timeout_s: float) -> CommandResult:
    return CommandResult(127, "", "")


def says(text: str) -> Any:
    return lambda argv, timeout_s: CommandResult(0, text, "")


def test_a_host_with_nothing_at_all(tree: Tree) -> None:
    found = read_surroundings(tree.files, nothing)
    assert found.firmware == Firmware("bios", False)
    assert found.watchdog == Watchdogs()
    assert found.hypervisor == Hypervisor(None, None, None, None, False)
    assert found.tpm_disks == TpmDisks([], [])
    assert found.guests == Guests([], [])
    assert (found.pci, found.pending) == ([], [])
    assert found.console is not None
    assert (found.console.consoles, found.console.message_bytes, found.console.cost_ms) == ([], None, 0)


def test_only_what_is_asked_for_is_read(tree: Tree) -> None:
    found = read_surroundings(tree.files, nothing, ["pci"])
    assert found.pci == []
    assert all(getattr(found, name) is None for name in READERS if name != "pci")


# --- firmware ----------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "on"), [(b"\6\0\0\0\1", True), (b"\6\0\0\0\0", False), (b"\6\0\0\0", None), (None, None)])
def test_secure_boot(tree: Tree, value: bytes | None, on: bool | None) -> None:
    tree.write({"/sys/firmware/efi/fw_platform_size": "64\n"})
    if value is not None:
        tree.write_bytes("%s/SecureBoot-%s" % (EFIVARS, GUID), value)
    assert read_firmware(tree.files) == Firmware("uefi", on)


# --- watchdogs ---------------------------------------------------------------------------

SHOWN = "RuntimeWatchdogUSec=1min\nRebootWatchdogUSec=10min\nKExecWatchdogUSec=0\n"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("1min", 60),
        ("10min", 600),
        ("1min 30s", 90),
        ("500ms", 0.5),
        ("2.5s", 2.5),
        ("1h 1us", 3600.000001),
        ("1month 1d", 2629800 + 86400),
        ("infinity", INFINITY_S),
        ("", None),
        ("[not set]", None),
        ("1 fortnight", None),
    ],
)
def test_time_spans(text: str, seconds: float | None) -> None:
    assert parse_timespan(text) == (pytest.approx(seconds) if seconds is not None else None)


def test_a_watchdog_with_a_module(tree: Tree) -> None:
    base = "/sys/class/watchdog/watchdog0"
    files = tree.write(
        {
            base + "/identity": "i6300ESB timer\n",
            base + "/timeout": "30\n",
            base + "/max_timeout": "2046\n",
            base + "/state": "active\n",
            base + "/nowayout": "0\n",
            "/sys/module/watchdog/parameters/stop_on_reboot": "-1\n",
        }
    )
    tree.link(base + "/device/driver/module", "../../../../module/i6300esb")
    found = read_watchdogs(files, says(SHOWN))
    assert found.devices == [Watchdog("/dev/watchdog0", "i6300ESB timer", "i6300esb", 30, 2046, True, False)]
    assert (found.stop_on_reboot, found.runtime_s, found.kexec_s, found.reboot_s) == (-1, 60, 0, 600)
    assert not found.legacy


def test_a_driver_that_is_built_in_and_one_without_a_device(tree: Tree) -> None:
    files = tree.write(
        {
            "/sys/class/watchdog/watchdog0/identity": "iTCO_wdt\n",
            "/sys/class/watchdog/watchdog1/identity": "Software Watchdog\n",
            "/sys/class/watchdog/watchdog1/nowayout": "1\n",
        }
    )
    tree.link("/sys/class/watchdog/watchdog0/device/driver", "../../bus/platform/drivers/iTCO_wdt")
    found = read_watchdogs(files, says("RuntimeWatchdogUSec=infinity\n"))
    assert [(device.driver, device.active, device.nowayout) for device in found.devices] == [
        ("iTCO_wdt", False, False),
        ("softdog", False, True),
    ]
    assert (found.runtime_s, found.kexec_s) == (-1, None)


def test_a_watchdog_outside_of_the_core(tree: Tree) -> None:
    assert read_watchdogs(tree.write({"/dev/watchdog": ""}), nothing).legacy


# --- hypervisor --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vendor", "product", "asset_tag", "cloud"),
    [
        ("Microsoft Corporation", "Virtual Machine", "7783-7084-3265-9085-8269-3286-77", "azure"),
        ("Microsoft Corporation", "Virtual Machine", "1234", None),
        ("Google", "Google Compute Engine", None, "google"),
        ("Amazon EC2", "m6i.large", "Amazon EC2", "amazon"),
        (None, None, None, None),
    ],
)
def test_clouds(vendor: str | None, product: str | None, asset_tag: str | None, cloud: str | None) -> None:
    assert cloud_of(vendor, product, asset_tag) == cloud


@pytest.mark.parametrize(("said", "vm"), [("kvm\n", "kvm"), ("none\n", None), ("", None), ("Failed to check\n", None)])
def test_the_hypervisor_that_systemd_sees(tree: Tree, said: str, vm: str | None) -> None:
    files = tree.write({"/sys/class/dmi/id/sys_vendor": "QEMU\n", "/sys/class/dmi/id/product_name": "Standard PC\n"})
    assert read_hypervisor(files, says(said)) == Hypervisor(vm, None, "QEMU", "Standard PC", False)


@pytest.mark.parametrize(("capabilities", "dom0"), [("control_d\n", True), ("", False)])
def test_xen(tree: Tree, capabilities: str, dom0: bool) -> None:
    assert read_hypervisor(tree.write({"/proc/xen/capabilities": capabilities}), nothing).xen_dom0 is dom0


@pytest.mark.parametrize(
    ("files", "said", "guest"),
    [
        ({"/sys/hypervisor/type": "xen\n", "/sys/hypervisor/guest_type": "HVM\n"}, "", "HVM"),
        ({"/sys/hypervisor/type": "xen\n", "/sys/hypervisor/guest_type": "PV\n"}, "xen", "PV"),
        ({"/sys/hypervisor/type": "xen\n", "/sys/hypervisor/guest_type": "PVH\n"}, "xen", "PVH"),
        # Before Linux 4.13.
        ({"/sys/hypervisor/type": "xen\n"}, "", "unknown"),
        ({}, "xen", "unknown"),
        ({}, "kvm", None),
        ({"/sys/hypervisor/type": "xen\n", "/proc/xen/capabilities": "control_d\n"}, "xen", None),
    ],
)
def test_guests_of_xen(tree: Tree, files: dict[str, str], said: str, guest: str | None) -> None:
    assert read_hypervisor(tree.write(files), says(said)).xen_guest == guest


def test_a_parent_on_microsofts_hypervisor(tree: Tree) -> None:
    assert not read_hypervisor(tree.files, says("microsoft")).hyperv_parent
    assert read_hypervisor(tree.write({"/dev/mshv": ""}), says("microsoft")).hyperv_parent


# --- disks -------------------------------------------------------------------------------


def luks(tokens: Any, version: int = 2, magic: bytes = b"LUKS\xba\xbe") -> bytes:
    """A header as cryptsetup writes it."""
    area = json.dumps({"keyslots": {}, "tokens": tokens}).encode() if not isinstance(tokens, bytes) else tokens
    return struct.pack(">6sHQ", magic, version, 16384).ljust(4096, b"\0") + area.ljust(16384 - 4096, b"\0")


def luks1(jwe: str = "", owner: str = "cb6e8904-81ff-40da-a84a-07ab9ab5715e", key_bytes: int = 32) -> bytes:
    """A header of version 1 as cryptsetup writes it, with clevis's metadata between key slots and data."""
    payload = 4096
    header = struct.pack(">6sH96xII", b"LUKS\xba\xbe", 1, payload, key_bytes).ljust(208, b"\0")
    # 4000 stripes of 32 bytes are 250 sectors, and each slot begins at a multiple of 256.
    header += b"".join(struct.pack(">II32xII", 0xDEAD, 0, 8 + 256 * number, 4000) for number in range(8))
    hole = (8 + 256 * 7 + 250) * 512
    hole += -hole % 4096
    slots = [bytes(32)] * 8
    if jwe:
        slots[1] = struct.pack(">16sIIII", UUID(owner).bytes, 4096, len(jwe), 0, 0)
    metadata = (struct.pack(">8sII", b"LUKSMETA", 1, 0) + b"".join(slots)).ljust(4096, b"\0") + jwe.encode()
    return (header.ljust(hole, b"\0") + metadata).ljust(payload * 512, b"\0")


def jwe_header(config: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps({"alg": "dir", "clevis": config}).encode()).decode().rstrip("=")


def clevis(config: Mapping[str, Any]) -> dict[str, Any]:
    return {"0": {"type": "clevis", "keyslots": ["1"], "jwe": {"protected": jwe_header(config), "tag": "x"}}}


SYSTEMD = {"type": "systemd-tpm2", "keyslots": ["1"], "tpm2-pcrs": [7]}
TANG = {"pin": "tang", "tang": {"url": "http://tang"}}
TPM = {"pin": "tpm2", "tpm2": {"pcr_ids": "7"}}


@pytest.mark.parametrize(
    ("header", "bound"),
    [
        (luks({}), False),
        (luks({"0": SYSTEMD}), True),
        (luks({"0": {"type": "systemd-fido2"}, "3": SYSTEMD}), True),
        (luks({"0": {**SYSTEMD, "tpm2-pcrs": []}}), False),
        (luks({"0": {**SYSTEMD, "tpm2-pcrs": [], "tpm2_pubkey_pcrs": [11]}}), True),
        (luks({"0": {**SYSTEMD, "tpm2-pcrs": [], "tpm2_pcrlock": True}}), True),
        (luks(clevis(TPM)), True),
        (luks(clevis(TANG)), False),
        (luks(clevis({"pin": "sss", "sss": {"t": 2, "jwe": [jwe_header(TANG) + ".a.b", jwe_header(TPM) + "..c"]}})), True),
        (luks(clevis({"pin": "sss", "sss": {"t": 1, "jwe": [jwe_header(TANG) + ".a.b"]}})), False),
        (luks({"0": {"type": "clevis", "jwe": {"protected": "%%%"}}, "1": 5}), False),
        (luks1(), False),
        (luks1(jwe_header(TPM) + ".a.b.c.d"), True),
        (luks1(jwe_header(TANG) + ".a.b.c.d"), False),
        (luks1("no.jwe"), False),
        (luks1(jwe_header(TPM) + ".a", owner="00000000-0000-0000-0000-000000000001"), False),
        # More than is on the disk.
        (luks1(jwe_header(TPM) + ".a", key_bytes=1 << 31), False),
        (luks1(jwe_header(TPM) + ".a")[:600], False),
        (luks(b"no json"), None),
        (luks(b"[1]"), None),
        (luks({}, magic=b"SKUL\xba\xbe"), None),
        (b"LUKS", None),
        (b"", None),
    ],
)
def test_luks_headers(header: bytes, bound: bool | None) -> None:
    assert bound_to_tpm(header) is bound


def test_disks_are_found_by_udev(tree: Tree) -> None:
    files = tree.write(
        {
            "/run/udev/data/b8:1": "S:disk/by-uuid/1\nE:ID_FS_TYPE=crypto_LUKS\nG:systemd\n",
            "/run/udev/data/b8:2": "E:ID_FS_TYPE=ext4\n",
            "/run/udev/data/b8:3": "E:ID_FS_TYPE=crypto_LUKS\n",
            "/run/udev/data/c4:64": "E:ID_FS_TYPE=crypto_LUKS\n",
            "/sys/dev/block/8:1/uevent": "MAJOR=8\nMINOR=1\nDEVNAME=sda1\nDEVTYPE=partition\n",
            "/sys/dev/block/8:3/uevent": "DEVNAME=sda3\n",
            "/etc/crypttab": (
                "# swap UUID=2 none tpm2-device=auto\nroot UUID=1 none luks,tpm2-device=auto\ndata /dev/sdb none luks\n"
            ),
        }
    )
    tree.write_bytes("/dev/sda1", luks({"0": SYSTEMD}))
    assert read_tpm_disks(files) == TpmDisks(["/dev/sda1", "root"], ["/dev/sda3"])
    tree.write_bytes("/dev/sda1", luks1(jwe_header(TPM) + ".a.b"))
    assert read_tpm_disks(files).bound == ["/dev/sda1", "root"]


@pytest.mark.parametrize(
    ("argument", "bound"),
    [
        ("rd.luks.options=tpm2-device=auto", True),
        ("luks.options=discard,tpm2-device=/dev/tpmrm0", True),
        ("rd.luks.options=6db3bd38-60f0-4e0e-9dbf-ba4f3fc3e6ee=tpm2-device=auto", True),
        ("rd.luks.options=discard", False),
        ("rd.luks.name=tpm2-device=auto", False),
    ],
)
def test_disks_that_the_command_line_has_unlocked(tree: Tree, argument: str, bound: bool) -> None:
    files = tree.write({"/proc/cmdline": "root=/dev/mapper/root %s quiet\n" % argument})
    assert read_tpm_disks(files).bound == ([argument] if bound else [])


@pytest.mark.parametrize(("mode", "counts"), [(0o600, True), (0o666, False)])
@pytest.mark.parametrize("device", ["loop0", "loop0p1", "dm-3"])
def test_a_volume_in_a_users_file(tree: Tree, mode: int, counts: bool, device: str) -> None:
    disk = "/sys/devices/virtual/block/loop0"
    files = tree.write({disk + "/loop/backing_file": "/home/u/x.img\n", "/home/u/x.img": ""})
    tree.write({"/run/udev/data/b259:7": "E:ID_FS_TYPE=crypto_LUKS\n"})
    own = {"loop0": disk, "loop0p1": disk + "/loop0p1", "dm-3": "/sys/devices/virtual/block/dm-3"}[device]
    # Unlocked by its user, with a volume in the volume.
    tree.write({disk + "/loop0p1/partition": "1\n", "/sys/devices/virtual/block/dm-3/size": "8\n"})
    tree.link("/sys/devices/virtual/block/dm-3/slaves/loop0p1", "../../loop0/loop0p1")
    tree.write({own + "/uevent": "DEVNAME=%s\n" % device})
    tree.link("/sys/dev/block/259:7", "../.." + own[len("/sys") :])
    (tree.root / "home/u/x.img").chmod(mode)
    tree.write_bytes("/dev/" + device, luks({"0": SYSTEMD}))
    assert read_tpm_disks(files).bound == (["/dev/" + device] if counts else [])


# --- PCI ---------------------------------------------------------------------------------


def pci(tree: Tree, address: str, driver: str | None, command: int = 0x0406, kind: str = "0x020000", **more: str) -> None:
    base = "/sys/bus/pci/devices/" + address
    tree.write({base + "/class": kind, base + "/vendor": "0x15b3\n", base + "/device": "0x1013\n"})
    tree.write({"%s/%s" % (base, name): text for name, text in more.items()})
    tree.write_bytes(base + "/config", struct.pack("<HHH", 0x15B3, 0x1013, command) + bytes(58))
    if driver:
        tree.link(base + "/driver", "../../../bus/pci/drivers/" + driver)


def test_pci_devices(tree: Tree) -> None:
    pci(tree, "0000:3b:00.0", "mlx5_core", sriov_numvfs="4\n")
    pci(tree, "0000:3b:00.1", "vfio-pci", command=0x0002)
    pci(tree, "0000:3b:00.2", None)
    pci(tree, "0000:00:01.0", "pcieport", kind="0x060400")
    assert read_pci_devices(tree.files) == [
        PciDevice("0000:3b:00.0", "15b3:1013", "mlx5_core", True, 4),
        PciDevice("0000:3b:00.1", "15b3:1013", "vfio-pci", False, 0, "vfio"),
    ]


@pytest.mark.parametrize(
    ("driver", "directory", "held_by"),
    [
        ("mlx5_core", None, None),
        ("mlx5_vfio_pci", None, "vfio"),
        ("nvgrace_gpu", "vfio-dev/vfio0", "vfio"),
        ("uio_pci_generic", None, "uio"),
        ("igb_uio", None, "uio"),
        ("my_card", "uio/uio0", "uio"),
    ],
)
def test_devices_that_a_process_may_drive(tree: Tree, driver: str, directory: str | None, held_by: str | None) -> None:
    pci(tree, "0000:3b:00.0", driver)
    if directory:
        tree.write({"/sys/bus/pci/devices/0000:3b:00.0/%s/dev" % directory: "511:0\n"})
    assert [device.held_by for device in read_pci_devices(tree.files)] == [held_by]


# --- guests ------------------------------------------------------------------------------


def test_guests(tree: Tree) -> None:
    digits = "0123456789abcdef" * 4
    tree.write(
        {
            "/proc/1/comm": "systemd\n",
            "/proc/100/comm": "qemu-system-x86\n",
            "/proc/100/status": "Name:\tqemu-system-x86\nUid:\t64055\t64055\t64055\t64055\n",
            "/proc/101/comm": "renamed\n",
            "/proc/101/status": "Uid:\t0\t0\t0\t0\n",
            "/proc/102/comm": "qemu-ga\n",
            "/proc/103/comm": "kvm-nx-lpage-re\n",
            "/proc/104/comm": "cloud-hypervis\n",
            "/proc/104/status": "Uid:\t5000\t5000\t5000\t5000\n",
            "/proc/104/cgroup": "0::/firecracker/7/x\n",
            "/proc/self/comm": "kvm\n",
            "/run/systemd/machines/qemu-1-web": "# private\nNAME=qemu-1-web\nCLASS=vm\n",
            "/run/systemd/machines/build": "NAME=build\nCLASS=container\n",
            "/run/systemd/machines/unit:machine-build.scope": "NAME=build\nCLASS=container\n",
            "/sys/fs/cgroup/cgroup.controllers": "cpu\n",
            "/sys/fs/cgroup/system.slice/docker-%s.scope/nested/docker-%s.scope/x" % (digits, digits): "",
            "/sys/fs/cgroup/system.slice/docker.service/x": "",
            "/sys/fs/cgroup/machine.slice/libpod-f%s.scope/x" % digits[:-1]: "",
            "/sys/fs/cgroup/machine.slice/libpod-conmon-%s.scope/x" % digits: "",
            "/sys/fs/cgroup/machine.slice/machine-qemu\\x2d1\\x2dweb.scope/x": "",
            "/sys/fs/cgroup/machine.slice/machine-mine.scope/x": "",
            "/sys/fs/cgroup/machine.slice/systemd-nspawn@build.service/x": "",
            "/sys/fs/cgroup/lxc.payload.old/x": "",
            "/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/cri-containerd-a%s.scope/x" % digits[:-1]: "",
            "/sys/fs/cgroup/kubepods/burstable/pod1/b%s/x" % digits[:-1]: "",
            "/sys/fs/cgroup/user.slice/crio-conmon-%s.scope/x" % digits: "",
        }
    )
    tree.link("/proc/101/exe", "/usr/bin/qemu-kvm")
    found = read_guests(tree.files)
    assert found.vms[0] == "qemu-1-web"
    assert len(found.vms) == 3, "three processes, one of which has a name"
    assert found.containers == ["0123456789ab", "a0123456789a", "b0123456789a", "build", "f0123456789a", "mine", "old"]
    assert found.of_users == []


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("lxc/101/ns/init.scope", "101"),
        ("lxc.payload/web", "web"),
        ("docker/%s" % ("a" * 64), "aaaaaaaaaaaa"),
        ("machine.slice/libpod-%s/container" % ("b" * 64), "bbbbbbbbbbbb"),
        ("nomad.slice/6db3bd38-60f0-4e0e-9dbf-ba4f3fc3e6ee.web.scope", "6db3bd38.web"),
        ("nomad.slice/share.slice/6db3bd38-60f0-4e0e-9dbf-ba4f3fc3e6ee.web.scope", "6db3bd38.web"),
        ("nomad.slice/reserve.slice/6db3bd38-60f0-4e0e-9dbf-ba4f3fc3e6ee-web.scope", "6db3bd38-web"),
        ("nomad/6db3bd38-60f0-4e0e-9dbf-ba4f3fc3e6ee", "6db3bd38"),
        ("nomad/shared", None),
        ("system.slice/6db3bd38-60f0-4e0e-9dbf-ba4f3fc3e6ee.web.scope", None),
        ("lxc.monitor/101", None),
        ("lxc.pivot/101", None),
    ],
)
@pytest.mark.parametrize("hierarchy", ["", "unified/", "systemd/", "memory/", "devices/"])
def test_containers_in_every_hierarchy(tree: Tree, group: str, name: str | None, hierarchy: str) -> None:
    tree.write({"/sys/fs/cgroup/%s%s/cgroup.procs" % (hierarchy, group): ""})
    if hierarchy:
        # Hybrid: systemd's own groups are in two others.
        tree.write({"/sys/fs/cgroup/%s/system.slice/x" % each: "" for each in ("unified", "systemd")})
    else:
        tree.write({"/sys/fs/cgroup/cgroup.controllers": "cpu\n"})
    assert read_guests(tree.files).containers == ([name] if name else [])


@pytest.mark.parametrize("mode", [0o755, 0o777])
def test_a_container_counts_if_only_root_could_make_its_group(tree: Tree, mode: int) -> None:
    groups = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/"
    tree.write({"/sys/fs/cgroup/cgroup.controllers": "cpu\n", groups + "app.slice/lxc.payload.mine/x": ""})
    tree.write({"/sys/fs/cgroup/lxc/101/ns/lxc.payload.nested/x": ""})
    # Delegated, as an owner would be; the group of a container without privileges is its own.
    for path in (groups, "/sys/fs/cgroup/lxc/101"):
        (tree.root / path.lstrip("/")).chmod(mode)
    found = read_guests(tree.files)
    expected = (["101"], ["mine"]) if mode == 0o777 else (["101", "mine"], [])
    assert (found.containers, found.of_users) == expected


def test_users_cannot_hide_containers_behind_groups_of_theirs(tree: Tree) -> None:
    tree.write({"/sys/fs/cgroup/cgroup.controllers": "cpu\n", "/sys/fs/cgroup/aaa/lxc.payload.web/x": ""})
    (tree.root / "sys/fs/cgroup/user.slice").mkdir(mode=0o777)
    (tree.root / "sys/fs/cgroup/user.slice").chmod(0o777)
    for number in range(1200):
        (tree.root / ("sys/fs/cgroup/user.slice/%d/lxc.payload.%d" % (number, number))).mkdir(parents=True)
    found = read_guests(tree.files)
    assert found.containers == ["web"]
    assert len(found.of_users) == 50


@pytest.mark.parametrize(
    ("user", "group", "counts"),
    [
        (0, "0::/user.slice/user-0.slice/session-1.scope", True),
        (64055, "0::/machine.slice/machine-qemu.scope", True),
        (107, "0::/system.slice/vm.service", True),
        (1000, "1:name=systemd:/qemu.slice/101.scope\n0::/", True),
        (1000, "0::/user.slice/user-1000.slice/session-2.scope", False),
        (1000, "0::/system.slice/cron.service", False),
        (100000, "0::/user.slice", False),
        # A user of systemd-homed.
        (60123, "0::/user.slice/user-60123.slice/session-2.scope", False),
        (1000, "0::/", False),
    ],
)
def test_a_process_counts_if_only_root_could_start_it(tree: Tree, user: int, group: str, counts: bool) -> None:
    status = "Name:\tkvm\nUid:\t%d\t%d\t%d\t%d\n" % ((user,) * 4)
    files = tree.write({"/proc/9/comm": "kvm\n", "/proc/9/status": status, "/proc/9/cgroup": group + "\n"})
    assert read_guests(files) == (Guests(["kvm"], [], []) if counts else Guests([], [], ["kvm"]))


@pytest.mark.parametrize(
    ("group", "program", "counts"),
    [
        ("user.slice/user-1000.slice/session-2.scope", "/usr/bin/sudo", False),
        ("user.slice/user-1000.slice/session-2.scope", "/usr/bin/firecracker", True),
        ("user.slice/user-0.slice/session-1.scope", "/opt/firecracker-v1.12.1-x86_64", True),
        ("system.slice/vm.service", "/opt/firecracker-v1.12.1-x86_64", True),
    ],
)
def test_a_program_of_root_that_a_user_calls_by_another_name(tree: Tree, group: str, program: str, counts: bool) -> None:
    """A process is named after the link by which it was started, and sudo runs as root while it asks for a password."""
    tree.write({"/proc/9/comm": "firecracker\n", "/proc/9/status": "Uid:\t0\t0\t0\t0\n", "/proc/9/cgroup": "0::/%s\n" % group})
    tree.link("/proc/9/exe", program)
    found = read_guests(tree.files)
    assert (found.vms, found.of_users) == ((["firecracker"], []) if counts else ([], ["firecracker"]))


def test_a_machine_that_a_user_registered(tree: Tree) -> None:
    text = "NAME=%s\nCLASS=container\nUID=%d\n"
    machines = {"/run/systemd/machines/" + name: text % (name, uid) for name, uid in (("a", 0), ("b", 1000))}
    assert read_guests(tree.write(machines)) == Guests([], ["a"], ["b"])


def test_a_program_that_was_upgraded_meanwhile(tree: Tree) -> None:
    tree.write({"/proc/9/comm": "renamed\n", "/proc/9/status": "Uid:\t0\t0\t0\t0\n"})
    tree.link("/proc/9/exe", "/usr/bin/qemu-system-x86_64 (deleted)")
    assert read_guests(tree.files).vms == ["qemu-system-x86_64"]


def test_a_name_that_is_no_text_can_be_shown(tree: Tree) -> None:
    tree.write({"/sys/fs/cgroup/cgroup.controllers": "cpu\n"})
    for name in (b"lxc.payload.\xff", b"lxc.payload.\x1b[2Jx", b"lxc.payload." + b"n" * 200):
        os.mkdir(os.fsencode(tree.root / "sys/fs/cgroup") + b"/" + name)
    assert read_guests(tree.files).containers == ["\\x1b[2Jx", "\\xff", "n" * 117 + "..."]


# --- pending -----------------------------------------------------------------------------


def test_packages_and_kernels_that_wait(tree: Tree) -> None:
    files = tree.write(
        {
            "/run/reboot-required": "*** System restart required ***\n",
            "/run/reboot-required.pkgs": "linux-image\nlibc6\nlibc6\n",
            "/proc/sys/kernel/osrelease": RELEASE + "\n",
            "/boot/vmlinuz-" + RELEASE: "",
            "/boot/vmlinuz-6.12.118+deb13-cloud-amd64": "",
            "/boot/vmlinuz-6.13.0-amd64": "",
        }
    )
    assert read_pending(files) == [
        PendingReason("reboot_required", False, "packages ask for a reboot: libc6, linux-image"),
        PendingReason("newer_kernel", False, "6.12.118+deb13-cloud-amd64 is installed, %s runs" % RELEASE),
    ]


@pytest.mark.parametrize("installed", ["6.13.0-amd64", RELEASE, "6.12.100+deb13-cloud-amd64"])
def test_kernels_that_are_no_update(tree: Tree, installed: str) -> None:
    assert read_pending(tree.write({"/proc/sys/kernel/osrelease": RELEASE, "/boot/vmlinuz-" + installed: ""})) == []


def test_firmware_updates_of_fwupd(tree: Tree) -> None:
    path = tree.root / "var/lib/fwupd/pending.db"
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE history (device_id TEXT, update_state INTEGER DEFAULT 0, display_name TEXT, version_new TEXT)"
        )
        states = [(1, "Dock"), (2, "Done"), (3, "Failed"), (4, "System Firmware")]
        database.executemany("INSERT INTO history VALUES ('x', ?, ?, '2.0')", states)
    database.close()
    before = sorted(os.listdir(path.parent))
    assert [(each.kind, each.cold, each.message) for each in read_pending(tree.files)] == [
        ("firmware_update", True, "fwupd has Dock 2.0 waiting"),
        ("firmware_update", True, "fwupd has System Firmware 2.0 waiting"),
    ]
    assert sorted(os.listdir(path.parent)) == before


@pytest.mark.parametrize("content", [b"", b"not a database at all, but long enough to be looked at" * 20])
def test_a_database_that_is_none(tree: Tree, content: bytes) -> None:
    tree.write_bytes("/var/lib/fwupd/pending.db", content)
    assert read_pending(tree.files) == []


@pytest.mark.parametrize(
    ("value", "kinds"),
    [(struct.pack("<IQ", 7, 4), ["efi_capsule"]), (struct.pack("<IQ", 7, 1), []), (b"\7\0\0\0\4", [])],
)
def test_efi_capsules(tree: Tree, value: bytes, kinds: list[str]) -> None:
    tree.write_bytes("%s/OsIndications-%s" % (EFIVARS, GUID), value)
    assert [each.kind for each in read_pending(tree.files)] == kinds
    assert all(each.cold for each in read_pending(tree.files))


# --- consoles ----------------------------------------------------------------------------

KMSG = """\
5,0,0,-;Linux version 6.12
 SUBSYSTEM=x
6,1,0,-;Command line: ro
4,2,1000000,-;a warning
7,3,1000000,-;for debugging
30,4,1000000,-;systemd[1]: not the kernel's
4,5,90000000,-;much later
"""


@pytest.mark.parametrize(
    ("cmdline", "rates"),
    [
        ("console=tty0 console=ttyS0,115200n8 ro", {"ttyS0": 115200}),
        ("console=ttyS1", {"ttyS1": 9600}),
        ("console=ttyS1,n8", {"ttyS1": 9600}),
        ("console=hvc0 console=uart8250,io,0x3f8", {}),
        ('"console=ttyS0,115200" a="b console=ttyS1" -- console=ttyS2', {"ttyS0": 115200}),
        ("", {}),
    ],
)
def test_rates_of_serial_consoles(cmdline: str, rates: dict[str, int]) -> None:
    assert rates_of(cmdline) == rates


@pytest.mark.parametrize(
    ("cmdline", "level"),
    [
        ("ro", 7),
        ("quiet", 4),
        ("quiet loglevel=6", 6),
        ("loglevel=6 quiet", 4),
        ("debug", 10),
        ("quiet ignore_loglevel", 15),
        ("loglevel=x", 7),
        ('a="b quiet c" "loglevel=5"', 5),
        ("ignore-loglevel", 15),
        ("-- quiet", 7),
    ],
)
def test_the_level_of_the_boot_that_comes(cmdline: str, level: int) -> None:
    assert loglevel_of(cmdline, 7) == level


@pytest.mark.parametrize(
    ("loglevel", "messages"),
    [
        (7, ["Linux version 6.12", "Command line: ro", "a warning"]),
        (5, ["a warning"]),
        (15, ["Linux version 6.12", "Command line: ro", "a warning", "for debugging"]),
        (1, []),
    ],
)
def test_what_a_boot_prints(loglevel: int, messages: list[str]) -> None:
    assert printed_bytes(KMSG.splitlines(), loglevel) == sum(len("[    0.000000] %s\r\n" % message) for message in messages)


@pytest.mark.parametrize("log", ["", "6,17,5,-;the beginning is gone\n", "garbage\n;\n6;x\n"])
def test_a_log_without_its_beginning(log: str) -> None:
    assert printed_bytes(log.splitlines(), 7) is None


@pytest.mark.parametrize(
    ("consoles", "message_bytes", "cost_ms"),
    [
        ([ConsoleLine("tty0", False, None)], None, 0),
        ([ConsoleLine("ttyS0", True, 115200)], 35000, 3038),
        ([ConsoleLine("ttyS0", True, 115200), ConsoleLine("ttyS1", True, 9600)], 960, 1000),
        ([ConsoleLine("ttyS0", True, 115200)], None, None),
        ([ConsoleLine("ttyS0", True, None)], 1000, None),
    ],
)
def test_the_slowest_serial_console_counts(consoles: list[ConsoleLine], message_bytes: int | None, cost_ms: int | None) -> None:
    assert cost_of(consoles, message_bytes) == cost_ms


def test_consoles_of_a_host(tree: Tree) -> None:
    files = tree.write(
        {
            "/proc/cmdline": "ro quiet console=tty0 console=ttyS0,115200n8\n",
            "/proc/consoles": "ttyS0                -W- (EC  p a)    4:64\ntty0                 -WU (E     )    4:1\n",
            # Whatever somebody set since: the last is what the kernel was built with.
            "/proc/sys/kernel/printk": "3\t4\t1\t7\n",
            "/dev/kmsg": KMSG.replace("4,2", "3,2"),
        }
    )
    found = read_console(files)
    assert found.consoles == [ConsoleLine("ttyS0", True, 115200), ConsoleLine("tty0", False, None)]
    assert found.loglevel == 4
    assert found.message_bytes == len("[    0.000000] a warning\r\n")
    assert found.cost_ms == 2
    assert read_console(tree.write({"/proc/cmdline": "ro\n"})).loglevel == 7
