# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse GRUB's script language into statements.

Source: GRUB's grub-core/script/yylex.l and parser.y.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import List, NamedTuple, Optional, Sequence, Tuple, Union

# Deeper nesting than any generated file has; it bounds the recursion of the parser.
_MAX_DEPTH = 40

TEXT = "text"
# Variable that is split at white space; one within double quotes is not.
VARIABLE = "variable"
QUOTED_VARIABLE = "quoted variable"

_BLANK = re.compile(r"(?:[ \t]|\\\n)+")
_COMMENT = re.compile(r"#[^\n]*")
_PLAIN = re.compile(r"[^{}|&$;<> \t\n'\"\\]+")
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+|[?#*@])\}|(?P<bare>[A-Za-z_]\w*|\d+|[?#*@]))", re.ASCII)
_QUOTED_PLAIN = re.compile(r"[^\"\\$]+")
_OPERATOR = re.compile(r"\|\||&&|;;|[|&<>{};\n]")


class GrubSyntaxError(Exception):
    """Raised for a script that GRUB, or this parser, can't read."""


class Part(NamedTuple):
    kind: str
    text: str


class Word(NamedTuple):
    parts: Tuple[Part, ...]
    line: int

    @property
    def plain(self) -> str:
        """Text of a word without quotes or variables; empty for any other."""
        return self.parts[0].text if len(self.parts) == 1 and self.parts[0].kind == TEXT else ""


class Operator(NamedTuple):
    text: str
    line: int


Token = Union[Word, Operator]


@dataclass(frozen=True)
class Command:
    words: Tuple[Word, ...]
    block: Optional[Tuple[Statement, ...]]
    line: int


@dataclass(frozen=True)
class If:
    """Conditions with what each leads to, in order; C(otherwise) is the C(else) branch."""

    branches: Tuple[Tuple[Tuple[Statement, ...], Tuple[Statement, ...]], ...]
    otherwise: Tuple[Statement, ...]
    line: int


@dataclass(frozen=True)
class Loop:
    """C(for), C(while) or C(until).

    :ivar variable: name that C(for) sets; empty for the others.
    """

    variable: str
    body: Tuple[Statement, ...]
    line: int


@dataclass(frozen=True)
class Function:
    name: str
    body: Tuple[Statement, ...]
    line: int


Statement = Union[Command, If, Loop, Function]
Script = Tuple[Statement, ...]


# A script may include the same file again and again.
@lru_cache(maxsize=4)
def parse_grub_script(text: str) -> Script:
    """Parse a script.

    :raises GrubSyntaxError: it is no valid script.
    """
    # GRUB drops carriage returns as it reads a file, wherever they are.
    return _Parser(_tokens(text.replace("\r", ""))).script()


def _tokens(text: str) -> List[Token]:
    tokens: List[Token] = []
    place, line = 0, 1
    while place < len(text):
        start = place
        skipped = _BLANK.match(text, place) or _COMMENT.match(text, place)
        if skipped:
            place = skipped.end()
        else:
            operator = _OPERATOR.match(text, place)
            if operator:
                place = operator.end()
                tokens.append(Operator(operator.group(), line))
            else:
                parts, place = _word(text, place, line)
                tokens.append(Word(parts, line))
        line += text.count("\n", start, place)
    return tokens


def _word(text: str, place: int, line: int) -> Tuple[Tuple[Part, ...], int]:
    parts: List[Part] = []
    while place < len(text):
        plain = _PLAIN.match(text, place)
        character = text[place]
        if plain:
            parts.append(Part(TEXT, plain.group()))
            place = plain.end()
        elif character == "\\":
            # An escaped line end joins two lines.
            parts.append(Part(TEXT, text[place + 1 : place + 2].replace("\n", "")))
            place += 2
        elif character == "'":
            end = text.find("'", place + 1)
            if end < 0:
                raise GrubSyntaxError("line %d: a quotation mark is not closed" % line)
            parts.append(Part(TEXT, text[place + 1 : end]))
            place = end + 1
        elif character == '"':
            quoted, place = _quoted(text, place + 1, line)
            parts.extend(quoted)
        elif character == "$":
            if text.startswith('$"', place):
                raise GrubSyntaxError("line %d: a translated string" % line)
            found = _variable(text, place, line)
            parts.append(Part(VARIABLE, found.group("braced") or found.group("bare")))
            place = found.end()
        else:
            break
    return _joined(parts), place


def _variable(text: str, place: int, line: int) -> re.Match[str]:
    found = _VARIABLE.match(text, place)
    if not found:
        raise GrubSyntaxError("line %d: a dollar sign without a variable" % line)
    return found


def _quoted(text: str, place: int, line: int) -> Tuple[List[Part], int]:
    """Read up to the closing double quotation mark."""
    parts = [Part(TEXT, "")]
    while place < len(text):
        plain = _QUOTED_PLAIN.match(text, place)
        character = text[place]
        if plain:
            parts.append(Part(TEXT, plain.group()))
            place = plain.end()
        elif character == '"':
            return parts, place + 1
        elif character == "$":
            found = _variable(text, place, line)
            parts.append(Part(QUOTED_VARIABLE, found.group("braced") or found.group("bare")))
            place = found.end()
        else:
            escaped = text[place + 1 : place + 2]
            literal = escaped if escaped in '$\\"' else "\\" + escaped
            parts.append(Part(TEXT, "" if escaped == "\n" else literal))
            place += 2
    raise GrubSyntaxError("line %d: a quotation mark is not closed" % line)


def _joined(parts: Sequence[Part]) -> Tuple[Part, ...]:
    """Join neighbouring texts."""
    joined: List[Part] = []
    for is_text, neighbours in groupby(parts, lambda part: part.kind == TEXT):
        if is_text:
            joined.append(Part(TEXT, "".join(part.text for part in neighbours)))
        else:
            joined.extend(neighbours)
    return tuple(joined)


class _Parser:
    def __init__(self, tokens: List[Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    def script(self) -> Script:
        statements = self._statements(())
        if self._place < len(self._tokens):
            raise self._error()
        return statements

    def _error(self) -> GrubSyntaxError:
        if self._place >= len(self._tokens):
            return GrubSyntaxError("the end is missing")
        return GrubSyntaxError("line %d is no valid GRUB script" % self._tokens[self._place].line)

    def _peek(self) -> str:
        """Operator or plain word that is next; empty for any other word, and at the end."""
        if self._place >= len(self._tokens):
            return ""
        token = self._tokens[self._place]
        return token.text if isinstance(token, Operator) else token.plain

    def _expect(self, text: str) -> None:
        if self._peek() != text:
            raise self._error()
        self._place += 1

    def _skip_ends(self) -> None:
        while self._peek() in (";", "\n"):
            self._place += 1

    def _statements(self, ends: Sequence[str]) -> Script:
        """Parse statements up to one of C(ends), which is left to be read."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise GrubSyntaxError("it is nested too deeply")
        found: List[Statement] = []
        self._skip_ends()
        while self._place < len(self._tokens) and self._peek() not in ends:
            found.append(self._statement())
            if self._place < len(self._tokens) and self._peek() not in (";", "\n", *ends):
                raise self._error()
            self._skip_ends()
        self._depth -= 1
        return tuple(found)

    def _statement(self) -> Statement:
        line = self._tokens[self._place].line
        word = self._peek()
        if word == "if":
            return self._if(line)
        if word in ("for", "while", "until"):
            return self._loop(line, word)
        if word == "function":
            self._place += 1
            name = self._peek()
            self._place += 1
            self._skip_ends()
            return Function(name, self._block(), line)
        return self._command(line)

    def _if(self, line: int) -> If:
        branches: List[Tuple[Script, Script]] = []
        while self._peek() in ("if", "elif"):
            self._place += 1
            condition = self._statements(("then",))
            self._expect("then")
            branches.append((condition, self._statements(("elif", "else", "fi"))))
        otherwise: Script = ()
        if self._peek() == "else":
            self._place += 1
            otherwise = self._statements(("fi",))
        self._expect("fi")
        return If(tuple(branches), otherwise, line)

    def _loop(self, line: int, kind: str) -> Loop:
        self._place += 1
        variable = self._peek() if kind == "for" else ""
        condition = self._statements(("do",))
        self._expect("do")
        body = self._statements(("done",))
        self._expect("done")
        return Loop(variable, body if kind == "for" else condition + body, line)

    def _block(self) -> Script:
        self._expect("{")
        body = self._statements(("}",))
        self._expect("}")
        return body

    def _command(self, line: int) -> Command:
        words: List[Word] = []
        while self._place < len(self._tokens):
            token = self._tokens[self._place]
            if isinstance(token, Operator):
                break
            words.append(token)
            self._place += 1
        if not words:
            raise self._error()
        return Command(tuple(words), self._block() if self._peek() == "{" else None, line)
