# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firmware that started the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .files import HostFiles

UEFI = "uefi"
BIOS = "bios"

_EFI = "/sys/firmware/efi"
# UEFI Specification, 3.3: EFI_GLOBAL_VARIABLE.
_GLOBAL_VARIABLE = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
# Documentation/filesystems/efivarfs.rst: a variable's attributes come first.
_ATTRIBUTES_BYTES = 4
_VARIABLE_MAX_BYTES = 64


@dataclass(frozen=True)
class Firmware:
    """The machine's firmware.

    :ivar type: C(uefi) or C(bios).
    :ivar secure_boot: whether it booted verified code only; None if that can't be read.
    """

    type: str
    secure_boot: Optional[bool]


def read_efi_variable(files: HostFiles, name: str) -> Optional[bytes]:
    """The value of a global EFI variable, as far as it is short; None if it can't be read."""
    content = files.read_bytes("%s/efivars/%s-%s" % (_EFI, name, _GLOBAL_VARIABLE), _ATTRIBUTES_BYTES + _VARIABLE_MAX_BYTES)
    return content[_ATTRIBUTES_BYTES:] if content is not None and len(content) > _ATTRIBUTES_BYTES else None


def read_firmware(files: HostFiles) -> Firmware:
    """The firmware, by what it left in C(/sys)."""
    if not files.exists(_EFI):
        return Firmware(BIOS, False)
    value = read_efi_variable(files, "SecureBoot")
    return Firmware(UEFI, None if value is None else value[0] == 1)
