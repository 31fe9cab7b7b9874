# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The x86_64 architecture."""

from __future__ import annotations

from ..interface import LOADER_EXTLINUX, LOADER_GRUB, LOADER_KEXEC, Architecture
from .bzimage import read_bzimage
from .decompressor import decompressor_args
from .encryption import encryption_risks
from .fast import FastBzImages
from .processor import read_processor
from .tsc import TSC

# Documentation/arch/x86/boot.rst, "type_of_loader". 0x2 is left out: the kernel's own EFI entry sets it, which systemd-boot uses
# and GRUB may use. 0xD is kexec-tools and kexec_file_load.
_LOADER_NAMES = {
    0x0: "LILO",
    0x1: "Loadlin",
    0x3: LOADER_EXTLINUX,
    0x4: "iPXE",
    0x5: "ELILO",
    0x7: LOADER_GRUB,
    0x8: "U-Boot",
    0x9: "Xen",
    0xB: "QEMU",
    0xD: LOADER_KEXEC,
}

X86_64 = Architecture(
    machine="x86_64",
    read_kernel=read_bzimage,
    parse_cpu=read_processor,
    cpu_risks=encryption_risks,
    # COMMAND_LINE_SIZE in arch/x86/include/asm/setup.h is 2048.
    cmdline_max_bytes=2047,
    # do_bzImage64_load in kexec-tools compares the header's limit, which leaves out the final zero, with a length that counts it.
    load_reserve_bytes=1,
    # So does bzImage64_load in arch/x86/kernel/kexec-bzimage64.c, which also keeps room for the elfcorehdr= of a crash kernel
    # (MAX_ELFCOREHDR_STR_LEN).
    file_load_reserve_bytes=1 + 30,
    decompressor_args=decompressor_args,
    # CMA aligns to 1 MiB; the decompressor moves itself up to a multiple of 2 MiB, and so into the initrd.
    overruns_in_cma=True,
    loader_names=_LOADER_NAMES,
    counter=TSC,
    fast=FastBzImages(),
    kexec_load=246,
    # CRASH_ALIGN in arch/x86/include/asm/crash_reserve.h.
    crash_alignment_bytes=16 << 20,
)
