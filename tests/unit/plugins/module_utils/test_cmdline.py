# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines, taken apart as the kernel does it, and edited without a change to anything else on them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._cmdline import (
    CmdlineError,
    check_cmdline,
    early_words,
    encode,
    parse_cmdline,
    values_of,
    with_values,
    without,
)

# --- taking them apart ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "texts", "init"),
    [
        ("", [], []),
        ("  a  b\tc\n", ["a", "b", "c"], []),
        ("a\vb\fc\rd", ["a", "b", "c", "d"], []),
        ('a="b c" d', ['a="b c"', "d"], []),
        ('"a=b c" d', ['"a=b c"', "d"], []),
        ('a"b c"d e', ['a"b c"d', "e"], []),
        ('a "b c', ["a", '"b c'], []),
        ("a -- b -- c", ["a"], ["--", "b", "--", "c"]),
        ('a "--" b', ["a"], ['"--"', "b"]),
        ("a --=1 --- b", ["a", "--=1", "---", "b"], []),
        ('a="-- b" c', ['a="-- b"', "c"], []),
    ],
)
def test_arguments(line: str, texts: list[str], init: list[str]) -> None:
    parsed = parse_cmdline(line)
    assert [each.text for each in parsed.kernel] == texts
    assert [each.text for each in parsed.init] == init


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("ro", "ro", None),
        ('"ro"', "ro", None),
        ('"a b"', "a b", None),
        ("panic=0", "panic", "0"),
        ("panic=", "panic", ""),
        ('"panic=0"', "panic", "0"),
        ('panic="0"', "panic", "0"),
        ('dyndbg="file a.c +p"', "dyndbg", "file a.c +p"),
        ('"dyndbg=file a.c +p"', "dyndbg", "file a.c +p"),
        ("root=UUID=1", "root", "UUID=1"),
        # As next_arg has it: these are no quotes around a value, and that is no separator.
        ('a=b"c d"', "a", 'b"c d"'),
        ('pa"nic"=0', 'pa"nic"', "0"),
        ("=a", "=a", None),
        ("=a=b", "=a", "b"),
        # Quotes that nobody closes.
        ('"panic=0', "panic", "0"),
        ('panic="0 ro', "panic", "0 ro"),
        ('"', "", None),
        ('a="', "a", ""),
        ('"a="', "a", ""),
    ],
)
def test_name_and_value(text: str, name: str, value: str | None) -> None:
    (argument,) = parse_cmdline(text).kernel
    assert (argument.name, argument.value) == (name, value)


def next_arg(line: str) -> list[tuple[str, str | None]]:
    """Names and values of all arguments, character by character as C(next_arg) in lib/cmdline.c of the kernel does it."""
    found: list[tuple[str, str | None]] = []
    rest = line.lstrip(" \t\n")
    while rest:
        in_quote = quoted = rest[0] == '"'
        rest = rest[1:] if quoted else rest
        length = equals = 0
        while length < len(rest) and (in_quote or rest[length] not in " \t\n"):
            if equals == 0 and rest[length] == "=":
                equals = length
            in_quote ^= rest[length] == '"'
            length += 1
        characters = list(rest[:length])
        value_at = None
        if equals:
            characters[equals] = "\0"
            value_at = equals + 1
            if characters[value_at : value_at + 1] == ['"']:
                value_at += 1
                if characters[length - 1] == '"':
                    characters[length - 1] = "\0"
        if quoted and length and characters[length - 1] == '"':
            characters[length - 1] = "\0"
        text = "".join(characters)
        found.append((text.partition("\0")[0], None if value_at is None else text[value_at:].partition("\0")[0]))
        rest = rest[length:].lstrip(" \t\n")
    return found


ANYTHING = st.text(alphabet='ab-_= \t\n"', max_size=30)


@given(ANYTHING)
def test_any_line_is_taken_apart_as_the_kernel_does_it(line: str) -> None:
    assert [(each.name, each.value) for each in parse_cmdline(line).arguments] == next_arg(line)


@given(ANYTHING)
def test_arguments_lie_where_they_say_and_nothing_but_white_space_lies_between(line: str) -> None:
    end = 0
    for argument in parse_cmdline(line).arguments:
        assert not line[end : argument.start].strip()
        assert line[argument.start : argument.end] == argument.text
        end = argument.end
    assert not line[end:].strip()


def test_hyphens_and_underscores_are_the_same_in_names() -> None:
    (argument,) = parse_cmdline("log-buf_len=1M").kernel
    assert argument.is_named("log_buf-len")
    assert not argument.is_named("log_buf")
    assert values_of("module.some-name=1 module.some_name=2", "module.some_name") == ("1", "2")


@pytest.mark.parametrize("line", ['a="b', 'a" b', "a\x00b", "a\x07", "a\x7f", "a\rb"])
def test_what_no_kernel_should_be_given(line: str) -> None:
    with pytest.raises(CmdlineError) as caught:
        check_cmdline(line)
    assert caught.value.reason.code == "CMDLINE_INVALID"


@pytest.mark.parametrize("line", ["", "a b\tc\n", 'a="b c" "d e"', "\u00e0=1"])
def test_what_it_may_be_given(line: str) -> None:
    check_cmdline(line)


def test_early_code_has_no_idea_of_quotes() -> None:
    assert early_words(' ro\tx="a nokaslr b" -- "no5lvl"\n') == ["ro", 'x="a', "nokaslr", 'b"', "--", '"no5lvl"']


# --- editing them -----------------------------------------------------------------------------

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


# --- bytes ------------------------------------------------------------------------------------


@given(st.binary())
def test_every_byte_of_a_line_survives(content: bytes) -> None:
    line = content.decode("utf-8", "surrogateescape")
    assert encode(line) == content


def test_a_surrogate_that_is_no_byte_is_refused() -> None:
    check_cmdline("root=LABEL=caf\udce9")
    with pytest.raises(CmdlineError, match="0xd800"):
        check_cmdline("quiet \ud800")
