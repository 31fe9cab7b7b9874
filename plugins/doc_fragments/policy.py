# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option for the effects of risks."""

from __future__ import annotations


class ModuleDocFragment:
    """Policy on the risks of a kexec."""

    DOCUMENTATION = r"""
options:
  policy:
    description:
      - Effect of each risk of a kexec or a soft reboot, and of each difference of the machine after a reboot, by its code.
      - V(block) keeps the host from rebooting via kexec, V(warn) lists the risk among the warnings, V(allow) ignores it.
        C(NEXT_ROOT), C(SHUTDOWN_SCHEDULED), C(SOFT_INCOMPLETE) and C(SOFT_SURVIVORS) do so for a soft reboot, and do not concern
        a kexec;
        C(CONTAINERS_RUNNING) and C(GUESTS_RUNNING) do so for both.
        C(KDUMP_LOADED) only keeps the image out of the memory reserved for a crash kernel. C(CLASS_FAILED) and C(UNPROVEN) come
        from the ledger (M(fleet.kexec.ledger)), which only M(fleet.kexec.rolling_reboot) and M(fleet.kexec.preflight) ask.
      - Blocked by default are C(CLASS_FAILED), C(CLOUD_RISK), C(COLD_BOOT_PENDING), C(CONFIDENTIAL_RISK), C(DRIVER_RISK),
        C(HYPERV_PARENT), C(KDUMP_LOADED), C(NEXT_ROOT), C(ONE_SHOT_PENDING), C(SNP_HOST), C(SOFT_INCOMPLETE),
        C(SRIOV_IN_USE), C(SYSTEM_ELSEWHERE), C(TPM_BOUND_DISK), C(UIO_IN_USE), C(VFIO_IN_USE), C(XEN_DOM0) and C(XEN_GUEST).
        Warned of by default are C(CONSOLE_SLOW), C(CONTAINERS_RUNNING), C(DISK_UNREADABLE), C(ENTRY_UNKNOWN),
        C(GUESTS_RUNNING), C(MANY_KEXECS), C(NO_WATCHDOG), C(RESERVATION_NOT_MADE), C(RESERVATION_PENDING),
        C(SHUTDOWN_SCHEDULED), C(SOFT_SURVIVORS) and C(UNPROVEN).
      - For differences, V(fail) makes the host fail and keeps it drained, V(warn) lists the difference, V(ignore) ignores it.
      - Differences that fail by default are C(BLOCK_DEVICE_LOST), C(BLOCK_DEVICE_SHRUNK), C(BLOCK_PATH_LOST), C(CPU_LOST),
        C(DRIVER_LOST), C(HUGE_PAGES_LOST), C(KERNEL_OOPS), C(MEMORY_LOST), C(MOUNT_LOST), C(MOUNT_READ_ONLY), C(NIC_DETACHED),
        C(NIC_LOST), C(NIC_NO_CARRIER), C(NIC_SLOWER), C(NUMA_NODE_LOST), C(PCI_DEVICE_LOST), C(RAID_DEGRADED), C(RDMA_LOST),
        C(SWAP_LOST), C(TPM_LOST), C(UNIT_FAILED) and C(VIRTUAL_FUNCTIONS_LOST). Those that warn by default are
        C(CLOCKSOURCE_CHANGED), C(DRIVER_CHANGED), C(KERNEL_ERRORS), C(KERNEL_TAINTED), C(LINK_DEGRADED), C(MACHINE_UNKNOWN),
        C(MEMORY_ERRORS), C(MICROCODE_OLDER), C(MODULE_LOST), C(NIC_RENAMED), C(PCI_DEVICE_MOVED), C(SYSTEM_STARTING),
        C(VOLUME_LOST) and C(WATCHDOG_LOST).
      - No other codes can be set. The collection's documentation says what each means.
      - Omitted codes follow the host's own policy (section C([policy]) of C(/etc/fleet-kexec.conf)), or else the default.
    type: dict
"""
