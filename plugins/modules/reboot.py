#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: reboot
short_description: Reboot a host by kexec, and prove how it came back
version_added: 0.1.0
author:
  - fleet.kexec contributors (@fleet-kexec)
description:
  - Reboots a host straight into its next kernel with kexec, leaving out firmware and bootloader, waits for it, and verifies
    that it really booted what was staged.
  - Loads the image first, with M(fleet.kexec.stage), while everything can still be undone. An image that is staged already
    is used as it is, unless one of the options about the image is given.
  - The reboot itself is an orderly C(systemctl kexec), with all units stopped. It belongs to systemd on the host, so losing
    the connection does not matter.
  - The options that M(ansible.builtin.reboot) has too mean the same.
extends_documentation_fragment:
  - fleet.kexec.attributes
  - fleet.kexec.attributes.action
  - fleet.kexec.attributes.facts
  - fleet.kexec.image
  - fleet.kexec.policy
  - fleet.kexec.probe
attributes:
  check_mode:
    support: full
    details: Says how the host would be rebooted, after all checks that need no loading.
  diff_mode:
    support: none
  facts:
    support: full
options:
  method:
    description:
      - V(kexec) reboots by kexec, and fails with a code where that is not possible, or O(policy) blocks it.
      - V(firmware) reboots through firmware and bootloader. A staged image is unloaded first, because it would turn the
        reboot into a kexec.
      - V(auto) reboots by kexec where that is possible. Where the host can't, or O(policy) blocks it, it reboots through
        firmware and says why in RV(reasons). Wrong options are errors here too.
    type: str
    choices:
      - auto
      - kexec
      - firmware
    default: auto
  reboot_timeout:
    description:
      - Seconds from the trigger until the host has to be back and O(test_command) has to have succeeded.
      - Holds whatever hangs, ssh included. Calling off a reboot that never began may take ten seconds more.
    type: int
    default: 600
    aliases:
      - reboot_timeout_sec
  connect_timeout:
    description: Seconds until an attempt to connect counts as failed. The connection plugin's own setting if omitted.
    type: int
    aliases:
      - connect_timeout_sec
  test_command:
    description: Shell command that has to succeed on the host after the reboot.
    type: str
    default: whoami
  msg:
    description: Message to users of the host before the reboot.
    type: str
    default: Reboot initiated by Ansible
  pre_reboot_delay:
    description: Seconds to wait before the reboot. Negative is 0.
    type: int
    default: 0
    aliases:
      - pre_reboot_delay_sec
  post_reboot_delay:
    description: Seconds to wait between the verified boot and O(test_command). Negative is 0.
    type: int
    default: 0
    aliases:
      - post_reboot_delay_sec
requirements:
  - kexec-tools on the host, except for O(method=firmware)
notes:
  - Needs root on the host, so usually C(become=true).
  - The machine that runs the playbook is never rebooted, whichever connection leads to it.
  - A host that is up again is noticed by its SSH banner, tried twenty times a second through a plain socket. Where the
    controller can't reach the host's sshd directly (jump hosts, other connection plugins), it is asked through the
    connection instead, at most five seconds apart, and RV(outage_ms) is coarser.
  - Before the host goes down, its sshd is probed ten times quickly and then once a second, because OpenSSH 9.8 and later
    shut out addresses that connect more often without logging in. RV(outage_error_ms) says what that means for the figure.
  - The boot is given C(panic=10 oops=panic), so that a kernel that panics comes back through firmware. Once the boot is
    verified, the values of C(kernel.panic) and C(kernel.panic_on_oops) from before are put back.
  - With C(-v) the steps are shown as they happen.
  - The bootloader's configuration is not touched, so any reset boots what it booted before.
  - An interrupted playbook calls the reboot off, as long as O(pre_reboot_delay) lasts, and unloads the image.
  - If the reboot can't be triggered, or the host has not begun it when O(reboot_timeout) ends, it is called off and the
    image is unloaded.
seealso:
  - module: fleet.kexec.stage
  - module: fleet.kexec.boot_facts
  - module: fleet.kexec.timeline
  - module: ansible.builtin.reboot
"""

EXAMPLES = r"""
- name: Reboot, by kexec where the host can
  fleet.kexec.reboot:
  become: true

- name: Reboot by kexec into the newest kernel, or fail
  fleet.kexec.reboot:
    method: kexec
    kernel: newest
    reboot_timeout: 120
  become: true

- name: Reboot by kexec though containers run, and not at all by kexec without a hardware watchdog
  fleet.kexec.reboot:
    policy:
      CONTAINERS_RUNNING: allow
      NO_WATCHDOG: block
  become: true

- name: Reboot through firmware, whatever is staged
  fleet.kexec.reboot:
    method: firmware
  become: true

- name: Reboot, and wait until the host serves again
  fleet.kexec.reboot:
    test_command: systemctl is-active --quiet nginx.service
  become: true
  register: reboot

- name: Reboot, and tell how long its web server was away
  fleet.kexec.reboot:
    test_command: curl --silent --fail --output /dev/null https://{{ inventory_hostname }}/health
    probe:
      url: https://{{ inventory_hostname }}/health
      status: 200
  become: true

- name: Show how long it was away
  ansible.builtin.debug:
    msg: "{{ inventory_hostname }} came back by {{ reboot.path }} after {{ reboot.outage_ms }} ms"
"""

RETURN = r"""
rebooted:
  description: Whether the host rebooted. Null if that is not known.
  returned: unless refused
  type: bool
  sample: true
method:
  description: The method that was chosen.
  returned: unless refused
  type: str
  sample: kexec
path:
  description:
    - How the host really came back, by its own account, V(kexec) or V(firmware).
  returned: after a reboot, however it ended
  type: str
  sample: kexec
proof:
  description:
    - The four signs that the host booted what was staged. All of them together are the proof.
    - Null for a reboot through firmware that was meant to be one.
  returned: after a reboot, however it ended
  type: dict
  contains:
    proven:
      description: Whether all signs are there.
      type: bool
    missing:
      description: Names of those that are not.
      type: list
      elements: str
    boot_id_changed:
      description: The host has another boot_id than before.
      type: bool
    token:
      description: The random token of the staged image is on the command line.
      type: bool
    release:
      description: The kernel has the release that was staged.
      type: bool
    bootloader_type:
      description: The kernel says that a kexec loader started it.
      type: bool
reasons:
  description:
    - Why the host did not go the way of kexec, each with C(code), C(message) and C(hint).
    - Empty if it did, or was not meant to.
  returned: success
  type: list
  elements: dict
notes:
  description:
    - Why the image that was staged for this reboot is not a quicker one, and what an override costs, as M(fleet.kexec.stage)
      returns it. Empty for an image that was staged before.
    - Why there is no RV(probe_outage_ms), where O(probe) is given.
  returned: success
  type: list
  elements: dict
before:
  description: C(boot_id) and kernel C(release) before the reboot.
  returned: success
  type: dict
after:
  description: C(boot_id) and kernel C(release) after the reboot.
  returned: after a reboot, however it ended
  type: dict
staged:
  description: The staged image, as M(fleet.kexec.stage) returns it. Null for a reboot through firmware.
  returned: success
  type: dict
outage_ms:
  description: Milliseconds from the last answer of the host's sshd to its first. Null if it could not be seen.
  returned: after a reboot, however it ended
  type: int
  sample: 6120
outage_error_ms:
  description: By how many milliseconds the outage may have been shorter.
  returned: after a reboot, however it ended
  type: int
  sample: 104
probe_seen_by:
  description: What O(probe) has probed, without credentials and query.
  returned: after a trigger, if O(probe) is given
  type: str
  sample: tcp 443
probe_outage_ms:
  description:
    - Milliseconds from the last good answer of the service of O(probe) to its first. Null if it could not be told, with the
      reason among RV(notes).
    - For a service that never failed, the longest time between two answers.
  returned: after a trigger, if O(probe) is given
  type: int
  sample: 7480
probe_outage_error_ms:
  description:
    - By how many milliseconds the outage of the service may have been shorter. It was down at least from the first probe that
      failed to the last.
  returned: after a trigger, if O(probe) is given
  type: int
  sample: 92
detected_by:
  description: What the host's return was noticed by, V(banner) or V(connection).
  returned: after a reboot, however it ended
  type: str
  sample: banner
login_ms:
  description: Milliseconds from the first answer of sshd until the host had told its boot_id over a new connection.
  returned: after a reboot, however it ended
  type: int
  sample: 410
elapsed_ms:
  description: Milliseconds from before the trigger until O(test_command) had succeeded.
  returned: after a reboot, however it ended
  type: int
  sample: 8214
timeline:
  description:
    - Where the time went, as M(fleet.kexec.timeline) returns it. It is kept on the host, too.
    - Null if it could not be had, which fails nothing.
  returned: success
  type: dict
ansible_facts:
  description: Facts of the host; C(fleet_kexec.last_boot) is this result, the timeline included.
  returned: success
  type: dict
code:
  description: Why it failed. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: NOT_PROVEN
hint:
  description: What to do about it.
  returned: failure
  type: str
  sample: Install the package kexec-tools on the host.
"""
