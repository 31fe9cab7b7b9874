#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: reboot
short_description: Reboot a host via kexec or softly, and prove how it came back
version_added: 0.1.0
author: [fleet.kexec contributors (@fleet-kexec)]
description:
  - Reboots a host directly into its next kernel with kexec, bypassing firmware and bootloader. Waits for it and verifies that it
    booted the staged image.
  - Compares the machine with what it was before, because a kexec skips what firmware does to devices.
  - Loads the image first, with M(fleet.kexec.stage), while everything can still be undone. An image that is already staged is
    used as it is, unless one of the options about the image is given, or the reboot is for what is pending
    (O(fleet.kexec.rolling_reboot#module:only=pending), O(method=least)), which only the default entry applies.
  - The reboot is an orderly C(systemctl kexec) that stops all units. systemd performs it on the host, so losing the connection
    does not matter.
  - Options that M(ansible.builtin.reboot) also has mean the same here. Those that say how to reboot are accepted where they ask
    for what happens here, and refused otherwise.
extends_documentation_fragment:
  - fleet.kexec.attributes
  - fleet.kexec.attributes.action
  - fleet.kexec.attributes.facts
  - fleet.kexec.attributes.action_group
  - fleet.kexec.image
  - fleet.kexec.policy
  - fleet.kexec.compare
  - fleet.kexec.probe
attributes:
  action_group:
    membership: [fleet.kexec.policy, fleet.kexec.rebooting, fleet.kexec.staging]
  check_mode:
    support: full
    details: Returns how the host would be rebooted, after all checks that do not require loading.
  diff_mode:
    support: none
  facts:
    support: full
options:
  method:
    description:
      - V(kexec) reboots via kexec, and fails with a code if that is not possible or O(policy) blocks it.
      - V(firmware) reboots through firmware and bootloader. A staged image is unloaded first, because it would turn the reboot
        into a kexec. O(kernel), O(initrd) and O(cmdline) are refused, because the bootloader boots its own default.
      - V(soft) restarts userspace with C(systemctl soft-reboot), and keeps the kernel that runs. It needs systemd 256 or later,
        and is refused if more than userspace waits for a reboot, unless O(policy) allows it (C(SOFT_INCOMPLETE)). A staged image
        is unloaded first. O(kernel), O(initrd) and O(cmdline) are refused.
      - V(least) takes the least of these that applies what is pending, by the fact C(reboot_needed) of
        M(fleet.kexec.boot_facts). V(soft) is for what only userspace goes on running, V(kexec) for another kernel or other
        arguments of it, and V(firmware) for updates of firmware, and for what is requested for the next boot only. If a method is
        not possible, or O(policy) blocks it, the next one is taken, and RV(reasons) says why. If nothing is pending, the host is
        not rebooted. O(kernel), O(initrd) and O(cmdline) are refused.
      - V(auto) reboots via kexec if possible. If the host cannot, or O(policy) blocks it, it reboots through firmware, and
        RV(reasons) says why. It never reboots softly. Invalid options are still errors.
    type: str
    choices: [auto, least, kexec, soft, firmware]
    default: auto
  reboot_timeout:
    description:
      - Seconds from the trigger until the host has to be back and O(test_command) has to have succeeded.
      - The limit holds even if something hangs, including ssh. Cancelling a reboot that never began may take ten seconds more.
    type: int
    default: 600
    aliases: [reboot_timeout_sec]
  connect_timeout:
    description: Seconds after which a connection attempt fails. If omitted, the connection plugin's own setting.
    type: int
    aliases: [connect_timeout_sec]
  test_command:
    description: Shell command that has to succeed on the host after the reboot.
    type: str
    default: whoami
  msg:
    description: Message to users of the host before the reboot.
    type: str
    default: Reboot initiated by Ansible
  pre_reboot_delay:
    description: Seconds to wait before the reboot. Negative values mean 0.
    type: int
    default: 0
    aliases: [pre_reboot_delay_sec]
  post_reboot_delay:
    description: Seconds to wait between the verified boot and the comparison of the machine, which O(test_command) follows.
      Negative values mean 0.
    type: int
    default: 0
    aliases: [post_reboot_delay_sec]
  reboot_command:
    description:
      - C(systemctl kexec) means O(method=kexec), and C(systemctl soft-reboot) means O(method=soft). C(systemctl reboot),
        C(reboot) and C(shutdown -r) (C(now) or C(+0)) mean O(method=firmware). A directory in front of the program makes no
        difference.
      - Any other command is refused. C(kexec -e) would leave file systems mounted.
    type: str
  boot_time_command:
    description: Refused, unless it is the default of M(ansible.builtin.reboot), which reads the boot_id. The boot_id, and after a
      soft reboot the count of systemd, always tell whether the host has rebooted.
    type: str
  search_paths:
    description: Refused, because C(shutdown) is not used. systemd performs the reboot.
    type: list
    elements: str
requirements:
  - kexec-tools on the host, except for O(method=firmware) and O(method=soft)
notes:
  - The keywords C(timeout) and C(async) are refused (C(KEYWORD_UNSUPPORTED)); O(reboot_timeout) limits the reboot.
  - The time that O(compare) takes does not count towards O(reboot_timeout).
  - Needs root on the host, so usually C(become=true).
  - The machine that runs the playbook is never rebooted, whichever connection leads to it.
  - The host's return is detected by its SSH banner, which a plain socket tries to read several times a second. If the controller
    cannot reach the host's sshd directly (jump hosts, other connection plugins) or O(probe_ssh=false), the host is asked over the
    connection instead, and RV(outage_ms) is less precise.
  - While the host is up, its sshd is hardly probed, because sshd, fail2ban and firewalls ban who connects without logging in.
    RV(outage_error_ms) accounts for this. If something limits new connections to the host once it is back, probes become as few
    as such limits forgive.
  - The new kernel is booted with C(panic=10 oops=panic), so that a kernel that panics comes back through firmware. Once the boot
    is verified, the previous values of C(kernel.panic) and C(kernel.panic_on_oops) are restored.
  - With C(-v), steps are shown as they happen.
  - The bootloader's configuration is not changed, so any reset boots the same system as before.
  - Interrupting the playbook during O(pre_reboot_delay) cancels the reboot and unloads the image.
  - If the reboot cannot be triggered, or the host has not begun it when O(reboot_timeout) expires, it is cancelled and the image
    is unloaded.
seealso:
  - module: fleet.kexec.stage
  - module: fleet.kexec.boot_facts
  - module: fleet.kexec.machine
  - module: fleet.kexec.timeline
  - module: ansible.builtin.reboot
"""

EXAMPLES = r"""
- name: Reboot, via kexec if the host can
  fleet.kexec.reboot:
  become: true

- name: Reboot via kexec into the newest kernel, or fail
  fleet.kexec.reboot:
    method: kexec
    kernel: newest
    reboot_timeout: 120
  become: true

- name: Reboot via kexec even if containers are running, but not without a hardware watchdog
  fleet.kexec.reboot:
    policy:
      CONTAINERS_RUNNING: allow
      NO_WATCHDOG: block
  become: true

- name: Reboot as a task for ansible.builtin.reboot did, but with the image staged, checked and proven
  fleet.kexec.reboot:
    reboot_command: systemctl kexec
    reboot_timeout: 300
  become: true

- name: Reboot through firmware, even if an image is staged
  fleet.kexec.reboot:
    method: firmware
  become: true

- name: Reboot, and wait until the host serves again
  fleet.kexec.reboot:
    test_command: systemctl is-active --quiet nginx.service
  become: true
  register: reboot

- name: Reboot, and measure the outage of the host's web server
  fleet.kexec.reboot:
    test_command: curl --silent --fail --output /dev/null https://{{ inventory_hostname }}/health
    probe:
      url: https://{{ inventory_hostname }}/health
      status: 200
  become: true

- name: Show the duration of the outage
  ansible.builtin.debug:
    msg: "{{ inventory_hostname }} came back by {{ reboot.path }} after {{ reboot.outage_ms }} ms"
"""

RETURN = r"""
rebooted:
  description: Whether the host rebooted. Null if unknown. False in check mode, and if nothing was pending with
    O(method=least).
  returned: unless refused
  type: bool
  sample: true
method:
  description: The method that was chosen. Null if nothing was pending with O(method=least).
  returned: unless refused
  type: str
  sample: kexec
path:
  description:
    - Path by which the host came back, as the host reports it, V(kexec), V(soft), V(firmware) or V(unknown).
    - V(unknown) means a kexec without a token of this collection, as by LinuxBoot, Heads or ZFSBootMenu. A reboot through
      firmware accepts that.
  returned: after a reboot, however it ended
  type: str
  sample: kexec
proof:
  description:
    - Signs that the host rebooted as it should. Together they are the proof. For a kexec, they are RV(proof.boot_id_changed),
      RV(proof.token), RV(proof.release) and RV(proof.bootloader_type), and for a soft reboot RV(proof.boot_id_kept),
      RV(proof.soft_reboots) and RV(proof.userspace).
    - Null for an intended reboot through firmware.
  returned: after a reboot, however it ended
  type: dict
  contains:
    proven:
      description: Whether all signs are present.
      type: bool
    missing:
      description: Names of the missing signs.
      type: list
      elements: str
    boot_id_changed:
      description: Whether the boot_id of the host changed.
      type: bool
    token:
      description: Whether the command line contains the random token of the staged image.
      type: bool
    release:
      description: Whether the kernel has the staged release.
      type: bool
    bootloader_type:
      description: Whether the kernel reports that a kexec loader started it. Null on arm64, where it reports none.
      type: bool
    boot_id_kept:
      description: Whether the boot_id is the same, so that the kernel has run on.
      type: bool
    soft_reboots:
      description: Whether systemd has counted one soft reboot more, and no other.
      type: bool
    userspace:
      description: Whether PID 1 has started userspace anew, by its own time of that.
      type: bool
needed:
  description: Reasons why the host needs a reboot, each with C(code), C(message) and C(hint), as the fact C(reboot_needed) of
    M(fleet.kexec.boot_facts) has them. Empty if nothing is pending; then the host is not rebooted.
  returned: with O(method=least)
  type: list
  elements: dict
msg:
  description: Why the host was not rebooted.
  returned: failure, or if nothing was pending with O(method=least)
  type: str
reasons:
  description: Reasons why the host was not rebooted by a method that would have come first, which is kexec with O(method=auto),
    and with O(method=least) the least that applies what is pending. Each has C(code), C(message) and C(hint).
  returned: after a reboot, and in check mode
  type: list
  elements: dict
notes:
  description:
    - Reasons why the image staged for this reboot is not a faster one, and costs of overrides, as M(fleet.kexec.stage) returns
      them. Empty for an image that was staged before.
    - The reason for a missing RV(probe_outage_ms), if O(probe) is given.
  returned: success
  type: list
  elements: dict
before:
  description: C(boot_id), number of C(soft_reboots) since that boot, and kernel C(release) before the reboot.
  returned: success
  type: dict
after:
  description: C(boot_id), number of C(soft_reboots) since that boot, and kernel C(release) after the reboot.
  returned: after a reboot, however it ended
  type: dict
staged:
  description: The staged image, as M(fleet.kexec.stage) returns it. Null for a reboot through firmware or a soft one.
  returned: success
  type: dict
outage_ms:
  description: Milliseconds between the last answer of the host's sshd before the reboot and its first answer after it. Null if
    not observed.
  returned: after a reboot, however it ended
  type: int
  sample: 6120
outage_error_ms:
  description: Milliseconds by which the outage may have been shorter.
  returned: after a reboot, however it ended
  type: int
  sample: 104
probe_seen_by:
  description: Target of O(probe), without credentials and query.
  returned: after a trigger, if O(probe) is given
  type: str
  sample: tcp 443
probe_outage_ms:
  description:
    - Milliseconds between the last good answer of the service of O(probe) before the reboot and its first one after it. Null if
      not measured; RV(notes) has the reason.
    - For a service that never failed, the longest time between two answers.
  returned: after a trigger, if O(probe) is given
  type: int
  sample: 7480
probe_outage_error_ms:
  description: Milliseconds by which the outage of the service may have been shorter. The service was down at least from the first
    failed probe to the last.
  returned: after a trigger, if O(probe) is given
  type: int
  sample: 92
model:
  description: Vendor and product of the machine, as it says. Empty if unknown.
  returned: after a reboot, if the machine was compared
  type: str
  sample: Example Inc. Server 9
differences:
  description:
    - Differences of the machine from what it was before the reboot, at most 100. Those that fail the host come first. Empty if
      there are none.
    - Each has C(code), C(subject) (the part of the machine), C(before) and C(after) (null if it was not there), C(effect)
      (V(fail) or V(warn)) and C(message), as M(fleet.kexec.machine) returns them.
  returned: after a reboot, if the machine was compared
  type: list
  elements: dict
detected_by:
  description: How the host's return was detected, V(banner) or V(connection).
  returned: after a reboot, however it ended
  type: str
  sample: banner
login_ms:
  description: Milliseconds from sshd's first answer until the host reported its boot_id over a new connection.
  returned: after a reboot, however it ended
  type: int
  sample: 410
elapsed_ms:
  description: Milliseconds from before the trigger until O(test_command) succeeded.
  returned: after a reboot, however it ended
  type: int
  sample: 8214
timeline:
  description: Timeline of the reboot, as M(fleet.kexec.timeline) returns it; the host keeps it, too. Null if it could not be
    collected, which does not fail the task.
  returned: success
  type: dict
ansible_facts:
  description: Facts of the host. C(fleet_kexec.last_boot) is this result, including the timeline.
  returned: success
  type: dict
code:
  description: Code of the failure. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: NOT_PROVEN
hint:
  description: How to resolve the failure.
  returned: failure
  type: str
  sample: Install the package kexec-tools on the host.
"""
