# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof of path: did this host boot what was staged, by kexec?

Each of the four signs can be had by accident; all four together can't.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from .._arch.architectures import loader_name
from .._arch.interface import LOADER_KEXEC
from .._one_boot_args import kexecs_of, token_of

PATH_KEXEC = "kexec"
PATH_FIRMWARE = "firmware"


@dataclass(frozen=True)
class Evidence:
    """What a host says of its present boot.

    :ivar bootloader_type: as the sysctl of that name; None where there is none.
    """

    boot_id: str
    release: str
    cmdline: str
    bootloader_type: Optional[int]

    @property
    def path(self) -> str:
        """How it booted: C(kexec) or C(firmware)."""
        return PATH_KEXEC if loader_name(self.bootloader_type) == LOADER_KEXEC else PATH_FIRMWARE

    @property
    def kexecs(self) -> Optional[int]:
        """How often it was rebooted by kexec since firmware booted it; None if another's kexec has lost count."""
        return kexecs_of(self.cmdline) if self.path == PATH_KEXEC else 0


@dataclass(frozen=True)
class Proof:
    """The four signs, each true or false."""

    boot_id_changed: bool
    token: bool
    release: bool
    bootloader_type: bool

    @property
    def missing(self) -> List[str]:
        """Names of the signs that are not there."""
        return [name for name, present in self._signs().items() if not present]

    @property
    def proven(self) -> bool:
        """Whether all are there."""
        return not self.missing

    def _signs(self) -> Dict[str, bool]:
        return {
            "boot_id_changed": self.boot_id_changed,
            "token": self.token,
            "release": self.release,
            "bootloader_type": self.bootloader_type,
        }

    def as_dict(self) -> Dict[str, Any]:
        """For results."""
        return dict(self._signs(), proven=self.proven, missing=self.missing)


def prove(evidence: Evidence, old_boot_id: str, token: str, release: str) -> Proof:
    """Hold a boot against what was staged.

    :param release: of the staged kernel; empty if its image names none, and
        then any will do.
    """
    return Proof(
        boot_id_changed=bool(evidence.boot_id) and evidence.boot_id != old_boot_id,
        token=token_of(evidence.cmdline) == token,
        release=evidence.release == release or not release,
        bootloader_type=evidence.path == PATH_KEXEC,
    )
