# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Predict the duration of a jump, piece by piece, from the host's measured speed.

A piece is the bytes to process between the old kernel and the new one. What the kernels themselves do before and after is the
same for every way and is left out.
A segment is copied and hashed with all the memory that it takes, zeros included: C(kimage_load_normal_segment) in
kernel/kexec_core.c, C(kexec_calculate_store_digests) in kernel/kexec_file.c, C(update_purgatory) in kexec-tools. For a kernel
that is all the memory its header asks for, compressed or not.
"""

from __future__ import annotations

from typing import Dict

from .._host.facts import HostFacts
from .candidate import Candidate
from .kernel_ways import loads_into_cma, skips_check_in_cma
from .preferences import CMA, CRC32C, FAST, KEXEC_FILE_LOAD, RESERVED, SHA256


def lies_in_cma(facts: HostFacts, candidate: Candidate, image: str, loader: str) -> bool:
    """Whether the running kernel places all of an image in CMA."""
    loaded_bytes = candidate.segment_bytes_of(image) + candidate.initrd_bytes_of(image)
    return image == FAST and loader == KEXEC_FILE_LOAD and loads_into_cma(facts) and facts.memory.cma_total_bytes >= loaded_bytes


def predict(
    facts: HostFacts, candidate: Candidate, *, image: str, loader: str, integrity: str, placement: str
) -> Dict[str, float]:
    """Predict milliseconds by piece for a way to kexec.

    C(copy): the old kernel moves the segments into place. C(hash): the purgatory's SHA-256 over them. C(check): the stub's
    CRC-32C. C(move): the stub aligns the kernel. C(decompress): the kernel unpacks and relocates itself. Pieces that do not occur
    are 0.
    """
    speed = facts.throughput
    hash_speed = candidate.architecture.purgatory_bytes_per_s or speed.sha256
    initrd_bytes = candidate.initrd_bytes_of(image)
    kernel_bytes = candidate.fast.kernel_bytes if image == FAST and candidate.fast else candidate.unpacked_bytes
    loaded_bytes = candidate.segment_bytes_of(image) + initrd_bytes
    in_cma = placement == CMA
    hashed = integrity == SHA256 or (loader == KEXEC_FILE_LOAD and not (in_cma and skips_check_in_cma(facts)))
    return {
        "copy": 0.0 if placement in (CMA, RESERVED) else _ms(loaded_bytes, speed.copy),
        "hash": _ms(loaded_bytes, hash_speed) if hashed else 0.0,
        "check": _ms(kernel_bytes + initrd_bytes, speed.crc32c) if integrity == CRC32C else 0.0,
        "move": _ms(kernel_bytes, speed.copy) if in_cma else 0.0,
        # Two passes: out of the decompressor, then into place.
        "decompress": 0.0
        if image == FAST or candidate.header.packed
        else _ms(kernel_bytes, speed.unpacking(candidate.payload_format)) + _ms(kernel_bytes, speed.copy),
    }


def _ms(size_bytes: int, bytes_per_s: float) -> float:
    return round(size_bytes * 1000 / bytes_per_s, 1)
