# SPDX-License-Identifier: GPL-3.0-or-later
"""When the host got its first address."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._host.addresses import (
    AddressRecord,
    FirstAddress,
    Jiffies,
    dump_addresses,
    first_address,
    parse_addresses,
    parse_jiffies,
    read_first_address,
)
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles

# Of a Debian 13 guest under TCG, all at once: addresses of lo and eth0, and the lines that matter of /proc/timer_list.
DUMP = bytes.fromhex(
    "4c00000014000200010000004e010000020880fe01000000080001007f000001080002007f000001070003006c6f000008000800800000"
    "0014000600ffffffffffffffffee020000ee0200005800000014000200010000004e0100000218800002000000080001000a4d000b0800"
    "02000a4d000b080004000a4d00ff090003006574683000000000080008008000000014000600ffffffffffffffff200a0000200a000048"
    "00000014000200010000004e0100000a8080fe01000000140001000000000000000000000000000000000114000600ffffffffffffffff"
    "ef020000ef02000008000800800200004800000014000200010000004e0100000a4080000200000014000100fd77000000000000000000"
    "000000001114000600ffffffffffffffff230a0000230a000008000800800000005000000014000200010000004e0100000a4080fd0200"
    "000014000100fe80000000000000505400fffefc000114000600ffffffffffffffff0e0a00000e0a0000080008008000000005000b0003"
    "0000001400000003000200010000004e01000000000000"
)
TIMER_LIST = """\
Timer List Version: v0.10
HRTIMER_MAX_CLOCK_BASES: 8
now at 47590876048 nsecs

cpu: 0
 clock 0:
  .nr_events:      123
jiffies: 4294904138
"""
JIFFIES = Jiffies(47590876048, 11842, 250)


def test_addresses_of_the_host_alone_and_of_links_do_not_count() -> None:
    """fd77::11 was made 30 ms after 10.77.0.11."""
    assert parse_addresses(DUMP) == [AddressRecord(2592, False, 2), AddressRecord(2595, False, 2)]


@pytest.mark.parametrize("length", range(0, len(DUMP), 7))
def test_an_answer_that_is_cut_off(length: int) -> None:
    assert {each.made_cs for each in parse_addresses(DUMP[:length])} <= {2592, 2595}


def test_how_many_jiffies_there_are_in_a_second() -> None:
    assert parse_jiffies(TIMER_LIST) == JIFFIES


@pytest.mark.parametrize("hz", [100, 250, 300, 1000])
def test_every_rate_is_found(hz: int) -> None:
    text = "now at 1000000000000 nsecs\njiffies: %d\n" % ((1 << 32) + 700 * hz)
    assert parse_jiffies(text) == Jiffies(10**12, 1000 * hz, hz)


def test_at_five_minutes_of_uptime_it_could_be_any() -> None:
    assert parse_jiffies("now at 300000000000 nsecs\njiffies: %d\n" % (1 << 32)) is None


@pytest.mark.parametrize(
    "text", ["", "now at 5 nsecs\n", "jiffies: 4294904138\n", TIMER_LIST.replace("47590876048", "900000000000")]
)
def test_a_list_that_does_not_tell(text: str) -> None:
    assert parse_jiffies(text) is None


def test_the_first_address_on_the_other_clock() -> None:
    """It is 21.448 s old by jiffies, which lag 0.22 s behind here."""
    made = [AddressRecord(2595, False, 2), AddressRecord(2592, True, 3)]
    found = first_address(made, JIFFIES, "eth{}".format)
    assert found == FirstAddress(47590876048 - 21448 * 10**6, 18 * 10**6, True, "eth3")
    assert first_address([], JIFFIES, str) is None


def test_an_address_with_a_limited_lifetime_was_leased() -> None:
    leased = DUMP.replace(bytes.fromhex("14000600ffffffffffffffff200a0000"), bytes.fromhex("14000600100e0000100e0000200a0000"))
    assert parse_addresses(leased)[0] == AddressRecord(2592, True, 2)


def test_a_tree(tmp_path: Path) -> None:
    files = HostFiles(str(tmp_path))
    assert read_first_address(files, lambda: DUMP) is None, "not for everybody"
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/timer_list").write_text(TIMER_LIST)
    found = read_first_address(files, lambda: DUMP)
    assert found is not None and found.monotonic_ns == 26142876048
    assert read_first_address(files, lambda: b"") is None


@pytest.mark.skipif(platform.system() != "Linux", reason="netlink is of Linux")
def test_this_kernel_answers() -> None:
    """And to its end: the last message says that it is the last."""
    assert dump_addresses()[4:6] in (b"\x14\x00", b"\x03\x00")
