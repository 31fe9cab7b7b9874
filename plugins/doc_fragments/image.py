# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that say what to boot, shared by everything that stages."""

from __future__ import annotations


class ModuleDocFragment:
    """What to boot."""

    DOCUMENTATION = r"""
options:
  kernel:
    description:
      - The kernel to boot.
      - V(newest) is the newest one in C(/boot) of the flavour that runs now (C(cloud-amd64), C(generic), C(+debug)), or the
        newest of all if none has it.
      - V(running) is the installed kernel of the release that runs now.
      - Otherwise an installed release, as C(uname -r) would tell it, or the absolute path of a bzImage.
    type: str
    default: newest
  initrd:
    description:
      - The initrd to boot it with, as an absolute path.
      - V(none) is for kernels that need none.
      - If omitted, the initrd that lies beside the kernel, which has to be there.
    type: str
  cmdline:
    description:
      - The kernel command line. Without this option it is that of the running kernel.
      - What earlier loaders added for themselves (C(BOOT_IMAGE=), C(initrd=)) is left out, and so is what this collection
        added for an earlier boot, so that a line that is handed on a hundred times does not grow.
      - Always added at the end are a random token, which later proves that it was this image that booted, and
        C(panic=10 oops=panic), unless the line already says that a panic leads to a reset. Together they may not be longer
        than 2047 bytes.
    type: dict
    suboptions:
      replace:
        description: Start from this line instead of the running kernel's.
        type: str
      remove:
        description:
          - Arguments to take out.
          - A name (V(quiet)) takes out all arguments of that name, with any value; V(name=value) only the same one.
        type: list
        elements: str
        default: []
      append:
        description: Arguments to add at the end. One that stands there already is not added again.
        type: list
        elements: str
        default: []
  loader:
    description:
      - The system call that loads the image.
      - V(kexec_file_load) lets the kernel read and verify the files. It is the only one that works under lockdown.
      - V(kexec_load) lets kexec-tools do the work.
      - V(auto) takes V(kexec_file_load) where it works and V(kexec_load) elsewhere. On a host with memory in CMA it takes
        V(kexec_load), because there the kernel would place a compressed image so that unpacking destroys its initrd.
    type: str
    choices:
      - auto
      - kexec_load
      - kexec_file_load
    default: auto
"""
