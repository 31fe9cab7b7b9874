# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._host.cpu import Cpu, parse_cpuinfo

ONE = "processor\t: 0\nmodel name\t: A CPU @ 2.60GHz\nflags\t\t: fpu %s\nbugs\t\t:\n"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("", Cpu("A CPU @ 2.60GHz", False, False, None)),
        ("sse4_2 la57", Cpu("A CPU @ 2.60GHz", True, True, None)),
        ("hypervisor sev sev_es", Cpu("A CPU @ 2.60GHz", False, False, "sev_es")),
        ("hypervisor tdx_guest", Cpu("A CPU @ 2.60GHz", False, False, "tdx_guest")),
        # A host that offers encryption to its guests is not encrypted itself.
        ("sev sev_es sme", Cpu("A CPU @ 2.60GHz", False, False, None)),
    ],
)
def test_flags(flags: str, expected: Cpu) -> None:
    assert parse_cpuinfo(ONE % flags) == expected
    assert parse_cpuinfo(ONE % flags + "\n" + ONE % "sse4_2") == expected, "the first processor counts"


def test_nothing_to_read() -> None:
    assert parse_cpuinfo(None) == Cpu("", False, False, None)
