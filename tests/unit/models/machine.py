# SPDX-License-Identifier: GPL-3.0-or-later
"""Model of the comparison of machines, by docs/proof.md ("By machine") and docs/codes.md ("Differences").

What it states of these pages:

* "A loss, or a change for the worse, is a difference. A gain is none."
* "What was so before is no difference."
* "What a new kernel is meant to bring is none: another release, a module that is built in now."
* "Only what lasts counts": software interfaces, loop devices and zram do not, nor do mounts and modules that no configuration
  asks for.
* "Things are recognised by what they keep: interfaces by permanent MAC address, or else by bus address; block devices by WWID …;
  arrays and volumes by UUID; PCI devices by address and id, or else by id alone."
* the table of codes: what is compared, and the effect of each by default.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.fleet.kexec.tests.machine_tree import MIB, MachineTree, add_common

PAGE = Path(__file__).resolve().parents[3] / "docs" / "proof.md"

# "storage, network, wireless, display, multimedia, serial buses, encryption and accelerators", by the PCI classes of these names.
OF_CONSEQUENCE = {"storage", "network", "wireless", "display", "multimedia", "serial", "encryption", "accelerator"}
CLASSES = {
    "storage": 0x010700,
    "network": 0x020000,
    "display": 0x030200,
    "multimedia": 0x040300,
    "wireless": 0x0D1100,
    "serial": 0x0C0330,
    "encryption": 0x108000,
    "accelerator": 0x120000,
    "system": 0x088000,
    "communication": 0x078000,
}
# Bits of the kernel's taint, by Documentation/admin-guide/tainted-kernels.rst: machine check, bad page, oops, soft lockup.
OOPS = (4, 5, 7, 14)
# "warnings, firmware that had to be worked around, an overridden ACPI table, a system out of specification, a module loaded by
# force"
WARNED = (9, 11, 8, 2, 1)
# "those that only tell which modules are loaded": proprietary, staging, out of tree, unsigned.
ABOUT_MODULES = (0, 10, 12, 13)
MESSAGES = (
    "usb %d-1: device descriptor read/64, error -71",
    "ACPI BIOS Error (bug): Could not resolve symbol [\\_SB.PCI0], 0x%08x",
    "blk_update_request: I/O error, dev sda, sector %d",
    "\x1b[2J{{ 7 * 7 }} at ffff8881%08x",
)
# "(`hpet`, `acpi_pm`, `pit`, `jiffies`, the fastest first)"
SLOW_CLOCKS = ("hpet", "acpi_pm", "pit", "jiffies")


@dataclass(frozen=True)
class Function:
    """A PCI function."""

    address: str
    identity: str
    kind: str
    driver: str | None = None
    link: tuple[float, int] | None = None
    virtual_functions: int = 0


@dataclass(frozen=True)
class Interface:
    """A network interface at a port of the PCI function at an address."""

    name: str
    mac: str
    address: str
    port: int = 0
    carrier: bool = True
    speed: int = 1000
    master: str | None = None

    @property
    def slot(self) -> tuple[str, int]:
        """Bus address."""
        return self.address, self.port


@dataclass(frozen=True)
class Drive:
    """A block device, by each of its paths."""

    wwid: str
    size_mib: int
    paths: tuple[bool, ...] = (True,)


@dataclass(frozen=True)
class Array:
    uuid: str
    degraded: bool = False


@dataclass(frozen=True)
class Described:
    """A machine in words."""

    cpus: int = 4
    nodes: int = 1
    blocks: int = 4
    huge_pages: Mapping[str, int] = field(default_factory=dict)
    clock: str = "tsc"
    microcode: int = 0x10
    taints: frozenset[int] = frozenset()
    # Messages by number, see MESSAGES, with a number that each of them contains.
    errors: tuple[tuple[int, int], ...] = ()
    swap_kib: int = 0
    zram_kib: int = 0
    functions: tuple[Function, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    drives: tuple[Drive, ...] = ()
    arrays: tuple[Array, ...] = ()
    pools: Mapping[str, bool] = field(default_factory=dict)
    volumes: frozenset[str] = frozenset()
    # Mount points, with whether they are writable, and those that the configuration asks for.
    mounts: Mapping[str, bool] = field(default_factory=dict)
    wanted_mounts: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()
    built_in: frozenset[str] = frozenset()
    wanted_modules: frozenset[str] = frozenset()
    tpms: int = 0
    watchdogs: tuple[str, ...] = ()
    corrected: int = 0
    uncorrected: int = 0
    failed_units: frozenset[str] = frozenset()
    # Those of users and of single connections.
    passing_units: frozenset[str] = frozenset()
    state: str | None = "running"
    # What comes and goes.
    software_interfaces: tuple[str, ...] = ()
    loops: int = 0


def effects_of_page() -> dict[str, str]:
    """Effect of each code by default, as the table of docs/proof.md has it."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (fail|warn|ignore) \|", PAGE.read_text(), re.MULTILINE)
    return dict(rows)


# --- the model ---------------------------------------------------------------------------


def expected(was: Described, now: Described) -> Counter[str]:
    """Codes of the differences between a machine and what it was, with how many there are of each."""
    return Counter([*_counted(was, now), *_devices(was, now), *_disks(was, now), *_software(was, now)])


def _counted(was: Described, now: Described) -> list[str]:
    found = []
    lost = {
        "CPU_LOST": now.cpus < was.cpus,
        "NUMA_NODE_LOST": now.nodes < was.nodes,
        "MEMORY_LOST": now.blocks < was.blocks,
        "SWAP_LOST": now.swap_kib < was.swap_kib,
        "TPM_LOST": now.tpms < was.tpms,
        "MICROCODE_OLDER": now.microcode < was.microcode,
        "CLOCKSOURCE_CHANGED": now.clock != was.clock and was.clock not in SLOW_CLOCKS,
        "SYSTEM_STARTING": now.state in (None, "starting", "initializing"),
    }
    if was.clock in SLOW_CLOCKS:
        # "from a slow one to a faster one is a gain"
        lost["CLOCKSOURCE_CHANGED"] = now.clock in SLOW_CLOCKS[SLOW_CLOCKS.index(was.clock) + 1 :]
    found += [code for code, is_so in lost.items() if is_so]
    found += ["HUGE_PAGES_LOST" for size, pages in was.huge_pages.items() if now.huge_pages.get(size, 0) < pages]
    found += ["WATCHDOG_LOST"] * (Counter(was.watchdogs) - Counter(now.watchdogs)).total()
    return found


def _devices(was: Described, now: Described) -> list[str]:
    found = []
    there = {(each.address, each.identity): each for each in now.functions}
    here = {(each.address, each.identity) for each in was.functions}
    # Those that are not at their addresses any more are told by their ids, in the order of their addresses.
    elsewhere = [there[key] for key in sorted(there.keys() - here)]
    for function in sorted(was.functions, key=lambda each: each.address):
        same = there.get((function.address, function.identity))
        if same is not None:
            found += _function(function, same)
            continue
        moved = next((each for each in elsewhere if each.identity == function.identity), None)
        if moved is None:
            found.append("PCI_DEVICE_LOST")
            continue
        elsewhere.remove(moved)
        found += ["PCI_DEVICE_MOVED", *_function(function, moved)]
    macs = {each.mac for each in was.interfaces}
    by_mac = {each.mac: each for each in now.interfaces}
    by_slot = {each.slot: each for each in now.interfaces if each.mac not in macs}
    for interface in was.interfaces:
        found += _interface(interface, by_mac.get(interface.mac) or by_slot.get(interface.slot))
    return found


def _function(was: Function, now: Function) -> list[str]:
    found = []
    if was.driver is not None and now.driver is None:
        found.append("DRIVER_LOST" if was.kind in OF_CONSEQUENCE else "DRIVER_CHANGED")
    elif was.driver is not None and now.driver != was.driver:
        found.append("DRIVER_CHANGED")
    if was.link is not None and now.link is not None:
        slower = now.link[0] < was.link[0] and was.kind != "display"
        if slower or now.link[1] < was.link[1]:
            found.append("LINK_DEGRADED")
    if now.virtual_functions < was.virtual_functions:
        found.append("VIRTUAL_FUNCTIONS_LOST")
    return found


def _interface(was: Interface, now: Interface | None) -> list[str]:
    if now is None:
        return ["NIC_LOST"]
    found = ["NIC_RENAMED"] if now.name != was.name else []
    if was.carrier and not now.carrier:
        found.append("NIC_NO_CARRIER")
    if was.carrier and now.carrier and now.speed < was.speed:
        found.append("NIC_SLOWER")
    if was.master is not None and now.master != was.master:
        found.append("NIC_DETACHED")
    return found


def _disks(was: Described, now: Described) -> list[str]:
    found = []
    by_wwid = {each.wwid: each for each in now.drives}
    for drive in was.drives:
        same = by_wwid.get(drive.wwid)
        if same is None:
            found.append("BLOCK_DEVICE_LOST")
            continue
        if same.size_mib < drive.size_mib:
            found.append("BLOCK_DEVICE_SHRUNK")
        if sum(same.paths) < sum(drive.paths):
            found.append("BLOCK_PATH_LOST")
    by_uuid = {each.uuid: each for each in now.arrays}
    for array in was.arrays:
        there = by_uuid.get(array.uuid)
        if there is None or (there.degraded and not array.degraded):
            found.append("RAID_DEGRADED")
    for name, online in was.pools.items():
        if name not in now.pools or (online and not now.pools[name]):
            found.append("RAID_DEGRADED")
    found += ["VOLUME_LOST"] * len(was.volumes - now.volumes)
    return found


def _software(was: Described, now: Described) -> list[str]:
    found = []
    for point in was.wanted_mounts & set(was.mounts):
        if point not in now.mounts:
            found.append("MOUNT_LOST")
        elif was.mounts[point] and not now.mounts[point]:
            found.append("MOUNT_READ_ONLY")
    there = (was.modules | was.built_in) & was.wanted_modules
    found += ["MODULE_LOST"] * len(there - now.modules - now.built_in)
    if any(bit in now.taints and bit not in was.taints for bit in OOPS):
        found.append("KERNEL_OOPS")
    if any(bit in now.taints and bit not in was.taints for bit in WARNED):
        found.append("KERNEL_TAINTED")
    # "numbers and addresses in them are not compared"; the messages together are one difference.
    if {message for message, _number in now.errors} - {message for message, _number in was.errors}:
        found.append("KERNEL_ERRORS")
    # Each of the counts by itself.
    found += ["MEMORY_ERRORS"] * (now.corrected > 0 == was.corrected)
    found += ["MEMORY_ERRORS"] * (now.uncorrected > 0 == was.uncorrected)
    found += ["UNIT_FAILED"] * len(now.failed_units - was.failed_units)
    return found


# --- the machine itself ------------------------------------------------------------------


def build(machine: Described, root: Path, boot: str) -> MachineTree:
    """Lay out a machine as the kernel does, with the boot_id C(boot)."""
    tree = MachineTree(root)
    add_common(tree, machine.blocks * 128 * MIB, machine.cpus)
    tree.write("/proc/sys/kernel/random/boot_id", boot)
    tree.write("/proc/sys/kernel/tainted", sum(1 << bit for bit in machine.taints))
    tree.write("/sys/devices/system/node/has_memory", "0" if machine.nodes == 1 else "0-%d" % (machine.nodes - 1))
    tree.write("/sys/devices/system/clocksource/clocksource0/current_clocksource", machine.clock)
    tree.write("/sys/devices/system/cpu/cpu0/microcode/version", "0x%x" % machine.microcode)
    for size, pages in machine.huge_pages.items():
        tree.write("/sys/kernel/mm/hugepages/hugepages-%skB/nr_hugepages" % size, pages)
    for number in range(machine.tpms):
        tree.write("/sys/class/tpm/tpm%d/tpm_version_major" % number, 2)
        tree.link("/sys/class/tpm/tpm%d/device" % number, "/sys/devices/platform/MSFT010%d:00" % number)
    for number, identity in enumerate((*machine.watchdogs, "Software Watchdog")):
        tree.write("/sys/class/watchdog/watchdog%d/identity" % number, identity)
    tree.write("/sys/devices/system/edac/mc/mc0/ce_count", machine.corrected)
    tree.write("/sys/devices/system/edac/mc/mc0/ue_count", machine.uncorrected)
    tree.kernel_log((6, "Linux version"), *((3, MESSAGES[message] % number) for message, number in machine.errors))
    # A unit of a single connection comes from a socket.
    tree.write("/usr/lib/systemd/system/sshd.socket", "[Socket]\nAccept=yes")
    tree.failed_units = sorted(machine.failed_units | machine.passing_units)
    tree.system_state = machine.state
    _build_devices(machine, tree)
    _build_storage(machine, tree)
    return tree


def _build_devices(machine: Described, tree: MachineTree) -> None:
    at = {}
    for function in machine.functions:
        link = "%.1f GT/s PCIe x%d" % function.link if function.link else ""
        at[function.address] = tree.pci(function.address, function.identity, CLASSES[function.kind], function.driver, link)
        tree.write(at[function.address] + "/sriov_numvfs", function.virtual_functions)
    for interface in machine.interfaces:
        base = tree.interface(interface.name, at[interface.address], interface.mac, interface.speed)
        tree.write(base + "/dev_port", interface.port)
        tree.write(base + "/carrier", int(interface.carrier))
        if not interface.carrier:
            tree.write(base + "/speed", -1)
        if interface.master is not None:
            tree.link(base + "/master", "/sys/devices/virtual/net/" + interface.master)
    for name in machine.software_interfaces:
        tree.software_interface(name)
    for number, drive in enumerate(machine.drives):
        for path, running in enumerate(drive.paths):
            target = "/sys/devices/pci0000:00/0000:00:1f.0/host%d/target%d:0:%d/%d:0:%d:0" % (path, path, number, path, number)
            state = "running" if running else "offline"
            tree.disk("sd%s%s" % ("abc"[path], chr(97 + number)), target, drive.size_mib * MIB, drive.wwid, state)
    for number in range(machine.loops):
        tree.software_disk("loop%d" % number)


def _escaped(point: str) -> str:
    """A mount point as the kernel writes it."""
    return re.sub(r"[ \t\n\\]", lambda match: "\\%03o" % ord(match.group()), point)


def _unit(point: str) -> str:
    """Name of the unit of a mount point, without its type, as C(systemd-escape --path) has it."""
    plain = set(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:_.")
    octets = point.strip("/").encode("utf-8", "surrogateescape")
    return "".join("-" if each == ord("/") else chr(each) if each in plain else "\\x%02x" % each for each in octets)


def _build_storage(machine: Described, tree: MachineTree) -> None:
    for number, array in enumerate(machine.arrays):
        base = tree.software_disk("md%d" % (120 + number))
        tree.write(base + "/dev", "9:%d" % (120 + number))
        tree.write(base + "/md/array_state", "clean")
        tree.write(base + "/md/degraded", int(array.degraded))
        tree.write("/run/udev/data/b9:%d" % (120 + number), "E:MD_UUID=" + array.uuid)
    for name, online in machine.pools.items():
        tree.write("/proc/spl/kstat/zfs/%s/state" % name, "ONLINE" if online else "DEGRADED")
    for number, uuid in enumerate(sorted(machine.volumes)):
        base = tree.software_disk("dm-%d" % number)
        tree.write(base + "/dm/uuid", uuid)
        tree.write(base + "/dm/name", "vol%d" % number)
    mounts = ["22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw"]
    for number, (point, writable) in enumerate(machine.mounts.items()):
        mode = "rw" if writable else "ro"
        mounts.append("%d 22 8:%d / %s %s - ext4 /dev/x%d %s" % (30 + number, 16 + number, _escaped(point), mode, number, mode))
    tree.write("/proc/self/mountinfo", "\n".join(mounts))
    # As systemd-fstab-generator leaves them.
    for point in machine.wanted_mounts:
        tree.write("/run/systemd/generator/local-fs.target.requires/%s.mount" % _unit(point), "")
    swaps = ["Filename\tType\tSize\tUsed\tPriority"]
    if machine.swap_kib:
        swaps.append("/dev/sda2 partition %d 0 -2" % machine.swap_kib)
    if machine.zram_kib:
        swaps.append("/dev/zram0 partition %d 0 100" % machine.zram_kib)
    tree.write("/proc/swaps", "\n".join(swaps))
    tree.write("/etc/modules-load.d/ours.conf", "\n".join(sorted(machine.wanted_modules)))
    for name in machine.modules:
        tree.write("/sys/module/%s/refcnt" % name.replace("-", "_"), 0)
    built_in = ["kernel/drivers/%s.ko" % name for name in sorted(machine.built_in)]
    tree.write("/lib/modules/6.12.117+deb13-amd64/modules.builtin", "\n".join(built_in))
