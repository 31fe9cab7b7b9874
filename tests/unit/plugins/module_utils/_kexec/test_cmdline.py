# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.cmdline import (
    Edits,
    base_line,
    check_length,
    has_one_boot_args,
    kexecs_of,
    split,
    token_of,
    with_token,
)
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.errors import KexecError

RUNNING = 'BOOT_IMAGE=/boot/vmlinuz root=UUID=1 ro console=tty0 console=ttyS0 dyndbg="file a.c +p" quiet'


@pytest.mark.parametrize(
    ("line", "args"),
    [
        ("", []),
        ("  a  b\tc\n", ["a", "b", "c"]),
        ('a="b c" d', ['a="b c"', "d"]),
        ('"a=b c" d', ['"a=b c"', "d"]),
        ("a -- b", ["a", "--", "b"]),
    ],
)
def test_split(line: str, args: list[str]) -> None:
    assert split(line) == args


@pytest.mark.parametrize("line", ['a="b', "a\x00b", "a\x07", "a\x7f"])
def test_split_refuses(line: str) -> None:
    with pytest.raises(KexecError) as caught:
        split(line)
    assert caught.value.reason.code == "CMDLINE_INVALID"


@pytest.mark.parametrize(
    ("edits", "line"),
    [
        (Edits(), 'root=UUID=1 ro console=tty0 console=ttyS0 dyndbg="file a.c +p" quiet'),
        (Edits(remove=["console", "quiet"]), 'root=UUID=1 ro dyndbg="file a.c +p"'),
        (Edits(remove=["console=tty0", "dyndbg"]), "root=UUID=1 ro console=ttyS0 quiet"),
        (
            Edits(append=["quiet", "loglevel=3 nokaslr"]),
            'root=UUID=1 ro console=tty0 console=ttyS0 dyndbg="file a.c +p" quiet loglevel=3 nokaslr',
        ),
        (Edits(replace="root=/dev/vda1", append=["ro"]), "root=/dev/vda1 ro"),
    ],
)
def test_edits(edits: Edits, line: str) -> None:
    assert base_line(RUNNING, edits) == line


def test_arguments_for_init_stay_at_the_end() -> None:
    base = base_line("root=/dev/vda1 -- single", Edits(append=["quiet"]))
    assert base == "root=/dev/vda1 quiet -- single"
    assert with_token(base, "ab") == "root=/dev/vda1 quiet fleet_kexec.token=ab panic=10 oops=panic -- single"


@pytest.mark.parametrize(("own", "added"), [("panic=30", False), ("panic=-1", False), ("panic=0", True), ("ro", True)])
def test_the_hosts_own_panic_setting_is_respected(own: str, added: bool) -> None:
    assert ("oops=panic" in with_token(own, "ab")) is added


def test_the_hosts_own_arguments_survive_even_if_they_look_like_ours() -> None:
    assert base_line("panic=10 oops=panic ro fleet_kexec.token=ab ro2 panic=10", Edits()) == "panic=10 oops=panic ro ro2 panic=10"


def test_a_hundred_kexecs_do_not_grow_the_line() -> None:
    first = line = with_token(base_line(RUNNING, Edits(append=["extra"])), "00" * 8, kexecs=100)
    for count in range(100):
        line = with_token(base_line(line, Edits(append=["extra"])), "%016x" % count, kexecs=count + 101)
    assert len(line) == len(first)
    assert token_of(line) == "%016x" % 99


argument = st.from_regex(r'[a-z_.]{1,8}(=("[a-z ]{0,8}"|[a-z0-9,]{0,8}))?', fullmatch=True)


@given(st.lists(argument, max_size=20))
def test_reusing_a_line_is_stable(args: list[str]) -> None:
    once = base_line(" ".join(args), Edits())
    assert base_line(once, Edits()) == once
    assert base_line(with_token(once, "ab"), Edits()) == once
    assert base_line(with_token(once, "ab", kexecs=12), Edits()) == once


def test_the_count_stands_right_behind_the_token_and_goes_with_it() -> None:
    line = with_token("ro -- single", "ab", kaslr=False, kexecs=3)
    assert line == "ro fleet_kexec.token=ab fleet_kexec.kexecs=3 panic=10 oops=panic nokaslr -- single"
    assert kexecs_of(line) == 3
    assert has_one_boot_args(line)
    assert base_line(line, Edits()) == "ro -- single"


@pytest.mark.parametrize("line", ["", "ro", "fleet_kexec.kexecs=", "fleet_kexec.kexecs=-1", "fleet_kexec.kexecs=two"])
def test_a_line_without_a_count(line: str) -> None:
    assert kexecs_of(line) is None


@pytest.mark.parametrize(
    ("line", "own"),
    [
        ("ro fleet_kexec.token=ab panic=10 oops=panic", True),
        ("ro fleet_kexec.token=ab fleet_kexec.kexecs=7 panic=10 oops=panic quiet", True),
        ("panic=10 oops=panic fleet_kexec.token=ab fleet_kexec.kexecs=7", False),
        ("ro fleet_kexec.token=ab fleet_kexec.kexecs=7 panic=30", False),
        ("ro panic=10 oops=panic", False),
    ],
)
def test_own_one_boot_arguments(line: str, own: bool) -> None:
    assert has_one_boot_args(line) is own


def test_length() -> None:
    check_length("x" * 2047, 2047, 0)
    for line, limit in (("x" * 2048, 0), ("x" * 256, 255), ("é" * 200, 255)):
        with pytest.raises(KexecError) as caught:
            check_length(line, 2047, limit)
        assert caught.value.reason.code == "CMDLINE_TOO_LONG"


def test_token_of() -> None:
    assert token_of("ro") is None
    assert token_of("fleet_kexec.token=a fleet_kexec.token=b") == "b"
