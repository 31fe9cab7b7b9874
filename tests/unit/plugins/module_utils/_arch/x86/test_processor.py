# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._arch.interface import Cpu
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.processor import cpuid_eax, parse_cpuinfo, read_processor

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
        ("sev_snp", Cpu("A CPU @ 2.60GHz", snp_host=True)),
        ("hypervisor sev_snp", Cpu("A CPU @ 2.60GHz", confidential="sev_snp")),
    ],
)
def test_flags(flags: str, expected: Cpu) -> None:
    assert parse_cpuinfo(ONE % flags) == expected
    assert parse_cpuinfo(ONE % flags + "\n" + ONE % "sse4_2") == expected, "the first processor counts"


def test_nothing_to_read() -> None:
    assert parse_cpuinfo("") == Cpu("", False, False, None)


def leaves(encryption: int) -> Callable[[int], int]:
    return {0x80000000: 0x80000021, 0x8000001F: encryption}.__getitem__


def refuse(leaf: int) -> int:
    raise PermissionError("no executable memory")


@pytest.mark.parametrize(
    ("flags", "encryption", "files", "confidential"),
    [
        # The kernel of a guest may have dropped the flag; the processor still tells.
        ("hypervisor", 1 << 1, set(), "sev"),
        ("hypervisor", 1 << 0, set(), None),
        ("hypervisor", 0, {"/dev/sev-guest"}, "sev_snp"),
        ("hypervisor sev", 0, {"/dev/sev-guest"}, "sev_snp"),
        ("hypervisor tdx_guest", 0, set(), "tdx_guest"),
        ("sev", 1 << 1, set(), None),
    ],
)
def test_a_guest_with_encrypted_memory(flags: str, encryption: int, files: set[str], confidential: str | None) -> None:
    assert read_processor(ONE % flags, files.__contains__, leaves(encryption)).confidential == confidential


def test_a_processor_without_the_leaf() -> None:
    cpu = read_processor(ONE % "hypervisor", set().__contains__, {0x80000000: 0x80000008}.__getitem__)
    assert (cpu.confidential, cpu.own_code) == (None, True)


def test_a_host_that_lets_nobody_run_code_of_their_own() -> None:
    assert read_processor(ONE % "sse4_2", set().__contains__, refuse).own_code is False


def test_this_machine_has_extended_leaves() -> None:
    assert cpuid_eax(0x80000000) >= 0x80000001
