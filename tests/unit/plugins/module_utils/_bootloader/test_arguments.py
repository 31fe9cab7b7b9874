# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments on a command line, changed without a change to anything else on it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.arguments import values_of, with_values, without

LINE = 'root=UUID=1 ro  cma=64M\tdyndbg="file a.c +p" cma=128M quiet -- cma=init'


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("", ()),
        ("ro quiet", ()),
        ("cma=64M", ("64M",)),
        (LINE, ("64M", "128M")),
        ("cma", ()),
        ("cma=", ("",)),
        ("xcma=1 cma_x=2 cma.x=3", ()),
        ("-- cma=64M", ()),
        ("ro\ncma=64M\n", ("64M",)),
        # An argument may stand in quotes, or its value.
        ('"cma=64M"', ("64M",)),
        ('cma="64M"', ("64M",)),
        ('dyndbg="file a.c cma=64M"', ()),
        ('a="b -- c" cma=64M', ("64M",)),
        # For the kernel white space is of ASCII.
        ("a\u2003cma=64M", ()),
    ],
)
def test_values(line: str, values: tuple[str, ...]) -> None:
    assert values_of(line, "cma") == values


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("", ""),
        ("cma=64M", ""),
        ("cma=64M\n", "\n"),
        ("cma=64M ro", "ro"),
        ("ro cma=64M", "ro"),
        ("ro cma=64M quiet", "ro quiet"),
        ("ro  cma=64M\tcma=1M  quiet \n", "ro  quiet \n"),
        ("cma=1 cma=2 ro", "ro"),
        ("  cma=1 ro", "  ro"),
        (LINE, 'root=UUID=1 ro\tdyndbg="file a.c +p" quiet -- cma=init'),
    ],
)
def test_without_an_argument(line: str, left: str) -> None:
    assert without(line, "cma") == left


@pytest.mark.parametrize(
    ("line", "values", "after"),
    [
        ("", ["64M"], "cma=64M"),
        ("\n", ["64M"], "cma=64M\n"),
        ("ro quiet\n", ["64M"], "ro quiet cma=64M\n"),
        ("ro cma=1M quiet", ["64M", "128M"], "ro quiet cma=64M cma=128M"),
        ("ro cma=1M", [], "ro"),
        ("ro -- init", ["64M"], "ro cma=64M -- init"),
        ("-- init", ["64M"], "cma=64M -- init"),
        # A quote that nobody closes takes all that follows along.
        ('ro "a b', ["64M"], 'ro cma=64M "a b'),
        ('"a b', ["64M"], 'cma=64M "a b'),
    ],
)
def test_with_values(line: str, values: list[str], after: str) -> None:
    assert with_values(line, "cma", values) == after


NAMES = st.sampled_from(["cma", "crashkernel"])
VALUES = st.text(alphabet="0123456789MG@,:-", min_size=1)
ARGUMENTS = st.one_of(
    st.builds("{}={}".format, st.sampled_from(["cma", "crashkernel", "root", "cmax", "x.cma"]), VALUES),
    st.sampled_from(["ro", "quiet", "cma", "--", "---", 'dyndbg="file a.c +p"', '"a b"', 'a="-- cma=1"', '"cma=1 2"']),
)
SPACES = st.text(alphabet=" \t\n", min_size=1, max_size=3)


@st.composite
def lines(draw: st.DrawFn) -> str:
    """Command lines with arguments of all kinds."""
    arguments = draw(st.lists(ARGUMENTS, max_size=8))
    parts = [draw(st.sampled_from(["", " ", "\t"]))]
    for argument in arguments:
        parts += [argument, draw(SPACES)]
    return "".join(parts) if draw(st.booleans()) else "".join(parts[:-1])


def other_arguments(line: str, name: str) -> list[str]:
    """All arguments but those of a name that are for the kernel, quotes balanced, found by another way."""
    found: list[str] = []
    current = ""
    quoted = False
    for character in line + " ":
        if character in " \t\n" and not quoted:
            found += [current] if current else []
            current = ""
        else:
            quoted ^= character == '"'
            current += character
    end = found.index("--") if "--" in found else len(found)
    return [argument for argument in found[:end] if not argument.strip('"').startswith(name + "=")] + found[end:]


@given(lines(), NAMES, st.lists(VALUES, max_size=3))
def test_values_are_set_and_all_else_stays(line: str, name: str, values: list[str]) -> None:
    after = with_values(line, name, values)
    assert values_of(after, name) == tuple(values)
    assert other_arguments(after, name) == other_arguments(line, name)


@given(st.text(alphabet='cma=1 \t\n"-'), st.lists(VALUES, max_size=3))
def test_values_are_set_on_any_line(line: str, values: list[str]) -> None:
    assert values_of(with_values(line, "cma", values), "cma") == tuple(values)


@given(lines(), NAMES)
def test_without_what_is_not_there_is_the_line_itself(line: str, name: str) -> None:
    bare = without(line, name)
    assert values_of(bare, name) == ()
    assert without(bare, name) == bare
    if not values_of(line, name):
        assert bare == line


@given(lines(), NAMES, VALUES)
def test_what_is_added_to_a_line_without_it_comes_off_again(line: str, name: str, value: str) -> None:
    bare = without(line, name)
    assert without(with_values(bare, name, [value]), name).split() == bare.split()
