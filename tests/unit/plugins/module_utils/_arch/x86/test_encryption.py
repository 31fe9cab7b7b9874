# SPDX-License-Identifier: GPL-3.0-or-later
"""Risks of a kexec that come with encrypted memory."""

from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._arch.interface import Cpu
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.encryption import encryption_risks


@pytest.mark.parametrize(
    ("cpu", "series", "code"),
    [
        (Cpu(""), (6, 1), None),
        (Cpu("", confidential="tdx_guest"), (6, 10), "CONFIDENTIAL_RISK"),
        (Cpu("", confidential="tdx_guest"), (6, 11), None),
        (Cpu("", confidential="sev_snp"), (7, 3), "CONFIDENTIAL_RISK"),
        (Cpu("", confidential="sev_es"), (7, 3), "CONFIDENTIAL_RISK"),
        (Cpu("", confidential="sev"), (7, 3), "CONFIDENTIAL_RISK"),
        (Cpu("", snp_host=True), (6, 10), "SNP_HOST"),
        (Cpu("", snp_host=True), (6, 11), None),
    ],
)
def test_encrypted_memory(cpu: Cpu, series: tuple[int, int], code: str | None) -> None:
    found = list(encryption_risks(cpu, series))
    assert [risk.code for risk in found] == ([code] if code else [])
    assert all("https://" in risk.message for risk in found)
