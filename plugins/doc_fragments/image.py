# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that select the image to boot."""

from __future__ import annotations


class ModuleDocFragment:
    """Image to boot."""

    DOCUMENTATION = r"""
options:
  kernel:
    description:
      - The kernel to boot.
      - V(default) is what a reboot through firmware would boot, the kernel of the bootloader's default entry with the initrds and
        the command line of that entry. Where that entry can't be told, V(newest) with the running kernel's command line
        takes its place, and the risk C(ENTRY_UNKNOWN) says so.
      - V(newest) is the newest one in C(/boot) of the running flavour and vendor (C(cloud-amd64), C(generic), C(+debug), C(uek)),
        or the newest of all if none has them.
      - V(running) is the installed kernel of the running release.
      - Otherwise an installed release, as C(uname -r) prints it, or the absolute path of a kernel file or of a unified kernel
        image, whose parts are loaded as systemd's stub would hand them to the kernel.
    type: str
    default: default
  initrd:
    description:
      - Absolute path of the initrd to boot, or V(none) for kernels that need none.
      - If omitted, the initrds of the default entry, joined in order, if the kernel is the one of that entry. Those of a unified
        kernel image are in it. For any other kernel it is the initrd next to it, which has to exist.
    type: str
  cmdline:
    description:
      - The kernel command line. If omitted, that of the bootloader's default entry. The note C(ENTRY_CHANGES) lists the
        arguments that it adds to and removes from the running kernel's.
      - Arguments that earlier loaders added for themselves (C(BOOT_IMAGE=), C(initrd=)), or that this collection added for an
        earlier boot, are removed, so that the line does not grow from kexec to kexec.
      - Always appended are a random token, which later proves that this image booted, the number of kexecs since firmware last
        booted the host, unless another tool's kexec has lost it, and C(panic=10 oops=panic), unless the line already makes a
        panic lead to a reset.
      - The whole line may have 2016 bytes with C(kexec_file_load), and 2046 bytes with C(kexec_load), 2047 on arm64.
    type: dict
    suboptions:
      base:
        description: Line to start from, that of the bootloader's default entry or the running kernel's. The latter also where the
          default entry can't be told.
        type: str
        choices: [entry, running]
        default: entry
      replace:
        description: Line to start from instead of either.
        type: str
      remove:
        description:
          - Arguments to remove. A name (V(quiet)) removes all arguments of that name, with any value; V(name=value) removes only
            exact matches.
          - As in the kernel, C(-) and C(_) are equivalent in names. Quotes make no difference.
        type: list
        elements: str
        default: []
      append:
        description: Arguments to append. Those that the line already contains are not added again.
        type: list
        elements: str
        default: []
  image:
    description:
      - Image of the kernel to load.
      - V(fast) is the uncompressed image that M(fleet.kexec.fast_image) installed. It has to exist and to be made from the
        installed kernel and initrd.
      - V(bzimage) is the distribution's own, signed image. On arm64, it is an C(Image), which is unpacked before it is loaded if
        it is stored packed (gzip or EFI zboot). There is no V(fast) image there.
      - V(auto) takes the one that boots sooner on this host, according to its measured speed. The result C(notes) says why it
        cannot take an image.
      - If omitted, the host's own default (C(/etc/fleet-kexec.conf)), or else V(auto).
    type: str
    choices: [auto, fast, bzimage]
  integrity:
    description:
      - Check of kernel and initrd between the old kernel and the new one.
      - V(crc32c) is the check of the fast image, at memory speed. It covers the kernel and the initrd, where they will be used,
        but not itself, the command line or data from firmware. On a mismatch the machine is reset and comes back through
        firmware. It requires a processor with SSE 4.2.
      - V(sha256) is the check of kexec-tools or the kernel, at some 300 MB/s. On a mismatch the machine hangs.
      - V(none) disables the check. V(kexec_file_load) cannot omit its own, unless everything it loads lies in CMA.
      - V(auto) is the fastest way that has a check. On arm64 it is V(none), because the check of kexec-tools runs without caches
        there, and takes longer than a kexec saves. The result C(notes) says so.
      - If omitted, the host's own default, or else V(auto).
    type: str
    choices: [auto, crc32c, sha256, none]
  loader:
    description:
      - The system call that loads the image.
      - V(kexec_file_load) lets the kernel read and verify the files. It is the only one that works under lockdown. It always
        hashes everything it loads, unless everything lies in CMA (Linux 7.3 and later with C(cma=)).
      - V(kexec_load) lets kexec-tools do the work. On arm64 it is the only one that is used, because Debian's kernels have no
        other.
      - V(auto) takes the one that boots sooner, or V(kexec_file_load) if they are equal.
      - On a host with memory in CMA, V(kexec_file_load) supports only fast images. The kernel would place a compressed one so
        that unpacking destroys its initrd.
      - If omitted, the host's own default, or else V(auto).
    type: str
    choices: [auto, kexec_load, kexec_file_load]
  placement:
    description:
      - Place where kernel and initrd wait for the jump.
      - V(reserved) is the memory reserved for a crash kernel (C(crashkernel=)). They are loaded to where they will run, so
        that the jump copies nothing, and staging takes no other memory. It requires a fast image, V(kexec_load), the check
        V(crc32c), a reservation that both fit into, and memory for the next kernel's own reservation. Until the reboot, a
        panic resets the machine. A crash kernel of kdump is displaced only if the policy allows C(KDUMP_LOADED), and is
        loaded again if the image is unstaged.
      - V(copied) is memory of the running kernel, from which the jump copies them.
      - V(auto) takes V(reserved) where it is possible.
      - If omitted, the host's own default, or else V(auto).
    type: str
    choices: [auto, reserved, copied]
  kaslr:
    description:
      - Whether the kernel is placed at a random address. For a fast image, the address is drawn each time one is staged.
      - V(false) adds C(nokaslr) to the command line. An existing C(nokaslr) is respected.
      - If omitted, the host's own default, or else V(true).
    type: bool
  profile:
    description:
      - Whether the next kernel logs the time of each initcall, so that the timeline of that boot, and what would shorten its
        outage, have them. Takes 16 MiB for its log.
      - Adds C(initcall_debug) and C(log_buf_len=16M) to the command line of that boot only. A reboot through firmware does not
        have them, and neither does the boot after it.
      - If omitted, V(false).
    type: bool
"""
