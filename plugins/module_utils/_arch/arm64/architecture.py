# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arm64 architecture, which C(uname -m) calls aarch64.

Kernels are stored plain, or are unpacked before they are loaded, so a fast image would have nothing to save.
"""

from __future__ import annotations

from typing import Callable

from ..cpuinfo import first_processor
from ..interface import Architecture, Cpu
from .image import read_image


def _parse_cpu(cpuinfo: str, _exists: Callable[[str], bool]) -> Cpu:
    """Parse the numbers of maker and model, in the absence of a name (C(c_show) in arch/arm64/kernel/cpuinfo.c)."""
    values = first_processor(cpuinfo)
    wanted = ("CPU implementer", "CPU part", "CPU variant", "CPU revision")
    return Cpu(" ".join(values[name] for name in wanted if values.get(name, "").isalnum()), own_code=False)


ARM64 = Architecture(
    machine="aarch64",
    read_kernel=read_image,
    parse_cpu=_parse_cpu,
    # COMMAND_LINE_SIZE in arch/arm64/include/uapi/asm/setup.h is 2048; kexec-tools passes all but the final zero
    # (arm64_load_other_segments).
    cmdline_max_bytes=2047,
    untried_loaders={"kexec_file_load": "no kexec of an arm64 kernel by kexec_file_load was tried yet"},
    # The purgatory of kexec-tools runs with caches off: an installer of some 350 MB took four minutes, and seconds without the
    # check (https://github.com/nix-community/nixos-images/pull/102). The kernel's own loader has none (machine_kexec_file.c).
    purgatory_bytes_per_s=1.5e6,
    # CRASH_ALIGN in arch/arm64/include/asm/crash_reserve.h.
    crash_alignment_bytes=2 << 20,
)
