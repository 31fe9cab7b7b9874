# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Risks of a kexec that come with encrypted memory, of guests and of their hosts.

The running kernel is the one that has to leave memory and processors to the next. Stable and distribution kernels of an older
series may have the changes of a newer one; their releases do not tell, so the risk stays.
"""

from __future__ import annotations

from typing import Iterator, Optional, Tuple

from ..._reasons import Reason, reason
from ..interface import Cpu

_NO_AMD_GUEST = "guests with AMD's SEV-ES or SEV-SNP have no safe way to hand their processors to another kernel"
_SEV_ES = "https://lore.kernel.org/lkml/20210721142015.1401-3-joro@8bytes.org/"
_SEV_SNP = "https://lore.kernel.org/lkml/20250421204453.318557-1-Ashish.Kalra@amd.com/"
_TDX = "Intel's TDX before Linux 6.11 leaves memory shared with the host, which is fatal to the next kernel"
# By Cpu.confidential: what a kexec lacks, its source, and the series of the first kernel that has it.
_GUESTS = {
    # The processor does not tell whether it is SEV-ES.
    "sev": (_NO_AMD_GUEST + ", and this may be one", _SEV_ES, None),
    "sev_es": (_NO_AMD_GUEST, _SEV_ES, None),
    "sev_snp": (_NO_AMD_GUEST, _SEV_SNP, None),
    "tdx_guest": (_TDX, "https://lkml.iu.edu/hypermail/linux/kernel/2401.3/05869.html", (6, 11)),
}
# The change is of April 2024; kernels before this series may lack it.
_SNP_HOST_MENDED = (6, 11)
_SNP_HOST = "https://git.kernel.org/tip/400fea4b9651adf5d7ebd5d71e905f34f4e4e493"


def encryption_risks(cpu: Cpu, series: Tuple[int, int]) -> Iterator[Reason]:
    """Find the risks.

    :param series: series of the running kernel.
    """
    why, source, mended = _GUESTS.get(cpu.confidential or "", ("", "", None))
    if why and _lacks(series, mended):
        yield reason("CONFIDENTIAL_RISK", "this guest's memory is encrypted (%s): %s (%s)" % (cpu.confidential, why, source))
    if cpu.snp_host and _lacks(series, _SNP_HOST_MENDED):
        message = "this can run guests with SEV-SNP, for which Linux before %d.%d may load an image where it is fatal (%s)"
        yield reason("SNP_HOST", message % (*_SNP_HOST_MENDED, _SNP_HOST))


def _lacks(series: Tuple[int, int], mended: Optional[Tuple[int, int]]) -> bool:
    return mended is None or series < mended
