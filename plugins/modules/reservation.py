#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: reservation
short_description: Reserve memory with crashkernel= and cma=
version_added: 0.1.0
author:
  - fleet.kexec contributors (@fleet-kexec)
description:
  - Sets C(crashkernel=) and C(cma=) for the kernels that the host's bootloader boots, and tells what is reserved, what is
    configured, and whether only a reboot brings the two together.
  - Sizes are read and checked by the kernel's own rules. What the machine does not have, what would not hold a kernel, and
    what the kernel would ignore are refused.
  - The bootloader in use is found out, and asked for its own tools. After a change the result is read back from what it will
    really boot. Where that is not what was asked for, or anything fails, everything is put back and the task fails.
  - For GRUB with C(update-grub) (Debian, Ubuntu) one drop-in is written, C(/etc/default/grub.d/zz-fleet-kexec.cfg). For GRUB
    with C(grubby) (RHEL, Fedora) grubby is called. For systemd-boot with C(kernel-install), C(/etc/kernel/cmdline) and the
    boot entries are changed. Other bootloaders are refused with code C(BOOTLOADER_UNSUPPORTED).
  - A value that somebody else has set, such as kdump-tools, kdumpctl or an administrator, is left alone unless O(override)
    says otherwise. All other arguments, and all that the files hold beside them, stay as they are.
extends_documentation_fragment:
  - fleet.kexec.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  crashkernel:
    description:
      - Memory for a crash kernel, as the kernel's documentation has it, C(256M), C(256M@16M), C(512M-2G:128M,2G-:256M),
        C(1G,high). Several values are parted by white space, as in C(1G,high 256M,low).
      - V(auto) is computed from what has to be held. It is the memory that the kernel asks for (C(init_size)), four times the
        size of its initrd, 64 MiB, and a 4096th of the host's memory, rounded up to 32 MiB.
      - Left alone if omitted.
    type: str
  crashkernel_state:
    description: Whether it should be there.
    type: str
    choices: [present, absent]
    default: present
  cma:
    description:
      - Memory for the contiguous memory allocator, C(size[@start[-end]]). From Linux 7.2 on, C(kexec_file_load) puts a kernel
        there, so that it need not be copied during the reboot. Other programs can use it in the meantime.
      - V(auto) is what the larger of the kernel's bzImage and its fast image takes in memory, and the initrd, a quarter more,
        and 16 MiB, rounded up to 16 MiB.
      - Left alone if omitted.
    type: str
  cma_state:
    description: Whether it should be there.
    type: str
    choices: [present, absent]
    default: present
  kernels:
    description:
      - V(all) kernels, V(default) for the one that is booted by default, or the release of one.
      - GRUB with C(update-grub) and systemd-boot with C(kernel-install) can do V(all) only, and refuse the others with code
        C(NOT_EXPRESSIBLE).
    type: str
    default: all
  override:
    description:
      - Whether values that others have set are replaced, or taken out with O(crashkernel_state=absent) or
        O(cma_state=absent). Without it the first fails with code C(RESERVATION_FOREIGN), and the second leaves them alone.
      - What was overridden comes back with state V(absent) and without this option.
    type: bool
    default: false
  shrink:
    description:
      - Whether to give back at once what the running kernel has reserved for a crash kernel beyond what is configured.
      - Fails with code C(SHRINK_FAILED) while a crash kernel is loaded.
    type: bool
    default: false
notes:
  - Needs root, so usually C(become=true).
  - The proof of GRUB with C(update-grub) and of systemd-boot are reboots of virtual machines, under BIOS and UEFI. GRUB with
    C(grubby) is tested with transcripts of what grubby is documented to do.
  - C(update-grub) also takes in what else was changed in C(/etc/default/grub) since it last ran.
  - A reboot by kexec keeps the running command line, so new values take a reboot through firmware.
seealso:
  - module: fleet.kexec.boot_facts
  - module: fleet.kexec.reboot
"""

EXAMPLES = r"""
- name: Reserve memory that kexec_file_load can use
  fleet.kexec.reservation:
    cma: auto
  become: true
  register: reservation

- name: Reboot once, so that it is there
  fleet.kexec.reboot:
    method: firmware
  become: true
  when: reservation.reboot_required

- name: Room for a crash kernel, whatever kdump-tools has asked for
  fleet.kexec.reservation:
    crashkernel: 1G-8G:256M,8G-:512M
    override: true
  become: true

- name: Take back what was set, and give the memory back now
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
  description: How it is. In check mode, how it would be.
  returned: success
  type: dict
  contains: &reservation
    configured:
      description: Values for the next boot by default, parted by spaces. Null if there are none.
      type: str
      sample: 256M
    configured_bytes:
      description: What they come to on this machine. Null if the kernel makes nothing of them.
      type: int
      sample: 268435456
    running:
      description: Values on the running kernel's command line.
      type: str
    running_bytes:
      description: What they come to on this machine.
      type: int
      sample: 0
    effective_bytes:
      description: What the running kernel has reserved.
      type: int
      sample: 0
    set_by:
      description: Who has set the configured values, files, tools, and C(fleet.kexec).
      type: list
      elements: str
      sample: [fleet.kexec]
    reboot_required:
      description: Whether only a reboot makes it as configured.
      type: bool
cma:
  description: The same for C(cma=).
  returned: success
  type: dict
  contains: *reservation
reboot_required:
  description: Whether either takes a reboot.
  returned: success
  type: bool
  sample: true
notes:
  description: What there is to say, each with C(code), C(message) and C(hint).
  returned: success
  type: list
  elements: dict
code:
  description: Why it failed. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: RESERVATION_TOO_LARGE
hint:
  description: What to do about it.
  returned: failure
  type: str
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.changes import as_diff
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.detection import detect
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.interface import ALL
from ansible_collections.fleet.kexec.plugins.module_utils._command import run_command
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
