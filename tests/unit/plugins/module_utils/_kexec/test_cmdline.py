# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.architecture import X86_64
from ansible_collections.fleet.kexec.plugins.module_utils._cmdline import CmdlineError
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.cmdline import (
    Edits,
    allows_kaslr,
    base_line,
    max_line_bytes,
    with_token,
)
from ansible_collections.fleet.kexec.plugins.module_utils._one_boot_args import has_one_boot_args, kexecs_of, token_of

RUNNING = 'BOOT_IMAGE=/boot/vmlinuz root=UUID=1 ro console=tty0 console=ttyS0 dyndbg="file a.c +p" quiet'


@pytest.mark.parametrize("line", ['a="b', "a\x00b", "a\x07", "a\x7f"])
def test_lines_that_are_refused(line: str) -> None:
    for running, edits in ((line, Edits()), ("ro", Edits(replace=line)), ("ro", Edits(append=[line]))):
        with pytest.raises(CmdlineError) as caught:
            base_line(running, edits)
        assert caught.value.reason.code == "CMDLINE_INVALID"
    with pytest.raises(CmdlineError):
        with_token(line, "ab")


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
        # The same argument, however it is written.
        (Edits(replace='"quiet" "panic=0" a="b c" ro', remove=["quiet", "panic=0", '"a=b c"']), "ro"),
        (Edits(replace="log-buf-len=1M ro", remove=["log_buf_len"]), "ro"),
        (Edits(replace='a="quiet ro" quiet', remove=["quiet"]), 'a="quiet ro"'),
    ],
)
def test_edits(edits: Edits, line: str) -> None:
    assert base_line(RUNNING, edits) == line


def test_arguments_for_init_stay_at_the_end() -> None:
    base = base_line("root=/dev/vda1 -- single", Edits(append=["quiet"]))
    assert base == "root=/dev/vda1 quiet -- single"
    assert with_token(base, "ab") == "root=/dev/vda1 quiet fleet_kexec.token=ab panic=10 oops=panic -- single"


@pytest.mark.parametrize(
    ("own", "added"),
    [
        ("panic=30", False),
        ("panic=-1", False),
        ('"panic=30"', False),
        ("panic=0", True),
        ('"panic=0"', True),
        ('panic="0"', True),
        ("panic", True),
        ('a="b panic=30"', True),
        ("ro", True),
    ],
)
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


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("ro quiet", True),
        ("ro nokaslr", False),
        ("ro nokaslrx", True),
        # The decompressor obeys these, and so has a boot through firmware: it knows neither quotes nor what is for init.
        ('a="b nokaslr c"', False),
        ("ro -- nokaslr", False),
        ('"nokaslr"', True),
    ],
)
def test_kaslr(line: str, allowed: bool) -> None:
    assert allows_kaslr(line) is allowed


def test_an_argument_within_quotes_of_another_is_not_ours() -> None:
    line = 'a="fleet_kexec.token=ab panic=10 oops=panic nokaslr" ro'
    assert base_line(line, Edits()) == line
    assert with_token(line, "cd", kaslr=False) == line + " fleet_kexec.token=cd panic=10 oops=panic nokaslr"


@pytest.mark.parametrize(
    ("loader", "kernel_max_bytes", "max_bytes"),
    [
        ("kexec_file_load", 2047, 2016),
        ("kexec_load", 2047, 2046),
        ("kexec_file_load", 255, 224),
        # No header, or one that promises more than x86 has room for.
        ("kexec_load", 0, 2046),
        ("kexec_file_load", 4095, 2016),
    ],
)
def test_the_longest_line(loader: str, kernel_max_bytes: int, max_bytes: int) -> None:
    assert max_line_bytes(X86_64, loader, kernel_max_bytes) == max_bytes


def test_a_profile_is_for_one_boot_only() -> None:
    line = with_token("ro -- single", "ab", kaslr=False, kexecs=3, profile=True)
    assert (
        line
        == "ro fleet_kexec.token=ab fleet_kexec.kexecs=3 panic=10 oops=panic nokaslr initcall_debug log_buf_len=16M -- single"
    )
    assert base_line(line, Edits()) == "ro -- single"
    own = with_token("ro initcall_debug", "ab", profile=True)
    assert own.endswith("oops=panic log_buf_len=16M") and base_line(own, Edits()) == "ro initcall_debug", "the host's own stays"


def test_a_quiet_boot_is_one_boot_only() -> None:
    line = with_token("ro loglevel=7 -- single", "ab", quiet=True)
    assert line == "ro loglevel=7 fleet_kexec.token=ab panic=10 oops=panic quiet loglevel=4 -- single"
    assert base_line(line, Edits()) == "ro loglevel=7 -- single"
    own = with_token("ro quiet loglevel=4", "ab", quiet=True)
    assert base_line(own, Edits()) == "ro quiet loglevel=4", "the host's own stays"


@pytest.mark.parametrize("base", ["ro debug", "ro ignore_loglevel"])
def test_whoever_asks_for_messages_gets_them(base: str) -> None:
    assert with_token(base, "ab", quiet=True) == with_token(base, "ab")
