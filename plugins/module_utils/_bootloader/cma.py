# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse C(cma=) arguments: C(size[@start[-end]]).

Source: C(early_cma) in kernel/dma/contiguous.c, which is laxer about trailing text.
"""

from __future__ import annotations

from typing import Sequence

from .sizes import MIB, round_up, take_size

NAME = "cma"

# CMA consists of page blocks, which are at most this large on x86 (CMA_MIN_ALIGNMENT_BYTES).
UNIT_BYTES = 4 * MIB


def parse_cma(value: str) -> int:
    """Parse one value into its size in bytes.

    :raises ValueError: it is invalid; the message says why.
    """
    size, at = take_size(value)
    if at == len(value):
        return size
    if value[at] != "@":
        raise ValueError("%r can't follow a size; @start and @start-end can" % value[at:])
    start, at = take_size(value, at + 1)
    if at == len(value):
        return size
    if value[at] != "-":
        raise ValueError("%r can't follow a start; -end can" % value[at:])
    end, at = take_size(value, at + 1)
    if at != len(value):
        raise ValueError("%r can't follow an end" % value[at:])
    if end < start + size:
        raise ValueError("%s does not fit between its start and its end" % value)
    return size


def resolve_cma(values: Sequence[str]) -> int:
    """Bytes that the kernel reserves for all C(cma=) values of a command line: the last one counts.

    :raises ValueError: a value is invalid.
    """
    sizes = [parse_cma(value) for value in values]
    return round_up(sizes[-1], UNIT_BYTES) if sizes else 0
