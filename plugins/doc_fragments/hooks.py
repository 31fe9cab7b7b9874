# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that are lists of hooks, shared by everything that runs them around a reboot."""

from __future__ import annotations


class ModuleDocFragment:
    """What is done around a reboot of each host."""

    # The suboptions of the three are the same: an anchor and its aliases.
    DOCUMENTATION = r"""
options:
  before:
    description:
      - Hooks that run one after the other before a host is rebooted, to drain it or to silence its alerts.
      - A hook does exactly one of O(before[].command), O(before[].controller_command), O(before[].http) and
        O(before[].module). Variables in it are those of the host.
      - When one fails for good, the host is not rebooted, and the hooks of O(after) run.
      - No hook runs in check mode.
      - What hooks say is shown and kept in the journal. Headers, the body of a request, passwords and arguments of modules are
        not, nor are arguments of commands.
    type: list
    elements: dict
    default: []
    suboptions: &hook
      name:
        description:
          - What it is called in output and journal. Names are unique within an option.
          - If omitted, what it does, in a few words, without arguments.
        type: str
      command:
        description:
          - A program and its arguments, run on the host with the host's own connection and become. It succeeds if it exits
            with 0.
          - There is no shell. Say V([sh, -c, ...]) to have one.
          - What outlasts the timeout is left alone on the host, so a command that may hang is better bounded there,
            as V([timeout, "30", ...]) does.
        type: list
        elements: str
      controller_command:
        description:
          - A program and its arguments, run on the controller by the user that runs the playbook. It succeeds if it exits
            with 0.
          - There is no shell, no input and no terminal. At its timeout, or when the rollout is interrupted, it is killed with
            all its children.
        type: list
        elements: str
      http:
        description:
          - A request from the controller. It succeeds if what is answered is as expected.
          - Redirects are not followed. A proxy is taken from the environment (C(http_proxy), C(https_proxy), C(no_proxy)).
        type: dict
        suboptions:
          url:
            description: Address, beginning with V(http://) or V(https://), without credentials.
            type: str
            required: true
          method:
            description: Method of the request.
            type: str
            choices:
              - GET
              - HEAD
              - POST
              - PUT
              - PATCH
              - DELETE
            default: GET
          status:
            description: Status that has to be answered, or several of which one has to be.
            type: list
            elements: int
            default:
              - 200
          headers:
            description: Headers to send.
            type: dict
          body:
            description:
              - What to send.
              - Text is sent as it is, in UTF-8. A dictionary or a list is sent as JSON, with C(Content-Type) set accordingly
                unless it is among the headers.
            type: raw
          validate_certs:
            description: Whether the certificate of the server has to be valid.
            type: bool
            default: true
          ca_path:
            description: PEM file with the certificates of the only authorities to trust, instead of the controller's own.
            type: path
          username:
            description: For basic authentication, which is sent with the first request.
            type: str
          password:
            description: Goes with the username.
            type: str
          contains:
            description: Text that has to be in the body of what is answered, within its first MiB.
            type: str
      module:
        description:
          - A module. It succeeds if it does not fail.
          - It has to be a module itself. What does its work in an action plugin on the controller, such as
            M(ansible.builtin.template), can't be run here.
        type: dict
        suboptions:
          name:
            description: Name of the module.
            type: str
            required: true
          args:
            description: Its options.
            type: dict
            default: {}
          run_on:
            description: Whether it runs on the host, with the host's own connection and become, or on the controller.
            type: str
            choices:
              - host
              - controller
            default: host
      timeout:
        description: Seconds after which an attempt has failed.
        type: float
        default: 60.0
      retries:
        description: How often it is tried again after a failure.
        type: int
        default: 0
      delay:
        description: Seconds between two attempts.
        type: float
        default: 1.0
  after:
    description:
      - Hooks that run one after the other once a host was rebooted and proven to run what it should, to check its health and
        to bring it back into service. Only when all of them succeeded does the host count as available again.
      - They also run for a host that hooks of O(before) ran for and that is not rebooted after all.
    type: list
    elements: dict
    default: []
    suboptions: *hook
  on_failure:
    description:
      - Hooks that run one after the other when a host has failed, to tell somebody or to keep it out of service.
      - Those that fail are reported, and change nothing else.
    type: list
    elements: dict
    default: []
    suboptions: *hook
"""
