# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kernel adds to its command line, taken off again: a line that is handed on does not grow."""

from __future__ import annotations

import re
from typing import List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._cmdline import parse_cmdline
from ansible_collections.fleet.kexec.plugins.module_utils._host.built_in_args import built_in_line, own_part_removed

Keys = List[Tuple[str, List[str]]]


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ("", ""),
        ("# CONFIG_CMDLINE_BOOL is not set\n", ""),
        ('CONFIG_CMDLINE_BOOL=y\nCONFIG_CMDLINE="console=ttyS0 ro"\n# CONFIG_CMDLINE_OVERRIDE is not set\n', "console=ttyS0 ro"),
        ('CONFIG_CMDLINE_BOOL=y\nCONFIG_CMDLINE=""\n', ""),
        ('CONFIG_CMDLINE_BOOL=y\nCONFIG_CMDLINE="dyndbg=\\"file a.c +p\\" b=\\\\"\n', 'dyndbg="file a.c +p" b=\\'),
        ('CONFIG_CMDLINE="console=ttyS0"\n', ""),
        ('CONFIG_CMDLINE_BOOL=y\nCONFIG_CMDLINE="ro"\nCONFIG_CMDLINE_OVERRIDE=y\n', ""),
    ],
)
def test_the_built_in_line(config: str, line: str) -> None:
    assert built_in_line(config) == line


#: As Linux 6.12 shows it, with the loader's line behind it.
BOOTCONFIG = """\
kernel.trace_event = "sched:*"
kernel.console = "ttyS0,115200", "tty0"
kernel.dyndbg = "file a.c +p"
kernel.ftrace.dump = ""
foo.bar = "1"
init.systemd.log_level = "debug"
kernel.motd = '"a"
kernel.b = 1'
# Parameters from bootloader:
# root=/dev/vda1 ro bootconfig
"""
PREFIX = 'trace_event=sched:* console=ttyS0,115200 console=tty0 dyndbg="file a.c +p" ftrace.dump motd="%s" ' % '"a"\nkernel.b = 1'


@pytest.mark.parametrize(
    ("line", "passed"),
    [
        (PREFIX + "root=/dev/vda1 ro bootconfig -- systemd.log_level=debug", "root=/dev/vda1 ro bootconfig"),
        (PREFIX + "ro bootconfig -- systemd.log_level=debug single", "ro bootconfig -- single"),
        (PREFIX + "ro bootconfig -- single", "ro bootconfig -- single"),
        # Before 6.10.
        (PREFIX.replace("=sched:*", '="sched:*"').replace("=tty0", '="tty0"') + "ro bootconfig", "ro bootconfig"),
        (PREFIX.replace("ftrace.dump", "ftrace.dump=") + "bootconfig", "bootconfig"),
        # What does not stand in front came from elsewhere.
        ("ro " + PREFIX.strip(), "ro " + PREFIX.strip()),
        ("trace_event=sched:* ro bootconfig", "trace_event=sched:* ro bootconfig"),
    ],
)
def test_the_bootconfig_part(line: str, passed: str) -> None:
    assert own_part_removed(line, "", BOOTCONFIG) == passed


@pytest.mark.parametrize(
    ("line", "built_in", "passed"),
    [
        ("console=ttyS0 ro root=/dev/vda1 ro", "console=ttyS0 ro", "root=/dev/vda1 ro"),
        ("console=ttyS0", "console=ttyS0", ""),
        ("console=ttyS0,115200 ro", "console=ttyS0", "console=ttyS0,115200 ro"),
        ("ro console=ttyS0", "console=ttyS0", "ro console=ttyS0"),
        # What the loader passed twice is the loader's.
        ("quiet quiet ro", "quiet", "quiet ro"),
    ],
)
def test_the_built_in_part(line: str, built_in: str, passed: str) -> None:
    assert own_part_removed(line, built_in, "") == passed


class Kernel:
    """Adds its part to a line as Linux does, and shows its bootconfig."""

    def __init__(self, built_in: str, kernel: Keys, init: Keys, always_quoted: bool) -> None:
        self.built_in = built_in
        self._quoted = always_quoted
        self._kernel, self._init = self._print(kernel), self._print(init).strip()
        shown = [*(("kernel." + key, values) for key, values in kernel), *(("init." + key, values) for key, values in init)]
        self.bootconfig = "".join("%s = %s\n" % (key, ", ".join('"%s"' % value for value in values)) for key, values in shown)

    def _print(self, keys: Keys) -> str:
        return "".join(
            "%s=%s " % (key, '"%s"' % value if self._quoted or re.search(r"[ \t\r\n]", value) else value)
            for key, values in keys
            for value in values
        )

    def boot(self, line: str) -> str:
        line = " ".join([self.built_in, line]) if self.built_in else line
        init = parse_cmdline(line).init
        if self._init and init:
            line = line[: init[0].end] + " " + self._init + line[init[0].end :]
        elif self._init:
            line += " -- " + self._init
        return (self._kernel + line).strip()


words = st.from_regex(r"[a-z_.]{1,6}(=[a-z0-9,]{0,4})?", fullmatch=True)
keys = st.lists(
    st.tuples(st.from_regex(r"[a-z_]{1,5}(\.[a-z_]{1,5})?", fullmatch=True), st.lists(st.text("ab ,=", max_size=4), min_size=1)),
    max_size=3,
)
lines = st.lists(words, min_size=1, max_size=5).map(" ".join)


@given(lines, st.one_of(st.just(""), lines), keys, keys, st.booleans(), st.sampled_from(["", " -- single"]))
def test_a_line_handed_on_stays_the_same(
    line: str, built_in: str, kernel: Keys, init: Keys, always_quoted: bool, for_init: str
) -> None:
    booted = Kernel(built_in, kernel, init, always_quoted)
    passed = first = line + for_init
    for _kexec in range(3):
        passed = own_part_removed(booted.boot(passed), booted.built_in, booted.bootconfig)
    assert passed == first
