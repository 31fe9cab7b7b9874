# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that are lists of hooks."""

from __future__ import annotations


class ModuleDocFragment:
    """Hooks around the reboot of each host."""

    # The three options have the same suboptions, hence an anchor and its aliases.
    DOCUMENTATION = r"""
options:
  before:
    description:
      - Hooks that run one after the other before a host is rebooted, to drain it or to silence its alerts.
      - A hook does exactly one of O(before[].command), O(before[].controller_command), O(before[].http) and O(before[].module).
        Its variables are those of the host.
      - If one fails and has no retries left, the host is not rebooted, and the hooks of O(after) run.
      - No hook runs in check mode.
      - Commands find in their environment E(FLEET_KEXEC_HOST), E(FLEET_KEXEC_RUN_ID), E(FLEET_KEXEC_PHASE) (V(before), V(after),
        V(on_failure) or V(power_hook)), E(FLEET_KEXEC_METHOD) (V(kexec) or V(firmware), empty until it is known), and
        E(FLEET_KEXEC_JOURNAL), the path of the journal on the controller. Those of O(on_failure) also find
        E(FLEET_KEXEC_CODE) and E(FLEET_KEXEC_MESSAGE), which say why the host failed; for others they are empty. On hosts, all of
        them can be seen in the process list.
      - When the playbook is interrupted, hooks of O(before) are given up at once and the host is put back as it was. All others
        have 60 seconds for each host and phase, retries included; those of O(on_failure) are not retried.
      - Output of hooks is shown and kept in the journal. Headers, request bodies, passwords, and arguments of modules and
        commands are not.
    type: list
    elements: dict
    default: []
    suboptions: &hook
      name: &hook_name
        description: Name of the hook in output and journal, unique within an option. If omitted, a short description of what it
          does, without arguments.
        type: str
      command: &hook_command
        description:
          - A program and its arguments, run on the host with the host's own connection and become. It succeeds if it exits with
            0.
          - It runs without a shell. Use V([sh, -c, ...]) for one.
          - A command that exceeds the timeout keeps running on the host, so limit a command that may hang there, as V([timeout,
            "30", ...]) does.
        type: list
        elements: str
      controller_command: &hook_controller_command
        description:
          - A program and its arguments, run on the controller by the user that runs the playbook. It succeeds if it exits with 0.
          - It runs without a shell, input or terminal. At its timeout, or when its time after an interrupt is over, it is killed
            with all its children.
        type: list
        elements: str
      http: &hook_http
        description:
          - A request from the controller. It succeeds if the response is as expected.
          - Redirects are not followed. Proxies are taken from the environment (C(http_proxy), C(https_proxy), C(no_proxy)).
        type: dict
        suboptions:
          url:
            description: Address, beginning with V(http://) or V(https://), without credentials.
            type: str
            required: true
          method:
            description: Method of the request.
            type: str
            choices: [GET, HEAD, POST, PUT, PATCH, DELETE]
            default: GET
          status:
            description: Expected status, or a list of acceptable ones.
            type: list
            elements: int
            default: [200]
          headers:
            description: Headers to send.
            type: dict
          body:
            description: Body to send. Text is sent as it is, in UTF-8. A dictionary or a list is sent as JSON, with a matching
              C(Content-Type) unless O(before[].http.headers) sets it.
            type: raw
          validate_certs:
            description: Whether the certificate of the server has to be valid.
            type: bool
            default: true
          ca_path:
            description: PEM file with the certificates of the only authorities to trust, instead of the controller's own. Python
              3.13 and later want them to keep to RFC 5280 (docs/locks.md, section Private CAs).
            type: path
          username:
            description: User for basic authentication, which is sent with the first request.
            type: str
          password:
            description: Password for basic authentication.
            type: str
          contains:
            description: Text that the body of the response has to contain within its first MiB.
            type: str
      module: &hook_module
        description: A module, which succeeds if it does not fail. Modules that do their work in an action plugin on the
          controller, such as M(ansible.builtin.template), are not supported.
        type: dict
        suboptions:
          name:
            description: Name of the module.
            type: str
            required: true
          args:
            description: Options of the module.
            type: dict
            default: {}
      run_on:
        description:
          - Where the command of O(before[].command) or the module of O(before[].module) runs. V(host) is the host itself.
            V(controller), for modules only, is the controller. Anything else is the name of a host of the inventory, such as a
            load balancer.
          - Hosts of the inventory are used with their own connection and become. Those that are rebooted by the same run go last.
        type: str
        default: host
      timeout: &hook_timeout
        description: Seconds after which an attempt fails.
        type: float
        default: 60.0
      retries: &hook_retries
        description: Number of retries after a failure.
        type: int
        default: 0
      delay: &hook_delay
        description: Seconds between two attempts.
        type: float
        default: 1.0
  after:
    description:
      - Hooks that run one after the other once a host is rebooted and its boot is proven, to check its health and to return it to
        service. The host counts as available again only when all of them have succeeded.
      - They also run for a host for which hooks of O(before) ran and which is not rebooted after all.
    type: list
    elements: dict
    default: []
    suboptions: *hook
  on_failure:
    description: Hooks that run one after the other when a host has failed, to alert someone or to keep the host out of service.
      Failures of these hooks are reported and have no other effect.
    type: list
    elements: dict
    default: []
    suboptions: *hook
  run_before:
    description:
      - Hooks that run one after the other once per run before any host is touched, to announce it or to silence alerts. Their
        variables are those of the first host of the play.
      - If one fails and has no retries left, no host is begun and the run stops with C(HOOK_FAILED). The hooks of O(run_after)
        run all the same.
      - They run again when the run is resumed. If one fails then, hosts that are in flight are still seen through.
      - In the environment of commands, E(FLEET_KEXEC_HOST) and E(FLEET_KEXEC_METHOD) are empty.
    type: list
    elements: dict
    default: []
    suboptions: &run_hook
      name: *hook_name
      command: *hook_command
      controller_command: *hook_controller_command
      http: *hook_http
      module: *hook_module
      timeout: *hook_timeout
      retries: *hook_retries
      delay: *hook_delay
      run_on:
        description: Where the command of O(run_before[].command), which needs it, or the module of O(run_before[].module) runs.
          V(controller), which is for modules only and their default, or the name of a host of the inventory.
        type: str
  run_after:
    description:
      - Hooks that run one after the other at the end of the run, however it ends, after an interrupt too; then they have 60
        seconds in all. Only a controller that is killed does not run them; a resume does, at its end.
      - In the environment of commands, E(FLEET_KEXEC_CODE) and E(FLEET_KEXEC_MESSAGE) say why the run stopped. They are empty if
        all hosts had their turn.
      - Failures of these hooks are shown, and returned in RV(run_hooks). They do not prevent the others and have no other effect.
    type: list
    elements: dict
    default: []
    suboptions: *run_hook
"""
