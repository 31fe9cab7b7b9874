# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of a terminal as the live view needs, to see what is on its screen."""

from __future__ import annotations

import re
import unicodedata

_PIECE = re.compile(r"\x1b\[(\d*)([A-Za-z])|([\x00-\x1f\x7f-\x9f])|(.)", re.DOTALL)


class Terminal:
    """Rows of text with a cursor, and what scrolled away above them. Anything it does not know is an error.

    :ivar colours: how often a colour was asked for.
    :ivar tints: colour of each cell of C(rows), as the character of that number (select graphic rendition); NUL is none.
    """

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        self.columns = columns
        self.lines = lines
        self.scrolled: list[str] = []
        self.rows = [""]
        self.tints = [""]
        self._tint = "\0"
        self.row = 0
        self.column = 0
        self.colours = 0
        self.writes = 0

    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        return self.columns, self.lines

    def resize(self, columns: int, lines: int) -> None:
        """As xterm does it: rows that don't fit scroll away at the top, and lines don't flow."""
        self.columns = columns
        self.lines = lines
        self._scroll()

    def write(self, text: str) -> None:
        """Interpret a text."""
        self.writes += 1
        for number, command, control, char in _PIECE.findall(text):
            if command:
                self._command(command, int(number or 1))
            elif control == "\n":
                self.row += 1
                self.column = 0
                if self.row == len(self.rows):
                    self.rows.append("")
                    self.tints.append("")
                    self._scroll()
            elif control == "\r":
                self.column = 0
            else:
                assert not control, repr(text)
                self._put(char)

    def screen(self) -> str:
        """What is on it, without empty rows at the end."""
        return "\n".join(row.rstrip() for row in self.rows).rstrip("\n")

    def everything(self) -> str:
        """And what has scrolled away above it."""
        return "\n".join([row.rstrip() for row in self.scrolled] + [self.screen()])

    def _command(self, command: str, number: int) -> None:
        if command == "A":
            self.row = max(0, self.row - number)
        elif command == "K":
            self._erase()
        elif command == "J":
            self._erase()
            del self.rows[self.row + 1 :], self.tints[self.row + 1 :]
        else:
            assert command == "m"
            self.colours += 1
            self._tint = chr(number)

    def _erase(self) -> None:
        for cells in (self.rows, self.tints):
            cells[self.row] = cells[self.row][: self.column]

    def _put(self, char: str) -> None:
        width = 2 if unicodedata.east_asian_width(char) in "WF" else 1
        # A cell that a wide character covers holds nothing of its own.
        cells = char + "\0" * (width - 1)
        for rows, blank, put in ((self.rows, " ", cells), (self.tints, "\0", self._tint * width)):
            row = rows[self.row].ljust(self.column, blank)
            rows[self.row] = row[: self.column] + put + row[self.column + width :]
        self.column += width
        assert self.column < self.columns, "the last column is written to"

    def _scroll(self) -> None:
        over = len(self.rows) - self.lines
        if over > 0:
            self.scrolled += self.rows[:over]
            del self.rows[:over], self.tints[:over]
            self.row = max(0, self.row - over)
