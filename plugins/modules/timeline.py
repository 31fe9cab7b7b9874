#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: timeline
short_description: Where the time of this host's last reboot went
version_added: 0.1.0
author:
  - fleet.kexec contributors (@fleet-kexec)
description:
  - Lays on one axis what the system before left as it stopped, what this one knows of its beginning, and what the controller
    saw, and names the phases of the reboot in between, each with its source and its error.
  - What can't be measured is absent, never guessed. The guide to timelines in the collection's documentation says what each
    phase is, and when it is absent.
  - Keeps the timelines of the last 100 boots in C(/var/lib/fleet-kexec/history.jsonl) on the host.
  - M(fleet.kexec.reboot) and M(fleet.kexec.rolling_reboot) run it by themselves, and tell it what they saw. Run after a reboot
    that was made otherwise, it says what the host alone knows.
extends_documentation_fragment:
  - fleet.kexec.attributes
attributes:
  check_mode:
    support: full
    details: Makes the timeline, and keeps nothing.
  diff_mode:
    support: none
options:
  seen:
    description:
      - What the controller saw. Times are nanoseconds since 1970 by its clock, durations nanoseconds.
    type: dict
    default: {}
    suboptions:
      token:
        description: The token of the reboot.
        type: str
      boot_id_before:
        description: The boot_id of the boot that ended.
        type: str
      release_before:
        description: The release of its kernel.
        type: str
      host_class:
        description: Name for the hardware and kernel of the host, for comparisons.
        type: str
        aliases: [combination]
      clock_before:
        description: The host's clock minus the controller's, before the reboot.
        type: dict
        suboptions: &clock_suboptions
          offset_ns:
            description: The difference.
            type: int
            required: true
          error_ns:
            description: By how much that may be wrong, either way.
            type: int
            required: true
      clock_after:
        description: The same in this boot. Without it nothing else that has a time by the controller's clock can be used.
        type: dict
        suboptions: *clock_suboptions
      drain:
        description: Draining the host.
        type: dict
        suboptions: &span_suboptions
          start_ns:
            description: When it began.
            type: int
            required: true
          duration_ns:
            description: How long it lasted.
            type: int
            required: true
          error_ns:
            description: By how much it may have been shorter.
            type: int
            default: 0
          seen_by:
            description: What was asked for an answer, for an outage.
            type: str
            default: ""
      stage:
        description: Staging an image on it.
        type: dict
        suboptions: *span_suboptions
      outage:
        description: From the last answer of its sshd to the first.
        type: dict
        suboptions: *span_suboptions
      probe_outage:
        description: The same of a service.
        type: dict
        suboptions: *span_suboptions
      healthy_ns:
        description: When the host was found to be as it should.
        type: int
notes:
  - Needs root, so usually C(become=true).
seealso:
  - module: fleet.kexec.boot_facts
  - module: fleet.kexec.reboot
"""

EXAMPLES = r"""
- name: See how this host's last boot went
  fleet.kexec.timeline:
  become: true
  check_mode: true
  register: last_boot

- name: Show the phases
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.duration_ms }} ms, ± {{ item.error_ms }} ms"
  loop: "{{ last_boot.timeline.phases }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
timeline:
  description: The timeline of this boot.
  returned: success
  type: dict
  contains:
    boot_id:
      description: Of this boot.
      type: str
    boot_id_before:
      description: Of the boot before it. Null if nobody knows.
      type: str
    token:
      description: Of the reboot. Null if the collection had no part in it.
      type: str
    path:
      description: How it booted, V(kexec) or V(firmware).
      type: str
    release:
      description: Of this kernel.
      type: str
    release_before:
      description: Of the kernel before. Null if nobody knows.
      type: str
    host_class:
      description: Name for the hardware and kernel of the host, as it was given.
      type: str
    start:
      description: When the first phase began, UTC, by the controller's clock if that is known, else by the host's.
      type: str
      sample: "2026-11-24T19:00:00.123Z"
    clock:
      description: The host's clock minus the controller's, C(offset_ms), and by how much that may be wrong, C(error_ms).
        Null without a controller.
      type: dict
    agreement:
      description:
        - Of a kexec, where the old system's last stamp lies by the TSC minus where it lies by the clocks of host and
          controller, C(difference_ms), and how much of that their errors explain, C(error_ms).
        - Null where there is only one of the two ways.
      type: dict
      sample: {difference_ms: -3.217, error_ms: 41.022}
    phases:
      description: The phases in their order, each with C(name), C(start), C(start_ms) since the first of them, C(duration_ms),
        C(error_ms), C(source), and C(within), the phase that it is a part of.
      type: list
      elements: dict
    outage:
      description: From the last answer of the host's sshd to the first, as seen by the controller, C(seen_by) what. Null if
        nobody watched.
      type: dict
    probe_outage:
      description: The same of a service that was watched.
      type: dict
    units:
      description: The units that took longest to C(stop) and to C(start), ten each, with C(unit) and C(duration_ms).
      type: dict
    initcalls:
      description: The kernel's initcalls that took longest, with C(name) and C(duration_ms). Empty unless the kernel was booted
        with C(initcall_debug).
      type: list
      elements: dict
    notes:
      description: What was left out because it can't be, in words.
      type: list
      elements: str
"""

from typing import Any, Dict, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleet.kexec.plugins.module_utils._command import run_command
from ansible_collections.fleet.kexec.plugins.module_utils._host.boot_history import read_history, with_timeline, write_history
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.last_stop import drop_last_stop
from ansible_collections.fleet.kexec.plugins.module_utils._module import run_module
from ansible_collections.fleet.kexec.plugins.module_utils._privileges import require_root
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.axis import Offset
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.gathering import gather
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.timeline import Interval, Seen, assemble

_OFFSET = {"offset_ns": {"type": "int", "required": True}, "error_ns": {"type": "int", "required": True}}
_SPAN = {
    "start_ns": {"type": "int", "required": True},
    "duration_ns": {"type": "int", "required": True},
    "error_ns": {"type": "int", "default": 0},
    "seen_by": {"type": "str", "default": ""},
}
_WORDS = ("token", "boot_id_before", "release_before", "host_class")


def seen_spec() -> Dict[str, Any]:
    return {
        # It is on the command line of a kernel, and no secret.
        **{name: {"type": "str", "no_log": False} for name in ("token", "boot_id_before", "release_before")},
        "host_class": {"type": "str", "aliases": ["combination"]},
        **{name: {"type": "dict", "options": _OFFSET} for name in ("clock_before", "clock_after")},
        **{name: {"type": "dict", "options": _SPAN} for name in ("drain", "stage", "outage", "probe_outage")},
        "healthy_ns": {"type": "int"},
    }


def seen_by_controller(params: Dict[str, Any]) -> Seen:
    def offset(name: str) -> Optional[Offset]:
        return Offset(**params[name]) if params.get(name) else None

    def interval(name: str) -> Optional[Interval]:
        return Interval(**params[name]) if params.get(name) else None

    return Seen(
        **{name: params.get(name) for name in _WORDS},
        before=offset("clock_before"),
        after=offset("clock_after"),
        drain=interval("drain"),
        stage=interval("stage"),
        outage=interval("outage"),
        probe_outage=interval("probe_outage"),
        healthy_ns=params.get("healthy_ns"),
    )


def work(module: AnsibleModule) -> Dict[str, Any]:
    require_root()
    files = HostFiles()
    timeline = assemble(gather(files, run_command), seen_by_controller(module.params["seen"]))
    before = read_history(files)
    history, timeline = with_timeline(before, timeline)
    changed = history != before
    if changed and not module.check_mode:
        try:
            write_history(files, history)
            drop_last_stop(files)
        except OSError as error:
            changed = False
            module.warn("the timeline could not be kept: %s" % error)
    return {"changed": changed, "timeline": timeline}


def main() -> None:
    argument_spec = {"seen": {"type": "dict", "default": {}, "options": seen_spec()}}
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    run_module(module, lambda: work(module))


if __name__ == "__main__":
    main()
