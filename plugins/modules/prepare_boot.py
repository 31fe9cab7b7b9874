#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: prepare_boot
short_description: Shorten the parts of a reboot's outage that lie outside of the jump
version_added: 0.1.0
author: [fleet.kexec contributors (@fleet-kexec)]
description:
  - Changes how a host stops and starts, so that its reboots have a shorter outage. Findings of the module M(fleet.kexec.timeline)
    say which parts are worth it on a host, as C(prepare_boot) of a finding.
  - Every part is off by default. A part that is off is undone, if this module has made it before; O(parts) leaves others alone.
  - Neither the distribution's files nor its boot entries are changed. Each change is recorded in C(/var/lib/fleet-kexec) before
    it is made, as by M(fleet.kexec.preparation), and undone with O(state=absent). What somebody else has changed since is theirs.
    It is left as it is, and RV(notes) says so.
  - It also tells from the host's own timelines what each part has brought (RV(effects)).
extends_documentation_fragment: [fleet.kexec.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  state:
    description:
      - V(present) makes the parts that are asked for, and undoes the others.
      - V(absent) undoes all of O(parts).
    type: str
    choices: [present, absent]
    default: present
  parts:
    description: Parts to process. Others are left as they are, whatever their options say.
    type: list
    elements: str
    choices: [stop_timeout, quiet, initrd, cloud_init_disabled, wait_online, ssh_early, parallel_shutdown]
    default: [stop_timeout, quiet, initrd, cloud_init_disabled, wait_online, ssh_early, parallel_shutdown]
  stop_timeout:
    description:
      - How long services may take to stop, as time spans of systemd such as C(5s) or C(1min 30s), by names of services. Each
        gets a drop-in with C(TimeoutStopSec).
      - It applies whenever the service is stopped, not only before a reboot. What is left of it by then is killed, and may lose
        what it had not written yet.
      - A service that does not exist on the host, or whose own stop timeout is as short, is left alone, and RV(notes) says so.
    type: dict
    default: {}
  quiet:
    description:
      - Whether kernels that are booted via kexec print errors only. C(quiet loglevel=4) is appended to the command line of these
        boots, and of no others. On a slow serial console, printing takes seconds.
      - In a panic or an oops the kernel prints everything. A command line with C(debug) or C(ignore_loglevel) is left alone.
    type: bool
    default: false
  initrd:
    description:
      - The initrd that fast images are loaded with, as O(fleet.kexec.fast_image#module:initrd). V(slim) is not compressed, and
        lacks the drivers of other machines, so that the new kernel has less to unpack. Other ways to boot use the distribution's.
      - Fast images that have another one are rebuilt. Later ones are built like this, unless the option of that module is given.
      - Without a fast image it has no use, and nothing is changed.
    type: str
    choices: [keep, uncompressed, slim]
    default: keep
  cloud_init_disabled:
    description:
      - Whether cloud-init no longer runs, on a host that it has set up. C(/etc/cloud/cloud-init.disabled) is how it is told so.
        What it has set up stays, and so does its package.
      - Only once its first boot is over, and where nothing has it do work in each boot. That is where there are scripts in
        C(/var/lib/cloud/scripts/per-boot), boot hooks, or C(bootcmd), C(chef), C(disable_ec2_metadata), C(manage_etc_hosts),
        C(updates) or a module with the frequency C(always) in its configuration.
      - Changes to the instance's metadata are no longer applied, and a copy of the host does not become another instance. Undo it
        before you make an image of the host.
    type: bool
    default: false
  wait_online:
    description:
      - Interfaces that the boot waits for to be online, instead of all of them. V(auto) stands for those of the default routes.
      - The units C(systemd-networkd-wait-online.service), C(NetworkManager-wait-online.service) and
        C(ifupdown-wait-online.service) get a drop-in with another command, where they are enabled and nobody else has decided
        what they wait for.
    type: list
    elements: str
    default: []
  ssh_early:
    description:
      - Whether sshd starts without waiting for C(network.target). A systemd generator writes its unit anew at each boot, from the
        distribution's file and without that ordering. Host keys, and C(Port), C(ListenAddress) and C(AddressFamily), remain
        sshd's own affair.
      - Only where sshd listens on all addresses. Where an administrator has replaced its unit, it is left alone.
    type: bool
    default: false
  parallel_shutdown:
    description:
      - Whether storage controllers that nothing uses any more are shut down side by side before a kexec, once file systems are
        unmounted. Kernels without asynchronous shutdown take one device after another.
      - C(/usr/lib/systemd/system-shutdown/fleet-kexec-parallel) unbinds their drivers. Run with the argument C(plan), it prints
        which it would unbind if the system were stopping.
      - Controllers of mounted file systems, swap, members of MD, LVM, other device mappings, bcache, btrfs or ZFS, and of
        anything that is still open, are left to the kernel.
    type: bool
    default: false
  parallel_shutdown_drivers:
    description: PCI drivers of the controllers. Other devices than storage controllers are never unbound.
    type: list
    elements: str
    default: [nvme]
  parallel_shutdown_timeout:
    description: Time in seconds, 1 to 60, after which the shutdown goes on, whatever the controllers do.
    type: int
    default: 30
notes:
  - Needs root, so usually C(become=true).
seealso:
  - module: fleet.kexec.fast_image
  - module: fleet.kexec.preparation
  - module: fleet.kexec.timeline
"""

EXAMPLES = r"""
- name: Print errors only, unpack less, wait for the interface of the default route only, and shut down NVMe drives side by side
  fleet.kexec.prepare_boot:
    quiet: true
    initrd: slim
    wait_online: auto
    parallel_shutdown: true
  become: true

- name: Give two services less time to stop, and leave the other parts as they are
  fleet.kexec.prepare_boot:
    parts: stop_timeout
    stop_timeout:
      nginx.service: 5s
      postgresql@16-main.service: 1min 30s
  become: true

- name: Show what the parts have brought
  fleet.kexec.prepare_boot:
    parts: []
  become: true
  register: boots

- name: Undo everything
  fleet.kexec.prepare_boot:
    state: absent
  become: true
"""

RETURN = r"""
due:
  description: Parts that were changed, or would be in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: [quiet, wait_online]
made:
  description: Parts that are in place after this task, or would be.
  returned: success
  type: list
  elements: str
  sample: [parallel_shutdown, quiet, wait_online]
effects:
  description:
    - What parts that were in place before this task have brought, from the timelines that the host has stored, of the last reboot
      via kexec before the part was made and the first one after it. Parts without both are left out.
    - Several parts that were made at once and shorten the same phases share the difference.
  returned: success
  type: list
  elements: dict
  contains:
    part:
      description: The part.
      type: str
      sample: quiet
    phases:
      description: Phases of the timeline that the part is about, and of which the times are the sums.
      type: list
      elements: str
      sample: [kernel, initrd, userspace]
    before_ms:
      description: Time before.
      type: float
      sample: 16600.0
    after_ms:
      description: Time after.
      type: float
      sample: 14100.0
    saved_ms:
      description: The difference, negative if it took longer.
      type: float
      sample: 2500.0
    predicted_ms:
      description: What the findings of the reboot before predicted that the part would save. Null if they predicted nothing.
      type: float
      sample: 2200.0
    error_ms:
      description: How far off the difference may be.
      type: float
      sample: 0.4
    faster:
      description: Whether more than the error was saved.
      type: bool
      sample: true
notes:
  description:
    - Parts, or pieces of them, that change nothing on this host (C(BOOT_PART_IDLE)), parts that have made it no faster
      (C(BOOT_PART_NO_FASTER)), and what is left alone, and why, each with C(code), C(message) and C(hint).
  returned: success
  type: list
  elements: dict
  sample:
    - code: BOOT_PART_IDLE
      message: "wait_online changes nothing here: there is no default route"
      hint: Nothing to do, or leave the part out on this host.
code:
  description: Code of the failure. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: UNIT_NAME_INVALID
hint:
  description: How to resolve the failure.
  returned: failure
  type: str
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleet.kexec.plugins.module_utils._command import run_command
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.image_store import INITRD_MODES, KEEP
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.installation import make_installation
from ansible_collections.fleet.kexec.plugins.module_utils._module import run_module
from ansible_collections.fleet.kexec.plugins.module_utils._prepare_boot.preparation import PARTS, BootPreparation, WantedBoots
from ansible_collections.fleet.kexec.plugins.module_utils._privileges import require_root


def wanted_of(params: Dict[str, Any]) -> WantedBoots:
    parts = tuple(params["parts"])
    if params["state"] == "absent":
        return WantedBoots(parts=parts)
    return WantedBoots(
        parts=parts,
        stop_timeout={str(name): str(span) for name, span in params["stop_timeout"].items()},
        quiet=params["quiet"],
        initrd=params["initrd"],
        cloud_init_disabled=params["cloud_init_disabled"],
        wait_online=tuple(params["wait_online"]),
        ssh_early=params["ssh_early"],
        parallel_shutdown=params["parallel_shutdown"],
        parallel_shutdown_drivers=tuple(params["parallel_shutdown_drivers"]),
        parallel_shutdown_timeout_s=params["parallel_shutdown_timeout"],
    )


def work(module: AnsibleModule) -> Dict[str, Any]:
    require_root()
    files = HostFiles()
    preparation = BootPreparation(files, run_command, lambda: make_installation(files, run_command))
    before = preparation.look()
    plan = preparation.plan(wanted_of(module.params), before)
    effects = preparation.effects(before)
    if not module.check_mode:
        preparation.apply(plan.steps)
    after = plan.steps[-1].after if plan.steps else before
    notes = [*plan.notes, *(effect.note() for effect in effects if not effect.is_faster)]
    return {
        "changed": bool(plan.steps),
        "due": plan.due,
        "made": sorted(after.boot_parts),
        "effects": [effect.as_dict() for effect in effects],
        "notes": [note.as_dict() for note in notes],
        "diff": plan.as_diff(),
    }


def main() -> None:
    argument_spec: Dict[str, Any] = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "parts": {"type": "list", "elements": "str", "choices": list(PARTS), "default": list(PARTS)},
        "stop_timeout": {"type": "dict", "default": {}},
        "quiet": {"type": "bool", "default": False},
        "initrd": {"type": "str", "choices": list(INITRD_MODES), "default": KEEP},
        "cloud_init_disabled": {"type": "bool", "default": False},
        "wait_online": {"type": "list", "elements": "str", "default": []},
        "ssh_early": {"type": "bool", "default": False},
        "parallel_shutdown": {"type": "bool", "default": False},
        "parallel_shutdown_drivers": {"type": "list", "elements": "str", "default": ["nvme"]},
        "parallel_shutdown_timeout": {"type": "int", "default": 30},
    }
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    run_module(module, lambda: work(module))


if __name__ == "__main__":
    main()
