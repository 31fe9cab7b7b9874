#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: boot_facts
short_description: How this host booted, what is staged on it, and how it can reboot
version_added: 0.1.0
author:
  - fleet.kexec contributors (@fleet-kexec)
description:
  - Reads what matters for a reboot by kexec and sets it as facts under C(fleet_kexec).
  - Everything that keeps the host from rebooting by kexec is listed with a code, a sentence and a hint.
  - Changes nothing on the host and needs no privileges, though a few files may be readable by root only.
extends_documentation_fragment:
  - fleet.kexec.attributes
  - fleet.kexec.attributes.facts
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  facts:
    support: full
options: {}
seealso:
  - module: fleet.kexec.fast_image
  - module: fleet.kexec.stage
  - module: fleet.kexec.reboot
"""

EXAMPLES = r"""
- name: See what the host can do
  fleet.kexec.boot_facts:
  become: true

- name: Say why it can't kexec
  ansible.builtin.debug:
    msg: "{{ ansible_facts.fleet_kexec.blockers | map(attribute='message') | join('; ') }}"
  when: ansible_facts.fleet_kexec.verdict.method != 'kexec'
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  returned: success
  type: dict
  contains:
    fleet_kexec:
      description: Everything below.
      type: dict
      contains:
        boot:
          description: How the present boot happened.
          type: dict
          contains:
            boot_id:
              description: Changes with every boot.
              type: str
              sample: 0e0a6d8e-9a0f-4d8e-8a4f-1d6f0a4b9c55
            path:
              description: V(kexec) or V(firmware).
              type: str
              sample: kexec
            bootloader_type:
              description: The kernel's number for its loader. 208 is kexec.
              type: int
              sample: 208
            token:
              description: Token that this collection put on the command line. Null if it did not.
              type: str
              sample: 5f0c2d8e9a7b4c61
            stub:
              description:
                - What the stub of a fast image left behind. Null if this boot was not through one, or without privileges.
                - C(entry_cycles), C(moved_cycles) and C(exit_cycles) are readings of the time-stamp counter, C(load_address) is
                  a physical address. C(checked), C(relocated) and C(moved) say what the stub did.
              type: dict
        kernel:
          description: The running kernel.
          type: dict
          contains:
            release:
              description: As C(uname -r).
              type: str
              sample: 6.12.117+deb13-cloud-amd64
            machine:
              description: As C(uname -m).
              type: str
              sample: x86_64
            cmdline:
              description: Its command line.
              type: str
              sample: root=/dev/vda1 ro
            lockdown:
              description: V(none), V(integrity) or V(confidentiality).
              type: str
              sample: none
            panic_s:
              description: Seconds from a panic to a reset. 0 is never.
              type: int
              sample: 0
            panic_on_oops:
              description: Whether an oops is a panic, 1 or 0.
              type: int
              sample: 0
        kernels:
          description: Kernels in C(/boot), oldest first, each with C(release), C(kernel), C(initrd) and C(size_bytes) of both.
          type: list
          elements: dict
        newest_release:
          description: Release that V(newest) of M(fleet.kexec.stage) means on this host. Null if there is none.
          type: str
          sample: 6.12.117+deb13-cloud-amd64
        memory:
          description: C(total_bytes), C(available_bytes) and C(cma_total_bytes).
          type: dict
        cpu:
          description:
            - C(model), C(sse42), C(five_level_paging), C(confidential), which names what encrypts a guest's memory, and
              C(own_code), whether a process may run code of its own making.
          type: dict
        virtio_reset:
          description: Whether virtio devices are reset before a kexec. Null if the host has none.
          type: bool
        throughput:
          description:
            - How fast the host does what a reboot does, in bytes per second on one core. C(copy), C(crc32c), C(sha256), and
              C(unpack) by format.
            - C(measured) is false as long as M(fleet.kexec.fast_image) has not measured it. The figures are typical ones then.
          type: dict
        fast_images:
          description: Fast images on the host, as M(fleet.kexec.fast_image) returns them. Empty without privileges.
          type: list
          elements: dict
        defaults:
          description: The host's own defaults for M(fleet.kexec.stage), from C(/etc/fleet-kexec.conf).
          type: dict
        container:
          description: Name of the container manager. Null on a machine.
          type: str
          sample: podman
        kexec_tools:
          description: C(path) and C(version) of kexec-tools. Null if it is not installed.
          type: dict
        loaders:
          description: System calls that can load a bzImage on this host.
          type: list
          elements: str
          sample:
            - kexec_file_load
            - kexec_load
        loaded:
          description: Whether any image is loaded. Null if the kernel has no kexec.
          type: bool
        staged:
          description: The image that M(fleet.kexec.stage) loaded, as that module returns it. Null if there is none.
          type: dict
        verdict:
          description:
            - How the host should reboot.
            - C(method) is V(kexec), V(firmware) or V(refuse). C(image), C(loader) and C(integrity) are how, as in
              M(fleet.kexec.stage), C(predicted_ms) what the jump will take, and C(notes) why it is not a quicker way.
          type: dict
        blockers:
          description: Why it can't reboot by kexec, each with C(code), C(message) and C(hint). Empty if it can.
          type: list
          elements: dict
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleet.kexec.plugins.module_utils._command import run_command
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.facts import present, read
from ansible_collections.fleet.kexec.plugins.module_utils._module import run_module


def work() -> Dict[str, Any]:
    reading = read(HostFiles(), run_command)
    return {"changed": False, "ansible_facts": {"fleet_kexec": present(reading)}}


def main() -> None:
    run_module(AnsibleModule(argument_spec={}, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
