# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof of path: whether the host booted the staged kernel, and by kexec.

Each of the four signs can occur by accident; all four together can't.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from .._arch.architectures import loader_name
from .._arch.interface import LOADER_KEXEC
from .._one_boot_args import kexecs_of, token_of

PATH_KEXEC = "kexec"
PATH_FIRMWARE = "firmware"
# LinuxBoot, Heads and ZFSBootMenu start Linux by kexec after every power-on.
PATH_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Evidence:
    """Evidence that a host gives of its present boot; bootloader_type is None where that sysctl does not exist."""

    boot_id: str
    release: str
    cmdline: str
    bootloader_type: Optional[int]

    @property
    def path(self) -> str:
        """Boot path: C(kexec) or C(firmware); C(unknown) after a kexec that this collection did not stage."""
        if not self.by_kexec:
            return PATH_FIRMWARE
        return PATH_KEXEC if token_of(self.cmdline) is not None else PATH_UNKNOWN

    @property
    def by_kexec(self) -> bool:
        """Whether a kexec started the kernel: this collection's, another tool's, or firmware's own."""
        return loader_name(self.bootloader_type) == LOADER_KEXEC

    @property
    def kexecs(self) -> Optional[int]:
        """Number of kexecs since firmware booted the host; None if that is unknown."""
        return kexecs_of(self.cmdline) if self.by_kexec else 0


@dataclass(frozen=True)
class Proof:
    """Presence of each of the four signs."""

    boot_id_changed: bool
    token: bool
    release: bool
    bootloader_type: bool

    @property
    def missing(self) -> List[str]:
        return [name for name, present in self._signs().items() if not present]

    @property
    def proven(self) -> bool:
        return not self.missing

    def _signs(self) -> Dict[str, bool]:
        return {
            "boot_id_changed": self.boot_id_changed,
            "token": self.token,
            "release": self.release,
            "bootloader_type": self.bootloader_type,
        }

    def as_dict(self) -> Dict[str, Any]:
        return dict(self._signs(), proven=self.proven, missing=self.missing)


def prove(evidence: Evidence, old_boot_id: str, token: str, release: str) -> Proof:
    """Compare a boot with what was staged; an empty release, of an image that names none, matches any."""
    return Proof(
        boot_id_changed=bool(evidence.boot_id) and evidence.boot_id != old_boot_id,
        token=token_of(evidence.cmdline) == token,
        release=evidence.release == release or not release,
        bootloader_type=evidence.by_kexec,
    )
