# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel arguments that only a kernel's own decompressor acts on, so a fast image can't honour them.

Source: arch/x86/boot/compressed of the kernel, C(handle_mem_options) in kaslr.c for what concerns memory.
"""

from __future__ import annotations

from typing import Tuple

from ..._cmdline import Argument, early_words, parse_cmdline

MEM_ENCRYPT_ON = "mem_encrypt=on"
NO_FIVE_LEVEL_PAGING = "no5lvl"
_SWITCHES = (MEM_ENCRYPT_ON, NO_FIVE_LEVEL_PAGING)

# Memory that the kernel must not occupy: above a limit, reserved, protected or persistent memory, and memory for hot removal.
# Only older kernels know C(efi_fake_mem). KASLR keeps away from hot-pluggable memory even without C(movable_node), but only with
# it does a kernel that lies there keep the memory from being removed.
_MEMORY_NAMES = ("mem", "memmap", "efi_fake_mem")
_MOVABLE_NODE = "movable_node"
# Not a size but a workaround, which x86_64 ignores.
_NO_LIMIT = "nopentium"
# KASLR keeps away from memory for pages of 1 GiB. The only other size that x86_64 has is 2 MiB.
_PAGE_SIZE_NAMES = ("hugepagesz", "default_hugepagesz")
_SMALL_PAGE_SIZES = ("2m", "2048k")


def decompressor_args(line: str) -> Tuple[str, ...]:
    """Find the arguments of a command line that only the decompressor acts on, as they are written.

    It looks for switches in a line's words, but parses what concerns memory as the kernel does: with quotes, and up to C(--).
    Any of a repeated argument counts: some accumulate, and of others the last one counts.
    """
    switches = [word for word in early_words(line) if word in _SWITCHES]
    return (*switches, *(each.text for each in parse_cmdline(line).kernel if _confines_kernel(each)))


def _confines_kernel(argument: Argument) -> bool:
    """Whether an argument restricts where in memory the kernel may be."""
    if argument.is_named(_MOVABLE_NODE):
        return True
    if argument.value is None:
        return False
    if any(argument.is_named(name) for name in _PAGE_SIZE_NAMES):
        return argument.value.lower() not in _SMALL_PAGE_SIZES
    return argument.value != _NO_LIMIT and any(argument.is_named(name) for name in _MEMORY_NAMES)
