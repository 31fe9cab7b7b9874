# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a kexec doubtful, and what becomes of the verdict."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._arch.interface import Cpu
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.encryption import encryption_risks
from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.console import Console, ConsoleLine
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.guests import Guests
from ansible_collections.fleet.kexec.plugins.module_utils._host.hypervisor import Hypervisor
from ansible_collections.fleet.kexec.plugins.module_utils._host.kernel import read_running_kernel
from ansible_collections.fleet.kexec.plugins.module_utils._host.pci import PciDevice
from ansible_collections.fleet.kexec.plugins.module_utils._host.pending import PendingReason
from ansible_collections.fleet.kexec.plugins.module_utils._host.surroundings import Surroundings
from ansible_collections.fleet.kexec.plugins.module_utils._host.tpm_disks import TpmDisks
from ansible_collections.fleet.kexec.plugins.module_utils._host.watchdog import Watchdog, Watchdogs
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.doubtful_drivers import DOUBTS
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.facts import present
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.policy import RISK_CODES
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.reading import HostReading, read
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.risks import risks
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.watchdog_jump import across_jump
from ansible_collections.fleet.kexec.plugins.module_utils._paths import CONFIG_FILE

from ....conftest import HostTree

ESB = Watchdog("/dev/watchdog0", "i6300ESB timer", "i6300esb", 30, 2046, True, False)
ILO = Watchdog("/dev/watchdog0", "HPE iLO2+ HW Watchdog Timer", "hpwdt", 30, None, True, False)
SOFT = Watchdog("/dev/watchdog0", "Software Watchdog", "softdog", 60, None, True, False)
ARMED = Watchdogs([ESB], False, 0, 60.0, 60.0, 600.0)

CONSOLE = Console([ConsoleLine("ttyS0", True, 115200)], 4, 11000, 954)

CALM = Surroundings(
    watchdog=ARMED,
    hypervisor=Hypervisor("kvm", None, "QEMU", "Standard PC", False),
    tpm_disks=TpmDisks([], []),
    pci=[PciDevice("0000:00:03.0", "1af4:1000", "virtio-pci", True, 0)],
    guests=Guests([], []),
    pending=[PendingReason("newer_kernel", False, "6.13 is installed")],
    console=CONSOLE,
)


def codes(surroundings: Surroundings, kexecs: int | None = 0) -> list[str]:
    return [risk.code for risk in risks(surroundings, kexecs, (6, 12))]


def test_a_host_without_risks() -> None:
    assert codes(CALM, 50) == []
    assert codes(Surroundings(), None) == []


def pci(driver: str, **values: Any) -> dict[str, list[PciDevice]]:
    return {"pci": [replace(PciDevice("0000:3b:00.0", "15b3:1013", driver, True, 0), **values)]}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (pci("nvidia"), "DRIVER_RISK"),
        (pci("mlx5_core"), "DRIVER_RISK"),
        # A card that nothing was reported of, and one that writes nowhere.
        (pci("mlx5_core", id="15b3:1017"), None),
        (pci("nvidia", bus_master=False), None),
        (pci("ixgbe", virtual_functions=2), "SRIOV_IN_USE"),
        (pci("vfio-pci", bus_master=False, held_by="vfio"), "VFIO_IN_USE"),
        (pci("mlx5_vfio_pci", held_by="vfio"), "VFIO_IN_USE"),
        (pci("uio_pci_generic", held_by="uio"), "UIO_IN_USE"),
        ({"guests": Guests(["web"], [])}, "GUESTS_RUNNING"),
        ({"guests": Guests([], ["db"])}, "CONTAINERS_RUNNING"),
        ({"tpm_disks": TpmDisks(["/dev/sda1"], [])}, "TPM_BOUND_DISK"),
        ({"tpm_disks": TpmDisks([], ["/dev/sda1"])}, "DISK_UNREADABLE"),
        ({"pending": [PendingReason("efi_capsule", True, "an EFI capsule")]}, "COLD_BOOT_PENDING"),
        ({"hypervisor": Hypervisor("xen", None, None, None, True)}, "XEN_DOM0"),
        ({"hypervisor": Hypervisor("xen", "amazon", None, None, False, xen_guest="HVM")}, "XEN_GUEST"),
        ({"hypervisor": Hypervisor("microsoft", None, None, None, False, hyperv_parent=True)}, "HYPERV_PARENT"),
        (pci("e1000e", id="8086:15bb"), "DRIVER_RISK"),
        # QEMU's, and cards of servers.
        (pci("e1000e", id="8086:10d3"), None),
        (pci("iwlwifi"), "DRIVER_RISK"),
        ({"hypervisor": Hypervisor("microsoft", "azure", None, None, False)}, "CLOUD_RISK"),
        ({"hypervisor": Hypervisor("google", "google", None, None, False)}, "CLOUD_RISK"),
        ({"hypervisor": Hypervisor("amazon", "amazon", None, None, False)}, None),
        ({"watchdog": Watchdogs()}, "NO_WATCHDOG"),
        ({"watchdog": replace(ARMED, runtime_s=None)}, "NO_WATCHDOG"),
        ({"console": replace(CONSOLE, cost_ms=1001)}, "CONSOLE_SLOW"),
        ({"console": replace(CONSOLE, cost_ms=None)}, None),
    ],
)
def test_each_risk(changes: dict[str, Any], code: str | None) -> None:
    assert codes(replace(CALM, **changes)) == ([code] if code else [])


@pytest.mark.parametrize(("series", "found"), [((0, 0), True), ((6, 12), True), ((7, 0), True), ((7, 1), False), ((8, 0), False)])
def test_a_newer_kernel_lifts_a_doubt(series: tuple[int, int], found: bool) -> None:
    surroundings = replace(CALM, pci=pci("nouveau")["pci"])
    assert [risk.code for risk in risks(surroundings, 0, series)] == (["DRIVER_RISK"] if found else [])


@pytest.mark.parametrize(
    ("release", "series"),
    [("6.12.117+deb13-cloud-amd64", (6, 12)), ("7.3~rc2", (7, 3)), ("5.14.0-503.el9", (5, 14)), ("", (0, 0)), ("x", (0, 0))],
)
def test_the_series_of_a_kernel(host_tree: HostTree, release: str, series: tuple[int, int]) -> None:
    assert read_running_kernel(host_tree({"/proc/sys/kernel/osrelease": release}), "x86_64").series == series


def test_facts_of_an_encrypted_guest(host_tree: HostTree) -> None:
    # Linux 6.12 mended it for one technology, not for the other.
    cpuinfo = "model name\t: A CPU\nflags\t\t: hypervisor %s\n\n"
    calm = {"/proc/xen/capabilities": ""}
    assert named(judged(host_tree, {**calm, "/proc/cpuinfo": cpuinfo % "tdx_guest"})["blockers"]) == []
    assert named(judged(host_tree, {**calm, "/proc/cpuinfo": cpuinfo % "sev_snp"})["blockers"]) == ["CONFIDENTIAL_RISK"]


def test_facts_of_a_guest_of_xen(host_tree: HostTree) -> None:
    tree = {"/sys/hypervisor/type": "xen\n", "/sys/hypervisor/guest_type": "PVH\n", "/proc/xen/capabilities": ""}
    facts = judged(host_tree, tree)
    assert facts["hypervisor"]["xen_guest"] == "PVH"
    assert named(facts["blockers"]) == ["XEN_GUEST"]


def test_many_kexecs() -> None:
    assert codes(CALM, 51) == ["MANY_KEXECS"]
    assert codes(CALM, None) == []


def test_every_code_can_be_found() -> None:
    everything = replace(
        CALM,
        pci=[
            *pci("nvidia")["pci"],
            *pci("vfio-pci", held_by="vfio")["pci"],
            *pci("igb_uio", held_by="uio")["pci"],
            *pci("ixgbe", virtual_functions=1)["pci"],
        ],
        guests=Guests(["a"], ["b"]),
        tpm_disks=TpmDisks(["/dev/sda1"], ["/dev/sda2"]),
        pending=[PendingReason("efi_capsule", True, "an EFI capsule")],
        hypervisor=Hypervisor("microsoft", "azure", None, None, True, "HVM", True),
        watchdog=Watchdogs(),
        console=replace(CONSOLE, cost_ms=5000),
    )
    encrypted = encryption_risks(Cpu("", confidential="sev_snp", snp_host=True), (6, 1))
    found = [risk.code for risk in (*encrypted, *risks(everything, 51, (6, 1)))]
    # Those of reservations, of the default entry, of placements and of the ledger are found where these are.
    elsewhere = [
        "KDUMP_LOADED",
        "RESERVATION_NOT_MADE",
        "RESERVATION_PENDING",
        "ENTRY_UNKNOWN",
        "ONE_SHOT_PENDING",
        "SYSTEM_ELSEWHERE",
        "CLASS_FAILED",
        "UNPROVEN",
    ]
    # Risks of a soft reboot, in C(soft.py).
    elsewhere += ["NEXT_ROOT", "SHUTDOWN_SCHEDULED", "SOFT_INCOMPLETE", "SOFT_SURVIVORS"]
    assert sorted([*found, *elsewhere]) == sorted(RISK_CODES)


def test_a_message_names_a_few_and_counts_the_rest() -> None:
    (risk,) = risks(replace(CALM, guests=Guests(["vm%d" % number for number in range(7)], [])), 0, (6, 12))
    assert risk.message == "virtual machines run here: vm0, vm1, vm2, vm3, vm4 and 2 more"
    (risk,) = risks(replace(CALM, guests=Guests(["web", "qemu-kvm", "qemu-kvm"], [])), 0, (6, 12))
    assert risk.message == "virtual machines run here: web, qemu-kvm (2 times)"
    (risk,) = risks(replace(CALM, pci=[*pci("nvidia")["pci"], *pci("nvidia", address="0000:3c:00.0")["pci"]]), 0, (6, 12))
    assert risk.message.startswith("nvidia drives 0000:3b:00.0, 0000:3c:00.0: ")
    assert DOUBTS["nvidia"].source in risk.message


def test_every_doubt_has_a_source() -> None:
    assert all(re.match(r"https://\S+$", doubt.source) and doubt.why for doubt in DOUBTS.values())


# --- watchdogs across the jump -----------------------------------------------------------


@pytest.mark.parametrize(
    ("watchdogs", "runs", "why"),
    [
        (Watchdogs(), False, "there is no watchdog"),
        (Watchdogs(legacy=True), None, "tells nothing of itself"),
        (ARMED, True, "stop_on_reboot=0"),
        (replace(ARMED, stop_on_reboot=-1), False, "the driver of /dev/watchdog0 (i6300esb) stops it"),
        (replace(ARMED, stop_on_reboot=None), False, "the driver of"),
        (replace(ARMED, stop_on_reboot=1), False, "stop_on_reboot=1"),
        (replace(ARMED, devices=[ILO], stop_on_reboot=-1), True, "does not stop it"),
        (replace(ARMED, devices=[replace(ILO, driver="new_wdt")], stop_on_reboot=-1), None, "not known"),
        (replace(ARMED, devices=[replace(ILO, driver="new_wdt")]), True, "stop_on_reboot=0"),
        (replace(ARMED, devices=[SOFT]), False, "a timer of the old kernel"),
        # systemd has the one that runs.
        (replace(ARMED, devices=[replace(ESB, active=False), replace(SOFT, device="/dev/watchdog1")]), False, "watchdog1"),
        (replace(ARMED, kexec_s=0.0), False, "KExecWatchdogSec is off"),
        (replace(ARMED, runtime_s=0.0), False, "RuntimeWatchdogSec is off"),
        (replace(ARMED, kexec_s=None), None, "does not tell its KExecWatchdogSec"),
        (replace(ARMED, runtime_s=-1.0), True, "stop_on_reboot=0"),
    ],
)
def test_a_watchdog_across_the_jump(watchdogs: Watchdogs, runs: bool | None, why: str) -> None:
    across = across_jump(watchdogs)
    assert across.runs is runs
    assert why in across.why


# --- the verdict -------------------------------------------------------------------------


def judged(host_tree: HostTree, changes: dict[str, str], policy: dict[str, str] | None = None) -> dict[str, Any]:
    """Facts of a host with a Xen below and a container within."""
    tree = {"/proc/xen/capabilities": "control_d\n", "/sys/fs/cgroup/lxc.payload.db/x": "", **changes}
    reading: HostReading = read(host_tree(tree), lambda argv, timeout_s: CommandResult(0, "", ""), wanted_policy=policy)
    assert reading.facts is not None
    facts = replace(reading.facts, kernel=replace(reading.facts.kernel, machine="x86_64"))
    return present(replace(reading, facts=facts))


def named(reasons: list[dict[str, str]]) -> list[str]:
    return [each["code"] for each in reasons]


def test_a_blocked_risk_leads_through_firmware(host_tree: HostTree) -> None:
    facts = judged(host_tree, {})
    assert (facts["verdict"]["method"], facts["verdict"]["image"]) == ("firmware", None)
    assert named(facts["blockers"]) == ["XEN_DOM0"]
    assert named(facts["warnings"]) == ["CONTAINERS_RUNNING", "NO_WATCHDOG"]
    assert facts["policy"]["XEN_DOM0"] == "block"


def test_a_dictionary_decides(host_tree: HostTree) -> None:
    policy = {"XEN_DOM0": "warn", "CONTAINERS_RUNNING": "allow"}
    facts = judged(host_tree, {}, policy)
    assert (facts["verdict"]["method"], facts["verdict"]["image"]) == ("kexec", "bzimage")
    assert facts["blockers"] == []
    assert named(facts["warnings"]) == ["XEN_DOM0", "NO_WATCHDOG"]
    assert facts["policy"]["CONTAINERS_RUNNING"] == "allow"


def test_the_hosts_own_policy_decides(host_tree: HostTree) -> None:
    facts = judged(host_tree, {CONFIG_FILE: "[policy]\nXEN_DOM0 = allow\nNO_WATCHDOG = block\n"})
    assert named(facts["blockers"]) == ["NO_WATCHDOG"]
    assert judged(host_tree, {}, {"NO_WATCHDOG": "allow"})["verdict"]["method"] == "kexec"


def test_what_is_not_possible_comes_before_what_is_doubtful(host_tree: HostTree) -> None:
    facts = judged(host_tree, {"/proc/sys/kernel/kexec_load_disabled": "1\n"})
    assert facts["verdict"]["method"] == "firmware"
    assert named(facts["blockers"]) == ["KEXEC_LOAD_DISABLED", "XEN_DOM0"]
    facts = judged(host_tree, {"/run/systemd/container": "lxc\n"})
    assert facts["verdict"]["method"] == "refuse"
    assert named(facts["blockers"])[0] == "CONTAINER"


def test_all_facts_of_a_host_with_nothing_at_all(tmp_path: Path) -> None:
    facts = present(read(HostFiles(str(tmp_path)), lambda argv, timeout_s: CommandResult(127, "", "")))
    assert facts["verdict"]["method"] == "firmware"
    assert named(facts["warnings"]) == ["ENTRY_UNKNOWN", "NO_WATCHDOG"]
    assert facts["watchdog"]["across_jump"] is False
    assert facts["kernels"] == []


def test_kernels_with_their_format(host_tree: HostTree) -> None:
    facts = judged(host_tree, {})
    (kernel,) = facts["kernels"]
    assert kernel["size_bytes"] == kernel["kernel_bytes"] + kernel["initrd_bytes"]
    assert kernel["payload_format"] is None, "there is nothing packed in it"
