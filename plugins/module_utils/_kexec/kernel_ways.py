# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What C(kexec_file_load) of the running kernel does, as far as it differs from version to version.

No file tells; the versions are those of the changes in kernel/kexec_file.c,
as far as they are known. Where they are not, the careful answer is given.
"""

from __future__ import annotations

from .._host.facts import HostFacts
from .._host.installed import VersionKey, split_release, version_key

# 6.12 does not place images in CMA, 7.2 does; those in between may.
_CMA_SINCE = version_key("6.13")
# Does not check what lies in CMA, nor anything with kexec handover on.
_UNCHECKED_SINCE = version_key("7.3")


def loads_into_cma(facts: HostFacts) -> bool:
    """Whether it may place an image in CMA, at multiples of 1 MiB and where it need not be copied."""
    return bool(facts.memory.cma_total_bytes) and _version(facts) >= _CMA_SINCE


def may_skip_check(facts: HostFacts) -> bool:
    """Whether it may leave out the purgatory's SHA-256."""
    return loads_into_cma(facts) or (facts.kernel.kho and _version(facts) >= _UNCHECKED_SINCE)


def skips_check_in_cma(facts: HostFacts) -> bool:
    """Whether it leaves it out if all of an image lies in CMA."""
    return _version(facts) >= _UNCHECKED_SINCE


def _version(facts: HostFacts) -> VersionKey:
    return version_key(split_release(facts.kernel.release)[0])
