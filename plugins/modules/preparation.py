#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: preparation
short_description: Configure a host for reboots via kexec, and record its previous state
version_added: 0.1.0
author: [fleet.kexec contributors (@fleet-kexec)]
description:
  - Performs the parts of the role P(fleet.kexec.prepare#role) that depend on the state of the host, in as few runs as possible.
    It can be used without the role.
  - It masks the init scripts of old kexec-tools, installs packages, configures systemd to feed a hardware watchdog, and keeps
    kernel-install from copying arguments that were meant for one boot. Of reserved memory, which another module reserves, it
    keeps the record.
  - Each change is recorded in C(/var/lib/fleet-kexec), in C(prepared.json) and C(changes.json), before it is made, and undone
    with O(state=absent). An interrupted run can be repeated or undone.
  - What somebody else has changed since is theirs. It is left as it is, and RV(notes) says so.
  - In check mode it reports the state of the host and the parts to change (RV(due)); the role begins with this.
extends_documentation_fragment: [fleet.kexec.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  state:
    description:
      - V(present) prepares the host.
      - V(absent) restores it. Release the memory, V(reservation) in O(parts), beforehand; this module only drops the record.
        Unload any image before kexec-tools is removed, M(fleet.kexec.stage) with O(fleet.kexec.stage#module:state=unstaged).
    type: str
    choices: [present, absent]
    default: present
  parts:
    description:
      - Parts of the preparation to process.
      - V(init_scripts) masks C(kexec.service) and C(kexec-load.service) where Debian's kexec-tools has them as init scripts
        (before 1:2.0.27), or may bring them when it is installed. One runs C(kexec -e) in the middle of a shutdown, the other
        loads a kernel before every reboot. Other units of these names are left alone.
      - V(packages) installs those of O(packages) that are missing, and records which packages dpkg unpacked for that. Only on
        Debian and derivatives. With O(state=absent) they are purged, except those that other packages have come to need or that
        somebody has marked as manually installed. Configuration that somebody has changed stays.
      - V(kernel_cmdline) writes C(/etc/kernel/cmdline) on hosts that boot by systemd-boot with kernel-install and have no such
        file. Otherwise, kernels installed later would get the running kernel's command line, which after a kexec contains
        arguments that were meant for one boot. The file gets the arguments of the default boot entry.
      - V(watchdog) configures systemd to feed the hardware watchdog and to leave it running across a kexec.
        C(/etc/systemd/system.conf.d/fleet-kexec.conf) takes effect immediately. C(/etc/modprobe.d/fleet-kexec.conf) keeps the
        kernel from stopping the watchdog at a reboot, and takes effect when the module is next loaded; it is added to every
        initramfs of initramfs-tools that contains the watchdog's module.
      - V(config_file) restores C(/etc/fleet-kexec.conf), which M(fleet.kexec.fast_image) writes and records.
      - V(reservation) records which of O(reservations) are made.
    type: list
    elements: str
    choices: [init_scripts, packages, kernel_cmdline, watchdog, config_file, reservation]
    default: [init_scripts, packages, kernel_cmdline, watchdog, config_file, reservation]
  packages:
    description: Packages to install where they are missing.
    type: list
    elements: str
    default: []
  reservations:
    description: Memory that another task reserves.
    type: list
    elements: str
    choices: [crashkernel, cma]
    default: []
  watchdog:
    description:
      - Whether systemd feeds the hardware watchdog.
      - V(auto) means V(true) on hosts that have a watchdog which nothing else feeds. One that is idle only because its owner is
        is left alone, and RV(notes) says who that is. Owners are sbd, a watchdog daemon that is enabled, an administrator who set
        C(RuntimeWatchdogSec), and a kernel that lets nobody stop the watchdog once it runs (C(nowayout)).
      - V(false) undoes what this module configured.
    type: str
    choices: [auto, "true", "false"]
    default: auto
  watchdog_runtime:
    description: C(RuntimeWatchdogSec) of systemd-system.conf(5), how long systemd may fail to feed the watchdog.
    type: str
    default: 60s
  watchdog_kexec:
    description: C(KExecWatchdogSec) of systemd-system.conf(5), how long a kexec may take until the new system feeds the watchdog.
    type: str
    default: 5min
notes:
  - Needs root, so usually C(become=true).
seealso:
  - module: fleet.kexec.fast_image
  - module: fleet.kexec.prepare_boot
  - module: fleet.kexec.reservation
"""

EXAMPLES = r"""
- name: Feed the hardware watchdog, and leave it running across a kexec
  fleet.kexec.preparation:
    parts: watchdog
    watchdog_runtime: 30s
  become: true

- name: Check what remains to be done and what has been changed so far
  fleet.kexec.preparation:
    packages: [kexec-tools]
  check_mode: true
  become: true
  register: preparation

- name: Undo the configuration of the watchdog
  fleet.kexec.preparation:
    state: absent
    parts: watchdog
  become: true
"""

RETURN = r"""
due:
  description: Parts that were changed, or would be in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: [watchdog]
debian_like:
  description: Whether the host runs Debian or a derivative, so that this module can list its packages.
  returned: success
  type: bool
missing_packages:
  description: Members of O(packages) that are not installed. Empty if unknown.
  returned: success
  type: list
  elements: str
  sample: [kexec-tools]
notes:
  description: What is left alone or stays, and why, each with C(code), C(message) and C(hint).
  returned: success
  type: list
  elements: dict
  sample:
    - code: CHANGED_SINCE
      message: /etc/fleet-kexec.conf was changed since it was prepared, and is left as it is
      hint: Nothing to do if the change is to stay. If not, remove what fleet.kexec wrote there by hand.
remembered:
  description: Changes that had been made to prepare the host before this task.
  returned: success
  type: dict
  contains:
    packages:
      description: Packages that were installed, those that they need included.
      type: list
      elements: str
    masked:
      description: Units that were masked.
      type: list
      elements: str
    watchdog:
      description: Whether the watchdog was configured.
      type: bool
    kernel_cmdline:
      description: Whether C(/etc/kernel/cmdline) was written.
      type: bool
    config_file:
      description: Whether C(/etc/fleet-kexec.conf) was written.
      type: bool
    crashkernel:
      description: Whether memory was reserved for a crash kernel.
      type: bool
    cma:
      description: Whether memory was reserved for CMA.
      type: bool
    boot_parts:
      description: Parts that M(fleet.kexec.prepare_boot) has made. This module neither makes nor undoes them.
      type: list
      elements: str
code:
  description: Code of the failure. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: PREPARE_FAILED
hint:
  description: How to resolve the failure.
  returned: failure
  type: str
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.kernel_install import CMDLINE
from ansible_collections.fleet.kexec.plugins.module_utils._command import run_command
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._module import run_module
from ansible_collections.fleet.kexec.plugins.module_utils._paths import CONFIG_FILE
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.preparation import PARTS, Preparation, WantedPreparation
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.record import RESERVATIONS, PreparationRecord
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.watchdog import WatchdogWish, is_configured
from ansible_collections.fleet.kexec.plugins.module_utils._privileges import require_root

WATCHDOG = {"auto": None, "true": True, "false": False}


def wanted_of(params: Dict[str, Any]) -> WantedPreparation:
    return WantedPreparation(
        present=params["state"] == "present",
        parts=tuple(params["parts"]),
        packages=tuple(params["packages"]),
        reservations=tuple(params["reservations"]),
        watchdog=WatchdogWish(WATCHDOG[params["watchdog"]], params["watchdog_runtime"], params["watchdog_kexec"]),
    )


def told(record: PreparationRecord) -> Dict[str, Any]:
    return {
        "packages": [package.name for package in record.packages],
        "masked": list(record.masked),
        "watchdog": is_configured(record),
        "kernel_cmdline": CMDLINE in record.changes,
        "config_file": CONFIG_FILE in record.changes,
        "crashkernel": record.crashkernel,
        "cma": record.cma,
        "boot_parts": sorted(record.boot_parts),
    }


def work(module: AnsibleModule) -> Dict[str, Any]:
    require_root()
    wanted = wanted_of(module.params)
    preparation = Preparation(HostFiles(), run_command)
    found = preparation.look(wanted.parts)
    plan = preparation.plan(wanted, found)
    if not module.check_mode:
        preparation.apply(plan.steps)
    return {
        "changed": bool(plan.steps),
        "due": plan.due,
        "notes": [note.as_dict() for note in plan.notes],
        "debian_like": found.distribution.is_debian_like,
        "missing_packages": found.missing(wanted.packages),
        "remembered": told(found.record),
        "diff": plan.as_diff(),
    }


def main() -> None:
    argument_spec: Dict[str, Any] = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "parts": {"type": "list", "elements": "str", "choices": list(PARTS), "default": list(PARTS)},
        "packages": {"type": "list", "elements": "str", "default": []},
        "reservations": {"type": "list", "elements": "str", "choices": list(RESERVATIONS), "default": []},
        "watchdog": {"type": "str", "choices": list(WATCHDOG), "default": "auto"},
        "watchdog_runtime": {"type": "str", "default": "60s"},
        "watchdog_kexec": {"type": "str", "default": "5min"},
    }
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    run_module(module, lambda: work(module))


if __name__ == "__main__":
    main()
