# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of machines: what counts, how it is recognised, and names that mean harm."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._machine.devices import parse_link_mts, read_model
from ansible_collections.fleet.kexec.plugins.module_utils._machine.kernel_errors import normalised, parse_errors
from ansible_collections.fleet.kexec.plugins.module_utils._machine.reading import take_snapshot
from ansible_collections.fleet.kexec.plugins.module_utils._machine.snapshot import (
    Disk,
    MachineSnapshot,
    MemorySize,
    NetworkInterface,
    PciFunction,
    Raid,
    RdmaDevice,
    parse_snapshot,
)
from ansible_collections.fleet.kexec.plugins.module_utils._machine.system import count_listed
from ansible_collections.fleet.kexec.tests.machine_tree import ETHERNET, MIB, SAS, MachineTree, add_common, physical_server


def snapshot_of(machine: MachineTree) -> MachineSnapshot:
    return take_snapshot(machine.files, machine.run)


def test_a_physical_server(tmp_path: Path) -> None:
    server = physical_server(tmp_path)
    found = snapshot_of(server)
    assert (len(found.pci), len(found.disks), found.cpus, found.numa_nodes) == (100, 50, 64, 2)
    assert found.pci["0000:3b:00.0"] == PciFunction("0000:3b:00.0", "15b3:101d", ETHERNET, "mlx5_core", 16000, 8, 2)
    assert found.pci["0000:00:00.0"].driver is None, "that of a bridge is no matter"
    assert found.pci["0000:65:00.0"].link_mts is None, "display controllers save power"
    assert found.memory == MemorySize(64 << 30, (64 << 30) * 97 // 100 // 1024 * 1024, 2 << 30)
    assert (found.huge_pages, found.swap_bytes) == ({"1048576": 8}, 8388604 * 1024)
    assert (found.clock_source, found.microcode, found.tpms) == ("tsc", 0xD000404, 1)
    assert (found.watchdogs, found.modules) == (["iTCO_wdt"], ["ipmi_si", "msr"])
    assert (found.system_state, found.failed_units) == ("running", [])
    assert read_model(server.files) == "Dell Inc. PowerEdge R650"


def test_only_interfaces_of_devices_count(server: MachineTree) -> None:
    found = snapshot_of(server)
    assert [each.name for each in found.interfaces] == ["eno0", "eno1", "eno2", "eno3"]
    assert found.interfaces[1] == NetworkInterface(
        "eno1", "b8:ce:f6:00:00:01", "0000:3b:00.1#0", "mlx5_core", 25000, carrier=True, master="bond0"
    )
    assert found.rdma == [RdmaDevice("mlx5_2", "0000:3b:00.2", 1, [1])]


def test_an_address_that_was_set_is_not_the_permanent_one(guest: MachineTree) -> None:
    guest.write("/sys/class/net/ens3/addr_assign_type", 3)
    first, second = snapshot_of(guest).interfaces
    assert (first.address, first.bus) == (None, "0000:00:01.0/virtio#0")
    assert (second.address, second.speed_mbps, second.driver) == ("52:54:00:00:00:01", None, "virtio_net")


def test_paths_to_one_disk_are_one_disk(server: MachineTree) -> None:
    disks = snapshot_of(server).disks
    assert disks["naa.5000cca200000000"] == Disk("naa.5000cca200000000", ["sdaa", "sdba"], 16 << 40, 2, ["0000:17:00.0"])
    server.write("/sys/block/sdba/device/state", "offline")
    assert snapshot_of(server).disks["naa.5000cca200000000"].paths == 1


def test_native_multipath_of_nvme(guest: MachineTree) -> None:
    for name, state in (("nvme0n1", ""), ("nvme0c0n1", "live"), ("nvme0c1n1", "live"), ("nvme0c2n1", "connecting")):
        controller = "/sys/devices/nvme/" + name
        base = guest.disk(name, controller, 1 << 40, state=state)
        guest.write(base + "/wwid", "eui.1")
    assert snapshot_of(guest).disks["eui.1"].paths == 2


def test_disks_without_an_identity_are_known_by_their_place(guest: MachineTree) -> None:
    assert sorted(snapshot_of(guest).disks) == ["0000:00:03.0/virtio", "0000:00:04.0/virtio"]
    guest.write("/sys/block/vda/serial", "root  disk")
    assert "root disk" in snapshot_of(guest).disks


def test_what_comes_and_goes_is_no_disk(guest: MachineTree) -> None:
    before = snapshot_of(guest).disks
    guest.disk("rbd0", "/sys/devices/rbd/0", 1 << 40)
    guest.write(guest.disk("sdx", "/sys/devices/usb/1", 1 << 30) + "/removable", 1)
    guest.disk("sdy", "/sys/devices/usb/2", 0)
    assert snapshot_of(guest).disks == before


def test_raids_and_volumes(server: MachineTree) -> None:
    found = snapshot_of(server)
    assert found.raids == {
        "md 3aaa0122:29827cfa:5331ad66:ca767371": Raid("the array md127", healthy=True),
        "zfs tank": Raid("the ZFS pool tank", healthy=True),
    }
    assert found.volumes == {"LVM-" + "a" * 64: "vg-data"}
    server.write("/sys/block/md127/md/degraded", 1)
    server.write("/proc/spl/kstat/zfs/tank/state", "DEGRADED")
    assert {raid.name: (raid.healthy, raid.missing) for raid in snapshot_of(server).raids.values()} == {
        "the array md127": (False, 1),
        "the ZFS pool tank": (False, 0),
    }


def test_only_mounts_that_the_configuration_asks_for(server: MachineTree) -> None:
    assert snapshot_of(server).mounts == {"/": True, "/srv/my data": True}
    server.write("/etc/systemd/system/multi-user.target.wants/mnt-nfs.mount", "")
    lines = [
        "22 1 8:1 / / rw - ext4 /dev/sda1 ro",
        "25 22 0:60 / /mnt/nfs rw - nfs4 srv:/x rw",
        "26 22 8:2 / /mnt/usb rw - vfat x rw",
    ]
    server.write("/proc/self/mountinfo", "\n".join(lines))
    assert snapshot_of(server).mounts == {"/": False, "/mnt/nfs": True}


def test_what_a_user_mounts_over_a_mount_point_of_the_configuration_is_not_compared(server: MachineTree) -> None:
    # A home directory is a mount point here, and its owner has mounted over it, read-only.
    server.write("/etc/systemd/system/multi-user.target.wants/home-alice.mount", "")
    lines = [
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw",
        "25 22 8:2 / /home/alice rw - xfs /dev/sda2 rw",
        "26 25 0:60 / /home/alice ro - fuse.sshfs somewhere ro,user_id=1000,group_id=1000",
        "27 22 0:61 / /srv/my\\040data rw - fuse.glusterfs srv:/x rw,user_id=0,group_id=0",
    ]
    server.write("/proc/self/mountinfo", "\n".join(lines))
    assert snapshot_of(server).mounts == {"/": True, "/home/alice": True, "/srv/my data": True}


def test_only_tpms_with_a_device_count(server: MachineTree) -> None:
    """Containers and guests get proxies of TPMs (C(/dev/vtpmx)) while they run."""
    server.write("/sys/class/tpm/tpm1/tpm_version_major", 2)
    assert snapshot_of(server).tpms == 1


def test_modules_are_configured_as_systemd_reads_it(server: MachineTree) -> None:
    configured = snapshot_of(server).modules
    for name in ("drbd", "sg", "br_netfilter"):
        server.write("/sys/module/%s/refcnt" % name, 0)
    server.write("/etc/modules-load.d/README", "drbd is in no file that counts")
    server.write("/usr/lib/modules-load.d/scsi.conf", "sg")
    server.write("/etc/modules-load.d/scsi.conf", "# Not here.")
    assert snapshot_of(server).modules == configured
    server.write("/etc/modules-load.d/scsi.conf", "br_netfilter")
    assert snapshot_of(server).modules == ["br_netfilter", *configured]


def test_memory_without_memory_blocks(guest: MachineTree) -> None:
    guest.remove("/sys/devices/system/memory")
    guest.write("/sys/kernel/kexec_crash_size", 64 * MIB)
    assert snapshot_of(guest).memory == MemorySize(None, (1 << 30) * 97 // 100 // 1024 * 1024 + 64 * MIB)


def test_failed_units_are_asked_for_only_if_there_are_some(guest: MachineTree) -> None:
    assert snapshot_of(guest).failed_units == []
    assert guest.ran == ["systemctl"]
    # Any user can let the first one fail.
    guest.failed_units, guest.system_state = ["user@1000.service", "nginx.service", "srv-data.mount"], "degraded"
    found = snapshot_of(guest)
    assert (found.failed_units, found.system_state) == (["nginx.service", "srv-data.mount"], "degraded")


def test_units_of_connections_are_not_compared(guest: MachineTree) -> None:
    """Each connection or crash has a unit of its own (C(Accept=yes)), so that whoever connects can let one fail."""
    for name in ("systemd-coredump", "mine", "check-mk-agent", "sshd"):
        guest.write("/usr/lib/systemd/system/%s.socket" % name, "[Socket]\nAccept=yes")
    guest.failed_units = [
        "systemd-coredump@3-1234-1000.service",
        "systemd-coredump@4-77-1235_98765-1000.service",
        "batch@2026-11-30.service",
        "systemd-coredump@4-1235_98765-1000.service",
        "mine@5-unknown.service",
        "check-mk-agent@7-10.0.0.1:6556-10.0.0.2:5000.service",
        "sshd@8-2001:db8::1:22-2001:db8::2:5000.service",
        "ceph-osd@12.service",
        "ifup@eth0-1.service",
        "postgresql@15-main.service",
    ]
    expected = ["batch@2026-11-30.service", "ceph-osd@12.service", "ifup@eth0-1.service", "postgresql@15-main.service"]
    assert snapshot_of(guest).failed_units == expected


@pytest.mark.parametrize("host", [0, 4])
def test_numbers_of_scsi_hosts_identify_nothing(guest: MachineTree, host: int) -> None:
    adapter = guest.pci("0000:03:00.0", "15ad:07c0", SAS, "vmw_pvscsi")
    guest.disk("sda", "%s/host%d/target%d:0:1/%d:0:1:0" % (adapter, host, host, host), 1 << 40)
    assert "0000:03:00.0/0:1:0" in snapshot_of(guest).disks


def test_a_xen_guest_has_no_pci(tmp_path: Path) -> None:
    machine = MachineTree(tmp_path)
    add_common(machine, 1 << 30, 1)
    machine.interface("eth0", "/sys/devices/vif-0", "00:16:3e:00:00:01")
    machine.disk("xvda", "/sys/devices/vbd-51712", 10 << 30)
    found = snapshot_of(machine)
    assert (found.pci, list(found.disks)) == ({}, ["vbd-51712"])
    assert [(each.address, each.bus) for each in found.interfaces] == [("00:16:3e:00:00:01", "vif-0#0")]


def test_a_machine_without_anything(tmp_path: Path) -> None:
    machine = MachineTree(tmp_path)
    machine.system_state = None
    assert snapshot_of(machine) == MachineSnapshot()
    assert read_model(machine.files) == ""


def test_a_machine_where_nothing_can_be_read(server: MachineTree) -> None:
    # Directories where files are expected can't be read, even by root.
    for path in list(server.root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            path.unlink()
            path.mkdir()
    found = snapshot_of(server)
    assert (found.pci, found.disks, found.cpus, found.kernel_errors) == ({}, {}, 0, None)


LETTERS = "abcdefghijklmnopqrstuvwxyz"

# --- the kernel's log --------------------------------------------------------------------


def test_errors_of_the_kernel(server: MachineTree) -> None:
    assert snapshot_of(server).kernel_errors == ["ACPI BIOS Error (bug): Could not resolve symbol [\\_SB.PCI0], 0x0000abcd"]
    assert "journalctl" not in server.ran


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("nvme nvme0: I/O 12 QID 3 timeout", "nvme nvme4: I/O 13 QID 11 timeout"),
        ("sd 0:0:0:0: [sda] Asking for cache data failed", "sd 2:0:0:0: [sdab] Asking for cache data failed"),
        ("BUG: unable to handle page at ffff8881000fabcd", "BUG: unable to handle page at ffff88810eedabcd"),
    ],
)
def test_messages_are_compared_without_what_differs_from_boot_to_boot(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)
    assert normalised(one) != normalised("something else")


def test_only_the_kernel_itself_and_only_errors() -> None:
    records = [
        "6,0,1,-;Linux",
        "3,1,2,-;bad",
        " SUBSYSTEM=pci;x",
        "30,2,3,-;a daemon",
        "11,3,3,-;a user",
        "0,4,4,-;worse",
        "3,5,5,-;bad",
    ]
    assert parse_errors(records) == ["bad", "worse"]


def test_a_log_that_has_dropped_the_boot_is_not_all(server: MachineTree) -> None:
    server.kernel_log((3, "new"), first=5000)
    assert snapshot_of(server).kernel_errors is None
    server.journal = ["old 1", "old 2", "new"]
    assert snapshot_of(server).kernel_errors == ["old 1", "new"]
    assert take_snapshot(server.files, server.run, journal=False).kernel_errors is None
    server.journal = ["error %s%s" % (first, second) for first in LETTERS for second in LETTERS]
    assert snapshot_of(server).kernel_errors is None


# --- names that mean harm ----------------------------------------------------------------

HOSTILE = ["caf\udce9", "a\x1b]0;gone\x07b", "two\nlines", "{{ 7 * 7 }}", "\u202egnp.exe", "x" * 200]


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for each in pair for text in texts(each))
    elif isinstance(value, list):
        yield from (text for each in value for text in texts(each))


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_shown_harmlessly(guest: MachineTree, name: str) -> None:
    raw = os.fsencode(name) if "\udce9" in name else name.encode()
    card = guest.pci("0000:00:09.0", "1af4:1041", ETHERNET, "driver")
    guest.write(card + "/uevent", b"DRIVER=%s\nPCI_ID=1AF4:1041\nPCI_CLASS=%s\n" % (raw, raw))
    guest.interface(name, card, "52:54:00:00:00:09")
    guest.write(card + "/net/%s/address" % name, raw)
    guest.disk("vd" + name, card + "/virtio9", 1 << 30, wwid="x")
    guest.write("/sys/block/vd%s/device/wwid" % name, raw)
    guest.rdma(name, card, "uverbs9")
    volume = guest.software_disk("dm-9")
    guest.write(volume + "/dm/uuid", b"CRYPT-LUKS2-" + raw)
    guest.write(volume + "/dm/name", raw)
    guest.write("/proc/spl/kstat/zfs/%s/state" % name, raw)
    guest.write("/sys/class/watchdog/watchdog9/identity", raw)
    guest.write("/etc/modules", raw)
    guest.write("/sys/module/%s/refcnt" % name.splitlines()[0], 0)
    guest.write("/sys/devices/system/clocksource/clocksource0/current_clocksource", raw)
    guest.kernel_log((6, "Linux"), (3, name.replace("\n", " ")))
    guest.failed_units = [name.replace("\n", "-")]
    found = snapshot_of(guest)
    assert len(found.interfaces) == 3
    assert all(text.isprintable() and len(text) <= 300 for text in texts(found.as_dict()))
    assert parse_snapshot(json.loads(json.dumps(found.as_dict()))) == found
    json.dumps(found.as_dict(), ensure_ascii=False).encode("utf-8")


# --- small parsers -----------------------------------------------------------------------


@pytest.mark.parametrize(("text", "number"), [("0-3,8,10", 6), ("0", 1), ("", 0), (None, 0), ("0-63", 64)])
def test_lists_of_the_kernel(text: str | None, number: int) -> None:
    assert count_listed(text) == number


@pytest.mark.parametrize(
    ("text", "speed"), [("8.0 GT/s PCIe", 8000), ("2.5 GT/s PCIe", 2500), ("16 GT/s", 16000), ("Unknown", None), (None, None)]
)
def test_speeds_of_links(text: str | None, speed: int | None) -> None:
    assert parse_link_mts(text) == speed


def test_this_machine() -> None:
    found = take_snapshot(HostFiles(), MachineTree(Path("/nonexistent")).run)
    assert found.cpus
    assert found.release
