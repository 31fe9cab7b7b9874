# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The default entry of a bootloader: the kernel, initrds and command line that it would boot now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple


@dataclass(frozen=True)
class DefaultEntry:
    """Entry that the bootloader boots unless somebody chooses another.

    :ivar kernel: path of the kernel on the host, or of the unified kernel image. The file need not exist.
    :ivar initrds: paths of its initrds on the host, in the order in which they are loaded; that of a unified kernel image if it
        holds any.
    :ivar cmdline: bytes that are not UTF-8 are surrogate escapes.
    :ivar bootloader: name as users know it.
    :ivar source: file that defines the entry, with the line number if it defines several.
    :ivar unified: whether the kernel is a unified kernel image, which holds its initrds and its command line.
    """

    kernel: str
    initrds: Tuple[str, ...]
    cmdline: str
    title: str
    bootloader: str
    source: str
    unified: bool = False


@dataclass(frozen=True)
class BootChoice:
    """What the bootloader would boot now.

    :ivar entry: default entry; None if it can't be told.
    :ivar unknown: why it can't be told; empty if it can.
    :ivar one_shot: wish for the next boot only, with the place where it is set; empty if there is none.
    :ivar elsewhere: why the running system is not the one that the bootloader would boot again; empty if it is.
    """

    entry: Optional[DefaultEntry]
    unknown: str = ""
    one_shot: str = ""
    elsewhere: str = ""
