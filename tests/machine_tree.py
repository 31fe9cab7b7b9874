# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Machines as directory trees, with the layout that the kernel gives /sys, for tests and for the benchmark of snapshots."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles

BOOT_ID = "0e0a6d8e-9a0f-4d8e-8a4f-1d6f0a4b9c55"
RELEASE = "6.12.117+deb13-amd64"
MIB = 1 << 20

BRIDGE, ETHERNET, NVME, SAS, DISPLAY, SYSTEM = 0x060400, 0x020000, 0x010802, 0x010700, 0x030200, 0x088000


class MachineTree:
    """A machine below a directory.

    :ivar system_state: state that its systemd tells; None if it does not answer.
    :ivar failed_units: its units that failed.
    :ivar journal: errors of the kernel in its journal; None if that can't be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = HostFiles(str(root))
        self.system_state: str | None = "running"
        self.failed_units: list[str] = []
        self.journal: list[str] | None = None
        self.ran: list[str] = []

    def run(self, argv: Sequence[str], _timeout_s: float) -> CommandResult:
        """Answer as systemctl and journalctl would."""
        self.ran.append(argv[0])
        if argv[0] == "journalctl":
            known = self.journal is not None
            return CommandResult(0 if known else 1, "".join(line + "\n" for line in self.journal or ()), "")
        if self.system_state is None:
            return CommandResult(1, "", "Failed to connect to bus: Connection timed out\n")
        if "show" in argv:
            shown = "NFailedUnits=%d\nSystemState=%s\n" % (len(self.failed_units), self.system_state)
            return CommandResult(0, shown, "")
        return CommandResult(0, "".join("%s loaded failed failed A unit\n" % unit for unit in self.failed_units), "")

    def write(self, path: str, text: str | int | bytes) -> None:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else os.fsencode("%s\n" % text))

    def link(self, path: str, target: str) -> None:
        """Make a relative link, as the kernel's are."""
        link = self.root / path.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        (self.root / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
        if link.is_symlink():
            link.unlink()
        link.symlink_to(os.path.relpath(self.root / target.lstrip("/"), link.parent))

    def remove(self, path: str) -> None:
        """Remove a file, a directory or a link."""
        target = self.root / path.lstrip("/")
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink()

    def pci(self, address: str, number: str, kind: int, driver: str | None = None, link: str = "", below: str = "") -> str:
        """Add a PCI function and return its directory.

        :param link: speed and number of lanes, such as C(8.0 GT/s PCIe x4).
        :param below: directory of the bridge above it.
        """
        base = "%s/%s" % (below or "/sys/devices/pci0000:00", address)
        bound = "DRIVER=%s\n" % driver if driver else ""
        said = "%sPCI_CLASS=%X\nPCI_ID=%s\nPCI_SLOT_NAME=%s" % (bound, kind, number.upper(), address)
        self.write(base + "/uevent", said)
        if link:
            speed, _x, width = link.rpartition(" x")
            self.write(base + "/current_link_speed", speed)
            self.write(base + "/current_link_width", width)
        self.link("/sys/bus/pci/devices/" + address, base)
        return base

    def interface(self, name: str, device: str, address: str, speed: int = 25000) -> str:
        """Add a network interface of a device that is up and has a link, and return its directory."""
        base = "%s/net/%s" % (device, name)
        for each, value in (("address", address), ("addr_assign_type", 0), ("carrier", 1), ("speed", speed), ("dev_port", 0)):
            self.write("%s/%s" % (base, each), value)
        self.link(base + "/device", device)
        self.link("/sys/class/net/" + name, base)
        return base

    def software_interface(self, name: str) -> None:
        base = "/sys/devices/virtual/net/" + name
        self.write(base + "/address", "02:42:ac:11:00:02")
        self.link("/sys/class/net/" + name, base)

    def disk(self, name: str, device: str, size_bytes: int, wwid: str = "", state: str = "running") -> str:
        """Add a block device of a SCSI device and return its directory."""
        base = "%s/block/%s" % (device, name)
        for each, value in (("size", size_bytes // 512), ("removable", 0)):
            self.write("%s/%s" % (base, each), value)
        self.write(device + "/state", state)
        if wwid:
            self.write(device + "/wwid", wwid)
        self.link(base + "/device", device)
        self.link("/sys/block/" + name, base)
        return base

    def software_disk(self, name: str, size_bytes: int = 1 << 30) -> str:
        base = "/sys/devices/virtual/block/" + name
        self.write(base + "/size", size_bytes // 512)
        self.link("/sys/block/" + name, base)
        return base

    def rdma(self, name: str, device: str, node: str) -> str:
        """Add an RDMA device with an active port and its character device, and return its directory."""
        base = "%s/infiniband/%s" % (device, name)
        self.write(base + "/ports/1/state", "4: ACTIVE")
        self.link(base + "/device", device)
        self.link("/sys/class/infiniband/" + name, base)
        self.write("/sys/class/infiniband_verbs/%s/ibdev" % node, name)
        self.write("/dev/infiniband/" + node, "")
        return base

    def kernel_log(self, *messages: tuple[int, str], first: int = 0) -> None:
        """Set the kernel's log to messages with their levels; C(first) is the number of the oldest that is left."""
        records = [
            "%d,%d,%d,-;%s\n" % (level, first + number, 1000 + number, text) for number, (level, text) in enumerate(messages)
        ]
        self.write("/dev/kmsg", "".join(records).encode("utf-8", "surrogateescape"))


def add_common(machine: MachineTree, memory_bytes: int, cpus: int, block_bytes: int = 128 * MIB) -> None:
    """Add what each machine has."""
    machine.write("/proc/sys/kernel/osrelease", RELEASE)
    machine.write("/proc/sys/kernel/random/boot_id", BOOT_ID)
    machine.write("/proc/sys/kernel/tainted", 0)
    machine.write("/proc/meminfo", "MemTotal: %d kB\nMemAvailable: 1 kB" % (memory_bytes * 97 // 100 // 1024))
    machine.write("/sys/devices/system/cpu/online", "0-%d" % (cpus - 1))
    machine.write("/sys/devices/system/node/has_memory", "0")
    machine.write("/sys/devices/system/memory/block_size_bytes", "%x" % block_bytes)
    for number in range(memory_bytes // block_bytes):
        (machine.root / ("sys/devices/system/memory/memory%d" % number)).mkdir()
    machine.write("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc")
    machine.write("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/zram0 partition 1000 0 100")
    machine.write("/proc/self/mountinfo", "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw")
    machine.kernel_log((6, "Linux version " + RELEASE), (5, "Command line: ro"))


def physical_server(root: Path, size: int = 29) -> MachineTree:
    """A server with a bond, RDMA, and all else that a snapshot has.

    :param size: number of NVMe drives, and a measure for the number of other devices: 29 for 100 PCI functions and 50 disks.
    """
    machine = MachineTree(root)
    add_common(machine, 64 << 30, 64, 2 << 30)
    machine.write("/sys/class/dmi/id/sys_vendor", "Dell Inc.")
    machine.write("/sys/class/dmi/id/product_name", "PowerEdge R650")
    machine.write("/sys/devices/system/node/has_memory", "0-1")
    machine.write("/sys/devices/system/cpu/cpu0/microcode/version", "0xd000404")
    bridges = [
        machine.pci("0000:00:%02x.0" % slot, "8086:347a", BRIDGE, "pcieport", "16.0 GT/s PCIe x16")
        for slot in range(max(4, size - 4))
    ]
    for number in range(size + 11):
        machine.pci("0000:fe:%02x.0" % number, "8086:09a2", SYSTEM, "skx_uncore" if number % 2 else None)
    for number in range(4):
        card = machine.pci("0000:3b:00.%d" % number, "15b3:101d", ETHERNET, "mlx5_core", "16.0 GT/s PCIe x8", bridges[0])
        machine.write(card + "/sriov_numvfs", 2 if number == 0 else 0)
        base = machine.interface("eno%d" % number, card, "b8:ce:f6:00:00:0%d" % number)
        if number < 2:
            machine.write(base + "/address", "b8:ce:f6:00:00:00")
            machine.write(base + "/addr_assign_type", 3)
            machine.write(base + "/bonding_slave/perm_hwaddr", "b8:ce:f6:00:00:0%d" % number)
            machine.link(base + "/master", "/sys/devices/virtual/net/bond0")
    machine.rdma("mlx5_2", "/sys/devices/pci0000:00/0000:00:00.0/0000:3b:00.2", "uverbs0")
    for number in (4, 5):
        function = machine.pci("0000:3b:01.%d" % number, "15b3:101e", ETHERNET, "mlx5_core", "", bridges[0])
        machine.link(function + "/physfn", "/sys/devices/pci0000:00/0000:00:00.0/0000:3b:00.0")
        machine.interface("eno0v%d" % number, function, "02:00:00:00:00:0%d" % number)
    gpu = machine.pci("0000:65:00.0", "10de:2235", DISPLAY, "nvidia", "2.5 GT/s PCIe x16", bridges[1])
    machine.write(gpu + "/enable", 1)
    adapter = machine.pci("0000:17:00.0", "1000:00e6", SAS, "mpt3sas", "16.0 GT/s PCIe x8", bridges[2])
    for number in range(min(16, size)):
        for path in range(2):
            target = "%s/host%d/target%d:0:%d/%d:0:%d:0" % (adapter, path, path, number, path, number)
            machine.disk("sd%s%s" % ("ab"[path], chr(97 + number)), target, 16 << 40, "naa.5000cca2%08x" % number)
    for number in range(size):
        drive = machine.pci("0000:%02x:00.0" % (0x80 + number), "144d:a80a", NVME, "nvme", "16.0 GT/s PCIe x4", bridges[3])
        controller = "%s/nvme/nvme%d" % (drive, number)
        base = machine.disk("nvme%dn1" % number, controller, 4 << 40, state="live")
        machine.write(base + "/wwid", "eui.00253850%08x" % number)
    for number in range(5):
        target = "%s/host2/target2:0:%d/2:0:%d:0" % (adapter, number, number)
        machine.disk("sdz" + chr(97 + number), target, 1 << 40, "naa.5001b444%08x" % number)
    add_storage(machine)
    machine.write("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", 8)
    machine.write("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", 0)
    machine.write("/sys/devices/system/edac/mc/mc0/ce_count", 0)
    machine.write("/sys/devices/system/edac/mc/mc0/ue_count", 0)
    machine.write("/sys/class/tpm/tpm0/tpm_version_major", 2)
    machine.link("/sys/class/tpm/tpm0/device", "/sys/devices/platform/MSFT0101:00")
    machine.write("/sys/class/watchdog/watchdog0/identity", "iTCO_wdt")
    machine.write("/sys/class/watchdog/watchdog1/identity", "Software Watchdog")
    machine.write("/etc/modules-load.d/ours.conf", "# for the monitoring\nipmi-si\nmsr\n")
    machine.write("/sys/module/ipmi_si/refcnt", 0)
    machine.write("/lib/modules/%s/modules.builtin" % RELEASE, "kernel/arch/x86/kernel/msr.ko")
    machine.kernel_log((6, "Linux version"), (3, "ACPI BIOS Error (bug): Could not resolve symbol [\\_SB.PCI0], 0x0000abcd"))
    for name in ("veth1a2b3c", "docker0", "bond0", "tap0", "lo"):
        machine.software_interface(name)
    for name in ("loop0", "zram0", "ram0", "nbd0"):
        machine.software_disk(name)
    return machine


def add_storage(machine: MachineTree) -> None:
    """Add an array, volumes, a ZFS pool, mounts and swap space."""
    array = machine.software_disk("md127")
    machine.write(array + "/dev", "9:127")
    machine.write(array + "/md/array_state", "clean")
    machine.write(array + "/md/degraded", 0)
    machine.write("/run/udev/data/b9:127", "E:MD_UUID=3aaa0122:29827cfa:5331ad66:ca767371")
    machine.write("/proc/spl/kstat/zfs/tank/state", "ONLINE")
    volume = machine.software_disk("dm-0")
    machine.write(volume + "/dm/uuid", "LVM-" + "a" * 64)
    machine.write(volume + "/dm/name", "vg-data")
    container = machine.software_disk("dm-1")
    machine.write(container + "/dm/uuid", "docker-253:0-1234")
    mounts = [
        "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw",
        "23 22 253:0 / /srv/my\\040data rw - xfs /dev/dm-0 rw,noquota",
        "24 22 0:50 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw",
    ]
    machine.write("/proc/self/mountinfo", "\n".join(mounts))
    machine.write("/run/systemd/generator/local-fs.target.requires/srv-my\\x20data.mount", "")
    machine.write("/run/systemd/generator/local-fs.target.requires/-.mount", "")
    machine.write(
        "/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/dm-2 partition 8388604 0 -2\n/dev/zram0 partition 1000 0 9"
    )


def virtio_guest(root: Path) -> MachineTree:
    """A guest with two network interfaces and two disks by virtio."""
    machine = MachineTree(root)
    add_common(machine, 1 << 30, 2)
    machine.write("/sys/devices/system/clocksource/clocksource0/current_clocksource", "kvm-clock")
    for number in range(2):
        card = machine.pci("0000:00:0%d.0" % (1 + number), "1af4:1041", ETHERNET, "virtio-pci")
        device = "%s/virtio%d" % (card, number)
        machine.write(device + "/uevent", "DRIVER=virtio_net")
        machine.interface("ens%d" % (3 + number), device, "52:54:00:00:00:0%d" % number, speed=-1)
        drive = machine.pci("0000:00:0%d.0" % (3 + number), "1af4:1042", 0x010000, "virtio-pci")
        machine.disk("vd" + "ab"[number], "%s/virtio%d" % (drive, 2 + number), 10 << 30)
    return machine
