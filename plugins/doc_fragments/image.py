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
      - Always added at the end are a random token, which later proves that it was this image that booted, a count of kexecs
        since firmware last booted the host, unless somebody else's kexec has lost it, and C(panic=10 oops=panic), unless the
        line already says that a panic leads to a reset. Together they may not be longer than 2047 bytes.
    type: dict
    suboptions:
      replace:
        description: Start from this line instead of the running kernel's.
        type: str
      remove:
        description:
          - Arguments to take out.
          - A name (V(quiet)) takes out all arguments of that name, with any value; V(name=value) only the same one.
          - C(-) and C(_) are the same in a name, as they are to the kernel. Quotes make no difference.
        type: list
        elements: str
        default: []
      append:
        description: Arguments to add at the end. One that stands there already is not added again.
        type: list
        elements: str
        default: []
  image:
    description:
      - What to load of the kernel.
      - V(fast) is the uncompressed image that M(fleet.kexec.fast_image) installed. It has to be there, and made from the very
        kernel and initrd that are installed.
      - V(bzimage) is the distribution's own, signed image.
      - V(auto) takes whichever boots sooner on this host, by its own measured speed. What it can't take, it says why in
        the result C(notes).
      - If omitted, the host's own default (C(/etc/fleet-kexec.conf)), or else V(auto).
    type: str
    choices:
      - auto
      - fast
      - bzimage
  integrity:
    description:
      - How kernel and initrd are checked between the old kernel and the new one.
      - V(crc32c) is the check of the fast image, at the speed of memory. It covers the kernel and the initrd, where they will
        be used, not itself, the command line or what firmware handed on. On a mismatch the machine is reset and comes back
        through firmware. It takes a processor with SSE 4.2.
      - V(sha256) is the check of kexec-tools or the kernel, at some 300 MB/s. On a mismatch the machine hangs.
      - V(none) is no check at all. V(kexec_file_load) has no way to leave out its own, unless what it loads lies in CMA.
      - V(auto) is the quickest way that has a check.
      - If omitted, the host's own default, or else V(auto).
    type: str
    choices:
      - auto
      - crc32c
      - sha256
      - none
  loader:
    description:
      - The system call that loads the image.
      - V(kexec_file_load) lets the kernel read and verify the files. It is the only one that works under lockdown, and it
        always hashes all that it loaded, unless everything lies in CMA (Linux 7.3 and later with C(cma=)).
      - V(kexec_load) lets kexec-tools do the work.
      - V(auto) takes the one that boots sooner, and V(kexec_file_load) where that is the same.
      - On a host with memory in CMA, V(kexec_file_load) is for fast images only. The kernel would place a compressed one so
        that unpacking destroys its initrd.
      - If omitted, the host's own default, or else V(auto).
    type: str
    choices:
      - auto
      - kexec_load
      - kexec_file_load
  kaslr:
    description:
      - Whether the kernel lies at a random address. For a fast image it is drawn anew whenever one is staged.
      - V(false) adds C(nokaslr) to the command line. C(nokaslr) that stands there already is respected.
      - If omitted, the host's own default, or else V(true).
    type: bool
"""
