# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparison of machines: each loss has its code, and nothing else is a difference."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._machine.codes import DIFFERENCE_DEFAULTS, DIFFERENCES
from ansible_collections.fleet.kexec.plugins.module_utils._machine.comparison import Difference, compare
from ansible_collections.fleet.kexec.plugins.module_utils._machine.reading import take_snapshot
from ansible_collections.fleet.kexec.plugins.module_utils._machine.snapshot import MachineSnapshot, MemorySize, parse_snapshot
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CATALOGUE
from ansible_collections.fleet.kexec.tests.machine_tree import ETHERNET, MIB, SYSTEM, MachineTree, virtio_guest

CARD = "/sys/devices/pci0000:00/0000:00:00.0/0000:3b:00.2"


def differences(before: MachineSnapshot, after: MachineSnapshot, **effects: str) -> list[Difference]:
    return compare(before, after, {**DIFFERENCE_DEFAULTS, **effects})


def found(machine: MachineTree, *changes: Callable[[MachineTree], object]) -> list[tuple[str, str, str | None, str | None]]:
    """Code, subject, before and after of the differences that changes to a machine make."""
    before = take_snapshot(machine.files, machine.run)
    for change in changes:
        change(machine)
    after = take_snapshot(machine.files, machine.run)
    return [(each.code, each.subject, each.before, each.after) for each in differences(before, after)]


def write(path: str, text: str | int) -> Callable[[MachineTree], None]:
    return lambda machine: machine.write(path, text)


def remove(path: str) -> Callable[[MachineTree], None]:
    return lambda machine: machine.remove(path)


def set_state(**values: Any) -> Callable[[MachineTree], None]:
    return lambda machine: vars(machine).update(values)


LOSSES: list[tuple[Callable[[MachineTree], None], list[tuple[str, str, str | None, str | None]]]] = [
    (
        remove("/sys/bus/pci/devices/0000:65:00.0"),
        [("PCI_DEVICE_LOST", "0000:65:00.0", "10de:2235 (nvidia)", None)],
    ),
    (write(CARD + "/current_link_width", 4), [("LINK_DEGRADED", "0000:3b:00.2", "8 lanes", "4 lanes")]),
    (
        write(CARD + "/current_link_speed", "2.5 GT/s PCIe"),
        [("LINK_DEGRADED", "0000:3b:00.2", "16000 MT/s", "2500 MT/s")],
    ),
    (
        write(CARD + "/uevent", "PCI_CLASS=20000\nPCI_ID=15B3:101D"),
        [("DRIVER_LOST", "0000:3b:00.2", "mlx5_core", None)],
    ),
    (
        write("/sys/bus/pci/devices/0000:65:00.0/uevent", "DRIVER=nouveau\nPCI_CLASS=30200\nPCI_ID=10DE:2235"),
        [("DRIVER_CHANGED", "0000:65:00.0", "nvidia", "nouveau")],
    ),
    (
        write("/sys/bus/pci/devices/0000:fe:01.0/uevent", "PCI_CLASS=88000\nPCI_ID=8086:09A2"),
        [("DRIVER_CHANGED", "0000:fe:01.0", "skx_uncore", None)],
    ),
    (
        write("/sys/bus/pci/devices/0000:3b:00.0/sriov_numvfs", 0),
        [("VIRTUAL_FUNCTIONS_LOST", "0000:3b:00.0", "2", "0")],
    ),
    (remove("/sys/class/net/eno3"), [("NIC_LOST", "eno3", "b8:ce:f6:00:00:03", None)]),
    (write("/sys/class/net/eno2/carrier", 0), [("NIC_NO_CARRIER", "eno2", "link up", "no link")]),
    (
        remove("/sys/devices/pci0000:00/0000:00:00.0/0000:3b:00.2/net/eno2/carrier"),
        [("NIC_NO_CARRIER", "eno2", "link up", "no link")],
    ),
    (write("/sys/class/net/eno2/speed", 10), [("NIC_SLOWER", "eno2", "25000 Mb/s", "10 Mb/s")]),
    (remove("/sys/devices/pci0000:00/0000:00:00.0/0000:3b:00.0/net/eno0/master"), [("NIC_DETACHED", "eno0", "bond0", None)]),
    (remove("/sys/class/infiniband/mlx5_2"), [("RDMA_LOST", "mlx5_2", "0000:3b:00.2", None)]),
    (remove("/dev/infiniband/uverbs0"), [("RDMA_LOST", "mlx5_2", "1 nodes", "0 nodes")]),
    (
        write("/sys/class/infiniband/mlx5_2/ports/1/state", "1: DOWN"),
        [("NIC_NO_CARRIER", "mlx5_2 port 1", "active", "not active")],
    ),
    (remove("/sys/block/nvme1n1"), [("BLOCK_DEVICE_LOST", "nvme1n1", "eui.0025385000000001", None)]),
    (remove("/sys/block/sdba"), [("BLOCK_PATH_LOST", "sdaa", "2", "1")]),
    (
        write("/sys/block/nvme1n1/size", 1 << 21),
        [("BLOCK_DEVICE_SHRUNK", "nvme1n1", "4.0 TiB", "1.0 GiB")],
    ),
    (write("/sys/devices/system/cpu/online", "0"), [("CPU_LOST", "processors", "64", "1")]),
    (
        write("/sys/devices/system/cpu/cpu0/microcode/version", "0xd000403"),
        [("MICROCODE_OLDER", "microcode", "0xd000404", "0xd000403")],
    ),
    (remove("/sys/devices/system/memory/memory30"), [("MEMORY_LOST", "memory", "64.0 GiB", "62.0 GiB")]),
    (write("/sys/devices/system/node/has_memory", "0"), [("NUMA_NODE_LOST", "NUMA nodes", "2", "1")]),
    (write("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", 7), [("HUGE_PAGES_LOST", "1048576 KiB", "8", "7")]),
    (
        write("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet"),
        [("CLOCKSOURCE_CHANGED", "clock source", "tsc", "hpet")],
    ),
    (write("/sys/devices/system/edac/mc/mc0/ce_count", 4), [("MEMORY_ERRORS", "corrected", "0", "4")]),
    (write("/sys/devices/system/edac/mc/mc0/ue_count", 1), [("MEMORY_ERRORS", "uncorrected", "0", "1")]),
    (write("/proc/sys/kernel/tainted", 1 << 7), [("KERNEL_OOPS", "taint", "0", "128")]),
    (write("/proc/sys/kernel/tainted", 1 << 9 | 1 << 12), [("KERNEL_TAINTED", "taint", "0", "4608")]),
    (write("/proc/swaps", "Filename"), [("SWAP_LOST", "swap", "7.9 GiB", "0 bytes")]),
    (
        write("/proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw"),
        [("MOUNT_LOST", "/srv/my data", "mounted", None)],
    ),
    (
        write("/proc/self/mountinfo", "22 1 8:1 / / rw - ext4 a ro\n23 22 253:0 / /srv/my\\040data rw - xfs b rw"),
        [("MOUNT_READ_ONLY", "/", "writable", "read-only")],
    ),
    (write("/sys/block/md127/md/degraded", 1), [("RAID_DEGRADED", "the array md127", "healthy", "degraded, 1 missing")]),
    (write("/proc/spl/kstat/zfs/tank/state", "DEGRADED"), [("RAID_DEGRADED", "the ZFS pool tank", "healthy", "degraded")]),
    (remove("/proc/spl/kstat/zfs/tank"), [("RAID_DEGRADED", "the ZFS pool tank", "present", None)]),
    (remove("/sys/block/dm-0"), [("VOLUME_LOST", "vg-data", "active", None)]),
    (remove("/sys/class/tpm/tpm0"), [("TPM_LOST", "TPM", "1", "0")]),
    (remove("/sys/class/watchdog/watchdog0"), [("WATCHDOG_LOST", "iTCO_wdt", "present", None)]),
    (remove("/sys/module/ipmi_si"), [("MODULE_LOST", "ipmi_si", "loaded", None)]),
    (set_state(failed_units=["nginx.service"]), [("UNIT_FAILED", "nginx.service", None, "failed")]),
    (set_state(system_state="starting"), [("SYSTEM_STARTING", "systemd", "running", "starting")]),
    (set_state(system_state=None), [("SYSTEM_STARTING", "systemd", "running", None)]),
    (
        lambda machine: machine.kernel_log((6, "Linux"), (3, "nvme nvme3: Device not ready; aborting reset")),
        [("KERNEL_ERRORS", "kernel log", None, "1 new")],
    ),
]


@pytest.mark.parametrize(("change", "expected"), LOSSES, ids=[str(expected[0][:2]) for _change, expected in LOSSES])
def test_a_loss_counts_once(server: MachineTree, change: Callable[[MachineTree], None], expected: list[Any]) -> None:
    assert found(server, change) == expected
    # In the next reboot it was so before.
    server.write("/lib/modules/6.12.118/modules.builtin", "kernel/arch/x86/kernel/msr.ko")
    assert found(server, write("/proc/sys/kernel/osrelease", "6.12.118")) == []


def test_every_code_has_a_loss() -> None:
    others = {"MACHINE_UNKNOWN": "settling", "NIC_RENAMED": "renaming", "PCI_DEVICE_MOVED": "moving"}
    assert {code for _change, expected in LOSSES for code, *_rest in expected} | set(others) == set(DIFFERENCES)
    assert set(DIFFERENCES) <= set(CATALOGUE)


def test_gains_and_what_a_new_kernel_brings(server: MachineTree) -> None:
    assert (
        found(
            server,
            lambda machine: machine.pci("0000:70:00.0", "8086:1593", ETHERNET, "ice"),
            lambda machine: machine.interface("eno9", CARD, "b8:ce:f6:00:00:09"),
            lambda machine: machine.disk("nvme99n1", "/sys/devices/x", 1 << 40, "eui.99", "live"),
            lambda machine: machine.pci("0000:fe:00.0", "8086:09a2", SYSTEM, "skx_uncore"),
            write("/sys/class/net/eno2/speed", 100000),
            write(CARD + "/current_link_width", 16),
            write("/sys/bus/pci/devices/0000:3b:00.0/sriov_numvfs", 4),
            write("/sys/devices/system/cpu/cpu0/microcode/version", "0xd000405"),
            write("/sys/devices/system/cpu/online", "0-127"),
            write("/proc/sys/kernel/osrelease", "6.12.118"),
            write("/lib/modules/6.12.118/modules.builtin", "kernel/drivers/char/ipmi/ipmi_si.ko\nkernel/arch/x86/kernel/msr.ko"),
            remove("/sys/module/ipmi_si"),
            write("/proc/meminfo", "MemTotal: 60000000 kB"),
            lambda machine: machine.kernel_log((6, "Linux")),
        )
        == []
    )


@pytest.mark.parametrize(
    ("was", "now", "differs"),
    [
        ("tsc", "tsc-early", False),
        ("hpet", "tsc", False),
        ("acpi_pm", "hpet", False),
        ("hpet", "acpi_pm", True),
        ("hpet", "jiffies", True),
        ("refined-jiffies", "acpi_pm", False),
        ("tsc", "kvm-clock", True),
        ("kvm-clock", "acpi_pm", True),
    ],
)
def test_clock_sources(was: str, now: str, differs: bool) -> None:
    codes = [each.code for each in differences(MachineSnapshot(clock_source=was), MachineSnapshot(clock_source=now))]
    assert codes == (["CLOCKSOURCE_CHANGED"] if differs else [])


@pytest.mark.parametrize(
    ("was", "now", "differs"),
    [
        (MemorySize(None, 1 << 30), MemorySize(None, (1 << 30) - 60 * MIB), False),
        (MemorySize(None, 1 << 30), MemorySize(None, (1 << 30) - 70 * MIB), True),
        (MemorySize(None, 64 << 30), MemorySize(None, 63 << 30), False),
        (MemorySize(None, 64 << 30), MemorySize(None, 48 << 30), True),
        # A reservation, such as by crashkernel=, takes nothing away.
        (MemorySize(64 << 30, 63 << 30), MemorySize(64 << 30, 32 << 30), False),
        (MemorySize(64 << 30, 63 << 30), MemorySize(None, 63 << 30), False),
    ],
)
def test_memory(was: MemorySize, now: MemorySize, differs: bool) -> None:
    found_codes = [each.code for each in differences(MachineSnapshot(memory=was), MachineSnapshot(memory=now))]
    assert found_codes == (["MEMORY_LOST"] if differs else [])


def test_blocks_of_memory_of_another_size(server: MachineTree) -> None:
    """Kernels choose the size of blocks, and count a block wholly that has memory in a part of it."""

    def blocks(number: int, size_bytes: int) -> Callable[[MachineTree], None]:
        def change(machine: MachineTree) -> None:
            machine.remove("/sys/devices/system/memory")
            machine.write("/sys/devices/system/memory/block_size_bytes", "%x" % size_bytes)
            for index in range(number):
                (machine.root / ("sys/devices/system/memory/memory%d" % index)).mkdir()

        return change

    blocks(33, 2 << 30)(server)
    assert found(server, blocks(512, 128 * MIB)) == []
    lost = found(server, blocks(16, 2 << 30), write("/proc/meminfo", "MemTotal: %d kB" % (31 << 20)))
    assert lost == [("MEMORY_LOST", "memory", "62.0 GiB", "31.0 GiB")]


# --- identity ----------------------------------------------------------------------------


def test_an_interface_with_another_name_is_the_same(server: MachineTree) -> None:
    def rename(machine: MachineTree) -> None:
        machine.remove("/sys/class/net/eno2")
        machine.interface("enp59s0f2", CARD, "b8:ce:f6:00:00:02")

    assert found(server, rename) == [("NIC_RENAMED", "eno2", "eno2", "enp59s0f2")]


def test_names_of_two_interfaces_are_swapped(guest: MachineTree) -> None:
    def swap(machine: MachineTree) -> None:
        for name, slot in (("ens3", 1), ("ens4", 0)):
            machine.remove("/sys/class/net/" + name)
            machine.interface(
                name, "/sys/devices/pci0000:00/0000:00:0%d.0/virtio%d" % (slot + 1, slot), "52:54:00:00:00:0%d" % slot, -1
            )

    assert found(guest, swap) == [("NIC_RENAMED", "ens3", "ens3", "ens4"), ("NIC_RENAMED", "ens4", "ens4", "ens3")]


def test_an_interface_without_a_permanent_address_is_known_by_its_bus(guest: MachineTree) -> None:
    def readdress(machine: MachineTree) -> None:
        machine.write("/sys/class/net/ens3/address", "0a:00:00:00:00:77")

    guest.write("/sys/class/net/ens3/addr_assign_type", 1)
    assert found(guest, readdress) == []


@pytest.mark.parametrize("driver", ["vfio-pci", "mlx5_vfio_pci", "xen-pciback", "uio_pci_generic"])
def test_a_card_that_a_guest_holds_is_not_lost(server: MachineTree, driver: str) -> None:
    def lend(machine: MachineTree) -> None:
        machine.remove("/sys/class/net/eno2")
        machine.remove("/sys/class/infiniband/mlx5_2")
        machine.write(CARD + "/uevent", "DRIVER=%s\nPCI_CLASS=20000\nPCI_ID=15B3:101D" % driver)

    assert found(server, lend) == [("DRIVER_CHANGED", "0000:3b:00.2", "mlx5_core", driver)]


def test_a_disk_that_a_guest_holds_is_not_lost(server: MachineTree) -> None:
    drive = server.files.real_path("/sys/bus/pci/devices/0000:80:00.0")
    # Native multipath of NVMe: only the path leads to the controller.
    server.link("/sys/block/nvme0n1/device", "/sys/devices/virtual/nvme-subsystem/nvme-subsys0")
    path = server.disk("nvme0c0n1", drive + "/nvme/nvme0", 4 << 40, state="live")
    server.write(path + "/wwid", "eui.0025385000000000")

    def lend(machine: MachineTree) -> None:
        machine.remove("/sys/block/nvme0n1")
        machine.remove("/sys/block/nvme0c0n1")
        machine.write(drive + "/uevent", "DRIVER=vfio-pci\nPCI_CLASS=10802\nPCI_ID=144D:A80A")

    assert found(server, lend) == [("DRIVER_CHANGED", "0000:80:00.0", "nvme", "vfio-pci")]


def test_a_disk_is_lost_while_a_guest_holds_another(server: MachineTree) -> None:
    def lend(machine: MachineTree) -> None:
        machine.remove("/sys/block/nvme1n1")
        drive = machine.files.real_path("/sys/bus/pci/devices/0000:80:00.0")
        machine.write(drive + "/uevent", "DRIVER=vfio-pci\nPCI_CLASS=10802\nPCI_ID=144D:A80A")

    codes = [code for code, *_rest in found(server, lend)]
    assert codes == ["BLOCK_DEVICE_LOST", "DRIVER_CHANGED"]


def test_the_driver_of_an_interface_is_told_once(server: MachineTree, tmp_path: Path) -> None:
    assert found(server, write(CARD + "/uevent", "DRIVER=mlx6\nPCI_CLASS=20000\nPCI_ID=15B3:101D")) == [
        ("DRIVER_CHANGED", "0000:3b:00.2", "mlx5_core", "mlx6")
    ]
    guest = virtio_guest(tmp_path / "guest")
    device = guest.files.real_path("/sys/class/net/ens3/device")
    assert found(guest, write(device + "/uevent", "DRIVER=virtio_net2")) == [
        ("DRIVER_CHANGED", "ens3", "virtio_net", "virtio_net2")
    ]


def test_devices_may_change_places(server: MachineTree) -> None:
    def move(machine: MachineTree) -> None:
        machine.remove("/sys/bus/pci/devices/0000:65:00.0")
        machine.pci("0000:66:00.0", "10de:2235", 0x030200, "nvidia", "2.5 GT/s PCIe x16")

    assert found(server, move) == [("PCI_DEVICE_MOVED", "0000:65:00.0", "0000:65:00.0", "0000:66:00.0")]


def test_a_gpu_saves_power_with_its_other_functions(server: MachineTree) -> None:
    """Sound and USB-C of a graphics card share its link."""
    sound = server.pci("0000:65:00.1", "10de:1aef", 0x040300, "snd_hda_intel", "16.0 GT/s PCIe x16")
    assert found(server, write(sound + "/current_link_speed", "2.5 GT/s PCIe")) == []
    assert found(server, write(sound + "/current_link_width", 4)) == [("LINK_DEGRADED", "0000:65:00.1", "16 lanes", "4 lanes")]


def test_disks_may_change_names(server: MachineTree) -> None:
    def rename(machine: MachineTree) -> None:
        for old, new in (("nvme1n1", "nvme70n1"), ("sdba", "sdzz")):
            target = (machine.root / "sys/block" / old).resolve()
            machine.remove("/sys/block/" + old)
            machine.link("/sys/block/" + new, "/" + str(target.relative_to(machine.root.resolve())))

    assert found(server, rename) == []


# --- effects -----------------------------------------------------------------------------


def test_differences_are_sorted_and_the_ignored_are_left_out() -> None:
    before = MachineSnapshot(cpus=2, tpms=1, clock_source="tsc", modules=["msr"], failed_units=[])
    after = MachineSnapshot(clock_source="hpet", failed_units=["b.service", "a.service"])
    shown = [(each.effect, each.code, each.subject) for each in differences(before, after, TPM_LOST="ignore")]
    assert shown == [
        ("fail", "CPU_LOST", "processors"),
        ("fail", "UNIT_FAILED", "a.service"),
        ("fail", "UNIT_FAILED", "b.service"),
        ("warn", "CLOCKSOURCE_CHANGED", "clock source"),
        ("warn", "MODULE_LOST", "msr"),
    ]


def test_errors_of_the_kernel_are_capped() -> None:
    after = MachineSnapshot(kernel_errors=["error %s" % ("x" * number) for number in range(400)])
    (difference,) = differences(MachineSnapshot(kernel_errors=["error "]), after)
    assert difference.after == "399 new"
    assert difference.message.endswith("; and 396 more")
    assert len(difference.message) < 600


# --- properties --------------------------------------------------------------------------

names = st.text("ab:0", min_size=1, max_size=3)
numbers = st.integers(0, 3)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type of a snapshot."""
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{each.name: values(hints[each.name]) for each in fields(kind)})
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is list:
        return st.lists(values(arguments[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(names, values(arguments[1]), max_size=3)
    if origin is not None:
        return st.none() | values(arguments[0])
    return {str: names, int: numbers, bool: st.booleans()}[kind]


snapshots = values(MachineSnapshot)


@given(snapshots)
def test_a_machine_does_not_differ_from_itself(snapshot: MachineSnapshot) -> None:
    assert differences(snapshot, snapshot) == []


@given(snapshots)
def test_json_keeps_a_snapshot(snapshot: MachineSnapshot) -> None:
    assert parse_snapshot(json.loads(json.dumps(snapshot.as_dict()))) == snapshot


@given(snapshots, snapshots)
def test_every_difference_is_complete(before: MachineSnapshot, after: MachineSnapshot) -> None:
    for each in differences(before, after):
        assert each.message
        assert each.subject
        assert each.before != each.after
        assert all(text is None or len(text) <= 120 for text in (each.subject, each.before, each.after))


COLLECTIONS = ["pci", "interfaces", "rdma", "disks", "huge_pages", "mounts", "raids", "volumes", "watchdogs", "modules"]


def without(collection: Any, index: int) -> Any:
    if isinstance(collection, dict):
        return {key: value for number, (key, value) in enumerate(collection.items()) if number != index}
    return [value for number, value in enumerate(collection) if number != index]


def test_every_item_that_is_removed_is_missed(server: MachineTree) -> None:
    before = take_snapshot(server.files, server.run)
    for name in COLLECTIONS:
        collection = getattr(before, name)
        assert collection, name
        for index in range(len(collection)):
            after = replace(before, **{name: without(collection, index)})
            (difference,) = differences(before, after)
            assert difference.effect in ("fail", "warn"), (name, index)


@given(snapshots, st.sampled_from(["cpus", "numa_nodes", "swap_bytes", "tpms"]), st.integers(1, 9))
def test_every_number_that_falls_is_missed(snapshot: MachineSnapshot, name: str, number: int) -> None:
    more: dict[str, Any] = {name: getattr(snapshot, name) + number}
    assert len(differences(replace(snapshot, **more), snapshot)) == 1
    assert differences(snapshot, replace(snapshot, **more)) == []
