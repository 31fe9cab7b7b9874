# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EFI variables, as efivarfs shows them: four bytes of attributes, then the value."""

from __future__ import annotations

from typing import Optional

from .files import HostFiles

DIRECTORY = "/sys/firmware/efi/efivars"
_ATTRIBUTES_BYTES = 4


def read_efi_variable(files: HostFiles, name: str) -> Optional[bytes]:
    """The value of a variable; None if it can't be read.

    :param name: with its vendor: C(SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c).
    """
    content = files.read_bytes("%s/%s" % (DIRECTORY, name))
    return content[_ATTRIBUTES_BYTES:] if content is not None and len(content) >= _ATTRIBUTES_BYTES else None


def read_efi_string(files: HostFiles, name: str) -> Optional[str]:
    """A variable that holds text; None if it can't be read."""
    value = read_efi_variable(files, name)
    return value.decode("utf-16-le", "replace").rstrip("\0") if value is not None else None
