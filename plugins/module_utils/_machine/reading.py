# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a snapshot of the machine."""

from __future__ import annotations

from .._command import Runner
from .._host.files import HostFiles
from .devices import read_interfaces, read_pci, read_rdma
from .kernel_errors import read_kernel_errors
from .snapshot import MachineSnapshot
from .storage import read_disks, read_raids, read_swap_bytes, read_volumes, read_wanted_mounts
from .system import (
    read_clock_source,
    read_cpus,
    read_huge_pages,
    read_memory_errors,
    read_memory_size,
    read_microcode,
    read_numa_nodes,
    read_tpms,
    read_units,
    read_wanted_modules,
    read_watchdog_identities,
)


def take_snapshot(files: HostFiles, run: Runner, journal: bool = True) -> MachineSnapshot:
    """Read the machine; what can't be read counts as absent.

    :param journal: whether to search the journal for errors that the kernel's log has dropped.
    """
    # First: units that are still being started may be what brings devices and mounts.
    system_state, failed_units = read_units(files, run)
    release = files.read_text("/proc/sys/kernel/osrelease") or ""
    corrected, uncorrected = read_memory_errors(files)
    return MachineSnapshot(
        release=release,
        pci=read_pci(files),
        interfaces=read_interfaces(files),
        rdma=read_rdma(files),
        disks=read_disks(files),
        cpus=read_cpus(files),
        microcode=read_microcode(files),
        memory=read_memory_size(files),
        numa_nodes=read_numa_nodes(files),
        huge_pages=read_huge_pages(files),
        clock_source=read_clock_source(files),
        corrected_errors=corrected,
        uncorrected_errors=uncorrected,
        taint=files.read_int("/proc/sys/kernel/tainted") or 0,
        swap_bytes=read_swap_bytes(files),
        mounts=read_wanted_mounts(files),
        raids=read_raids(files),
        volumes=read_volumes(files),
        tpms=read_tpms(files),
        watchdogs=read_watchdog_identities(files),
        modules=read_wanted_modules(files, release),
        system_state=system_state,
        failed_units=failed_units,
        kernel_errors=read_kernel_errors(files, run if journal else None),
    )
