#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: reservation
short_description: Reserve memory with crashkernel= and cma=
version_added: 0.1.0
author: [fleet.kexec contributors (@fleet-kexec)]
description:
  - Sets C(crashkernel=) and C(cma=) for the kernels that the host's bootloader boots. Reports what is reserved, what is
    configured, and whether the configuration needs a reboot to take effect.
  - Sizes are parsed and checked by the kernel's own rules. Sizes that exceed the machine's memory, that cannot hold a kernel, or
    that the kernel would ignore are refused.
  - The module detects the bootloader and uses its tools. After a change it reads back what the bootloader will boot. If that is
    not what was requested, or anything fails, all changes are undone and the task fails.
  - For GRUB with C(update-grub) (Debian, Ubuntu), it writes one drop-in, C(/etc/default/grub.d/zz-fleet-kexec.cfg). For GRUB with
    C(grub-mkconfig) (Arch, Gentoo) or C(grub2-mkconfig) (SUSE), it writes a block at the end of C(/etc/default/grub), or
    the drop-in if the script reads drop-ins. For GRUB with C(grubby) (RHEL, Fedora), it calls grubby. For systemd-boot with
    C(kernel-install), it changes C(/etc/kernel/cmdline) and the boot entries. Other bootloaders are refused with code
    C(BOOTLOADER_UNSUPPORTED).
  - Values set by others, such as kdump-tools, kdumpctl or an administrator, are left alone unless O(override) is set. All other
    arguments, and everything else in the files, stay unchanged.
extends_documentation_fragment: [fleet.kexec.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  crashkernel:
    description:
      - Memory for a crash kernel, in the kernel's syntax, such as C(256M), C(256M@16M), C(512M-2G:128M,2G-:256M) or C(1G,high).
        Separate several values by white space, as in C(1G,high 256M,low).
      - V(auto) is computed from what has to fit in it. For a crash kernel that is the sum of the memory that the kernel requires
        (C(init_size)), four times the size of its initrd, 64 MiB, and a 4096th of the host's memory. For an image that waits
        there for a reboot (O(fleet.kexec.stage#module:placement=reserved)), it is the fast image and its initrd. The larger of
        the two is rounded up to 32 MiB.
      - If omitted, left alone.
    type: str
  crashkernel_state:
    description: Whether the reservation should exist.
    type: str
    choices: [present, absent]
    default: present
  cma:
    description:
      - Memory for the contiguous memory allocator, C(size[@start[-end]]). From Linux 7.2 on, C(kexec_file_load) places a kernel
        there, so that it does not have to be copied during the reboot. Other programs can use the memory in the meantime.
      - V(auto) is the memory taken by the initrd and the larger of the kernel's bzImage and its fast image, plus a quarter of
        that and 16 MiB, rounded up to 16 MiB.
      - If omitted, left alone.
    type: str
  cma_state:
    description: Whether the reservation should exist.
    type: str
    choices: [present, absent]
    default: present
  kernels:
    description:
      - V(all) kernels, V(default) for the one that is booted by default, or the release of one kernel.
      - Only GRUB with C(grubby) supports the others; all other bootloaders refuse them with code C(NOT_EXPRESSIBLE).
    type: str
    default: all
  override:
    description:
      - Whether to replace values set by others, or to remove them with O(crashkernel_state=absent) or O(cma_state=absent).
        Without it, replacing fails with code C(RESERVATION_FOREIGN), and removing leaves them alone.
      - Overridden values come back with state V(absent) and without this option.
    type: bool
    default: false
  shrink:
    description:
      - Whether to release immediately the memory that the running kernel has reserved for a crash kernel beyond the configured
        size.
      - Fails with code C(SHRINK_FAILED) while a crash kernel is loaded.
    type: bool
    default: false
notes:
  - Needs root, so usually C(become=true).
  - GRUB with C(update-grub) and systemd-boot are tested by reboots of virtual machines, under BIOS and UEFI. GRUB with C(grubby)
    is tested with transcripts of grubby's documented behaviour. GRUB with C(grub-mkconfig) or C(grub2-mkconfig) is tested with
    a script written after upstream's.
  - C(update-grub) and C(grub-mkconfig) also apply other changes made to C(/etc/default/grub) since they last ran.
  - A reboot via kexec keeps the running command line, so new values take effect only after a reboot through firmware.
seealso:
  - module: fleet.kexec.boot_facts
  - module: fleet.kexec.reboot
"""

EXAMPLES = r"""
- name: Reserve memory for kexec_file_load
  fleet.kexec.reservation:
    cma: auto
  become: true
  register: reservation

- name: Reboot once for the reservation to take effect
  fleet.kexec.reboot:
    method: firmware
  become: true
  when: reservation.reboot_required

- name: Reserve memory for a crash kernel, replacing the values of kdump-tools
  fleet.kexec.reservation:
    crashkernel: 1G-8G:256M,8G-:512M
    override: true
  become: true

- name: Remove the reservations, and release the crash kernel's memory now
  fleet.kexec.reservation:
    crashkernel_state: absent
    cma_state: absent
    shrink: true
  become: true
"""

RETURN = r"""
bootloader:
  description: The bootloader in use.
  returned: success
  type: str
  sample: GRUB (update-grub)
crashkernel:
  description: State of C(crashkernel=). In check mode, the state that would result.
  returned: success
  type: dict
  contains: &reservation
    configured:
      description: Values for the next default boot, separated by spaces. Null if there are none.
      type: str
      sample: 256M
    configured_bytes:
      description: Size of the configured values on this machine. Null if they are invalid.
      type: int
      sample: 268435456
    running:
      description: Values on the running kernel's command line.
      type: str
    running_bytes:
      description: Size of those values on this machine.
      type: int
      sample: 0
    effective_bytes:
      description: Size that the running kernel has reserved.
      type: int
      sample: 0
    set_by:
      description: Sources of the configured values, such as files, tools, and C(fleet.kexec).
      type: list
      elements: str
      sample: [fleet.kexec]
    reboot_required:
      description: Whether the configured values need a reboot to take effect.
      type: bool
cma:
  description: State of C(cma=), likewise.
  returned: success
  type: dict
  contains: *reservation
reboot_required:
  description: Whether either reservation needs a reboot to take effect.
  returned: success
  type: bool
  sample: true
notes:
  description: Remarks on the reservations, each with C(code), C(message) and C(hint).
  returned: success
  type: list
  elements: dict
code:
  description: Code of the failure. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: RESERVATION_TOO_LARGE
hint:
  description: How to resolve the failure.
  returned: failure
  type: str
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.detection import detect
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.interface import ALL
from ansible_collections.fleet.kexec.plugins.module_utils._command import run_command
from ansible_collections.fleet.kexec.plugins.module_utils._host.changes import as_diff
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.reservations import shrink_crash_reservation
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.reservation import (
    NAMES,
    ReservationWish,
    apply_reservations,
    notes,
    plan_reservations,
    read_machine,
    read_statuses,
)
from ansible_collections.fleet.kexec.plugins.module_utils._module import run_module
from ansible_collections.fleet.kexec.plugins.module_utils._privileges import require_root


def wishes_of(params: Dict[str, Any]) -> Dict[str, ReservationWish]:
    wishes = {name: ReservationWish(params[name + "_state"] == "present", params[name] or "") for name in NAMES}
    return {name: wish for name, wish in wishes.items() if wish.size or not wish.present}


def work(module: AnsibleModule) -> Dict[str, Any]:
    require_root()
    files = HostFiles()
    bootloader = detect(files, run_command)
    machine = read_machine(files, bootloader)
    planned = plan_reservations(
        wishes_of(module.params),
        machine,
        bootloader,
        kernels=module.params["kernels"],
        overrule=module.params["override"],
        shrink=module.params["shrink"],
    )
    if module.check_mode:
        statuses = read_statuses(bootloader, machine, planned)
    else:
        apply_reservations(planned, bootloader, lambda size_bytes: shrink_crash_reservation(files, size_bytes))
        statuses = read_statuses(bootloader, read_machine(files, bootloader))
    return {
        "changed": planned.needed,
        "bootloader": bootloader.NAME,
        **{name: status.as_dict() for name, status in statuses.items()},
        "reboot_required": any(status.reboot_required for status in statuses.values()),
        "notes": [note.as_dict() for note in notes(statuses)],
        "diff": as_diff(planned.plan.changes, planned.plan.commands),
    }


def main() -> None:
    argument_spec: Dict[str, Any] = {
        "kernels": {"type": "str", "default": ALL},
        "override": {"type": "bool", "default": False},
        "shrink": {"type": "bool", "default": False},
    }
    for name in NAMES:
        argument_spec[name] = {"type": "str"}
        argument_spec[name + "_state"] = {"type": "str", "choices": ["present", "absent"], "default": "present"}
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    run_module(module, lambda: work(module))


if __name__ == "__main__":
    main()
