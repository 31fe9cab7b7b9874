#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: stage
short_description: Load a kernel for the next kexec, or unload it
version_added: 0.1.0
author: [fleet.kexec contributors (@fleet-kexec)]
description:
  - Loads a kernel, its initrd and a command line into memory with kexec-tools, for a reboot via kexec to start. Nothing else
    about the host changes, and unloading undoes it.
  - Staging an image that is already staged changes nothing. An image that something else loaded is replaced.
  - A loaded image turns later reboots of the host into kexecs, including those by C(reboot), C(shutdown -r) and
    M(ansible.builtin.reboot). Unstage it if plans change.
  - If loading fails, no image is loaded afterwards, even if one was before.
extends_documentation_fragment:
  - fleet.kexec.attributes
  - fleet.kexec.image
  - fleet.kexec.policy
  - fleet.kexec.attributes.action_group
attributes:
  action_group:
    membership: [fleet.kexec.policy, fleet.kexec.staging]
  check_mode:
    support: full
    details: Performs all checks that do not require loading.
  diff_mode:
    support: full
options:
  state:
    description:
      - V(staged) loads the image.
      - V(unstaged) unloads any loaded image, whatever loaded it. The other options then have no effect.
    type: str
    choices: [staged, unstaged]
    default: staged
requirements:
  - kexec-tools on the host
notes:
  - Needs root, so usually C(become=true).
  - After every load, the module checks that the kernel really holds an image, and does not rely on kexec-tools.
seealso:
  - module: fleet.kexec.fast_image
  - module: fleet.kexec.reboot
  - module: fleet.kexec.boot_facts
"""

EXAMPLES = r"""
- name: Load what the bootloader would boot
  fleet.kexec.stage:
  become: true

- name: Load the running kernel, with fewer messages on its serial console
  fleet.kexec.stage:
    kernel: running
    cmdline:
      remove: [debug]
      append: [quiet]
  become: true

- name: Load a kernel from another directory, with the classic system call
  fleet.kexec.stage:
    kernel: /srv/kernels/vmlinuz-6.12.50
    initrd: /srv/kernels/initrd.img-6.12.50
    loader: kexec_load
  become: true

- name: Load the fast image, or fail
  fleet.kexec.stage:
    image: fast
  become: true

- name: Ensure that no image is loaded
  fleet.kexec.stage:
    state: unstaged
  become: true
"""

RETURN = r"""
staged:
  description: The image that is loaded, or would be in check mode. Null after unstaging.
  returned: success
  type: dict
  contains:
    kernel:
      description: Path of the kernel, or of the unified kernel image that it is in.
      type: str
      sample: /boot/vmlinuz-6.12.117+deb13-cloud-amd64
    initrd:
      description: Path of the initrd, of several that of the last. Null if there is none.
      type: str
      sample: /boot/initrd.img-6.12.117+deb13-cloud-amd64
    initrds:
      description: Paths of all initrds, in the order in which they are joined. Those in a unified kernel image count once, by
        its path.
      type: list
      elements: str
      sample: [/boot/initrd.img-6.12.117+deb13-cloud-amd64]
    release:
      description: Release of the kernel, according to its image.
      type: str
      sample: 6.12.117+deb13-cloud-amd64
    cmdline:
      description: Command line, without token and one-boot arguments.
      type: str
      sample: root=UUID=6db3bd38-60f0-4e0e-9dbf-ba4f3fc3e6ee ro console=ttyS0
    image:
      description: Image of the kernel that was loaded, V(fast) or V(bzimage).
      type: str
      sample: fast
    loader:
      description: System call that loaded the image.
      type: str
      sample: kexec_load
    integrity:
      description: Check of the image before it runs, V(crc32c), V(sha256) or V(none).
      type: str
      sample: crc32c
    placement:
      description: Place of kernel and initrd until the jump. V(reserved) is the memory reserved for a crash kernel, where they
        stay, V(cma) contiguous memory where the kernel itself lets them stay, and from V(copied) they are copied during the jump.
      type: str
      sample: reserved
    kaslr:
      description: Whether the kernel is placed at a random address.
      type: bool
    profile:
      description: Whether that boot logs the time of each initcall.
      type: bool
    quiet:
      description: Whether that boot prints errors only, as M(fleet.kexec.prepare_boot) has it.
      type: bool
    token:
      description: Token on the command line. Null in check mode, which does not draw one.
      type: str
      sample: 5f0c2d8e9a7b4c61
predicted_ms:
  description:
    - Predicted duration of the jump from the old kernel into the new one, C(total) and by part, based on the measured speed of
      this host. Excludes what the kernels do before and after the jump.
    - C(copy) is moving the segments into place, C(hash) the SHA-256 over them, C(check) the fast image's own check, C(move)
      aligning the kernel in memory, C(decompress) the kernel unpacking itself.
  returned: success, and not after unstaging
  type: dict
  sample: {copy: 16.8, hash: 0.0, check: 8.2, move: 0.0, decompress: 0.0, total: 25.0}
notes:
  description: What changes against the running system, reasons why a faster way was not taken, and costs of overrides, each with
    C(code), C(message) and C(hint).
  returned: success, and not after unstaging
  type: list
  elements: dict
code:
  description: Code of the failure. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: LOCKDOWN
hint:
  description: How to resolve the failure.
  returned: failure
  type: str
  sample: Install the package kexec-tools on the host.
"""

from typing import Any, Dict, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleet.kexec.plugins.module_utils._command import run_command
from ansible_collections.fleet.kexec.plugins.module_utils._host.facts import gather
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.facts import present_prediction
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.policy import read_policy
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.record import StagedRecord
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.staging import current_record, make_stager, plan, stage_planned
from ansible_collections.fleet.kexec.plugins.module_utils._module import run_module
from ansible_collections.fleet.kexec.plugins.module_utils._options import (
    image_argument_spec,
    image_request,
    policy_argument_spec,
)
from ansible_collections.fleet.kexec.plugins.module_utils._privileges import require_root


def diff(before: Optional[Dict[str, Any]], after: Optional[Dict[str, Any]], loaded: bool) -> Dict[str, Any]:
    """Diff of the staged image in Ansible's format; of a foreign image nothing more is known."""
    return {"before": {"staged": before or ("an image of unknown origin" if loaded else None)}, "after": {"staged": after}}


def work(module: AnsibleModule) -> Dict[str, Any]:
    require_root()
    files = HostFiles()
    facts = gather(files, run_command)
    stager = make_stager(files, facts, run_command)
    record = current_record(files)
    before = record.image.summary() if record else None
    loaded = bool(facts.kernel.loaded)

    if module.params["state"] == "unstaged":
        changed = loaded or facts.crash_is_ours if module.check_mode else stager.unstage()
        return {"changed": changed, "staged": None, "diff": diff(before, None, loaded)}

    request = image_request(module.params)
    policy = read_policy(files).override(module.params["policy"] or {}, "policy")
    planned = plan(request, facts, files, policy)
    changed = record is None or record.image != planned.image
    if changed and module.check_mode:
        record = None
    elif changed:
        planned, record = stage_planned(stager, planned, request, facts, files, policy=policy)
    after = planned.image.summary()
    return {
        "changed": changed,
        "staged": dict(after, token=token(record)),
        "predicted_ms": present_prediction(planned.choice),
        "notes": [note.as_dict() for note in planned.notes],
        "diff": diff(before, after, loaded),
    }


def token(record: Optional[StagedRecord]) -> Optional[str]:
    return record.token if record else None


def main() -> None:
    argument_spec = dict(
        image_argument_spec(),
        **policy_argument_spec(),
        state={"type": "str", "choices": ["staged", "unstaged"], "default": "staged"},
    )
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    run_module(module, lambda: work(module))


if __name__ == "__main__":
    main()
