#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: fast_image
short_description: Install an uncompressed image of the distribution's kernel
version_added: 0.1.0
author: [fleet.kexec contributors (@fleet-kexec)]
description:
  - Builds a fast image of an installed kernel below C(/var/lib/fleet-kexec), for M(fleet.kexec.stage) to load. A reboot into it
    skips decompression, the slow hash over everything that was loaded, and the decompressor's copy.
  - The kernel is the distribution's, instruction by instruction; it is not recompiled. A stub of some hundred bytes in front of
    it checks kernel and initrd with CRC-32C at memory speed.
  - Firmware and bootloader do not use fast images, so the host boots as before.
  - An undamaged image that was made from the installed kernel is left alone. Otherwise the image is rebuilt.
  - On Debian and derivatives, hooks in C(/etc/kernel/postinst.d) and C(/etc/kernel/postrm.d) remove a fast image when a package
    upgrades or removes its kernel, and unload it if it is staged. An image whose kernel or initrd changed in any other way is no
    longer used (code C(FAST_IMAGE_STALE)), and one whose kernel is gone is removed by the next run.
extends_documentation_fragment: [fleet.kexec.attributes]
attributes:
  check_mode:
    support: full
    details: Performs all checks that do not require building.
  diff_mode:
    support: full
options:
  state:
    description:
      - V(present) builds the image if necessary.
      - V(absent) removes it, and unloads it if it is staged. With O(kernel=all), the default in this case, it removes all images,
        the command, the hooks and the measurements. C(/etc/fleet-kexec.conf) stays.
    type: str
    choices: [present, absent]
    default: present
  kernel:
    description:
      - V(default) for the kernel of the bootloader's default entry, V(all) for all installed ones, or the release of one kernel,
        as C(uname -r) prints it.
      - With V(all), a kernel that no image can be built of does not stop the others. It is listed in RV(unbuilt). The task fails
        if no kernel has an image in the end.
      - If omitted, V(default) with O(state=present), and V(all) with O(state=absent).
    type: str
    aliases: [release]
  required:
    description:
      - Whether the task fails on a host that can't have a fast image. V(false) lists the reason in RV(unbuilt) and does the rest;
        the host then reboots with its own kernel file.
      - This covers the codes C(ARCH_UNSUPPORTED), C(FAST_IMAGE_UNSUPPORTED), C(NO_DECOMPRESSOR), C(NO_KERNEL), C(NO_MEMORY),
        C(NO_SPACE) and C(PAYLOAD_FORMAT). Invalid options, damaged kernels and failed writes are always failures.
    type: bool
    default: true
  initrd:
    description:
      - V(keep) loads the host's own initrd with the image.
      - V(uncompressed) keeps an uncompressed copy of it next to the image, so that the new kernel does not have to decompress it.
        The copy takes several times the memory while it is loaded. Archives in front of the compressed one, such as microcode,
        and a boot configuration (bootconfig) at the end are copied unchanged. Run this module after every C(update-initramfs) to
        update it.
      - V(slim) is like V(uncompressed), without the kernel modules that the host neither has loaded nor has devices for. If one
        of them is loaded when an image is staged, the machine has changed, and the host's own initrd is loaded instead.
      - If omitted, as C(initrd) in section C([boot]) of C(/etc/fleet-kexec.conf) says, which
        O(fleet.kexec.prepare_boot#module:initrd) sets, and V(keep) otherwise.
    type: str
    choices: [keep, uncompressed, slim]
  host_command:
    description: Whether to install C(/usr/local/sbin/fleet-kexec), a single file made of this collection's code, which lets an
      administrator on the console do what the modules do. V(false) removes it.
    type: bool
    default: true
  defaults:
    description:
      - Defaults of M(fleet.kexec.stage) and C(fleet-kexec) on this host, kept in C(/etc/fleet-kexec.conf).
      - If omitted, the defaults in the file are left alone. Omitted suboptions are reset to their defaults.
    type: dict
    suboptions:
      image:
        description: As O(fleet.kexec.stage#module:image).
        type: str
        choices: [auto, fast, bzimage]
        default: auto
      integrity:
        description: As O(fleet.kexec.stage#module:integrity).
        type: str
        choices: [auto, crc32c, sha256, none]
        default: auto
      loader:
        description: As O(fleet.kexec.stage#module:loader).
        type: str
        choices: [auto, kexec_load, kexec_file_load]
        default: auto
      placement:
        description: As O(fleet.kexec.stage#module:placement).
        type: str
        choices: [auto, reserved, copied]
        default: auto
      kaslr:
        description: As O(fleet.kexec.stage#module:kaslr).
        type: bool
        default: true
  policy:
    description:
      - Effect of each risk of a kexec on this host, by its code, V(block), V(warn) or V(allow). It applies to codes that
        O(ignore:policy) of M(fleet.kexec.boot_facts) or M(fleet.kexec.reboot), which document the codes, does not set. It is kept
        in C(/etc/fleet-kexec.conf) and also applies to C(fleet-kexec) on the host's console.
      - These codes replace those in the file; an empty dictionary removes them all. If omitted, the policy in the file is left
        alone.
    type: dict
requirements:
  - C(zstd) on the host, for kernels compressed with it, such as Debian's since Debian 13
notes:
  - Needs root, so usually C(become=true).
  - An image takes about as much space in C(/var/lib) as the kernel takes in memory, 50 to 70 MB.
  - The first run also measures how fast the host copies, checks and hashes memory, and what is in the kernel's initrd, and keeps
    the figures for M(fleet.kexec.boot_facts) and for findings about unpacking the initrd.
seealso:
  - module: fleet.kexec.stage
  - module: fleet.kexec.boot_facts
"""

EXAMPLES = r"""
- name: Prepare the default kernel for a fast reboot
  fleet.kexec.fast_image:
  become: true

- name: Prepare all kernels, where that is possible
  fleet.kexec.fast_image:
    kernel: all
    required: false
  become: true

- name: Also keep an uncompressed initrd
  fleet.kexec.fast_image:
    initrd: uncompressed
  become: true

- name: Use only fast images on this host, and fail rather than reboot slowly
  fleet.kexec.fast_image:
    defaults:
      image: fast
  become: true

- name: Never reboot this host via kexec while its watchdog would not run across it
  fleet.kexec.fast_image:
    policy:
      NO_WATCHDOG: block
  become: true

- name: Remove everything
  fleet.kexec.fast_image:
    state: absent
  become: true
"""

RETURN = r"""
fast_image:
  description: The image, or null if there is none. In check mode, the existing one, if any. With O(kernel=all), that of the
    default entry's kernel.
  returned: success
  type: dict
  contains:
    release:
      description: Release of the kernel.
      type: str
      sample: 6.12.117+deb13-cloud-amd64
    path:
      description: Path of the image.
      type: str
      sample: /var/lib/fleet-kexec/6.12.117+deb13-cloud-amd64/image
    size_bytes:
      description: Size of the image.
      type: int
      sample: 54546432
    sha256:
      description: SHA-256 digest of the image.
      type: str
    source:
      description: Path of the kernel that the image was made from, or of the unified kernel image that it is in.
      type: str
      sample: /boot/vmlinuz-6.12.117+deb13-cloud-amd64
    source_sha256:
      description: SHA-256 digest of that kernel.
      type: str
    payload_format:
      description: Compression of that kernel, V(gzip), V(xz), V(lz4) or V(zstd).
      type: str
      sample: zstd
    initrd:
      description: Path of the uncompressed initrd. Null if the host's own is used.
      type: str
    initrd_bytes:
      description: Size of the uncompressed initrd.
      type: int
    built_at:
      description: Time at which the image was built, in UTC.
      type: str
      sample: "2026-11-22T21:00:00Z"
    build_ms:
      description: Duration of the build in milliseconds.
      type: int
      sample: 1200
fast_images:
  description: The images of all kernels that were asked for, like RV(fast_image).
  returned: success
  type: list
  elements: dict
unbuilt:
  description: Kernels that no image could be built of.
  returned: success
  type: list
  elements: dict
  contains:
    release:
      description: Release of the kernel, or null if it can't be told.
      type: str
    code:
      description: Why there is no image. The collection's documentation lists all codes.
      type: str
      sample: FAST_IMAGE_UNSUPPORTED
    message:
      description: The reason in words.
      type: str
    hint:
      description: How to resolve it.
      type: str
removed:
  description: Releases whose images were removed, or would be in check mode, because their kernels are gone or because of
    O(state=absent).
  returned: success
  type: list
  elements: str
code:
  description: Code of the failure. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: NO_SPACE
hint:
  description: How to resolve the failure.
  returned: failure
  type: str
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleet.kexec.plugins.module_utils._command import run_command
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.boot_config import read_boot_config
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.facts import present_fast_image
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.image_store import INITRD_MODES
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.installation import ALL, WantedInstallation, make_installation
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.preferences import Preferences
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.requests import DEFAULT
from ansible_collections.fleet.kexec.plugins.module_utils._module import run_module
from ansible_collections.fleet.kexec.plugins.module_utils._options import defaults_argument_spec, policy_argument_spec
from ansible_collections.fleet.kexec.plugins.module_utils._privileges import require_root
from ansible_collections.fleet.kexec.plugins.module_utils._zipapp import build_command


def wanted_of(params: Dict[str, Any], own_initrd_mode: str) -> WantedInstallation:
    present = params["state"] == "present"
    return WantedInstallation(
        present=present,
        kernel=params["kernel"] or (DEFAULT if present else ALL),
        required=params["required"],
        initrd_mode=params["initrd"] or own_initrd_mode,
        command=build_command() if params["host_command"] else None,
        defaults=Preferences().override(params["defaults"]) if params["defaults"] is not None else None,
        policy=params["policy"],
    )


def work(module: AnsibleModule) -> Dict[str, Any]:
    require_root()
    files = HostFiles()
    installation = make_installation(files, run_command)
    wanted = wanted_of(module.params, read_boot_config(files).initrd)
    change = installation.plan(wanted)
    # Applying also measures what was never measured on this host, even if nothing else has to change.
    if not module.check_mode and (change.needed or wanted.present):
        installed = installation.apply(change, wanted)
    else:
        installed = installation.installed(change)
    return {
        "changed": change.needed,
        "fast_image": present_fast_image(installed.main) if installed.main else None,
        "fast_images": [present_fast_image(image) for image in installed.images],
        "unbuilt": [each.as_dict() for each in installed.unbuilt],
        "removed": list(change.removed),
        "diff": {"before": change.before, "after": change.after},
    }


def main() -> None:
    argument_spec = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "kernel": {"type": "str", "aliases": ["release"]},
        "required": {"type": "bool", "default": True},
        "initrd": {"type": "str", "choices": list(INITRD_MODES)},
        "host_command": {"type": "bool", "default": True},
        "defaults": {"type": "dict", "options": defaults_argument_spec()},
        **policy_argument_spec(),
    }
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    run_module(module, lambda: work(module))


if __name__ == "__main__":
    main()
