# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Version-dependent behaviour of the running kernel's C(kexec_file_load).

No file exposes it; the versions are those of the changes in kernel/kexec_file.c. Where they are unknown, the answer is cautious.
"""

from __future__ import annotations

from .._host.facts import HostFacts
from .._host.installed import VersionKey, split_release, version_key

# 6.12 does not place images in CMA, 7.2 does; versions in between may.
_CMA_SINCE = version_key("6.13")
# From here on it checks nothing that lies in CMA, and nothing at all with kexec handover on.
_UNCHECKED_SINCE = version_key("7.3")


def loads_into_cma(facts: HostFacts) -> bool:
    """Whether it may place an image in CMA, at a multiple of 1 MiB, where it need not be copied."""
    return bool(facts.memory.cma_total_bytes) and _version(facts) >= _CMA_SINCE


def may_skip_check(facts: HostFacts) -> bool:
    """Whether it may skip the purgatory's SHA-256 check."""
    return loads_into_cma(facts) or (facts.kernel.kho and _version(facts) >= _UNCHECKED_SINCE)


def skips_check_in_cma(facts: HostFacts) -> bool:
    """Whether it skips that check if the whole image lies in CMA."""
    return _version(facts) >= _UNCHECKED_SINCE


def _version(facts: HostFacts) -> VersionKey:
    return version_key(split_release(facts.kernel.release)[0])
