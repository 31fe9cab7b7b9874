#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: boot_facts
short_description: Gather facts about how a host booted, what is staged on it, and how it can reboot
version_added: 0.1.0
author:
  - fleet.kexec contributors (@fleet-kexec)
description:
  - Gathers everything that matters for a reboot via kexec, and returns it as facts under C(fleet_kexec).
  - Lists all reasons why the host can't reboot via kexec, and all risks that O(policy) does not allow, each with a code, a
    message and a hint.
  - Changes nothing on the host. It needs no privileges, but only root can read some files. A value that can't be read is null,
    or counts as absent.
extends_documentation_fragment:
  - fleet.kexec.attributes
  - fleet.kexec.attributes.facts
  - fleet.kexec.attributes.action_group
  - fleet.kexec.policy
attributes:
  action_group:
    membership: [fleet.kexec.policy]
  check_mode:
    support: full
  diff_mode:
    support: N/A
  facts:
    support: full
options:
  gather_subset:
    description:
      - Facts to gather. Other facts are absent from the result.
      - V(min) stands for V(boot) and V(kernel), which are always gathered unless V(!min) is given. V(all) stands for all facts.
        A name with V(!) before it is excluded. V(!all) excludes everything but the minimum.
      - V(container), V(cpu) (with C(throughput)), V(defaults), V(entry), V(fast_images), V(findings), V(history), V(kernels)
        (with C(newest_release)), V(kexec) (C(kexec_tools), C(loaders), C(loaded) and C(staged)), V(memory), V(reservations),
        V(virtio) (C(virtio_reset)), V(console), V(firmware), V(guests), V(hardware), V(hypervisor), V(machine), V(pci),
        V(pending), V(reboot_needed), V(soft), V(tpm_disks) and V(watchdog) are the facts of these names.
      - V(reboot_needed) asks the package manager, which may take seconds.
      - V(verdict) is C(verdict), C(blockers), C(warnings) and C(policy). It considers all facts, even those not gathered.
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
- name: Gather all facts
  fleet.kexec.boot_facts:
  become: true

- name: Gather only how the host booted, and which guests would stop with it
  fleet.kexec.boot_facts:
    gather_subset:
      - min
      - guests
  become: true

- name: Allow drivers that are known to survive a kexec, and protect guests
  fleet.kexec.boot_facts:
    policy:
      DRIVER_RISK: allow
      GUESTS_RUNNING: block
  become: true

- name: Show why the host can't reboot via kexec
  ansible.builtin.debug:
    msg: "{{ ansible_facts.fleet_kexec.blockers | map(attribute='message') | join('; ') }}"
  when: ansible_facts.fleet_kexec.verdict.method != 'kexec'
"""

RETURN = r"""
ansible_facts:
  description: Facts about the host.
  returned: success
  type: dict
  contains:
    fleet_kexec:
      description: Facts of this collection.
      type: dict
      contains:
        boot:
          description: The current boot.
          type: dict
          contains:
            boot_id:
              description: ID of the current boot.
              type: str
              sample: 0e0a6d8e-9a0f-4d8e-8a4f-1d6f0a4b9c55
            soft_reboots:
              description: Number of soft reboots since the kernel booted. 0 where systemd does not count them.
              type: int
              sample: 0
            userspace_us:
              description: When PID 1 started userspace, in microseconds of CLOCK_MONOTONIC. Null if unknown.
              type: int
              sample: 2214381
            path:
              description:
                - How the running system came up, V(soft) after a soft reboot, and otherwise V(kexec), V(firmware) or V(unknown).
                - V(unknown) means that a kexec without a token of this collection started the kernel. That is the kexec of
                  another tool, or of firmware that itself starts Linux by kexec, such as LinuxBoot, Heads or ZFSBootMenu. On
                  arm64 it is any boot without such a token.
              type: str
              sample: kexec
            bootloader_type:
              description: Number of the boot loader as the kernel has it. 208 is kexec. Null on arm64.
              type: int
              sample: 208
            token:
              description: Token that this collection added to the command line. Null if it did not stage this boot.
              type: str
              sample: 5f0c2d8e9a7b4c61
            kexecs:
              description:
                - Number of reboots via kexec since the last boot through firmware. Null after a kexec that this collection did
                  not stage, because the count is lost then, and on arm64.
              type: int
              sample: 3
            stub:
              description:
                - Record of the stub of a fast image. Null without privileges, or if this boot did not use a fast image.
                - C(entry_cycles), C(moved_cycles) and C(exit_cycles) are readings of the time-stamp counter, C(load_address),
                  C(kernel_address) and C(initrd_address) are physical addresses of the stub, the kernel and its initrd.
                  C(checked), C(relocated) and C(moved) say what the stub did.
              type: dict
              sample: null
            prepared:
              description: Parts of M(fleet.kexec.prepare_boot) on the host. Empty without privileges.
              type: dict
              sample: {parts: [initrd, quiet], untried_ms: 1840.5}
              contains:
                parts:
                  description: Parts that are in place.
                  type: list
                  elements: str
                  sample: [initrd, quiet]
                untried_ms:
                  description:
                    - Milliseconds by which the outage of the next reboot via kexec is predicted to be shorter than that of the
                      last one, by findings about what the parts do that were made since then. Findings whose gain is an upper
                      limit do not count.
                    - 0.0 once there was a reboot with all parts.
                  type: float
                  sample: 1840.5
        kernel:
          description: The running kernel.
          type: dict
          contains:
            release:
              description: Release, as shown by C(uname -r).
              type: str
              sample: 6.12.117+deb13-cloud-amd64
            machine:
              description: Architecture, as shown by C(uname -m).
              type: str
              sample: x86_64
            cmdline:
              description: Kernel command line.
              type: str
              sample: root=/dev/vda1 ro
            lockdown:
              description: Lockdown mode, V(none), V(integrity) or V(confidentiality).
              type: str
              sample: none
            signed_images_only:
              description: Whether the kernel only loads images with a trusted signature.
              type: bool
              sample: false
            kexec_load_disabled:
              description: Whether loading is disabled until the next reboot.
              type: bool
              sample: false
            kexec_load_limit_reboot:
              description: Number of loads still allowed, -1 for no limit. Null before Linux 6.3.
              type: int
              sample: -1
            kexec_load_limit_panic:
              description: The same for crash kernels.
              type: int
              sample: -1
            panic_s:
              description: Seconds from a panic to a reset. 0 for never.
              type: int
              sample: 0
            panic_on_oops:
              description: Whether an oops causes a panic, 1 or 0.
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
              description: Path of the kernel.
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
              description: Size of kernel and initrd together.
              type: int
              sample: 37683200
            payload_format:
              description: Compression of the kernel, V(gzip), V(xz), V(lz4) or V(zstd). Null if unknown.
              type: str
              sample: zstd
        newest_release:
          description: Kernel release that V(newest) selects in M(fleet.kexec.stage). Null if there is none.
          type: str
          sample: 6.12.117+deb13-cloud-amd64
        memory:
          description: C(total_bytes), C(available_bytes) and C(cma_total_bytes).
          type: dict
          sample: {available_bytes: 595279872, cma_total_bytes: 0, total_bytes: 750718976}
        cpu:
          description:
            - C(model), C(sse42) and C(five_level_paging). C(confidential) names the technology that encrypts a guest's memory.
              C(own_code) is whether a process may run code that it generates. C(snp_host) is whether the host is set up to run
              guests with AMD's SEV-SNP.
          type: dict
          sample:
            confidential: null
            five_level_paging: false
            model: AMD EPYC 7763 64-Core Processor
            own_code: true
            snp_host: false
            sse42: true
        virtio_reset:
          description: Whether virtio devices are reset before a kexec. Null if the host has none.
          type: bool
          sample: true
        firmware:
          description:
            - C(type) is V(uefi) or V(bios). C(secure_boot) is whether only verified code was booted, and null if unreadable.
          type: dict
          sample: {secure_boot: false, type: uefi}
        watchdog:
          description: Hardware watchdogs, systemd's settings for them, and their effect on a kexec.
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
              description: Whether there is a C(/dev/watchdog) about which nothing else is known.
              type: bool
              sample: false
            stop_on_reboot:
              description: The kernel's parameter, 0, 1, or -1 for the driver's default. Null if it can't be read.
              type: int
              sample: -1
            runtime_s:
              description: systemd's C(RuntimeWatchdogSec). 0 for off, -1 for the device's own timeout, null if unknown.
              type: float
              sample: 60.0
            kexec_s:
              description: The same for C(KExecWatchdogSec).
              type: float
              sample: 0.0
            reboot_s:
              description: The same for C(RebootWatchdogSec).
              type: float
              sample: 600.0
            across_jump:
              description: Whether a hardware watchdog stays armed from the old kernel into the new one. Null if unknown.
              type: bool
              sample: false
            why:
              description: Reason for C(across_jump), as a sentence.
              type: str
              sample: "systemd arms no watchdog for a kexec: KExecWatchdogSec is off"
        hypervisor:
          description: Platform of the machine.
          type: dict
          contains:
            vm:
              description: Hypervisor, as named by C(systemd-detect-virt --vm). Null on hardware.
              type: str
              sample: kvm
            cloud:
              description: Cloud, as recognised by firmware strings, V(amazon), V(azure) or V(google). Null for others.
              type: str
              sample: amazon
            vendor:
              description: Vendor of the machine, as reported by firmware.
              type: str
              sample: Amazon EC2
            product:
              description: Name of the machine, as reported by firmware.
              type: str
              sample: m6i.large
            xen_dom0:
              description: Whether this is the control domain of a Xen host.
              type: bool
              sample: false
            xen_guest:
              description: Type of a guest of Xen, V(PV), V(PVH), V(HVM) or V(unknown). Null if it is none.
              type: str
              sample: null
            hyperv_parent:
              description: Whether the host runs guests on Microsoft's hypervisor, as its root partition or within a guest of it.
              type: bool
              sample: false
        reservations:
          description:
            - The bootloader, and C(crashkernel) and C(cma) as M(fleet.kexec.reservation) returns them.
            - If the bootloader's configuration can't be read, for example without privileges, C(obstacle) has C(code),
              C(message) and C(hint), and C(crashkernel) and C(cma) are null.
            - C(reboot_required) is whether they take effect only after an ordinary reboot.
          type: dict
          sample: {bootloader: GRUB (update-grub), reboot_required: false}
        tpm_disks:
          description:
            - Encrypted disks. C(bound) lists those that a TPM unlocks depending on boot measurements, by a LUKS2 token (systemd
              or clevis), clevis's metadata in a LUKS1 volume, C(/etc/crypttab), or C(rd.luks.options) or C(luks.options) on the
              command line. C(unreadable) lists those whose header can't be read, for example without privileges.
          type: dict
          sample: {bound: [/dev/nvme0n1p3], unreadable: []}
        pci:
          description:
            - PCI devices with a driver, except bridges. C(bus_master) is whether the device may write into memory.
              C(virtual_functions) is the number of its SR-IOV functions in use. C(held_by) is V(vfio) or V(uio) for a device that
              a guest or a process may drive, else null.
          type: list
          elements: dict
          sample:
            - address: "0000:3b:00.0"
              bus_master: true
              driver: mlx5_core
              held_by: null
              id: "15b3:1013"
              virtual_functions: 0
        guests:
          description:
            - Guests that run on the host. C(vms) lists virtual machines by name, or by process if they have none. C(containers)
              lists containers by name, or by the start of their ID.
            - These are the guests that only root can have started. C(of_users) lists those that other users run for themselves,
              such as rootless containers, at most fifty. As any user can make up such names, no risk depends on them.
          type: dict
          sample: {containers: [0f3a5c9e8b71], of_users: [], vms: [qemu-1-web]}
        pending:
          description:
            - Changes that wait for a reboot, each with C(kind), C(cold) and C(message). C(kind) is V(reboot_required),
              V(replaced), V(newer_kernel), V(firmware_update) (of fwupd), V(efi_capsule) or V(deployment).
            - V(deployment) means that another deployment of OSTree is the next to boot, or staged to be.
            - V(replaced) means that PID 1, the message bus, logind, or the lingering service manager of root runs programs or
              libraries that were replaced since it started. It takes root to tell. What other users go on running does not count.
            - C(cold) is whether only a reboot through firmware applies the change. Microcode does not need one, because it is in
              the initrd, which a kexec loads, too.
          type: list
          elements: dict
          sample: [{cold: false, kind: newer_kernel, message: "6.12.118+deb13-amd64 is installed, 6.12.117+deb13-amd64 runs"}]
        reboot_needed:
          description: Whether the host needs a reboot, and why.
          type: dict
          contains:
            needed:
              description: Whether there are C(reasons).
              type: bool
              sample: true
            method:
              description: The least method that does away with all reasons, V(soft), V(kexec) or V(firmware). Null without any.
              type: str
              sample: kexec
            reasons:
              description:
                - Reasons, each with C(code), C(message), C(hint), and the least C(method) that does away with it.
                  They come from the package manager, from C(/run), from what units run although it was replaced, from firmware
                  updates, and from comparing the bootloader's default entry with the running kernel and its arguments.
                - C(PENDING_UNKNOWN) means that nothing asks for more than a soft reboot, but not everything could be read.
              type: list
              elements: dict
              sample:
                - code: PENDING_KERNEL
                  hint: "Reboot the host: the other kernel is installed and is the next to boot."
                  message: the default entry boots 6.12.118+deb13-amd64, 6.12.117+deb13-amd64 runs
                  method: kexec
        console:
          description: Consoles, and the boot time that kernel messages on them cost.
          type: dict
          contains:
            consoles:
              description: Consoles, each with C(name), C(serial), and C(baud), which is null if unknown.
              type: list
              elements: dict
              sample: [{baud: 115200, name: ttyS0, serial: true}]
            loglevel:
              description: The next boot prints messages below this level.
              type: int
              sample: 7
            message_bytes:
              description:
                - Bytes of messages that this boot would have printed at that level in its first minute. Null if the log can't be
                  read, or has lost its beginning.
              type: int
              sample: 35120
            cost_ms:
              description:
                - Upper limit of the time that this takes on the slowest serial console. Emulated ones may be faster. 0 without a
                  serial console, null if unknown.
              type: int
              sample: 3048
        hardware:
          description: Hardware as far as it decides how a kexec goes, from which the controller makes the host class. Texts are
            one line of ASCII, and empty if unknown.
          type: dict
          contains:
            vendor:
              description: Vendor of the machine.
              type: str
              sample: Dell Inc.
            product:
              description: Model of the machine.
              type: str
              sample: PowerEdge R650
            board:
              description: Model of the mainboard.
              type: str
              sample: 0F2X5K
            firmware_version:
              description: Version of the BIOS or UEFI.
              type: str
              sample: 2.14.1
            drivers:
              description: PCI drivers of C(network), C(storage) and C(display) devices (accelerators included), with the
                version of those that did not come with the kernel.
              type: dict
              sample: {display: [nvidia 550.54.14], network: [ixgbe], storage: [nvme]}
        throughput:
          description:
            - Speed of the work that a reboot does, in bytes per second on one core, for C(copy), C(crc32c) and C(sha256), and
              for C(unpack) by format. C(measured) is false until M(fleet.kexec.fast_image) has measured it. The figures are
              typical ones until then.
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
          description: Defaults of the host for M(fleet.kexec.stage), from C(/etc/fleet-kexec.conf).
          type: dict
          sample: {image: auto, integrity: auto, kaslr: true, loader: auto, placement: auto}
        container:
          description: Name of the container manager. Null if the host is no container.
          type: str
          sample: podman
        kexec_tools:
          description: C(path) and C(version) of kexec-tools. Null if they are not installed.
          type: dict
          sample: {path: /usr/sbin/kexec, version: 2.0.29}
        loaders:
          description: System calls that can load a distribution's kernel on this host.
          type: list
          elements: str
          sample: [kexec_file_load, kexec_load]
        loaded:
          description: Whether any image is loaded. Null if the kernel has no kexec.
          type: bool
          sample: false
        staged:
          description: The image that M(fleet.kexec.stage) loaded, as that module returns it. Null if there is none.
          type: dict
          sample: null
        entry:
          description:
            - The default entry of the bootloader, which is what a reboot through firmware boots and what M(fleet.kexec.stage)
              loads if nothing else is asked for. For a unified kernel image, C(kernel) and C(initrds) are its path.
            - C(added) and C(removed) are the arguments that it adds to and removes from the running kernel's command line.
            - C(unknown) says why the entry can't be told, C(one_shot) what was requested for the next boot only, and C(elsewhere)
              why the running system is another one than the bootloader would boot. Each is null where that does not apply.
          type: dict
          sample:
            added: [hugepages=64]
            bootloader: GRUB (update-grub)
            cmdline: root=UUID=6db3bd38-60f0-4e0e-9dbf-ba4f3fc3e6ee ro console=ttyS0 hugepages=64
            elsewhere: null
            initrds: [/boot/initrd.img-6.12.117+deb13-cloud-amd64]
            kernel: /boot/vmlinuz-6.12.117+deb13-cloud-amd64
            one_shot: null
            removed: []
            source: /boot/grub/grub.cfg:120
            title: Debian GNU/Linux
            unknown: null
        verdict:
          description:
            - How the host should reboot if nothing else is asked for. C(release) is that of the kernel to boot. C(method) is
              V(kexec), V(firmware) or V(refuse). C(image), C(loader), C(integrity) and C(placement) are as in
              M(fleet.kexec.stage). C(predicted_ms) is the predicted duration of the jump. C(notes) has the reasons why no
              faster combination is possible.
          type: dict
          sample:
            image: fast
            integrity: crc32c
            loader: kexec_load
            method: kexec
            notes: []
            placement: copied
            release: 6.12.117+deb13-cloud-amd64
            predicted_ms:
              check: 8.2
              copy: 16.8
              decompress: 0.0
              hash: 0.0
              move: 0.0
              total: 25.0
        soft:
          description:
            - Whether the host can reboot softly, which keeps its kernel (C(possible)), the version of C(systemd), the number of
              C(soft_reboots) since the kernel booted (null if systemd does not count them), and the running units that survive
              (C(survivors)). C(blockers) and C(warnings) are like those of a kexec.
          type: dict
          sample:
            blockers: []
            possible: true
            soft_reboots: 0
            survivors: []
            systemd: 257
            warnings: []
        blockers:
          description:
            - Reasons why the host can't reboot via kexec, or is not allowed to by O(policy), each with C(code), C(message) and
              C(hint). Empty if it can.
          type: list
          elements: dict
          sample:
            - code: NO_KEXEC_TOOLS
              hint: Install the package kexec-tools on the host.
              message: there is no kexec program on the host
        warnings:
          description: Risks of a kexec that O(policy) warns about, like RV(ansible_facts.fleet_kexec.blockers).
          type: list
          elements: dict
          sample:
            - code: GUESTS_RUNNING
              hint: Move or stop the virtual machines, or allow this if they may stop with the host.
              message: "virtual machines run here: web"
        policy:
          description: Effect of each risk on this host by code, V(block), V(warn) or V(allow), and of each difference after a
            reboot, V(fail), V(warn) or V(ignore).
          type: dict
          sample: {DRIVER_RISK: block, NIC_LOST: fail, NO_WATCHDOG: warn}
        machine:
          description: The machine now, and compared with the snapshot that M(fleet.kexec.machine) or a reboot left before this
            boot.
          type: dict
          contains:
            model:
              description: Vendor and product, as firmware names them. Empty if unknown.
              type: str
              sample: Dell Inc. PowerEdge R650
            pci_devices:
              description: Number of PCI functions, without virtual ones.
              type: int
              sample: 97
            network_interfaces:
              description: Number of network interfaces of devices.
              type: int
              sample: 4
            block_devices:
              description: Number of physical block devices, however many paths lead to each.
              type: int
              sample: 12
            cpus:
              description: Number of processors online.
              type: int
              sample: 64
            numa_nodes:
              description: Number of NUMA nodes.
              type: int
              sample: 2
            memory_bytes:
              description: Size of the memory.
              type: int
              sample: 549755813888
            clock_source:
              description: The kernel's clock source. Null if unknown.
              type: str
              sample: tsc
            system_state:
              description: State of systemd, such as V(running), V(degraded) or V(starting). Null if it does not answer.
              type: str
              sample: running
            failed_units:
              description: Units of systemd that failed. Null if unknown.
              type: list
              elements: str
              sample: []
            compared:
              description: Whether there was a snapshot of an earlier boot to compare with. Only root can read it.
              type: bool
              sample: true
            before:
              description: The remembered snapshot, with C(boot_id), C(soft_reboots) and C(taken_at). Null if there is none.
              type: dict
              sample: {boot_id: 5b1b4c0e-6d2f-4f8b-9a39-0c7f2f3f0d11, soft_reboots: 0, taken_at: "2026-11-24T19:00:00Z"}
            differences:
              description:
                - Differences that the policy does not ignore, as M(fleet.kexec.machine) returns them. They are of this moment.
                  What comes late is missing for the first seconds of a boot.
              type: list
              elements: dict
              sample: []
        findings:
          description:
            - What would have shortened the outage of the latest boot in RV(ansible_facts.fleet_kexec.history). Only root can read
              it.
          type: dict
          contains:
            boot_id:
              description: The boot_id of that boot. Null if there is none.
              type: str
              sample: 0c9a6f8e-2d6f-4c0e-9d53-1f4a6c1f7a42
            gain_ms:
              description: Time that all findings together would save, as RV(fleet.kexec.timeline#module:timeline.gain_ms).
                Null if unknown.
              type: float
              sample: 2031.5
            findings:
              description: As RV(fleet.kexec.timeline#module:findings).
              type: list
              elements: dict
              sample: []
            compared_with:
              description: The boot_id of the last boot before it by the same path whose findings are in the history. Null if
                there is none.
              type: str
              sample: 2f0b9a6e-7a55-4a0e-8f8d-1c7a3f0d9b11
            outcomes:
              description: What came of the findings of that earlier boot, each with C(code), C(title), the predicted gain
                (C(predicted_ms), null if none was) and its C(basis), the time that its cause took then and takes now
                (C(before_ms) and C(after_ms), which is 0 where it is found no more), and C(gained_ms), the difference.
              type: list
              elements: dict
              sample:
                - {code: CONSOLE_SERIAL, title: Kernel messages on a serial console, predicted_ms: 4000.0, basis: modelled,
                  before_ms: 5000.0, after_ms: 900.0, gained_ms: 4100.0}
        history:
          description: Timelines of the host's latest boots, at most a hundred. Only root can read them.
          type: dict
          contains:
            boots:
              description: Number of boots.
              type: int
              sample: 12
            last:
              description: Timeline of the latest one, as M(fleet.kexec.timeline) returns it. Null if there is none.
              type: dict
              sample: {boot_id: 0c9a6f8e-2d6f-4c0e-9d53-1f4a6c1f7a42, path: kexec, phases: []}
code:
  description: Reason for the failure. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: POLICY_INVALID
hint:
  description: How to solve the problem.
  returned: failure
  type: str
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleet.kexec.plugins.module_utils._command import run_command
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.facts import present
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.reading import read
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
