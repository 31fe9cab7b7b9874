#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: timeline
short_description: Break down the time of this host's last reboot
version_added: 0.1.0
author: [fleet.kexec contributors (@fleet-kexec)]
description:
  - Places records of the old system's shutdown, of the new system's boot, and observations of the controller on one time axis.
    Reports the phases of the reboot, each with its source and its error.
  - Phases that cannot be measured are absent, never guessed. The guide to timelines in the collection's documentation says what
    each phase is, and when it is absent.
  - Keeps the timelines of the last 100 boots in C(/var/lib/fleet-kexec/history.jsonl) on the host.
  - M(fleet.kexec.reboot) and M(fleet.kexec.rolling_reboot) run this module and pass it their observations. After any other
    reboot, it reports what the host alone knows.
extends_documentation_fragment: [fleet.kexec.attributes]
attributes:
  check_mode:
    support: full
    details: Returns the timeline without storing it.
  diff_mode:
    support: none
options:
  seen:
    description: Observations of the controller. Times are nanoseconds since 1970 by its clock, durations nanoseconds.
    type: dict
    default: {}
    suboptions:
      token:
        description: Token of the reboot.
        type: str
      boot_id_before:
        description: The boot_id of the boot that ended.
        type: str
      release_before:
        description: Release of its kernel.
        type: str
      host_class:
        description: Name for the hardware of the host, for comparisons.
        type: str
        aliases: [combination]
      run_id:
        description: Name of the run of M(fleet.kexec.rolling_reboot) that rebooted the host.
        type: str
      clock_before:
        description: The host's clock minus the controller's, before the reboot.
        type: dict
        suboptions: &clock_suboptions
          offset_ns:
            description: The difference.
            type: int
            required: true
          error_ns:
            description: Maximum error of the difference, in either direction.
            type: int
            required: true
      clock_after:
        description: The host's clock minus the controller's, in this boot. Without it, no time by the controller's clock can be
          used.
        type: dict
        suboptions: *clock_suboptions
      drain:
        description: Time in which the host was drained.
        type: dict
        suboptions: &span_suboptions
          start_ns:
            description: Time at which it began.
            type: int
            required: true
          duration_ns:
            description: Its duration.
            type: int
            required: true
          error_ns:
            description: By how much it may have been shorter.
            type: int
            default: 0
          seen_by:
            description: For an outage, the service that was probed.
            type: str
            default: ""
      stage:
        description: Time in which an image was staged.
        type: dict
        suboptions: *span_suboptions
      outage:
        description: Time from the last answer of the host's sshd before the reboot to its first answer after it.
        type: dict
        suboptions: *span_suboptions
      probe_outage:
        description: The same for a probed service.
        type: dict
        suboptions: *span_suboptions
      probe_port:
        description: TCP port of the probed service.
        type: int
      healthy_ns:
        description: Time at which the host was found to be healthy.
        type: int
notes:
  - Needs root, so usually C(become=true).
seealso:
  - module: fleet.kexec.boot_facts
  - module: fleet.kexec.reboot
"""

EXAMPLES = r"""
- name: Get the timeline of this host's last boot
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
  description: Timeline of this boot.
  returned: success
  type: dict
  contains:
    boot_id:
      description: The boot_id of this boot.
      type: str
    soft_reboots:
      description: Number of soft reboots since that boot.
      type: int
    boot_id_before:
      description: The boot_id of the previous system, which a soft reboot keeps. Null if unknown.
      type: str
    token:
      description: Token of the reboot. Null if this collection did not make the reboot.
      type: str
    path:
      description: How the running system came up, V(kexec), V(soft), V(firmware) or V(unknown).
      type: str
    release:
      description: Release of the kernel.
      type: str
    release_before:
      description: Release of the previous kernel. Null if unknown.
      type: str
    host_class:
      description: Name for the hardware of the host, as given.
      type: str
    run_id:
      description: Name of the run of M(fleet.kexec.rolling_reboot) that rebooted the host. Null if none did.
      type: str
    start:
      description: Time at which the first phase began, in UTC, by the controller's clock if known, otherwise by the host's.
      type: str
      sample: "2026-11-24T19:00:00.123Z"
    clock:
      description: The host's clock minus the controller's, C(offset_ms), and its maximum error, C(error_ms). Null without a
        controller.
      type: dict
    agreement:
      description: Agreement of the two methods that place the old system's last stamp after a kexec. C(difference_ms) is its
        place by the TSC minus its place by the clocks of host and controller, and C(error_ms) how much of that their errors
        explain. Null if only one method is available.
      type: dict
      sample: {difference_ms: -3.217, error_ms: 41.022}
    phases:
      description: Phases in order, each with C(name), C(start), C(start_ms) since the first one, C(duration_ms), C(error_ms),
        C(source), and C(within), the phase that contains it.
      type: list
      elements: dict
    outage:
      description: Time from the last answer of the host's sshd to the first, as the controller observed it, with the probed
        service in C(seen_by). Null if not observed.
      type: dict
    probe_outage:
      description: The same for a probed service.
      type: dict
    units:
      description: The ten units that took longest to C(stop) and to C(start), each with C(unit) and C(duration_ms).
      type: dict
    initcalls:
      description: The kernel's slowest initcalls, with C(name) and C(duration_ms). Empty unless the kernel was booted with
        C(initcall_debug).
      type: list
      elements: dict
    findings:
      description: As RV(findings), without C(title), C(hint), C(risk) and C(prepare_boot), which follow from the code.
      type: list
      elements: dict
    gain_ms:
      description: Time that all findings together would save. Time that several of them would save counts once, so this is less
        than their sum.
      type: float
      sample: 2031.5
    boot_parts:
      description: Parts of M(fleet.kexec.prepare_boot) that this reboot had, as far as they have not been undone since.
      type: list
      elements: str
      sample: [initrd, quiet]
    chains:
      description: Critical chains to the unit that sets up the C(network), to sshd, C(ssh), and to the unit of the probed
        service, C(probe). Each is a list of units that had to wait for the one before, with C(unit), C(start_ms) and
        C(duration_ms). Empty if the unit is not known.
      type: dict
    notes:
      description: Explanations of what was left out because it contradicts the rest, and of what findings lack evidence for.
      type: list
      elements: str
findings:
  description: What would have shortened the outage, the largest gain first. The guide to shorter outages in the collection's
    documentation says how each gain is calculated.
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description: Kind of the finding.
      type: str
      sample: STOP_TIMEOUT
    title:
      description: The kind in words.
      type: str
      sample: Units killed at their stop timeout
    time_ms:
      description: Time of the outage that was measured for it.
      type: float
      sample: 7500.0
    gain_ms:
      description: Time that the outage would have been shorter. Null if that can't be told from this host.
      type: float
      sample: 2500.0
    basis:
      description: Meaning of C(gain_ms), V(measured), V(modelled) under an assumption that the documentation names, or V(at_most)
        if it is up to the unit or device how much of it can be saved. Null without a gain.
      type: str
      sample: measured
    phases:
      description: The gain by phase.
      type: dict
      sample: {stop_units: 2500.0}
    evidence:
      description: What it is based on, at most five pieces, the longest time first. Each has C(ms), one of C(unit), C(device),
        C(interface), C(initcall), C(file) and C(message), and possibly a C(note).
      type: list
      elements: dict
      sample: [{unit: db.service, ms: 7500.0, note: its stop timeout passed}]
    hint:
      description: What to do about it.
      type: str
      sample: Find out why they do not stop, or set TimeoutStopSec=5s for them.
    risk:
      description: What that risks.
      type: str
      sample: A unit that is killed earlier may lose what it had not written yet.
    prepare_boot:
      description: Part of the boot's preparation that would do it. Null if nothing there can.
      type: str
      sample: stop_timeout
"""

from typing import Any, Dict, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleet.kexec.plugins.module_utils._command import run_command
from ansible_collections.fleet.kexec.plugins.module_utils._finding_kinds import explained
from ansible_collections.fleet.kexec.plugins.module_utils._findings.analysis import analyse
from ansible_collections.fleet.kexec.plugins.module_utils._findings.gathering import gather_evidence
from ansible_collections.fleet.kexec.plugins.module_utils._host.boot_history import read_history, with_timeline, write_history
from ansible_collections.fleet.kexec.plugins.module_utils._host.boot_parts import read_boot_parts
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
_WORDS = ("token", "boot_id_before", "release_before", "host_class", "run_id")


def seen_spec() -> Dict[str, Any]:
    return {
        # The token is on a kernel command line, so it is no secret.
        **{name: {"type": "str", "no_log": False} for name in ("token", "boot_id_before", "release_before")},
        "host_class": {"type": "str", "aliases": ["combination"]},
        "run_id": {"type": "str"},
        **{name: {"type": "dict", "options": _OFFSET} for name in ("clock_before", "clock_after")},
        **{name: {"type": "dict", "options": _SPAN} for name in ("drain", "stage", "outage", "probe_outage")},
        **{name: {"type": "int"} for name in ("healthy_ns", "probe_port")},
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
        probe_port=params.get("probe_port"),
    )


def work(module: AnsibleModule) -> Dict[str, Any]:
    require_root()
    files = HostFiles()
    reading = gather(files, run_command)
    seen = seen_by_controller(module.params["seen"])
    timeline = assemble(reading, seen)
    evidence = gather_evidence(files, run_command, reading, seen.probe_port)
    timeline.update(analyse(reading, evidence, timeline))
    made_in = read_boot_parts(files).items()
    timeline["boot_parts"] = sorted(part for part, boot_id in made_in if boot_id.replace("-", "") != reading.system.boot_id)
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
    return {"changed": changed, "timeline": timeline, "findings": explained(timeline.get("findings"))}


def main() -> None:
    argument_spec = {"seen": {"type": "dict", "default": {}, "options": seen_spec()}}
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    run_module(module, lambda: work(module))


if __name__ == "__main__":
    main()
