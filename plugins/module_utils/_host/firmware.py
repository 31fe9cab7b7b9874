# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firmware that started the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .efi_variables import read_efi_variable
from .files import HostFiles

UEFI = "uefi"
BIOS = "bios"

_EFI = "/sys/firmware/efi"


@dataclass(frozen=True)
class Firmware:
    """The machine's firmware, C(uefi) or C(bios); C(secure_boot) is None if it can't be read."""

    type: str
    secure_boot: Optional[bool]


def read_firmware(files: HostFiles) -> Firmware:
    if not files.exists(_EFI):
        return Firmware(BIOS, False)
    value = read_efi_variable(files, "SecureBoot")
    return Firmware(UEFI, None if value is None else value[0] == 1)
