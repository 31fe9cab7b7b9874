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
  - Makes some changes itself. It masks the init scripts of old kexec-tools, configures systemd to feed a hardware watchdog, and
    keeps kernel-install from copying arguments that were meant for one boot.
  - For packages, C(/etc/fleet-kexec.conf) and reserved memory, which other tasks change, it records the previous state first.
  - Each change is recorded in C(/var/lib/fleet-kexec/prepared.json) before it is made, and undone with O(state=absent). An
    interrupted run can be repeated or undone.
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
      - V(absent) restores it. Undo the changes of other tasks, V(packages) and V(reservation) in O(parts), beforehand; this
        module only drops their records.
    type: str
    choices: [present, absent]
    default: present
  parts:
    description:
      - Parts of the preparation to process.
      - V(init_scripts) masks C(kexec.service) and C(kexec-load.service) where Debian's kexec-tools has them as init scripts
        (before 1:2.0.27), or may bring them when it is installed. One runs C(kexec -e) in the middle of a shutdown, the other
        loads a kernel before every reboot. Other units of these names are left alone.
      - V(packages) records which of O(packages) are not installed, and which packages were installed with them
        (O(installed_before)). Only on Debian and derivatives.
      - V(kernel_cmdline) writes C(/etc/kernel/cmdline) on hosts that boot by systemd-boot with kernel-install and have no such
        file. Otherwise, kernels installed later would get the running kernel's command line, which after a kexec contains
        arguments that were meant for one boot. The file gets the arguments of the default boot entry.
      - V(watchdog) configures systemd to feed the hardware watchdog and to leave it running across a kexec.
        C(/etc/systemd/system.conf.d/fleet-kexec.conf) takes effect immediately. C(/etc/modprobe.d/fleet-kexec.conf) keeps the
        kernel from stopping the watchdog at a reboot, and takes effect when the module is next loaded; it is added to every
        initramfs of initramfs-tools that contains the watchdog's module.
      - V(config_file) records C(/etc/fleet-kexec.conf), and restores it.
      - V(reservation) records which of O(reservations) are made.
    type: list
    elements: str
    choices: [init_scripts, packages, kernel_cmdline, watchdog, config_file, reservation]
    default: [init_scripts, packages, kernel_cmdline, watchdog, config_file, reservation]
  packages:
    description: Packages that another task installs where they are missing.
    type: list
    elements: str
    default: []
  installed_before:
    description: Packages that were installed before that task (RV(installed_packages)). All packages installed since are
      recorded.
    type: list
    elements: str
  reservations:
    description: Memory that another task reserves.
    type: list
    elements: str
    choices: [crashkernel, cma]
    default: []
  watchdog:
    description:
      - Whether systemd feeds the hardware watchdog.
      - V(auto) means V(true) on hosts that have a watchdog which nothing else feeds.
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
installed_packages:
  description: All installed packages. Empty if unknown, or if none of O(parts) concerns packages.
  returned: success
  type: list
  elements: str
remembered:
  description: Changes that had been made to prepare the host before this task.
  returned: success
  type: dict
  contains:
    packages:
      description: Packages that were missing, and those installed with them.
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
      description: Whether C(/etc/fleet-kexec.conf) may have been written.
      type: bool
    crashkernel:
      description: Whether memory was reserved for a crash kernel.
      type: bool
    cma:
      description: Whether memory was reserved for CMA.
      type: bool
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

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.changes import as_diff
from ansible_collections.fleet.kexec.plugins.module_utils._command import run_command
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._module import run_module
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.preparation import PARTS, Preparation, WantedPreparation
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.record import RESERVATIONS, PreparationRecord
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.watchdog import WatchdogWish
from ansible_collections.fleet.kexec.plugins.module_utils._privileges import require_root

WATCHDOG = {"auto": None, "true": True, "false": False}


def wanted_of(params: Dict[str, Any]) -> WantedPreparation:
    before = params["installed_before"]
    return WantedPreparation(
        present=params["state"] == "present",
        parts=tuple(params["parts"]),
        packages=tuple(params["packages"]),
        installed_before=tuple(before) if before is not None else None,
        reservations=tuple(params["reservations"]),
        watchdog=WatchdogWish(WATCHDOG[params["watchdog"]], params["watchdog_runtime"], params["watchdog_kexec"]),
    )


def told(record: PreparationRecord) -> Dict[str, Any]:
    return {
        "packages": list(record.packages),
        "masked": list(record.masked),
        "watchdog": record.watchdog,
        "kernel_cmdline": bool(record.cmdline_sha256),
        "config_file": record.config_file is not None,
        "crashkernel": record.crashkernel,
        "cma": record.cma,
    }


def work(module: AnsibleModule) -> Dict[str, Any]:
    require_root()
    wanted = wanted_of(module.params)
    preparation = Preparation(HostFiles(), run_command)
    found = preparation.look(wanted.parts)
    steps = preparation.plan(wanted, found)
    if not module.check_mode:
        preparation.apply(steps)
    return {
        "changed": bool(steps),
        "due": [step.part for step in steps],
        "debian_like": found.distribution.is_debian_like,
        "missing_packages": found.missing(wanted.packages),
        "installed_packages": list(found.installed or ()),
        "remembered": told(found.record),
        "diff": as_diff(
            [change for step in steps for change in step.changes], [command for step in steps for command in step.commands]
        ),
    }


def main() -> None:
    argument_spec: Dict[str, Any] = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "parts": {"type": "list", "elements": "str", "choices": list(PARTS), "default": list(PARTS)},
        "packages": {"type": "list", "elements": "str", "default": []},
        "installed_before": {"type": "list", "elements": "str"},
        "reservations": {"type": "list", "elements": "str", "choices": list(RESERVATIONS), "default": []},
        "watchdog": {"type": "str", "choices": list(WATCHDOG), "default": "auto"},
        "watchdog_runtime": {"type": "str", "default": "60s"},
        "watchdog_kexec": {"type": "str", "default": "5min"},
    }
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    run_module(module, lambda: work(module))


if __name__ == "__main__":
    main()
