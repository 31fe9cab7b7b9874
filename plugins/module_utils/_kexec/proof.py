# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof of path: whether the host booted the staged kernel, and by kexec, or whether it has rebooted softly.

Each sign of a kexec can occur by accident; all four together can't. A soft reboot is counted by systemd itself.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Optional, Union

from .._arch.architectures import loader_name
from .._arch.interface import LOADER_KEXEC
from .._host.running_system import SystemId
from .._one_boot_args import kexecs_of, token_of

PATH_KEXEC = "kexec"
PATH_FIRMWARE = "firmware"
PATH_SOFT = "soft"
# LinuxBoot, Heads and ZFSBootMenu start Linux by kexec after every power-on.
PATH_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Evidence:
    """Evidence that a host gives of its running system.

    :ivar bootloader_type: None where that sysctl does not exist, as on arm64. There only the token shows a kexec, and nothing
        shows that a kernel was started by firmware.
    """

    system: SystemId
    release: str
    cmdline: str
    bootloader_type: Optional[int]

    @property
    def boot_id(self) -> str:
        return self.system.boot_id

    @property
    def path(self) -> str:
        """How the system came up: C(soft), or the path of its kernel (:attr:`kernel_path`)."""
        return PATH_SOFT if self.system.soft_reboots else self.kernel_path

    @property
    def kernel_path(self) -> str:
        """Boot path of the kernel: C(kexec) or C(firmware).

        C(unknown) after a kexec that this collection did not stage, and after any other boot where there is no bootloader_type.
        """
        if not self.by_kexec:
            return PATH_FIRMWARE if self.bootloader_type is not None else PATH_UNKNOWN
        return PATH_KEXEC if token_of(self.cmdline) is not None else PATH_UNKNOWN

    @property
    def by_kexec(self) -> bool:
        """Whether a kexec started the kernel: this collection's, another tool's, or firmware's own."""
        if self.bootloader_type is None:
            return token_of(self.cmdline) is not None
        return loader_name(self.bootloader_type) == LOADER_KEXEC

    @property
    def kexecs(self) -> Optional[int]:
        """Number of kexecs since firmware booted the host; None if that is unknown."""
        if not self.by_kexec:
            return 0 if self.bootloader_type is not None else None
        return kexecs_of(self.cmdline)


@dataclass(frozen=True)
class _Signs:
    """Signs of a reboot, all of which have to be present; one that the host can't give is None."""

    def _signs(self) -> Dict[str, Optional[bool]]:
        return asdict(self)

    @property
    def missing(self) -> List[str]:
        return [name for name, present in self._signs().items() if present is False]

    @property
    def proven(self) -> bool:
        return not self.missing

    def as_dict(self) -> Dict[str, Any]:
        return dict(self._signs(), proven=self.proven, missing=self.missing)


@dataclass(frozen=True)
class KexecProof(_Signs):
    """Presence of each sign of a kexec into the staged image; C(bootloader_type) is None where there is no such sysctl."""

    boot_id_changed: bool
    token: bool
    release: bool
    bootloader_type: Optional[bool]


@dataclass(frozen=True)
class SoftProof(_Signs):
    """Presence of each sign of a soft reboot.

    :ivar boot_id_kept: the kernel is the one that ran before.
    :ivar soft_reboots: systemd has counted exactly one more.
    :ivar userspace: PID 1 has started its userspace anew.
    """

    boot_id_kept: bool
    soft_reboots: bool
    userspace: bool


Proof = Union[KexecProof, SoftProof]


def prove_kexec(evidence: Evidence, old: SystemId, token: str, release: str) -> KexecProof:
    """Compare a boot with what was staged; an empty release, of an image that names none, matches any."""
    return KexecProof(
        boot_id_changed=bool(evidence.boot_id) and evidence.boot_id != old.boot_id,
        token=token_of(evidence.cmdline) == token,
        release=evidence.release == release or not release,
        bootloader_type=evidence.by_kexec if evidence.bootloader_type is not None else None,
    )


def prove_soft(evidence: Evidence, old: SystemId) -> SoftProof:
    """Compare the running system with the one that was to end in a soft reboot."""
    new = evidence.system
    return SoftProof(
        boot_id_kept=new.boot_id == old.boot_id,
        soft_reboots=new.soft_reboots == old.soft_reboots + 1,
        userspace=new.userspace_us is not None and new.userspace_us != old.userspace_us,
    )
