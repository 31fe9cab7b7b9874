#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: boot_facts
short_description: How this host booted, what is staged on it, how it can reboot, and what speaks against it
version_added: 0.1.0
author:
  - fleet.kexec contributors (@fleet-kexec)
description:
  - Reads what matters for a reboot by kexec and sets it as facts under C(fleet_kexec).
  - Everything that keeps the host from rebooting by kexec is listed with a code, a sentence and a hint, and so is what makes
    it doubtful though it is possible, as far as O(policy) does not allow it.
  - Changes nothing on the host and needs no privileges, though a few files may be readable by root only. What can't be read
    is null, or counts as not there.
extends_documentation_fragment:
  - fleet.kexec.attributes
  - fleet.kexec.attributes.facts
  - fleet.kexec.policy
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  facts:
    support: full
options:
  gather_subset:
    description:
      - Which facts to gather. Those that are not gathered are absent.
      - V(min) is V(boot) and V(kernel), which are always gathered, unless V(!min) is given. V(all) is all there are. A name
        with V(!) before it is left out, and V(!all) leaves nothing but the minimum.
      - V(container), V(cpu) (with C(throughput)), V(defaults), V(fast_images), V(history), V(kernels) (with C(newest_release)),
        V(kexec) (C(kexec_tools), C(loaders), C(loaded) and C(staged)), V(memory), V(reservations), V(virtio) (C(virtio_reset)),
        and V(console), V(firmware), V(guests), V(hypervisor), V(pci), V(pending), V(tpm_disks) and V(watchdog), each the fact of
        its name.
      - V(verdict) is C(verdict), C(blockers), C(warnings) and C(policy). It always considers everything, whatever else is
        gathered.
    type: list
    elements: str
    default:
      - all
seealso:
  - module: fleet.kexec.fast_image
  - module: fleet.kexec.stage
  - module: fleet.kexec.reboot
"""

EXAMPLES = r"""
- name: See what the host can do
  fleet.kexec.boot_facts:
  become: true

- name: See only how it booted, and what would reboot with it
  fleet.kexec.boot_facts:
    gather_subset:
      - min
      - guests
  become: true

- name: Judge it knowing that its GPUs come back, and that nobody may be lost
  fleet.kexec.boot_facts:
    policy:
      DRIVER_RISK: allow
      GUESTS_RUNNING: block
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
            kexecs:
              description:
                - How often the host was rebooted by kexec since firmware last booted it. 0 after a boot through firmware.
                - Null if a kexec that this collection did not stage has lost count.
              type: int
              sample: 3
            stub:
              description:
                - What the stub of a fast image left behind. Null if this boot was not through one, or without privileges.
                - C(entry_cycles), C(moved_cycles) and C(exit_cycles) are readings of the time-stamp counter, C(load_address) is
                  a physical address. C(checked), C(relocated) and C(moved) say what the stub did.
              type: dict
              sample: null
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
            signed_images_only:
              description: Whether it loads no image without a signature that it trusts.
              type: bool
              sample: false
            kexec_load_disabled:
              description: Whether loading is switched off until the next reboot.
              type: bool
              sample: false
            kexec_load_limit_reboot:
              description: Loads that are still allowed, -1 for any number. Null before Linux 6.3.
              type: int
              sample: -1
            kexec_load_limit_panic:
              description: The same of crash kernels.
              type: int
              sample: -1
            panic_s:
              description: Seconds from a panic to a reset. 0 is never.
              type: int
              sample: 0
            panic_on_oops:
              description: Whether an oops is a panic, 1 or 0.
              type: int
              sample: 0
        kernels:
          description: Kernels in C(/boot), oldest first.
          type: list
          elements: dict
          contains:
            release:
              description: Release of the kernel.
              type: str
              sample: 6.12.117+deb13-cloud-amd64
            kernel:
              description: Its path.
              type: str
              sample: /boot/vmlinuz-6.12.117+deb13-cloud-amd64
            initrd:
              description: Path of its initrd. Null if there is none.
              type: str
              sample: /boot/initrd.img-6.12.117+deb13-cloud-amd64
            kernel_bytes:
              description: Size of the kernel.
              type: int
              sample: 8323072
            initrd_bytes:
              description: Size of the initrd. Null if there is none.
              type: int
              sample: 29360128
            size_bytes:
              description: Size of both.
              type: int
              sample: 37683200
            payload_format:
              description: How the kernel is packed, V(gzip), V(xz), V(lz4) or V(zstd). Null if that can't be told.
              type: str
              sample: zstd
        newest_release:
          description: Release that V(newest) of M(fleet.kexec.stage) means on this host. Null if there is none.
          type: str
          sample: 6.12.117+deb13-cloud-amd64
        memory:
          description: C(total_bytes), C(available_bytes) and C(cma_total_bytes).
          type: dict
          sample:
            available_bytes: 595279872
            cma_total_bytes: 0
            total_bytes: 750718976
        cpu:
          description:
            - C(model), C(sse42), C(five_level_paging), C(confidential), which names what encrypts a guest's memory, and
              C(own_code), whether a process may run code of its own making.
          type: dict
          sample:
            confidential: null
            five_level_paging: false
            model: AMD EPYC 7763 64-Core Processor
            own_code: true
            sse42: true
        virtio_reset:
          description: Whether virtio devices are reset before a kexec. Null if the host has none.
          type: bool
          sample: true
        firmware:
          description:
            - C(type), V(uefi) or V(bios), and C(secure_boot), whether only verified code was booted. The latter is null if it
              can't be read.
          type: dict
          sample:
            secure_boot: false
            type: uefi
        watchdog:
          description: Hardware watchdogs, what systemd does with them, and what that means for a kexec.
          type: dict
          contains:
            devices:
              description:
                - Watchdogs, each with C(device), C(identity), C(driver), C(timeout_s), C(max_timeout_s), C(active) and
                  C(nowayout).
              type: list
              elements: dict
              sample:
                - active: true
                  device: /dev/watchdog0
                  driver: iTCO_wdt
                  identity: iTCO_wdt
                  max_timeout_s: 613
                  nowayout: false
                  timeout_s: 60
            legacy:
              description: Whether there is a C(/dev/watchdog) of which nothing else can be told.
              type: bool
              sample: false
            stop_on_reboot:
              description: The kernel's parameter, 0, 1, or -1 for each driver's own choice. Null if it can't be read.
              type: int
              sample: -1
            runtime_s:
              description: systemd's C(RuntimeWatchdogSec). 0 is off, -1 the device's own timeout, null unknown.
              type: float
              sample: 60.0
            kexec_s:
              description: The same of C(KExecWatchdogSec).
              type: float
              sample: 0.0
            reboot_s:
              description: The same of C(RebootWatchdogSec).
              type: float
              sample: 600.0
            across_jump:
              description: Whether a hardware watchdog runs from the old kernel into the new one. Null if that can't be told.
              type: bool
              sample: false
            why:
              description: Why, as a sentence.
              type: str
              sample: "systemd arms no watchdog for a kexec: KExecWatchdogSec is off"
        hypervisor:
          description: What the machine is.
          type: dict
          contains:
            vm:
              description: What C(systemd-detect-virt --vm) calls it. Null on hardware.
              type: str
              sample: kvm
            cloud:
              description: V(amazon), V(azure) or V(google), by what firmware tells. Null for any other.
              type: str
              sample: amazon
            vendor:
              description: Vendor of the machine, as firmware tells it.
              type: str
              sample: Amazon EC2
            product:
              description: Name of the machine, as firmware tells it.
              type: str
              sample: m6i.large
            xen_dom0:
              description: Whether this is the control domain of a Xen host.
              type: bool
              sample: false
        reservations:
          description:
            - The bootloader, and what M(fleet.kexec.reservation) tells of C(crashkernel) and C(cma).
            - C(obstacle) has C(code), C(message) and C(hint) where the bootloader's configuration can't be read, as it can't
              without privileges. C(crashkernel) and C(cma) are null then.
            - C(reboot_required) says whether one ordinary reboot is due before they are as configured.
          type: dict
          sample:
            bootloader: GRUB (update-grub)
            reboot_required: false
        tpm_disks:
          description:
            - Encrypted disks. C(bound) are those that a TPM unlocks by what was measured at boot, by LUKS2 token (systemd or
              clevis) or C(/etc/crypttab). C(unreadable) are those whose header can't be read without privileges.
          type: dict
          sample:
            bound:
              - /dev/nvme0n1p3
            unreadable: []
        pci:
          description:
            - PCI devices that have a driver, without bridges. C(bus_master) is whether one may write into memory, and
              C(virtual_functions) how many it shares itself out as.
          type: list
          elements: dict
          sample:
            - address: "0000:3b:00.0"
              bus_master: true
              driver: mlx5_core
              id: "15b3:1013"
              virtual_functions: 0
        guests:
          description:
            - What else runs on the host. C(vms) are virtual machines by name, or by process where they have none, and
              C(containers) are those by name, or the start of their ID.
          type: dict
          sample:
            containers:
              - 0f3a5c9e8b71
            vms:
              - qemu-1-web
        pending:
          description:
            - What waits for a reboot, each with C(kind), C(cold) and C(message). C(kind) is V(reboot_required),
              V(newer_kernel), V(firmware_update) (of fwupd) or V(efi_capsule).
            - C(cold) is whether only a reboot through firmware applies it. Microcode is not among that, because it lies in the
              initrd, and a kexec loads it too.
          type: list
          elements: dict
          sample:
            - cold: false
              kind: newer_kernel
              message: 6.12.118+deb13-amd64 is installed, 6.12.117+deb13-amd64 runs
        console:
          description: Consoles, and what the kernel's messages cost a boot on them.
          type: dict
          contains:
            consoles:
              description:
                - Consoles, each with C(name), C(serial), and C(baud), which is null where it is not known.
              type: list
              elements: dict
              sample:
                - baud: 115200
                  name: ttyS0
                  serial: true
            loglevel:
              description: Messages below this level are printed in the next boot.
              type: int
              sample: 7
            message_bytes:
              description:
                - Bytes of messages that this boot would have printed with it, in its first minute. Null if its log can't be
                  read, or has lost its beginning.
              type: int
              sample: 35120
            cost_ms:
              description:
                - At most how long that takes on the slowest serial console. An emulated one need not take that long. 0 without
                  any, null if it is not known.
              type: int
              sample: 3048
        throughput:
          description:
            - How fast the host does what a reboot does, in bytes per second on one core. C(copy), C(crc32c), C(sha256), and
              C(unpack) by format.
            - C(measured) is false as long as M(fleet.kexec.fast_image) has not measured it. The figures are typical ones then.
          type: dict
          sample:
            copy: 9800000000.0
            cpu_model: AMD EPYC 7763 64-Core Processor
            crc32c: 13100000000.0
            measured: true
            sha256: 310000000.0
            unpack:
              zstd: 520000000.0
        fast_images:
          description: Fast images on the host, as M(fleet.kexec.fast_image) returns them. Empty without privileges.
          type: list
          elements: dict
          sample: []
        defaults:
          description: The host's own defaults for M(fleet.kexec.stage), from C(/etc/fleet-kexec.conf).
          type: dict
          sample:
            image: auto
            integrity: auto
            kaslr: true
            loader: auto
        container:
          description: Name of the container manager. Null on a machine.
          type: str
          sample: podman
        kexec_tools:
          description: C(path) and C(version) of kexec-tools. Null if it is not installed.
          type: dict
          sample:
            path: /usr/sbin/kexec
            version: 2.0.29
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
          sample: false
        staged:
          description: The image that M(fleet.kexec.stage) loaded, as that module returns it. Null if there is none.
          type: dict
          sample: null
        verdict:
          description:
            - How the host should reboot.
            - C(method) is V(kexec), V(firmware) or V(refuse). C(image), C(loader) and C(integrity) are how, as in
              M(fleet.kexec.stage), C(predicted_ms) what the jump will take, and C(notes) why it is not a quicker way.
          type: dict
          sample:
            image: fast
            integrity: crc32c
            loader: kexec_load
            method: kexec
            notes: []
            predicted_ms:
              check: 8.2
              copy: 16.8
              decompress: 0.0
              hash: 0.0
              move: 0.0
              total: 25.0
        blockers:
          description:
            - Why it can't reboot by kexec, or may not by O(policy), each with C(code), C(message) and C(hint). Empty if it can.
          type: list
          elements: dict
          sample:
            - code: NO_KEXEC_TOOLS
              hint: Install the package kexec-tools on the host.
              message: there is no kexec program on the host
        warnings:
          description: Risks of a kexec that O(policy) warns of, as RV(ansible_facts.fleet_kexec.blockers).
          type: list
          elements: dict
          sample:
            - code: GUESTS_RUNNING
              hint: Move or stop the virtual machines, or allow this if they may stop with the host.
              message: "virtual machines run here: web"
        policy:
          description: What each risk leads to on this host, V(block), V(warn) or V(allow) by code.
          type: dict
          sample:
            DRIVER_RISK: block
            NO_WATCHDOG: warn
        history:
          description: What is kept of this host's last boots, a hundred at most; root only.
          type: dict
          contains:
            boots:
              description: How many boots.
              type: int
              sample: 12
            last:
              description: The timeline of the last of them, as M(fleet.kexec.timeline) returns it. Null if there is none.
              type: dict
              sample:
                boot_id: 0c9a6f8e-2d6f-4c0e-9d53-1f4a6c1f7a42
                path: kexec
                phases: []
code:
  description: Why it failed. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: POLICY_INVALID
hint:
  description: What to do about it.
  returned: failure
  type: str
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleet.kexec.plugins.module_utils._command import run_command
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.facts import present, read
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.subsets import resolve
from ansible_collections.fleet.kexec.plugins.module_utils._module import run_module
from ansible_collections.fleet.kexec.plugins.module_utils._options import policy_argument_spec


def work(params: Dict[str, Any]) -> Dict[str, Any]:
    reading = read(HostFiles(), run_command, resolve(params["gather_subset"]), params["policy"])
    return {"changed": False, "ansible_facts": {"fleet_kexec": present(reading)}}


def main() -> None:
    argument_spec = dict(
        policy_argument_spec(),
        gather_subset={"type": "list", "elements": "str", "default": ["all"]},
    )
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    run_module(module, lambda: work(module.params))


if __name__ == "__main__":
    main()
