#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: rolling_reboot
short_description: Reboot the hosts of a play, quickly and within a budget
version_added: 0.1.0
author:
  - fleet.kexec contributors (@fleet-kexec)
description:
  - Reboots the play's hosts as M(fleet.kexec.reboot) does, as many at a time as may be missing. As soon as one is back in
    service the next one goes, so that nobody waits for the slowest of a batch.
  - It is one task that runs once, for all hosts that the play has at that moment. It needs no fork for each host.
  - For each host, the image is staged while everything can still be undone. Then O(before) hooks drain it, the limits are
    checked once more, it is rebooted, how it came back is proven, and O(after) hooks say that it is healthy and take it back
    into service. Only then does it no longer count as missing.
  - Everything is written to a journal on the controller before it is acted on. A run whose controller was killed is taken up
    again with O(resume). Hosts that were on their way are asked what became of them, and none is rebooted twice.
  - If a limit of failures is reached, at O(deadline), or when the playbook is interrupted, nothing new starts. Hosts that are
    on their way are seen through, and what was staged or drained on others is undone.
extends_documentation_fragment:
  - fleet.kexec.attributes
  - fleet.kexec.attributes.action
  - fleet.kexec.image
  - fleet.kexec.policy
  - fleet.kexec.hooks
  - fleet.kexec.probe
  - fleet.kexec.lock
attributes:
  check_mode:
    support: full
    details: Is the plan. It says in which waves hosts would go, how long each is predicted to take and how long all of them,
      how many would be missing when, and which hosts would not be rebooted and why.
  diff_mode:
    support: none
options:
  method:
    description:
      - How hosts are rebooted, as O(fleet.kexec.reboot#module:method).
    type: str
    choices:
      - auto
      - kexec
      - firmware
    default: auto
  fallback:
    description:
      - What is done for a host that did not come back as it should.
      - V(none) leaves it to whoever looks after it. It has failed.
      - V(firmware) reboots a host that came back by kexec, but not as staged, once more through firmware.
      - V(power_hook) does that too, and calls O(power_hook) for a host that did not come back within O(reboot_timeout).
        It then has that time once more.
    type: str
    choices:
      - none
      - firmware
      - power_hook
    default: none
  power_hook:
    description:
      - A hook like those of O(before), or a list of them, that cycles the power of a host which does not come back. It is
        called once, with O(fallback=power_hook). It has to run on the controller.
    type: raw
  reboot_timeout:
    description: Seconds from the trigger until a host has to be back.
    type: int
    default: 600
    aliases:
      - reboot_timeout_sec
  connect_timeout:
    description: Seconds until an attempt to connect counts as failed. The connection plugin's own setting if omitted.
    type: int
    aliases:
      - connect_timeout_sec
  connections:
    description:
      - How many commands, modules and hooks are run at a time, over all hosts. Each takes a process or two on the controller.
        Hosts that are merely waited for take none.
    type: int
    default: 64
  msg:
    description: Message to users of a host before its reboot.
    type: str
    default: Reboot initiated by Ansible
  window:
    description:
      - How many hosts may be out at a time, a count or a percentage of the hosts to reboot. A host is out from the moment that
        it begins to be drained until it is back in service.
      - The next hosts are staged meanwhile, as many as the window has, so that this costs no time.
    type: raw
    default: 1
  domains:
    description:
      - In which failure domains a host is. A dictionary of dimensions (rack, zone) and the host's domain in each, templated for
        each host. See the examples.
    type: dict
  max_unavailable:
    description:
      - How many hosts of each domain may be unavailable. A dictionary of dimensions and amounts, which are counts or percentages
        of the hosts there (rounded down). The dimension C(all) is the whole fleet; a bare amount means that.
      - Hosts that are down for another reason count too. Those that failed earlier in the play, or could not be reached, count
        as down until they are seen up.
    type: raw
  min_available:
    description:
      - How many hosts of groups have to stay available. A dictionary of groups of the inventory and amounts, which are counts or
        percentages (rounded up). Members of a group that are not in the play count too; they are looked at every ten seconds.
    type: dict
  canaries:
    description:
      - Hosts that go first, before any other is touched. If one of them fails, or none could be rebooted, the rollout stops,
        whatever O(failure_budget) says.
      - C(count) is how many of the first hosts. C(each_host_class) (alias C(each_combination)) adds the first
        host of each O(host_class). C(soak) is how
        many seconds to wait before the others begin.
    type: dict
  host_class:
    description:
      - Name for the hardware and kernel of a host. Hosts of the same class are expected to behave alike, which matters to
        forecasts, O(canaries) and O(stop_on_regression). Templated for each host.
      - If omitted, product name and kernel release where facts have been gathered; else all hosts count as alike.
    type: str
    aliases: [combination]
  waves:
    description:
      - Sizes of the waves after the canaries, cumulative, as counts or percentages, such as V([1, 10%, 50%]). The rest is the
        last wave. A wave begins when every host of the one before it has ended, one way or the other.
    type: list
    elements: raw
  wave_soak:
    description: Seconds to wait after each wave but the last.
    type: float
    default: 0
  failure_budget:
    description:
      - How many hosts may fail, as a count or a percentage of the hosts to reboot. With one more nothing new starts.
      - For more, a dictionary of C(total) (as above), C(consecutive) (so many failures in a row) and C(each_domain) (by
        dimension, so many in each domain).
      - Hosts that can't be rebooted as asked, and so were not touched, are no failures here.
    type: raw
    default: 0
  order:
    description:
      - Who goes first. V(quickest) are the hosts that are predicted to take the least time, V(spread) takes one host of
        each domain in turn.
      - Hosts that others are reached through (C(ProxyJump), C(ProxyCommand) and C(-J) in their ssh arguments), and machines
        that hold the lock, go last in any case.
    type: str
    choices:
      - inventory
      - reverse
      - sorted
      - shuffle
      - quickest
      - spread
    default: inventory
  deadline:
    description:
      - Nothing starts that is not predicted to be back in service by then. Seconds from now, V(HH:MM), or a point in time as
        ISO 8601 writes it.
    type: str
  stop_on_regression:
    description:
      - Stop if a host was out for much longer than is usual for its O(host_class), by more than C(margin) (a percentage,
        V(50%) by default) over the p95 of at least C(samples) (5 by default) outages of earlier runs and this one.
      - Give V({}) for the defaults.
    type: dict
  stall_timeout:
    description:
      - How many seconds to wait for capacity that only somebody else can give back, if dead hosts take all that a limit allows.
    type: float
    default: 600
  failures:
    description:
      - Whether the task fails if a host was not rebooted as asked. As it is one task for all hosts, that ends the play for
        all of them.
      - With V(report) it does not. Have M(fleet.kexec.outcome) follow then, which fails the hosts that it concerns, and no
        others.
    type: str
    choices:
      - fail
      - report
    default: fail
  run_id:
    description: A name for the run. If omitted, one is made of the time.
    type: str
  run_directory:
    description:
      - Where journals are kept, a directory for each run. C(fleet.kexec/runs) below E(XDG_STATE_HOME), C(~/.local/state) if
        omitted. Earlier runs there are what forecasts are made from.
    type: path
  resume:
    description:
      - The run to go on with, by its name, or V(latest). The same options have to be given again; limits may differ.
      - Hosts that were done stay so, those that failed too, unless O(retry_failed) is given.
    type: str
  retry_failed:
    description: With O(resume), whether hosts that failed begin anew.
    type: bool
    default: false
requirements:
  - kexec-tools on the hosts, except for O(method=firmware)
notes:
  - Needs root on the hosts, so usually C(become=true). Connection and become settings are each host's own.
  - C(serial) is refused, because O(window) replaces it. C(throttle) and C(forks) have no meaning. The task runs once
    in any case; C(run_once=true) has what it registers there for every host.
  - Options that are templated for each host (O(domains), O(host_class), O(before), O(after), O(on_failure), O(power_hook),
    O(probe))
    are so before the rollout starts. A variable that is missing for one host refuses the whole of it.
  - The machine that runs the playbook is never rebooted.
  - With C(-v) every step of a host is shown, with C(-vv) what it consists of.
seealso:
  - module: fleet.kexec.reboot
  - module: fleet.kexec.outcome
"""

EXAMPLES = r"""
- name: Reboot web servers, two at a time, and stop at the first that fails
  hosts: web
  become: true
  gather_facts: false
  tasks:
    - name: Reboot
      fleet.kexec.rolling_reboot:
        window: 2

- name: Reboot a fleet by racks, with a canary, drained and checked
  hosts: web
  become: true
  gather_facts: false
  tasks:
    - name: Reboot
      fleet.kexec.rolling_reboot:
        window: 10%
        domains:
          rack: "{{ rack }}"
        max_unavailable:
          rack: 1
        min_available:
          web: 80%
        canaries:
          count: 1
          soak: 300
        failure_budget: 2%
        deadline: "06:00"
        before:
          - name: drain
            controller_command: [lbctl, drain, "{{ inventory_hostname }}"]
            timeout: 120
        after:
          - name: healthy
            http:
              url: "http://{{ inventory_hostname }}:8080/health"
            retries: 30
            delay: 2
          - name: undrain
            controller_command: [lbctl, undrain, "{{ inventory_hostname }}"]
        on_failure:
          - name: page
            controller_command: [pager, "{{ inventory_hostname }} did not come back from its reboot"]
        probe:
          url: "http://{{ inventory_hostname }}:8080/health"
        failures: report
      run_once: true
      register: rollout

    - name: Fail the hosts that failed
      fleet.kexec.outcome:
        run_id: "{{ rollout.run_id }}"

- name: Go on with a run whose controller was killed
  hosts: web
  become: true
  gather_facts: false
  tasks:
    - name: Reboot
      fleet.kexec.rolling_reboot:
        resume: latest
        window: 2

- name: Share five slots between controllers
  hosts: web
  become: true
  gather_facts: false
  tasks:
    - name: Reboot
      fleet.kexec.rolling_reboot:
        window: 5
        lock:
          backend: etcd
          name: web
          slots: 5
          endpoints: [https://etcd1.example:2379, https://etcd2.example:2379]
"""

RETURN = r"""
run_id:
  description: Name of the run.
  returned: unless refused, and not in check mode
  type: str
  sample: 20261124T150000Z-3fa1
journal:
  description: Path of its journal on the controller.
  returned: unless refused, and not in check mode
  type: str
  sample: /home/ops/.local/state/fleet.kexec/runs/20261124T150000Z-3fa1/journal.jsonl
counts:
  description: How many hosts ended how.
  returned: unless refused, and not in check mode
  type: dict
  sample: {done: 41, failed: 1, skipped: 8}
stopped:
  description: Why nothing new was started any more, with C(code), C(message) and C(hint). Null if all hosts had their turn.
  returned: unless refused, and not in check mode
  type: dict
hosts:
  description:
    - What became of each host, by its name. Beside C(status) and the reason for it, this is what M(fleet.kexec.reboot)
      returns, as far as it is known.
  returned: unless refused
  type: dict
  contains:
    status:
      description:
        - V(done), V(failed), V(refused) (it can't be rebooted as asked, and was not touched), V(skipped) (its turn never came),
          V(discarded) (it was prepared, and everything was undone).
        - In check mode V(planned) or V(refused), and how hosts of a run that is resumed have ended.
      type: str
      sample: done
    code:
      description: Why it is not V(done). The collection's documentation lists all codes.
      type: str
      sample: HOOK_FAILED
    msg:
      description: The particulars.
      type: str
    hint:
      description: What to do about it.
      type: str
    path:
      description: How it came back, V(kexec) or V(firmware).
      type: str
      sample: kexec
    proof:
      description: The signs that it booted what was staged, see M(fleet.kexec.reboot).
      type: dict
    outage_ms:
      description: Milliseconds from the last answer of its sshd to its first.
      type: int
      sample: 6120
    outage_error_ms:
      description: By how many milliseconds the outage may have been shorter.
      type: int
      sample: 104
    probe_seen_by:
      description: What O(probe) has probed, without credentials and query.
      type: str
      sample: tcp 443
    probe_outage_ms:
      description:
        - Milliseconds from the last good answer of the service of O(probe) to its first. Not there if it could not be told, or
          if the run was resumed meanwhile. C(notes) has the reason then.
      type: int
      sample: 7480
    probe_outage_error_ms:
      description: By how many milliseconds the outage of the service may have been shorter.
      type: int
      sample: 92
    elapsed_ms:
      description: Milliseconds that it was out, from the beginning of its drain until it was back in service.
      type: int
      sample: 9214
    down:
      description: For a host that failed, whether it has to be taken for down.
      type: bool
    predicted_ms:
      description: In check mode, how long each phase is predicted to take, C(p50) and C(p95), in milliseconds.
      type: dict
    predicted_jump_ms:
      description:
        - In check mode, and for a host that goes by kexec and has nothing staged yet, what the jump is predicted to take, as
          C(predicted_ms) of M(fleet.kexec.stage).
      type: dict
waves:
  description: In check mode, the waves, with C(name), C(hosts) and C(soak_s) of each.
  returned: check mode
  type: list
  elements: dict
forecast:
  description:
    - What was to be expected before it began, if no host fails. C(total_p50_s) and C(total_p95_s) are for the whole rollout,
      C(out_over_time) is how many hosts are out from when on, in seconds.
  returned: unless refused
  type: dict
duration_ms:
  description: How long it took.
  returned: unless refused, and not in check mode
  type: int
code:
  description: Why it failed. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: FAILURE_BUDGET_SPENT
hint:
  description: What to do about it.
  returned: failure
  type: str
"""
