# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings as shell code, and the block in a file of others."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.grub_settings import (
    MainFile,
    join_block,
    parse_settings,
    render_drop_in,
    split_block,
)
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.interface import Setting

from ....outcomes import code_of
from .debian import KDUMP

PATH = "/etc/default/grub"
SETTINGS = [
    {"cma": Setting(("256M@16M-1G",))},
    {"cma": Setting((), overrule=True)},
    {"cma": Setting(("0",)), "crashkernel": Setting(("1G,high", "128M,low"), overrule=True)},
]


def joined(others: bytes | None, settings: dict[str, Setting]) -> bytes:
    content = join_block(others, settings, "grub-mkconfig")
    assert content is not None
    return content


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("made_directory", [False, True])
def test_a_drop_in_tells_what_it_sets(settings: dict[str, Setting], made_directory: bool) -> None:
    assert parse_settings(render_drop_in(settings, made_directory, "update-grub")) == settings


def test_a_drop_in_of_others_sets_nothing_of_ours() -> None:
    assert parse_settings(KDUMP) == {}


@given(st.one_of(st.none(), st.lists(st.sampled_from([b"A=1", b"\n", b"\r\n", b"\\", b"#", b" ", b"\xff"])).map(b"".join)))
@example(None)
@example(b"")
@example(b"A=1")
@example(b"A=1\r\n")
def test_a_block_leaves_no_trace(others: bytes | None) -> None:
    for settings in SETTINGS:
        content = joined(others, settings)
        found = split_block(PATH, content)
        assert found == MainFile(others, settings, True)
        assert join_block(found.others, found.settings, "grub-mkconfig") == content
    assert join_block(others, {}, "grub-mkconfig") == others


def test_what_was_added_around_the_block_stays() -> None:
    content = b"B=2\n" + joined(b"A=1\n", SETTINGS[0]) + b"C=3\n"
    assert split_block(PATH, content) == MainFile(b"B=2\nA=1\nC=3\n", SETTINGS[0], True)
    # Where the block has ended the line before, the line is still needed by what comes after.
    assert split_block(PATH, joined(b"A=1", SETTINGS[0]) + b"C=3\n").others == b"A=1\nC=3\n"
    assert split_block(PATH, joined(None, SETTINGS[0]) + b"C=3\n").others == b"C=3\n"
    assert split_block(PATH, joined(b"A=1\n", SETTINGS[0]).replace(b"\n\n#", b"\n#")).others == b"A=1\n"
    assert split_block(PATH, joined(b"A=1\n", SETTINGS[0]).rstrip()).others == b"A=1\n"


@pytest.mark.parametrize(
    "content",
    [
        joined(b"A=1\n", SETTINGS[0]) * 2,
        joined(b"A=1\n", SETTINGS[0]).replace(b"256M@", b"512M@"),
        joined(b"A=1\n", SETTINGS[0]).replace(b"# END", b"GRUB_TIMEOUT=1\n# END"),
        joined(b"A=1\n", SETTINGS[0]).replace(b"# END fleet.kexec\n", b""),
        joined(b"A=1\n", SETTINGS[0]).replace(b"\n", b"\r\n"),
        joined(b"A=1\n", SETTINGS[0]).replace(b"# BEGIN", b"  # BEGIN"),
        joined(b"A=1\n", SETTINGS[0]).replace(b"(sha256 ", b"(sha256 0"),
        joined(b"A=1\n", SETTINGS[0]) + b"# END fleet.kexec\n",
        b"# END fleet.kexec\n",
        b"# BEGIN fleet.kexec\n# END fleet.kexec\n",
    ],
)
def test_a_block_that_is_no_longer_as_it_was_written(content: bytes) -> None:
    assert code_of(split_block, PATH, content) == "BOOTLOADER_CONFIG_INVALID"


# Lines that a main file may end with, none of which may change what the block does.
HOSTILE = [
    'GRUB_CMDLINE_LINUX_DEFAULT="quiet $(echo \\"a b\\") `echo c`"\n',
    "GRUB_CMDLINE_LINUX_DEFAULT='a\"b $x \\\\ % %s'\n",
    'GRUB_CMDLINE_LINUX_DEFAULT="quiet" # no end',
    "GRUB_CMDLINE_LINUX_DEFAULT=quiet\\\n",
    "GRUB_CMDLINE_LINUX_DEFAULT=quiet\\",
    "GRUB_CMDLINE_LINUX_DEFAULT=-n\n",
    'GRUB_CMDLINE_LINUX_DEFAULT="cma=1M xcma=2M cma=3M,cma=4M\tcma=5M"\n',
    "unset GRUB_CMDLINE_LINUX_DEFAULT\n",
    "",
]


@pytest.mark.parametrize("others", HOSTILE)
@pytest.mark.parametrize("overrule", [False, True])
def test_a_real_shell_adds_the_values(others: str, overrule: bool) -> None:
    def line(text: bytes) -> list[str]:
        script = text + b"\n\nprintf '%s' \"$GRUB_CMDLINE_LINUX_DEFAULT\"\n"
        done = subprocess.run(["sh", "-e"], input=script, capture_output=True, check=True)
        return done.stdout.decode().split()

    before = line(others.encode())
    kept = [each for each in before if not (overrule and each.startswith("cma="))]
    content = joined(others.encode(), {"cma": Setting(("256M@16M-1G",), overrule)})
    assert line(content) == [*kept, "cma=256M@16M-1G"]


def test_update_bootloader_of_suse_leaves_the_block_alone() -> None:
    """Its sed replaces lines that begin with the variable's name."""
    content = joined(b'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n', SETTINGS[2])
    assert [each for each in content.splitlines() if each.startswith(b"GRUB_CMDLINE")] == [b'GRUB_CMDLINE_LINUX_DEFAULT="quiet"']
