#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: preparation
short_description: Configure a host for reboots by kexec, and remember how it was
version_added: 0.1.0
author:
  - fleet.kexec contributors (@fleet-kexec)
description:
  - Does for the role P(fleet.kexec.prepare#role) what takes knowledge of the host, in as few runs as possible. It can be used
    without the role.
  - Of the parts of a preparation it makes some by itself. It masks init scripts that come with old kexec-tools, has systemd
    feed a hardware watchdog, and sees to it that kernel-install never takes arguments over that were meant for one boot.
  - Of the others, packages, C(/etc/fleet-kexec.conf) and reserved memory, it remembers what there was, before another task
    changes it.
  - What was changed is kept in C(/var/lib/fleet-kexec/prepared.json) before it is changed, and is changed back with
    O(state=absent). A run that was interrupted can be repeated, or undone just as well.
  - In check mode it tells all there is to know and to do (RV(due)), which is how the role begins.
extends_documentation_fragment:
  - fleet.kexec.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  state:
    description:
      - V(present) prepares the host.
      - V(absent) puts it back. What other tasks have changed, V(packages) and V(reservation) in O(parts), has to be changed back
        before, and is only forgotten.
    type: str
    choices:
      - present
      - absent
    default: present
  parts:
    description:
      - What to see to.
      - V(init_scripts) masks C(kexec.service) and C(kexec-load.service), where Debian's kexec-tools has them as init scripts
        (before 1:2.0.27), or may bring them once it is installed. One runs C(kexec -e) in the middle of a shutdown, the other
        loads a kernel before every reboot. Units of these names that are somebody's own are left alone.
      - V(packages) remembers those of O(packages) that are not installed, and what came with them (O(installed_before)). On
        Debian and its kin only.
      - V(kernel_cmdline) writes C(/etc/kernel/cmdline) on hosts that boot by systemd-boot with kernel-install and have no such
        file. Kernels that are installed later would get the running kernel's command line, and after a kexec that has
        arguments on it that were meant for one boot. The file gets what the bootloader boots by default.
      - V(watchdog) has systemd feed the hardware watchdog, and leave it running over a kexec. Its files are
        C(/etc/systemd/system.conf.d/fleet-kexec.conf), which counts at once, and C(/etc/modprobe.d/fleet-kexec.conf), which
        has the kernel not stop the watchdog at a reboot and counts when the module is loaded next. The latter is put into
        every initramfs of initramfs-tools that has the watchdog's module.
      - V(config_file) remembers C(/etc/fleet-kexec.conf), and puts it back.
      - V(reservation) remembers which of O(reservations) are made here.
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
    description: The packages that were installed before that (RV(installed_packages)). All that are new by now are remembered.
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
      - V(auto) is V(true) where the host has one that nobody else feeds.
      - V(false) takes back what was configured here.
    type: str
    choices: [auto, "true", "false"]
    default: auto
  watchdog_runtime:
    description: C(RuntimeWatchdogSec) of systemd-system.conf(5), how long systemd may stay silent.
    type: str
    default: 60s
  watchdog_kexec:
    description: C(KExecWatchdogSec) of systemd-system.conf(5), how long a kexec may take until the new system feeds it.
    type: str
    default: 5min
notes:
  - Needs root, so usually C(become=true).
seealso:
  - module: fleet.kexec.fast_image
  - module: fleet.kexec.reservation
"""

EXAMPLES = r"""
- name: Have the hardware watchdog fed, and left running over a kexec
  fleet.kexec.preparation:
    parts: watchdog
    watchdog_runtime: 30s
  become: true

- name: See what is still to be done, and what was changed so far
  fleet.kexec.preparation:
    packages: [kexec-tools]
  check_mode: true
  become: true
  register: preparation

- name: Put back what was changed for the watchdog
  fleet.kexec.preparation:
    state: absent
    parts: watchdog
  become: true
"""

RETURN = r"""
due:
  description: Parts that had to be seen to, or have to be in check mode, in this order.
  returned: success
  type: list
  elements: str
  sample: [watchdog]
debian_like:
  description: Whether the host is a Debian or one of its kin, so that its packages are known here.
  returned: success
  type: bool
missing_packages:
  description: Those of O(packages) that are not installed. Empty where that is not known.
  returned: success
  type: list
  elements: str
  sample: [kexec-tools]
installed_packages:
  description: All that are installed. Empty where that is not known, or where O(parts) has nothing to do with packages.
  returned: success
  type: list
  elements: str
remembered:
  description: What had been changed on the host to prepare it, before this task.
  returned: success
  type: dict
  contains:
    packages:
      description: Packages that were missing, and what came with them.
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
  description: Why it failed. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: PREPARE_FAILED
hint:
  description: What to do about it.
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
