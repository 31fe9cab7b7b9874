# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons: every refusal and failure of the collection, by code.

A reason is a code, a sentence and a hint. The codes and their standing hints
live in one catalogue, so that the documentation lists exactly what the code
can say; C(docs/codes.md) is held against it by a test.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict

CATALOGUE: Dict[str, str] = {
    # What keeps a host from rebooting by kexec at all.
    "ARCH_UNSUPPORTED": "Only x86_64 hosts are rebooted by kexec; use method=firmware for this one.",
    "CONFIDENTIAL_GUEST": "Leave image=auto: the distribution's own bzImage works.",
    "CONTAINER": "Run this against the machine that hosts the container.",
    "KEXEC_LOAD_DISABLED": "Only a reboot clears kernel.kexec_load_disabled: find what sets it, or use method=firmware.",
    "KEXEC_LOAD_LIMIT": "Only a reboot raises kernel.kexec_load_limit_reboot: use method=firmware.",
    "LOADER_UNAVAILABLE": "Leave loader=auto, or choose the loader that boot_facts lists for this host.",
    "LOCKDOWN": "Under lockdown only kexec_file_load works: leave loader=auto, or use method=firmware.",
    "NO_KERNEL": "Install a kernel, or name one by its path; kernels are looked for as /boot/vmlinuz-RELEASE.",
    "NO_KEXEC_SUPPORT": "Boot a kernel built with CONFIG_KEXEC or CONFIG_KEXEC_FILE, or use method=firmware.",
    "NO_KEXEC_TOOLS": "Install the package kexec-tools on the host.",
    "NO_SYSTEMD": "The orderly shutdown is systemctl kexec, so PID 1 has to be systemd; use method=firmware.",
    # Reservations, and the bootloader that is asked for them.
    "BOOTLOADER_AMBIGUOUS": "Remove what is left of the bootloader that is not used, or reboot once through firmware.",
    "BOOTLOADER_CONFIG_INVALID": "Correct the bootloader's configuration; its own tool would fail, too.",
    "BOOTLOADER_FAILED": "The message ends with what the host said; its configuration is as it was.",
    "BOOTLOADER_MISMATCH": "Something else decides what is booted. The configuration was put back; look for what overrides it.",
    "BOOTLOADER_UNKNOWN": "Set the argument where this host's kernel gets its command line from.",
    "BOOTLOADER_UNSUPPORTED": "Set the argument with that bootloader's own tools.",
    "NOT_EXPRESSIBLE": "Ask for what this bootloader can express, such as kernels=all and a single value.",
    "RESERVATION_FOREIGN": "Leave it to whoever has set it, or give override=true.",
    "RESERVATION_NOT_MADE": "Look for crashkernel or cma in the kernel log of this boot: memory may have been too fragmented.",
    "RESERVATION_PENDING": "Reboot the host once through firmware (method=firmware).",
    "RESERVATION_TOO_LARGE": "Ask for less, or for auto.",
    "RESERVATION_TOO_SMALL": "Ask for more, or for auto.",
    "RESERVATION_UNSUPPORTED": "Leave this reservation out on hosts with this kernel.",
    "SHRINK_FAILED": "Unload the crash kernel first, or leave shrink=false: the next reboot does it.",
    "SIZE_INVALID": "Give a size as the kernel reads it, such as 256M, or auto.",
    # What is wrong with what should be loaded.
    "CMA_BZIMAGE": "Use loader=kexec_load, or boot the host without cma=.",
    "CMDLINE_INVALID": "Give arguments without control characters and with balanced double quotes.",
    "CMDLINE_TOO_LONG": "Shorten the command line with cmdline.remove or cmdline.replace.",
    "CONFIG_INVALID": "Correct /etc/fleet-kexec.conf, or remove it.",
    "FAST_IMAGE_DAMAGED": "Run fast_image again: it builds a damaged image anew.",
    "FAST_IMAGE_MISSING": "Run fast_image to install it, or leave image=auto.",
    "FAST_IMAGE_STALE": "Run fast_image again.",
    "INITRD_INVALID": "Rebuild it (update-initramfs -u or dracut --force), or name another one.",
    "INITRD_NOT_FOUND": "Name it with initrd, or give initrd=none for a kernel that needs none.",
    "INTEGRITY_UNAVAILABLE": "Leave integrity=auto, or leave image and loader free too.",
    "KERNEL_INVALID": "Name a bzImage, as distributions install it in /boot.",
    "KERNEL_NOT_FOUND": "Name an installed release or the path of a kernel; boot_facts lists what is installed.",
    "KERNEL_TRUNCATED": "Install the kernel package again.",
    "NO_DECOMPRESSOR": "Install the package zstd on the host.",
    "NO_MEMORY": "Free memory on the host, or use method=firmware.",
    "NO_SPACE": "Make room in /var/lib, or remove fast images of other releases.",
    "PAYLOAD_FORMAT": "Boot this kernel as a bzImage (image=bzimage).",
    "PAYLOAD_INVALID": "Install the kernel package again.",
    "POLICY_INVALID": "Set codes that are risks to block, warn or allow; docs/policy.md lists them.",
    "SUBSET_INVALID": "Name subsets that the documentation of boot_facts lists, with ! in front to leave them out.",
    "WRONG_ARCH": "Name a kernel built for x86_64.",
    # What makes a kexec doubtful though it is possible; docs/policy.md.
    "CLOUD_RISK": "Leave it to firmware, or allow it once a VM of this kind has shown that it comes back.",
    "COLD_BOOT_PENDING": "Reboot through firmware once (method=firmware): only that applies it.",
    "CONSOLE_SLOW": "Append quiet or loglevel=4 to the command line, or raise the console's rate (console=ttyS0,115200).",
    "CONTAINERS_RUNNING": "Drain the host, or allow it if a reboot of these containers is expected.",
    "DRIVER_RISK": "See the report; allow it once this hardware has shown that it comes back, with the drivers it has now.",
    "GUESTS_RUNNING": "Move or stop the virtual machines, or allow it if their end is expected.",
    "MANY_KEXECS": "Reboot through firmware at the next occasion: errors of hardware that only a reset clears add up.",
    "NO_WATCHDOG": "A host that hangs in the jump has to be reset by hand; docs/policy.md says how to have a watchdog across it.",
    "SRIOV_IN_USE": "Take the virtual functions back (sriov_numvfs), or leave it to firmware.",
    "TPM_BOUND_DISK": "Leave it to firmware, or allow it where the disk has shown to unlock after a kexec.",
    "VFIO_IN_USE": "Stop whatever uses the devices and unbind them from vfio-pci, or leave it to firmware.",
    "XEN_DOM0": "Leave it to firmware.",
    # What keeps a host from being prepared, or put back.
    "PREPARE_FAILED": "The message ends with what the host said. Run it again, or with state=absent: all changes are remembered.",
    "PREPARE_RECORD_INVALID": "Restore prepared.json from a backup; without it, what was changed counts as the host's own.",
    "TIMESPAN_INVALID": "Give a time span as systemd reads it, such as 60s or 5min.",
    # What there is to say about a way that was taken.
    "SLOWER_THAN_AUTO": "Leave image, loader and integrity at auto for the quickest way that has a check.",
    "PROBE_NOT_UP": "Check that the service answers the controller before the reboot; the message says what was seen.",
    "PROBE_STILL_DOWN": "Have an after hook, or test_command, wait for the service; the probe delays nothing.",
    "VIRTIO_NO_RESET": "Keep an integrity check (crc32c or sha256) on this host.",
    # What went wrong while acting.
    "BUILD_FAILED": "The message ends with what the file system said; nothing was left behind.",
    "LOAD_FAILED": "The message ends with what kexec said; the host is as it was, with nothing loaded.",
    "LOAD_UNVERIFIED": "kexec claimed success but the kernel holds no image; look at the kernel log of the host.",
    "NOT_ROOT": "Set become: true.",
    "STAGE_BUSY": "Somebody else is staging on this host; try again when they are done.",
    "UNLOAD_FAILED": "Run kexec -u on the host: a loaded image turns its next reboot into a kexec.",
    # The slots that several runs share.
    "LOCK_INVALID": "Correct the option lock; its documentation lists what each backend takes.",
    "LOCK_LOST": "Nothing more was triggered. See which process has the run now (docs/locks.md), or resume the run.",
    "LOCK_MISMATCH": "Give the same slots everywhere. It can change once no slot is taken and no other run lives; docs/locks.md.",
    "LOCK_UNAVAILABLE": "Nothing is triggered without the lock. Correct what the message names, then resume the run.",
    # What went wrong with a reboot.
    "CONTROL_NODE": "Run the playbook from another machine to reboot this one.",
    "FACTS_UNREADABLE": "See the message of the module that failed.",
    "NOT_REBOOTED": "The boot_id never changed. The reboot was called off and the image unloaded; see the journal of the host.",
    "NOT_PROVEN": "The host rebooted, but not into what was staged; see proof in the result, and the host's console.",
    "PROBE_INVALID": "Correct the option probe; its documentation says what it takes.",
    "REBOOT_TIMEOUT": "Look at the console of the host, or power-cycle it: its bootloader's default is untouched.",
    "TEST_COMMAND_FAILED": "The host is up and its boot is verified, but test_command did not succeed on it in time.",
    "UNREACHABLE": "Nothing was triggered. An image may be loaded if it was lost while staging: unstage it when it is back.",
    "TRIGGER_FAILED": "The reboot was called off and the image unloaded; the message ends with what the host said.",
    # What went wrong with a run, or its journal.
    "JOURNAL_DAMAGED": "Restore the journal from a copy, or find out by preflight how the hosts are, and start a new run.",
    "JOURNAL_FAILED": "Make room, or give access; resume then takes the run up where its journal ends.",
    "RUN_EXISTS": "Choose another run_id, or none; to go on with that run, give it as resume.",
    "RUN_ID_INVALID": "Choose a plain name, or none: one is made of the time.",
    "RUN_LOCKED": "Wait until that process is done with the run, or end it first: nothing is lost by that.",
    "RUN_NOT_FOUND": "Run it on the controller, and as the user, that began the run.",
    # What went wrong with a report, or a query.
    "QUERY_INVALID": "Correct the expression at the position that the message names; https://jmespath.org has the language.",
    "QUERY_LIBRARY_MISSING": "Install the Python package jmespath for the Python that runs Ansible on the controller.",
    "REPORT_FAILED": "Name a file in a directory that exists and that the user who runs the playbook may write to.",
    # What became of a host in a rollout.
    "CONNECTION_FAILED": "Correct the host's connection and become settings: it answered, and they did not do.",
    "HOOK_FAILED": "The message ends with what the hook said; see on which side of the reboot it was.",
    "HOST_NOT_IN_RUN": "Name the run that the host was part of.",
    "INTERNAL_ERROR": "Report it with the end of the journal. Look at the host: what became of it is not known.",
    "POWER_CYCLED": "Find out what kept the host from coming back by itself; its console tells.",
    # What is wrong with a rollout, and what stops it.
    "CANARY_FAILED": "Find out what is wrong with it before the other hosts, which are as they were; then start anew.",
    "CAPACITY_SPENT": "Bring back the hosts that are down, and resume.",
    "DEADLINE": "Resume in the next maintenance window, or allow more time.",
    "DOMAIN_UNKNOWN": "Name a dimension that the hosts have a domain in, or all for the whole fleet.",
    "FAILURE_BUDGET_SPENT": "See why the hosts failed; then resume, with a larger failure_budget if they may stay as they are.",
    "GROUP_UNKNOWN": "Name a group of the inventory that has hosts.",
    "INTERRUPTED": "Resume the run to go on with the hosts that are left.",
    "LIMIT_UNSATISFIABLE": "Allow at least one host of it to be unavailable: a percentage of few hosts may come to none.",
    "REGRESSION": "Find out what took so long, or allow more by stop_on_regression.margin; then resume.",
    "SERIAL": "Take serial away from the play: window replaces it.",
    "SETTINGS_INVALID": "See the message, and the documentation of rolling_reboot.",
    "WAITING": "Nothing has to be done: it goes on when what the message names is over.",
}


@dataclass(frozen=True)
class Reason:
    """Why something is refused, failed or was decided.

    :ivar code: key of :data:`CATALOGUE`.
    :ivar message: one sentence with the particulars of this host.
    :ivar hint: what to do about it.
    """

    code: str
    message: str
    hint: str

    def as_dict(self) -> Dict[str, str]:
        """The reason as plain values, for results and facts."""
        return asdict(self)


def reason(code: str, message: str) -> Reason:
    """A reason with its standing hint.

    :raises KeyError: the code is not in the catalogue.
    """
    return Reason(code, message, CATALOGUE[code])


class CodedError(Exception):
    """Base of the one exception type each layer has.

    Modules and action plugins turn it into a failed result in one place; see
    C(_module.py) and C(action/).
    """

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.reason = reason(code, message)
        self.details = details

    def as_result(self) -> Dict[str, Any]:
        """What a failed task returns: C(msg), C(code), C(hint) and details."""
        result: Dict[str, Any] = dict(self.details)
        result.update(msg=self.reason.message, code=self.reason.code, hint=self.reason.hint)
        return result
