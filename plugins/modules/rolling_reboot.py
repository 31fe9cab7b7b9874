#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: rolling_reboot
short_description: Reboot the hosts of a play quickly, within limits
version_added: 0.1.0
author: [fleet.kexec contributors (@fleet-kexec)]
description:
  - Reboots the play's hosts as M(fleet.kexec.reboot) does, as many concurrently as the limits allow. As soon as a host is back in
    service the next one starts, so no host waits for the slowest of a batch.
  - Runs as one task, once, for all hosts that the play has at that moment, and does not need a fork for each host.
  - For each host, the image is staged while everything can still be undone. Then the O(before) hooks drain it, the limits are
    checked again, the host is rebooted, the proof of its boot is checked, its machine is compared with what it was, and the
    O(after) hooks check its health and return it to service. Only then does it no longer count as unavailable.
  - Everything is written to a journal on the controller before it is acted on. O(resume) continues a run whose controller was
    killed. It asks hosts in flight what happened to them, and reboots none twice.
  - When a failure limit is reached, at O(deadline), or when the playbook is interrupted, nothing new starts. Hosts in flight are
    seen through, and staging and draining of others is undone.
extends_documentation_fragment:
  - fleet.kexec.attributes
  - fleet.kexec.attributes.action
  - fleet.kexec.attributes.action_group
  - fleet.kexec.image
  - fleet.kexec.policy
  - fleet.kexec.compare
  - fleet.kexec.hooks
  - fleet.kexec.probe
  - fleet.kexec.lock
attributes:
  action_group:
    membership: [fleet.kexec.journal, fleet.kexec.policy, fleet.kexec.rebooting, fleet.kexec.staging]
  bypass_host_loop:
    support: full
  check_mode:
    support: full
    details: Returns the plan, with the waves of hosts, the predicted time of each host and of all of them, the number of
      unavailable hosts over time, and which hosts would not be rebooted and why. Fails if there is none that would be rebooted.
  diff_mode:
    support: none
options:
  method:
    description:
      - How hosts are rebooted, as O(fleet.kexec.reboot#module:method).
      - With V(least), hosts on which nothing is pending are left out, as with O(only=pending).
    type: str
    choices: [auto, least, kexec, soft, firmware]
    default: auto
  only:
    description:
      - Hosts to reboot, of those that the play has.
      - V(all) reboots all of them.
      - V(pending) reboots those that need it, by the fact C(reboot_needed) of M(fleet.kexec.boot_facts), and reports the others
        as V(not_needed), which is a success without a change. They are found before the rollout, so that canaries, waves and
        percentages are of hosts that are rebooted. A host that cannot tell counts as in need.
    type: str
    choices: [all, pending]
    default: all
  fallback:
    description:
      - Recovery of a host that did not come back as it should.
      - V(none) leaves the host as it is. It has failed.
      - V(firmware) reboots a host that came back via kexec or softly, but not as it should, or not as the machine that it
        was (O(compare)), once more through firmware.
      - V(power_hook) also calls O(power_hook) for a host that did not come back within O(reboot_timeout), and then waits that
        long once more. Without a hook for each host, the rollout is refused.
    type: str
    choices: [none, firmware, power_hook]
    default: none
  power_hook:
    description: A hook like those of O(before), or a list of them, that power-cycles a host that does not come back. It is called
      once, with O(fallback=power_hook). A hook that runs on the host itself is refused.
    type: raw
  reboot_timeout:
    description: Seconds from the trigger until a host has to be back.
    type: int
    default: 600
    aliases: [reboot_timeout_sec]
  connect_timeout:
    description: Seconds after which a connection attempt fails. If omitted, the connection plugin's own setting.
    type: int
    aliases: [connect_timeout_sec]
  connections:
    description: Number of commands, modules and hooks that run concurrently, over all hosts. Each takes a process or two on the
      controller. Hosts that are only waited for take none. Looking at hosts that are not being rebooted takes an eighth of them
      at most.
    type: int
    default: 64
  reason:
    description:
      - Purpose of the run, such as V(kernel security update), for the journal and M(fleet.kexec.report).
      - A run that is resumed keeps its own if this is omitted.
    type: str
  ticket:
    description: Number of the change or ticket that the run belongs to, for the journal and M(fleet.kexec.report), as O(reason).
    type: str
  msg:
    description: Message to users of a host before its reboot.
    type: str
    default: Reboot initiated by Ansible
  window:
    description:
      - Number of hosts that may be in flight at once, as a count or a percentage of the hosts to reboot. A host is in flight from
        the beginning of its drain until it is back in service.
      - Meanwhile the next hosts are staged, as many as the window has, so that staging costs no time.
    type: raw
    default: 1
  domains:
    description: Failure domains of a host. A dictionary of dimensions (rack, zone) and the host's domain in each, templated for
      each host. See the examples.
    type: dict
  max_unavailable:
    description:
      - Number of hosts of each domain that may be unavailable. A dictionary of dimensions and limits, which are counts or
        percentages of the domain's hosts (rounded down). The dimension C(all) is the whole fleet; a bare limit applies to it.
      - Hosts that are unavailable for another reason count too. Hosts that failed earlier in the play, or could not be reached,
        count as down until they are seen up.
    type: raw
  min_available:
    description: Number of hosts of inventory groups that have to stay available. A dictionary of groups and limits, which are
      counts or percentages (rounded up). Members of a group that are not in the play count too; they are checked every ten
      seconds, or two of them each second.
    type: dict
  canaries:
    description:
      - Hosts that go before all others. If one of them fails, or none could be rebooted, the rollout stops, regardless of
        O(failure_budget).
      - C(count) is the number of hosts to take from the start of the order. C(each_host_class) (alias C(each_combination)) adds
        the first host of each O(host_class). C(soak) is the number of seconds to wait before the others begin; it needs one of
        the others.
      - C(unproven) adds so many hosts of each class that O(ledger) has not proven, a class being a host class with the kernels
        before and after the reboot. The hosts are asked for these before the rollout begins. The others of such a class go by
        kexec only if enough of these came back by kexec to prove it, or all of them; otherwise as if O(policy) had
        C(UNPROVEN=block).
    type: dict
  host_class:
    description:
      - Name for the hardware of a host, templated for each host. Hosts of the same class are expected to behave alike, which
        matters to forecasts, O(canaries), O(stop_on_regression) and O(ledger).
      - If omitted, machine, mainboard, firmware and drivers as the host tells them when it is prepared. Until then, they are
        those of the fact C(hardware) if M(fleet.kexec.boot_facts) has gathered it, those in the newest journal that has the host,
        or what M(ansible.builtin.setup) has gathered of them; otherwise all hosts are in one class.
    type: str
    aliases: [combination]
  waves:
    description: Cumulative sizes of the waves after the canaries, as counts or percentages (at least one host), such as
      V([1, 10%, 50%]). The remaining hosts are the last wave. A wave begins when every host of the previous one has ended,
      successfully or not.
    type: list
    elements: raw
  wave_soak:
    description: Seconds to wait after each wave but the last.
    type: float
    default: 0
  failure_budget:
    description:
      - Number of hosts that may fail, as a count or a percentage of the hosts to reboot. After one more failure nothing new
        starts.
      - For further limits, a dictionary of C(total) (as above), C(consecutive) (failures in a row) and C(each_domain) (by
        dimension, failures in each domain).
      - Hosts that cannot be rebooted as requested, and so were not touched, do not count as failures.
    type: raw
    default: 0
  order:
    description:
      - Order of the hosts. V(quickest) begins with the hosts that are predicted to take the least time, V(spread) takes one host
        of each domain in turn.
      - Hosts through which others are reached (C(ProxyJump), C(ProxyCommand) and C(-J) in their ssh arguments), hosts that hooks
        of others run on, and machines that hold the lock, always go last.
    type: str
    choices: [inventory, reverse, sorted, shuffle, quickest, spread]
    default: inventory
  deadline:
    description:
      - Time by which hosts have to be predicted to be back in service; no others start. Seconds from now, V(HH:MM), or a time in
        ISO 8601 format.
      - With O(resume), a deadline that the run was given before means the same time as then, even if that is past. If omitted,
        the last one that was given.
    type: str
  stop_on_regression:
    description:
      - Stop if a host's outage was much longer than is usual for its O(host_class), by more than C(margin) (a percentage, V(50%)
        by default) over the p95 of at least C(samples) (5 by default) outages of earlier runs and this one.
      - Give V({}) for the defaults.
    type: dict
  stall_timeout:
    description: Seconds to wait for capacity if hosts that are down take up all that a limit allows, or if others hold all slots
      of O(lock) and none changes hands.
    type: float
    default: 600
  ledger:
    description:
      - Path of the ledger, which has what was proven on which machines (M(fleet.kexec.ledger)). If omitted, C(ledger.json) in
        O(run_directory).
      - A host of a class that failed or came back degraded after a kexec goes by kexec only once someone has cleared the class
        (C(CLASS_FAILED)), and one of an unproven class is warned of (C(UNPROVEN)), unless O(policy) says otherwise.
      - The run adds to the ledger at its end. A ledger that is missing, damaged or not writable is warned of, and no reason for
        the run to fail.
    type: path
  proven_after:
    description: Number of reboots by kexec that went well after which a class of O(ledger) is proven.
    type: int
    default: 1
  failures:
    description:
      - Whether the task fails if a host was not rebooted as requested, or something that was begun could not be given back
        (C(DEBT_OWED)). As it is one task for all hosts, V(fail) ends the play for all of them.
      - With V(report) the task succeeds. Let M(fleet.kexec.outcome) follow, which fails only the hosts concerned.
    type: str
    choices: [fail, report]
    default: fail
  run_id:
    description: Name of a new run. If omitted, one is generated from the time. Cannot be combined with O(resume).
    type: str
  run_directory:
    description: Directory of the journals, with a subdirectory for each run. If omitted, C(fleet.kexec/runs) below
      E(XDG_STATE_HOME) or C(~/.local/state). Forecasts are based on earlier runs there.
    type: path
  resume:
    description:
      - Name of the run to continue, or V(latest).
      - Its hosts, waves, canaries and O(deadline) come from the journal, and so do O(method), O(only), O(kernel), O(initrd),
        O(cmdline), O(image), O(integrity), O(loader), O(kaslr), O(profile), O(canaries), O(waves), O(wave_soak) and O(order).
        They need not be given again; a value that is neither that of the journal nor the default is refused.
      - Limits, hooks and all other options are those that are given. If omitted, O(max_unavailable), O(min_available) and
        O(stop_on_regression) stay as they were. O(lock) has to be given again if the run had one.
      - Only hosts that the play has are rebooted. Other hosts of the run stay undecided and count for limits; if they are in
        flight, they are seen through, and if they are staged or drained, that is undone. Hosts of the play that the run does not
        have are left as they are.
      - Hosts that were done stay done. Those that failed stay failed unless O(retry_failed) is given.
      - If nothing is left to do, the task says so and changes nothing.
    type: str
  retry_failed:
    description: Whether hosts that failed start over, as far as the play has them. Needs O(resume).
    type: bool
    default: false
requirements:
  - kexec-tools on the hosts, except for O(method=firmware) and O(method=soft)
notes:
  - Needs root on the hosts, so usually C(become=true). Each host uses its own connection and become settings.
  - C(serial) is refused, because O(window) replaces it. C(throttle) and C(forks) have no effect. The task always runs once;
    C(run_once=true) registers its result for every host.
  - Conditions (C(when)) of the task and of everything around it are evaluated for each host, and so are the keywords for
    connections and the environment. But Ansible skips the task for all hosts if its C(when) does not hold for the first one;
    the role C(rolling_reboot) does not have this limit.
  - C(loop), C(until), C(retries), C(timeout), C(async) and C(delegate_to) are refused (C(KEYWORD_UNSUPPORTED)).
  - Options that are templated for each host (O(domains), O(host_class), O(before), O(after), O(on_failure), O(policy),
    O(power_hook), O(probe), O(probe_ssh), O(compare), O(settle)) are templated before the rollout starts. If a variable is
    missing for one host, the whole rollout is refused.
  - All other options hold for all hosts. If one of them is a template that has another value for another host, the whole rollout
    is refused.
  - The machine that runs the playbook is never rebooted.
  - Options that rule each other out are refused. Options that have no effect with the others are warned of, because group
    variables may hold settings that only some runs use.
  - With C(-v), each step of a host is shown, with C(-vv), its details.
seealso:
  - module: fleet.kexec.reboot
  - module: fleet.kexec.outcome
"""

EXAMPLES = r"""
- name: Reboot web servers, two at a time, and stop at the first failure
  hosts: web
  become: true
  gather_facts: false
  tasks:
    - name: Reboot
      fleet.kexec.rolling_reboot:
        window: 2

- name: Reboot a fleet by racks, with a canary, draining and health checks
  hosts: web
  become: true
  gather_facts: false
  tasks:
    - name: Reboot
      fleet.kexec.rolling_reboot:
        window: 10%
        domains: {rack: "{{ rack }}"}
        max_unavailable: {rack: 1}
        min_available: {web: 80%}
        canaries: {count: 1, soak: 300}
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
        run_id: "{{ rollout.run_id | default('') }}"

- name: Continue a run whose controller was killed
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
run_hooks:
  description: Outcome of each hook of O(run_before) and O(run_after), with C(hook), C(phase), C(attempts), C(ok), C(duration_ms)
    and C(message).
  returned: unless refused, and not in check mode
  type: list
  elements: dict
counts:
  description: Number of hosts by status.
  returned: unless refused, and not in check mode
  type: dict
  sample: {done: 41, failed: 1, skipped: 8}
stopped:
  description: Reason why nothing new was started, with C(code), C(message) and C(hint). Null if all hosts had their turn.
  returned: unless refused, and not in check mode
  type: dict
hosts:
  description: Outcome of each host, by its name. Besides C(status) and its reason, the return values of M(fleet.kexec.reboot),
    where known.
  returned: unless refused
  type: dict
  contains:
    needed:
      description: With O(only=pending) or O(method=least), reasons why the host needs the reboot, each with C(code), C(message)
        and C(hint).
      type: list
      elements: dict
    status:
      description:
        - V(done), V(not_needed) (with O(only=pending) or O(method=least), it needs no reboot), V(failed), V(refused) (it
          cannot be rebooted as requested, and was not touched), V(skipped) (its turn never came, or the play that resumed the run
          does not have it), V(discarded) (it was prepared, and everything was undone), V(unfinished) (something was begun on it,
          and it is no longer in the inventory).
        - V(not_selected) if the task's conditions leave it out, or a run that is resumed does not have it.
        - In check mode V(planned), V(not_needed) or V(refused), and for a resumed run, the status of hosts that have ended,
          V(skipped) for those that the play does not have, and V(unfinished) for those in flight.
      type: str
      sample: done
    code:
      description: Code of the reason why it is not V(done). The collection's documentation lists all codes.
      type: str
      sample: HOOK_FAILED
    msg:
      description: Details of the reason.
      type: str
    hint:
      description: How to resolve it.
      type: str
    path:
      description: Path by which the host came back, V(kexec), V(soft), V(firmware) or V(unknown).
      type: str
      sample: kexec
    proof:
      description: Signs that it rebooted as it should, see M(fleet.kexec.reboot).
      type: dict
    model:
      description: As RV(fleet.kexec.reboot#module:model).
      type: str
      sample: Example Inc. Server 9
    differences:
      description: As RV(fleet.kexec.reboot#module:differences), from the last comparison. With O(fallback), C(reasons) has what
        an earlier one found. Absent if the machine was not compared.
      type: list
      elements: dict
    outage_ms:
      description: As RV(fleet.kexec.reboot#module:outage_ms).
      type: int
      sample: 6120
    outage_error_ms:
      description: As RV(fleet.kexec.reboot#module:outage_error_ms).
      type: int
      sample: 104
    probe_seen_by:
      description: As RV(fleet.kexec.reboot#module:probe_seen_by).
      type: str
      sample: tcp 443
    probe_outage_ms:
      description: As RV(fleet.kexec.reboot#module:probe_outage_ms). Absent if it was not measured or if the run was resumed
        meanwhile; C(notes) then has the reason.
      type: int
      sample: 7480
    probe_outage_error_ms:
      description: As RV(fleet.kexec.reboot#module:probe_outage_error_ms).
      type: int
      sample: 92
    elapsed_ms:
      description: Milliseconds that the host was in flight, from the beginning of its drain until it was back in service.
      type: int
      sample: 9214
    down:
      description: For a failed host, whether it counts as down.
      type: bool
    owed:
      description: What was begun on the host, or is held for it, and could not be given back until the end of the run. Each has
        C(debt) (V(image), V(drain), V(slot) or V(panic)), C(code), C(message) and C(hint). A resume tries it again. Absent if
        there is nothing.
      type: list
      elements: dict
    predicted_ms:
      description: In check mode, predicted duration of each phase, C(p50) and C(p95), in milliseconds.
      type: dict
    auto:
      description: In check mode with O(method=least), the method that V(auto) would take; null if unknown. C(saves_s) has what is
        saved against it, unless it is the same.
      type: str
      sample: kexec
    saves_s:
      description: In check mode with O(method=least), seconds by which the outage is predicted to be shorter than by V(kexec) and
        V(firmware), or by any method if the host is not rebooted. Those that no run has measured for its host class are left out.
      type: dict
      sample: {kexec: 9.1, firmware: 74.0}
    predicted_jump_ms:
      description: In check mode, for a host that reboots via kexec and has nothing staged yet, the predicted duration of the
        jump, as C(predicted_ms) of M(fleet.kexec.stage).
      type: dict
owed:
  description: What is held for the run as a whole and could not be given back, as C(owed) of a host, with C(debt) V(lock).
  returned: unless refused, and not in check mode
  type: list
  elements: dict
waves:
  description: In check mode, the waves, with C(name), C(hosts) and C(soak_s) of each.
  returned: check mode
  type: list
  elements: dict
forecast:
  description: Forecast before the rollout began, assuming that no host fails. C(total_p50_s) and C(total_p95_s) are for the whole
    rollout, C(out_over_time) is the number of hosts in flight over time, in seconds.
  returned: unless refused, and if a resumed run has anything left to do
  type: dict
duration_ms:
  description: Duration of the run in milliseconds.
  returned: unless refused, and not in check mode
  type: int
code:
  description: Code of the failure. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: FAILURE_BUDGET_SPENT
hint:
  description: How to resolve the failure.
  returned: failure
  type: str
"""
