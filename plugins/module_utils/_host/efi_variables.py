# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""EFI variables as efivarfs shows them: four bytes of attributes, then the value."""

from __future__ import annotations

from typing import Optional

from .files import HostFiles

_DIRECTORY = "/sys/firmware/efi/efivars"
# UEFI Specification, 3.3: EFI_GLOBAL_VARIABLE.
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
# systemd's Boot Loader Interface.
LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

# Documentation/filesystems/efivarfs.rst: a variable's attributes come first.
_ATTRIBUTES_BYTES = 4
# All variables read here are short.
_VALUE_MAX_BYTES = 1024


def read_efi_variable(files: HostFiles, name: str, vendor: str = GLOBAL) -> Optional[bytes]:
    """Value of a variable, up to 1024 bytes; None if it can't be read or is empty."""
    content = files.read_bytes("%s/%s-%s" % (_DIRECTORY, name, vendor), _ATTRIBUTES_BYTES + _VALUE_MAX_BYTES)
    return content[_ATTRIBUTES_BYTES:] if content is not None and len(content) > _ATTRIBUTES_BYTES else None


def read_efi_string(files: HostFiles, name: str, vendor: str) -> Optional[str]:
    """Text in a variable; None if it can't be read."""
    value = read_efi_variable(files, name, vendor)
    return value.decode("utf-16-le", "replace").split("\0", 1)[0] if value is not None else None


def has_efi_variables(files: HostFiles) -> bool:
    return bool(files.listdir(_DIRECTORY))
