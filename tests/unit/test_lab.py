# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""How the lab starts a guest."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.molecule.lab import lab


def command(guest: Path, *options: str) -> str:
    """QEMU's command line of a guest with these options."""
    given = ("--name=kx1", "--image=disk", "--netns=lab", "--tap=tap1", "--mac=52:54:00:fc:00:01", "--accel=kvm")
    args = lab.parse(["start", str(guest), *given, "--memory-mib=768", "--cpus=1", *options])
    return " ".join(lab.qemu_command(args))


def test_secure_boot_takes_the_firmware_with_keys_and_lets_nobody_else_write_to_it(tmp_path: Path) -> None:
    secure = command(tmp_path, "--firmware=uefi", "--secure-boot")
    assert "file=/usr/share/OVMF/OVMF_CODE_4M.ms.fd" in secure
    assert "-machine q35,sata=off,smm=on " in secure
    assert "-global driver=cfi.pflash01,property=secure,value=on" in secure

    insecure = command(tmp_path, "--firmware=uefi")
    assert "file=/usr/share/OVMF/OVMF_CODE_4M.fd" in insecure
    assert "smm" not in insecure and "-global" not in insecure


@pytest.mark.parametrize(("options", "count"), [(["--tpm"], 1), ([], 0)])
def test_a_tpm_is_there_if_it_is_asked_for(tmp_path: Path, options: list[str], count: int) -> None:
    assert command(tmp_path, *options).count("-device tpm-tis,tpmdev=tpm0") == count


def test_more_arguments_come_last(tmp_path: Path) -> None:
    assert command(tmp_path, "--qemu-arg=-rtc", "--qemu-arg=base=2026-11-30").endswith(" -rtc base=2026-11-30")
