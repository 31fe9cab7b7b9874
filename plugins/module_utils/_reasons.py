# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Catalogue of all refusals and failures of the collection, by code.

A reason is a code, a message and a hint. A test compares the catalogue with C(docs/codes.md).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict

from ._text import printable

CATALOGUE: Dict[str, str] = {
    # The host can't reboot via kexec at all.
    "ARCH_UNSUPPORTED": "Use method=firmware: only x86_64 and aarch64 hosts can reboot via kexec.",
    "CONFIDENTIAL_GUEST": "Leave image=auto: the distribution's own bzImage works.",
    "CONTAINER": "Run this against the machine that hosts the container.",
    "KEXEC_LOAD_DISABLED": "Find what sets kernel.kexec_load_disabled, which only a reboot clears, or use method=firmware.",
    "KEXEC_LOAD_LIMIT": "Use method=firmware: only a reboot raises kernel.kexec_load_limit_reboot.",
    "LOADER_UNAVAILABLE": "Leave loader=auto, or choose a loader that boot_facts lists for this host.",
    "LOCKDOWN": "Under lockdown only kexec_file_load works: leave loader=auto, or use method=firmware.",
    "NO_KERNEL": "Install a kernel, which is looked for as /boot/vmlinuz-RELEASE, or give the path of one.",
    "NO_KEXEC_SUPPORT": "Boot a kernel built with CONFIG_KEXEC or CONFIG_KEXEC_FILE, or use method=firmware.",
    "NO_KEXEC_TOOLS": "Install the package kexec-tools on the host.",
    "SOFT_UNSUPPORTED": "Use method=kexec or method=firmware; soft reboots that are counted come with systemd 256.",
    "NO_SYSTEMD": "Use method=firmware: the orderly shutdown is systemctl kexec, which needs systemd as PID 1.",
    # Reservations, and the bootloader that has to make them.
    "BOOTLOADER_AMBIGUOUS": "Remove what is left of the unused bootloader, or reboot once through firmware.",
    "BOOTLOADER_CONFIG_INVALID": "Correct the bootloader's configuration; the bootloader's own tool would fail on it, too.",
    "BOOTLOADER_FAILED": "The configuration is unchanged. Correct the error at the end of the message, and run this again.",
    "BOOTLOADER_MISMATCH": "The configuration was restored. Find what overrides it, and set the argument there.",
    "BOOTLOADER_UNKNOWN": "Set the argument wherever this host's kernel gets its command line from.",
    "BOOTLOADER_UNSUPPORTED": "Set the argument with that bootloader's own tools.",
    "NOT_EXPRESSIBLE": "Ask for something that this bootloader can express, such as kernels=all and a single value.",
    "RESERVATION_FOREIGN": "Leave the value to whoever set it, or give override=true.",
    "RESERVATION_NOT_MADE": "Search the kernel log of this boot for crashkernel or cma: memory may have been too fragmented.",
    "RESERVATION_PENDING": "Reboot the host, by whichever method: the arguments come from the bootloader's default entry.",
    "RESERVATION_TOO_LARGE": "Ask for less, or for auto.",
    "RESERVATION_TOO_SMALL": "Ask for more, or for auto.",
    "RESERVATION_UNSUPPORTED": "Omit this reservation on hosts with this kernel.",
    "SHRINK_FAILED": "Unload the crash kernel first, or leave shrink=false: the next reboot shrinks it.",
    "SIZE_INVALID": "Give a size in the kernel's notation, such as 256M, or auto.",
    # Something that should be loaded is missing or unusable.
    "CMA_BZIMAGE": "Use loader=kexec_load, or boot the host without cma=.",
    "CMDLINE_INVALID": "Remove control characters from the arguments, and balance their double quotes.",
    "CMDLINE_TOO_LONG": "Shorten the command line with cmdline.remove or cmdline.replace.",
    "CONFIG_INVALID": "Correct /etc/fleet-kexec.conf, or remove it.",
    "FAST_IMAGE_DAMAGED": "Run fast_image again: it rebuilds a damaged image.",
    "FAST_IMAGE_MISSING": "Run fast_image to install one, or leave image=auto.",
    "FAST_IMAGE_STALE": "Run fast_image again to rebuild it.",
    "FAST_IMAGE_UNSUPPORTED": "Leave image=auto: the distribution's own bzImage works.",
    "INITRD_INVALID": "Rebuild the initrd (update-initramfs -u or dracut --force), or name another one.",
    "INITRD_NOT_FOUND": "Name the initrd with the option initrd, or give initrd=none for a kernel that needs none.",
    "INTEGRITY_UNAVAILABLE": "Leave integrity=auto, or leave image and loader at auto, too.",
    "KERNEL_INVALID": "Name a kernel file such as distributions install in /boot.",
    "KERNEL_NOT_FOUND": "Give an installed release or the path of a kernel; boot_facts lists the installed kernels.",
    "KERNEL_TRUNCATED": "Reinstall the kernel package.",
    "NO_NEXT_RESERVATION": "Leave placement=auto, or reserve less memory, or none at a fixed address.",
    "NO_RESERVATION": "Leave placement=auto, or reserve memory (module reservation, crashkernel=auto), and reboot.",
    "PLACEMENT_UNAVAILABLE": "Leave placement=auto, or leave image, loader and integrity at auto, too.",
    "MODULES_UNKNOWN": "Install the kernel with its modules (modules.alias and modules.dep), or use another initrd than slim.",
    "NO_DECOMPRESSOR": "Install the package zstd on the host.",
    "KDUMP_LOADED": "Leave placement=auto, or allow it by policy: kdump's crash kernel is put back if there is no reboot.",
    "KDUMP_NOT_RESTORED": "Have kdump load its crash kernel: kdump-config load, kdumpctl start, or restart its service.",
    "NO_MEMORY": "Free memory on the host, or use method=firmware.",
    "NO_SPACE": "Free space in /var/lib, or remove fast images of other releases.",
    "PAYLOAD_FORMAT": "Boot this kernel as a bzImage (image=bzimage).",
    "PAYLOAD_INVALID": "Reinstall the kernel package.",
    "POLICY_INVALID": "Set risks to block, warn or allow, and differences to fail, warn or ignore; docs/policy.md lists them.",
    "SUBSET_INVALID": "Name subsets that the documentation of boot_facts lists; put ! in front of one to leave it out.",
    "WRONG_ARCH": "Name a kernel built for the architecture of the host.",
    # A kexec is possible but risky; see docs/policy.md.
    "CLASS_FAILED": "Find out why; then clear the class (fleet.kexec.ledger, state=cleared), or allow this by policy.",
    "CLOUD_RISK": "Reboot through firmware, or allow this once a VM of this kind has come back from a kexec.",
    "COLD_BOOT_PENDING": "Reboot once through firmware (method=firmware): nothing else applies the update.",
    "CONFIDENTIAL_RISK": "Reboot through firmware, or allow this once such a guest has come back from a kexec of this kernel.",
    "CONSOLE_SLOW": "Append quiet or loglevel=4 to the command line, or raise the console's baud rate (console=ttyS0,115200).",
    "CONTAINERS_RUNNING": "Drain the host, or allow this if the containers may stop with it.",
    "DISK_UNREADABLE": "Run this as root. If it is, find out how the volume is unlocked, and allow this if not by a TPM.",
    "DRIVER_RISK": "Read the report; allow this once this hardware has come back from a kexec with its current drivers.",
    "ENTRY_UNKNOWN": "Compare the kernel and command line in the result with what the bootloader boots, or name them.",
    "GUESTS_RUNNING": "Move or stop the virtual machines, or allow this if they may stop with the host.",
    "HYPERV_PARENT": "Reboot through firmware.",
    "MANY_KEXECS": "Reboot through firmware when you can: hardware errors that only a reset clears accumulate.",
    "NEXT_ROOT": "Allow this if that is what is to come next, or remove /run/nextroot; a reboot through firmware ignores it.",
    "NO_WATCHDOG": "Set up a watchdog that runs across the jump (docs/policy.md), or be ready to reset a hung host by hand.",
    "ONE_SHOT_PENDING": "Reboot through firmware, which does what was asked for, or withdraw the request.",
    "SHUTDOWN_SCHEDULED": "Call it off (shutdown -c) if this reboot takes its place, or allow this if it is to come as well.",
    "SOFT_INCOMPLETE": "Reboot via kexec or through firmware, or allow this if the rest may wait for the next reboot.",
    "SOFT_SURVIVORS": "Restart these units by themselves if what they run was updated, or allow this.",
    "SNP_HOST": "Reboot through firmware, or update the kernel to 6.11 or later.",
    "SRIOV_IN_USE": "Remove the virtual functions (set sriov_numvfs to 0), or reboot through firmware.",
    "SYSTEM_ELSEWHERE": "Reboot through firmware: a kexec would not end in the system that is to come next.",
    "TPM_BOUND_DISK": "Reboot through firmware, or allow this where the disk has unlocked after a kexec before.",
    "UIO_IN_USE": "Stop whatever drives the devices (DPDK, SPDK) and unbind them from uio, or reboot through firmware.",
    "UNPROVEN": "Send one host of the class ahead (canaries: {unproven: 1, soak: 600}), or allow this by policy.",
    "VFIO_IN_USE": "Stop whatever uses the devices and unbind them from vfio, or reboot through firmware.",
    "XEN_DOM0": "Reboot through firmware.",
    # The machine came back different; see docs/proof.md.
    "BLOCK_DEVICE_LOST": "Look for the device in the kernel log; reboot through firmware, which resets its controller.",
    "BLOCK_DEVICE_SHRUNK": "Find out who resized the device, before its file systems are used.",
    "BLOCK_PATH_LOST": "Look at the state of the path (multipath -ll, nvme list-subsys), its port and its switch.",
    "CLOCKSOURCE_CHANGED": "Search the kernel log for clocksource and tsc; reboot through firmware.",
    "CPU_LOST": "Compare maxcpus=, nr_cpus= and nosmt on the command line, and search the kernel log for smpboot.",
    "DRIVER_CHANGED": "Nothing to do if the new kernel has another driver for it; see what binds the device otherwise.",
    "DRIVER_LOST": "Search the kernel log for the device: its driver was not loaded, or gave up. Reboot through firmware.",
    "HUGE_PAGES_LOST": "Reserve them on the kernel command line, or find out what set their number before.",
    "KERNEL_ERRORS": "Read the kernel log (dmesg --level err+) for what the new kernel found wrong.",
    "KERNEL_OOPS": "Read the kernel log, and reboot through firmware: the kernel may have corrupted its memory.",
    "KERNEL_TAINTED": "Read the kernel log for the warning, or find out what overrides the firmware.",
    "LINK_DEGRADED": "Reboot through firmware, which trains the link anew; if it stays so, reseat the device.",
    "MACHINE_NOT_REMEMBERED": "Free space in /var/lib, or make it writable; compare=false, or --no-compare, does without.",
    "MACHINE_UNKNOWN": "Nothing to do if nothing was remembered before the reboot; the next one leaves a snapshot.",
    "MEMORY_ERRORS": "Read the event log of the baseboard management controller, and replace the module that it names.",
    "MEMORY_LOST": "Compare mem= and memmap= on the command line, and read the event log of the firmware for a failed module.",
    "MICROCODE_OLDER": "Reboot through firmware, or compare the microcode in the initrd with what firmware loads.",
    "MODULE_LOST": "Load it by hand (modprobe) and read the error, or take it off the configuration.",
    "MOUNT_LOST": "See why it is not mounted: systemctl status of its mount unit.",
    "MOUNT_READ_ONLY": "Look for errors of the file system in the kernel log, and check the file system.",
    "NIC_DETACHED": "Add the interface again, or see why the network's configuration did not.",
    "NIC_LOST": "Look for the device in the kernel log; reboot through firmware.",
    "NIC_NO_CARRIER": "Check that the interface is up, then its cable and switch port; reboot through firmware.",
    "NIC_RENAMED": "Correct configuration that has the old name, or set net.ifnames= and biosdevname= as they were.",
    "NIC_SLOWER": "Have the link negotiate anew (ethtool -r); reboot through firmware.",
    "NUMA_NODE_LOST": "Compare numa= on the command line, and read the event log of the firmware.",
    "PCI_DEVICE_LOST": "Reboot through firmware, which resets the bus; if it stays away, reseat the device.",
    "PCI_DEVICE_MOVED": "Correct configuration that has the old address, such as of devices for guests.",
    "RAID_DEGRADED": "See which member is missing (mdadm --detail, zpool status), and add it again.",
    "RDMA_LOST": "Load ib_uverbs and the device's RDMA driver, and read the kernel log; reboot through firmware.",
    "SWAP_LOST": "See why it is not used: swapon --all, and systemctl --failed.",
    "SYSTEM_STARTING": "Give a longer settle, or see what takes the time: systemctl list-jobs.",
    "TPM_LOST": "Search the kernel log for tpm; reboot through firmware, which starts the TPM anew.",
    "UNIT_FAILED": "Read its log: journalctl -b -u UNIT.",
    "VIRTUAL_FUNCTIONS_LOST": "Set sriov_numvfs again, or see why the host's configuration did not.",
    "VOLUME_LOST": "Activate it (vgchange -a y, or cryptsetup), or ignore it if it was not meant to last.",
    "WATCHDOG_LOST": "Load the watchdog's driver: without it, a host that hangs has to be reset by hand.",
    "XEN_GUEST": "Reboot through firmware, or allow this once a guest of this toolstack has come back from a kexec.",
    # A host needs a reboot.
    "PENDING_CMDLINE": "Reboot the host, or take the change back in the bootloader's configuration.",
    "PENDING_FIRMWARE": "Reboot the host through firmware (method=firmware), which applies the update.",
    "PENDING_KERNEL": "Reboot the host: the other kernel is installed and is the next to boot.",
    "PENDING_ONE_SHOT": "Reboot the host through firmware, which does what was asked for, or withdraw the request.",
    "PENDING_PACKAGES": "Reboot the host: what runs is older than what is installed.",
    "PENDING_REBOOT_REQUIRED": "Reboot the host: its packages ask for it.",
    "PENDING_SYSTEM": "Reboot the host through firmware: a kexec would not end in the system that is to come next.",
    "PENDING_USERSPACE": "Reboot the host, softly if it can (method=soft): a restart of services does not reach these.",
    "PENDING_UNKNOWN": "Correct what the message names; until then, the host counts as in need of a reboot.",
    # A host can't be prepared, or put back.
    "BOOT_PART_IDLE": "Nothing to do, or leave the part out on this host.",
    "BOOT_PART_NO_FASTER": "Leave the part out on this host, or see by further reboots whether one was slow for another reason.",
    "CHANGED_SINCE": "Nothing to do if the change is to stay. If not, remove what fleet.kexec wrote there by hand.",
    "INTERFACE_INVALID": "Name interfaces that the host has, or give auto for those of the default routes.",
    "PACKAGE_STAYS": "Nothing to do if the package or its configuration is to stay. If not, remove it by hand.",
    "PARALLEL_SHUTDOWN_INVALID": "Name drivers as in /sys/bus/pci/drivers, and give a timeout of 1 to 60 seconds.",
    "PREPARE_FAILED": "All changes are recorded. Correct the error at the end of the message and repeat, or use state=absent.",
    "PREPARE_RECORD_INVALID": "Restore the file from a backup; without it, earlier changes count as the host's own.",
    "TIMESPAN_INVALID": "Give a time span in systemd's notation, such as 60s or 5min.",
    "UNIT_NAME_INVALID": "Give the full name of a service, such as postgresql@16-main.service; no template, no other type.",
    "WATCHDOG_OWNED": "Nothing to do if it is to stay so. With watchdog=true (prepare_watchdog), systemd feeds it regardless.",
    "WATCHDOG_STAYS": "Remove fleet-kexec.conf in /etc/systemd/system.conf.d and /etc/modprobe.d, and reboot at once.",
    # Notes on what was loaded and how, and on a probe.
    "ENTRY_CHANGES": "Nothing to do: a reboot through firmware would bring the same changes.",
    "SLOWER_THAN_AUTO": "Leave image, loader and integrity at auto for the fastest combination that has a check.",
    "PROBE_NOT_UP": "The message says what the probe saw. Check before the reboot that the service answers the controller.",
    "PROBE_STILL_DOWN": "The probe delays nothing: have an after hook, or test_command, wait for the service.",
    "VIRTIO_NO_RESET": "Keep an integrity check (crc32c or sha256) on this host.",
    # Staging, unloading or building an image failed.
    "BUILD_FAILED": "Nothing was left behind. Correct the file system error at the end of the message and try again.",
    "LOAD_FAILED": "Nothing is loaded. Correct kexec's error at the end of the message, or use method=firmware.",
    "LOAD_UNVERIFIED": "kexec reported success, but the kernel holds no image: look at the kernel log of the host.",
    "NOT_ROOT": "Set become: true.",
    "STAGE_BUSY": "Another process is staging on this host: try again when it has finished.",
    "UNLOAD_DISABLED": "Reboot with method=firmware. SYSTEMCTL_SKIP_AUTO_KEXEC=1 keeps systemctl reboot from running the image.",
    "UNLOAD_FAILED": "Run kexec -u on the host: a loaded image turns its next reboot into a kexec.",
    # The lock that several runs share.
    "LOCK_INVALID": "Correct the option lock; its documentation lists what each backend takes.",
    "LOCK_LOST": "Nothing more was triggered. See which process holds the run now (docs/locks.md), or resume the run.",
    "LOCK_MISMATCH": "Give the same slots everywhere; change them when no slot is taken and no other run lives (docs/locks.md).",
    "LOCK_UNAVAILABLE": "Nothing is triggered without the lock. Correct what the message names, then resume the run.",
    # A reboot is refused, or failed.
    "CONTROL_NODE": "Run the playbook from another machine to reboot this one.",
    "DEGRADED": "The host is up, and is not what it was. See differences in the result, and the kernel log of the host.",
    "FACTS_UNREADABLE": "Correct what the message of the failed module reports.",
    "LOGIN_FAILED": "The host is up. Remove what keeps the controller from logging in (see the message), then check the host.",
    "NOT_REBOOTED": "The boot_id never changed. The reboot was called off and the image unloaded; see the host's journal.",
    "NOT_COMPARED": "The host rebooted as asked, but nobody knows whether its machine is whole: check it by hand.",
    "NOT_PROVEN": "The host rebooted, but not into what was staged; see proof in the result, and the host's console.",
    "OPTION_UNSUPPORTED": "Leave the option out, or give method in its place.",
    "PROBE_INVALID": "Correct the option probe; its documentation lists what it takes.",
    "REBOOT_TIMEOUT": "Look at the console of the host, or power-cycle it: its bootloader's default is untouched.",
    "TEST_COMMAND_FAILED": "The host is up and its boot is verified. Find out why test_command did not succeed in time.",
    "UNREACHABLE": "Nothing was triggered. A host lost while staging may have an image loaded: unstage it once it is back.",
    "TRIGGER_FAILED": "The reboot was called off and the image unloaded. Correct the error at the end of the message.",
    # A run, or its journal, failed.
    "JOURNAL_DAMAGED": "Restore the journal from a copy, or check the state of the hosts by preflight and start a new run.",
    "JOURNAL_FAILED": "Free space, or grant access, then resume: the run continues where its journal ends.",
    "NO_RUN": "Find out above in the output why rolling_reboot was skipped or refused.",
    "RUN_EXISTS": "Choose another run_id, or omit it; to continue that run, give its name as resume.",
    "RUN_ID_INVALID": "Choose a plain name, or omit run_id: the name is then made from the time.",
    "RUN_LOCKED": "Wait until that process has finished with the run, or end it: nothing is lost.",
    "RUN_NOT_FOUND": "Run this on the controller that began the run, and as the same user.",
    # The ledger. It stops nothing: during a run these are warnings.
    "LEDGER_CLASS_UNKNOWN": "Give host_class, before and after as state=shown has them.",
    "LEDGER_DAMAGED": "Restore it from a backup, or let it be made anew from the journals; then clear failed classes again.",
    "LEDGER_FAILED": "Give another path as ledger, or grant access to this one, and run fleet.kexec.ledger once to catch up.",
    "LEDGER_MISSING": "Restore it from a backup, or let it be made anew from the journals; then clear failed classes again.",
    # A report or a query failed.
    "QUERY_INVALID": "Correct the expression at the position in the message; https://jmespath.org documents the language.",
    "QUERY_LIBRARY_MISSING": "Install the Python package jmespath for the Python that runs Ansible on the controller.",
    "REPORT_FAILED": "Name a file in an existing directory that the user who runs the playbook may write to.",
    # A host failed in a rollout, or came back by the power hook.
    "BECOME_FAILED": "Correct the become settings and password, or find out from the host's log why it refused them.",
    "CONNECTION_FAILED": "Correct the host's connection settings: the host answered, but they did not work.",
    "HOOK_FAILED": "See the hook's output at the end of the message, and whether it ran before or after the reboot.",
    "HOST_NOT_IN_RUN": "Nothing to do if the conditions leave out the host on purpose; otherwise name a run that it was part of.",
    "HOST_KEY_CHANGED": "Find out whether this is the host, and what changed its key, before you trust it (ssh-keygen -R HOST).",
    "HOST_DUPLICATE": "Leave one of the two names out of the play, or correct the address of the one that is wrong.",
    "HOST_NOT_IN_INVENTORY": "If the host still exists, put it back into the inventory and resume; if not, it needs nothing.",
    "HOST_NOT_SELECTED": "It stays in the run, undecided: resume the run with this host in the play to reboot it.",
    "INTERNAL_ERROR": "Check the host, whose state is unknown, and report this with the end of the journal.",
    "MODULE_FAILED": "The message ends with what the host said. It needs Python 3.8 or later, and a login and become that work.",
    "POWER_CYCLED": "Find out from the host's console what kept it from coming back by itself.",
    # What was begun on a host, or held for it, could not be given back.
    "DEBT_OWED": "Resume the run, which pays what can be paid; or do by hand what the hint of each debt says.",
    "DRAIN_OWED": "Put the host back into service by hand, or resume the run, which runs the after hooks again.",
    "IMAGE_OWED": "Run stage with state=unstaged, or kexec -u, on the host: an image turns its next reboot into a kexec.",
    "LOCK_OWED": "Nothing to do: the run's key in the lock runs out by itself, after which the run can be resumed.",
    "PANIC_OWED": "Set kernel.panic and kernel.panic_on_oops on the host, or leave them: its next boot has its own again.",
    "SLOT_OWED": "Once the host is up, resume the run, which frees the slot, or free it by hand (docs/locks.md).",
    # A rollout is refused, stopped or waiting.
    "ALL_REFUSED": "Correct what the plan names for each host, or leave these hosts out.",
    "CANARY_FAILED": "The other hosts are untouched. Find out why the canary failed, then start a new run.",
    "CAPACITY_SPENT": "Bring back the hosts that are down, then resume.",
    "CONDITION_CHANGED": "Put the condition on the task itself, or on a dynamic include or role around nothing but the task.",
    "DEADLINE": "Resume with another deadline, given in other words: the same words mean the same time.",
    "DOMAIN_UNKNOWN": "Name a dimension in which the hosts have a domain, or all for the whole fleet.",
    "FAILURE_BUDGET_SPENT": "Find out why the hosts failed, then resume; raise failure_budget if they may stay as they are.",
    "GROUP_UNKNOWN": "Name a group of the inventory that has hosts.",
    "INTERRUPTED": "Resume the run to continue with the remaining hosts.",
    "KEYWORD_UNSUPPORTED": "Remove the keyword where it is given to the task or inherited; the message says what to use instead.",
    "LIMIT_UNSATISFIABLE": "Allow at least one of these hosts to be unavailable: a percentage of few hosts may round to none.",
    "REGRESSION": "Find out what took so long, or raise stop_on_regression.margin; then resume.",
    "RESUME_MISMATCH": "Leave the option out, as the journal has it, or begin a new run; a lock has to be given again.",
    "SERIAL": "Remove serial from the play: window replaces it.",
    "SLOTS_TAKEN": "Resume the runs that the message names, or free their slots by hand (docs/locks.md); then resume this one.",
    "SETTINGS_INVALID": "Correct the option that the message names; the module's documentation says what it takes.",
    "VARIABLE_UNKNOWN": "Correct the name, or rename your own variable; ansible-doc -t role or the playbook lists those known.",
    "WAITING": "Nothing to do: the rollout continues once what the message names is over.",
}


@dataclass(frozen=True)
class Reason:
    """Reason for a refusal, a failure or a decision: a code of :data:`CATALOGUE`, a sentence about this case, and what to do."""

    code: str
    message: str
    hint: str

    def as_dict(self) -> Dict[str, str]:
        return asdict(self)


def reason(code: str, message: str) -> Reason:
    """Make a reason, with its code's hint from the catalogue; raises KeyError for an unknown code.

    A message may name files and arguments of a host, whose bytes need not be UTF-8.
    """
    return Reason(code, printable(message), CATALOGUE[code])


class CodedError(Exception):
    """Base class of each layer's exception type, turned into a failed result in C(_module.py) and C(action/)."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        self.reason = reason(code, message)
        super().__init__(self.reason.message)
        self.details = details

    def as_result(self) -> Dict[str, Any]:
        """Build the result of a failed task: C(msg), C(code), C(hint) and details."""
        result: Dict[str, Any] = dict(self.details)
        result.update(msg=self.reason.message, code=self.reason.code, hint=self.reason.hint)
        return result
