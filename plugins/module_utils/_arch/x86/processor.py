# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detection of the processor features that matter to a kexec."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import Callable

from ..._native import NativeCode
from ..._text import shown_name
from ..cpuinfo import first_processor
from ..interface import Cpu

# CPU flags of a guest whose memory is hidden from its host. Hosts of such guests show some of them too, but without "hypervisor".
_CONFIDENTIAL_FLAGS = ("sev_snp", "sev_es", "sev", "tdx_guest")
# The device for requests to the firmware, which guests with SEV-SNP alone have.
_SNP_DEVICE = "/dev/sev-guest"

# push %rbx; mov %edi,%eax; xor %ecx,%ecx; cpuid; pop %rbx; ret
_CPUID_EAX = bytes.fromhex("5389f831c90fa25bc3")
# AMD's Programmer's Manual, volume 3, appendix E: highest extended leaf, and the leaf of memory encryption (SEV: EAX bit 1).
_LEAF_HIGHEST = 0x80000000
_LEAF_ENCRYPTION = 0x8000001F
_SEV = 1 << 1


def parse_cpuinfo(text: str) -> Cpu:
    values = first_processor(text)
    flags = values.get("flags", "").split()
    guest = "hypervisor" in flags
    return Cpu(
        model=shown_name(values.get("model name", "")),
        sse42="sse4_2" in flags,
        five_level_paging="la57" in flags,
        confidential=next((flag for flag in _CONFIDENTIAL_FLAGS if guest and flag in flags), None),
        # Without a table of reverse mappings, the kernel clears the flag.
        snp_host=not guest and "sev_snp" in flags,
    )


def cpuid_eax(leaf: int) -> int:
    """Read EAX of a CPUID leaf; OSError if this process can't run generated code."""
    code = NativeCode(_CPUID_EAX)
    return int(code.function(0, ctypes.c_uint32, ctypes.c_uint32)(leaf))


def read_processor(cpuinfo: str, exists: Callable[[str], bool], cpuid: Callable[[int], int] = cpuid_eax) -> Cpu:
    """Determine the host's processor from the content of C(/proc/cpuinfo) and from CPUID.

    The flags alone do not reveal every SEV guest: the kernel drops them if the hypervisor hides a register.
    """
    cpu = parse_cpuinfo(cpuinfo)
    try:
        highest = cpuid(_LEAF_HIGHEST)
    except OSError:
        cpu, highest = replace(cpu, own_code=False), 0
    if "hypervisor" not in cpuinfo.split():
        return cpu
    if exists(_SNP_DEVICE):
        return replace(cpu, confidential="sev_snp")
    if cpu.confidential is None and highest >= _LEAF_ENCRYPTION and cpuid(_LEAF_ENCRYPTION) & _SEV:
        return replace(cpu, confidential="sev")
    return cpu
