# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a jump will take, piece by piece, from the host's own speed.

The pieces are the bytes that have to be gone through between the old kernel
and the new one. What the kernels themselves do before and after is the same
for every way, so it is in none of them.
"""

from __future__ import annotations

from typing import Dict

from .._host.facts import HostFacts
from .._host.installed import split_release, version_key
from .._image.fast import HEAD_BYTES
from .candidate import Candidate
from .policy import CRC32C, FAST, KEXEC_FILE_LOAD, SHA256

# The first kernel that does not check what it loaded into CMA
# (kernel/kexec_file.c; see also KHO).
_CMA_UNCHECKED_SINCE = version_key("7.3")


def predict(facts: HostFacts, candidate: Candidate, image: str, loader: str, integrity: str) -> Dict[str, float]:
    """Milliseconds of a way, by piece.

    C(copy): the old kernel moves the segments to their place. C(hash): the
    purgatory's SHA-256 over them. C(check): the stub's CRC-32C. C(move): the
    stub aligns the kernel. C(decompress): the kernel unpacks itself and is
    relocated. Pieces that are not done are 0.
    """
    speed = facts.throughput
    initrd_bytes = candidate.initrd_bytes_of(image)
    if image == FAST:
        kernel_bytes = candidate.fast.kernel_bytes if candidate.fast else candidate.unpacked_bytes
        loaded_bytes = HEAD_BYTES + kernel_bytes + initrd_bytes
    else:
        kernel_bytes = candidate.unpacked_bytes
        loaded_bytes = candidate.header.protected_mode_bytes + initrd_bytes
    in_cma = image == FAST and loader == KEXEC_FILE_LOAD and facts.memory.cma_total_bytes >= loaded_bytes
    unchecked = in_cma and version_key(split_release(facts.kernel.release)[0]) >= _CMA_UNCHECKED_SINCE
    hashed = integrity == SHA256 or (loader == KEXEC_FILE_LOAD and not unchecked)
    return {
        "copy": 0.0 if in_cma else _ms(loaded_bytes, speed.copy),
        "hash": _ms(loaded_bytes, speed.sha256) if hashed else 0.0,
        "check": _ms(kernel_bytes + initrd_bytes, speed.crc32c) if integrity == CRC32C else 0.0,
        "move": _ms(kernel_bytes, speed.copy) if in_cma else 0.0,
        # Twice over it: once out of the decompressor, once to its place.
        "decompress": 0.0
        if image == FAST
        else _ms(kernel_bytes, speed.unpacking(candidate.payload_format)) + _ms(kernel_bytes, speed.copy),
    }


def _ms(size_bytes: int, bytes_per_s: float) -> float:
    return round(size_bytes * 1000 / bytes_per_s, 1)
