# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.decompressor import decompressor_args


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("root=/dev/vda1 ro quiet", ()),
        ("mem_encrypt=on no5lvl", ("mem_encrypt=on", "no5lvl")),
        ("mem_encrypt=off", ()),
        # Switches are words, in quotes and for init, too.
        ('a="b no5lvl c" -- mem_encrypt=on', ("no5lvl", "mem_encrypt=on")),
        ("mem=4G", ("mem=4G",)),
        ("mem=nopentium", ()),
        # It takes back nothing.
        ("mem=4G mem=nopentium", ("mem=4G",)),
        ("mem=4G mem=8G", ("mem=4G", "mem=8G")),
        ("mem", ()),
        ("memory=4G member=4G mem_sleep_default=deep", ()),
        ("memmap=64M@16M", ("memmap=64M@16M",)),
        ("memmap=4G!12G", ("memmap=4G!12G",)),
        ("memmap=64K#0x100000", ("memmap=64K#0x100000",)),
        ("memmap=2M$1G memmap=8G", ("memmap=2M$1G", "memmap=8G")),
        ("memmap=exactmap", ("memmap=exactmap",)),
        ("memmap=1M$1G,2M$2G", ("memmap=1M$1G,2M$2G",)),
        ("efi_fake_mem=1G@4G:0x40000", ("efi_fake_mem=1G@4G:0x40000",)),
        ("efi-fake-mem=1G@4G:0x40000", ("efi-fake-mem=1G@4G:0x40000",)),
        ("movable_node", ("movable_node",)),
        ("hugepages=512", ()),
        ("hugepagesz=2M hugepages=512 default_hugepagesz=2048k", ()),
        ("hugepagesz=1G hugepages=16", ("hugepagesz=1G",)),
        ("default_hugepagesz=1g hugepages=16", ("default_hugepagesz=1g",)),
        ("hugepagesz=0x40000000 hugepages=1", ("hugepagesz=0x40000000",)),
        ("hugepagesz=1G hugepages=4 hugepagesz=2M hugepages=512", ("hugepagesz=1G",)),
        # Quotes are the kernel's own, and what follows -- is for init.
        ('"mem=4G"', ('"mem=4G"',)),
        ('memmap="4G!12G"', ('memmap="4G!12G"',)),
        ('a="b mem=4G c"', ()),
        ("ro -- mem=4G memmap=4G!12G movable_node hugepagesz=1G", ()),
        ("mem=4G -- mem=8G", ("mem=4G",)),
    ],
)
def test_arguments_that_only_the_decompressor_acts_on(line: str, found: tuple[str, ...]) -> None:
    assert decompressor_args(line) == found


@given(
    st.lists(st.from_regex(r'[a-z_.]{1,12}(=("[a-z ]{0,8}"|[a-z0-9,]{0,8}))?', fullmatch=True), max_size=8),
    st.sampled_from(["mem=1G", "memmap=4G!12G", "movable_node", "hugepagesz=1G"]),
    st.integers(0, 8),
)
def test_an_argument_is_found_wherever_it_stands(others: list[str], argument: str, place: int) -> None:
    words = [*others[:place], argument, *others[place:]]
    assert argument in decompressor_args(" ".join(words))
