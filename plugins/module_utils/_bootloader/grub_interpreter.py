# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interpret GRUB's script language: variables, words, conditions, functions.

Where a condition or a value can't be told on the running host, each branch is followed, and whatever differs between them is
unknown.
"""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, Optional, Sequence

from .grub_menu import Unknown, Value
from .grub_syntax import TEXT, VARIABLE, Command, Function, GrubSyntaxError, If, Loop, Script, Statement, Word, parse_grub_script

_MAX_DEPTH = 20
# Limit for the cost of a script, in statements. All else that takes time or memory is converted into these.
_MAX_STATEMENTS = 200000
CHARACTERS_PER_STATEMENT = 8
_VARIABLES_PER_STATEMENT = 8
# More than any kernel takes; a few assignments can double a value again and again.
_MAX_VALUE_LENGTH = 1 << 16

# Field of a variable's value. str.split() would split at more kinds of white space.
_FIELD = re.compile(r"[^ \t\n\v\f\r]+")


class Budget:
    """Statements that a script may still run, shared with the bodies of its menu entries."""

    def __init__(self) -> None:
        self._left = _MAX_STATEMENTS

    def spend(self, statements: int) -> bool:
        """Spend a number of statements; false if that was too much."""
        self._left -= statements
        return self._left >= 0


class GrubInterpreter:
    """Runs scripts; commands are for a subclass.

    :ivar lost: why nothing after a certain place can be told; empty if all can.
    """

    def __init__(self, file: str) -> None:
        self.variables: Dict[str, Value] = {}
        self.lost = ""
        self._file = file
        self._functions: Dict[str, Script] = {}
        # Result of the last command; None if it can't be told.
        self._status: Optional[bool] = True
        # Why it can't be told whether GRUB comes to this place; empty if it does.
        self._doubt = ""
        self._depth = 0
        self._budget = Budget()
        self._ended = False

    def _command(self, name: str, arguments: Sequence[Value], command: Command) -> Optional[bool]:
        """Run a command; None if its result can't be told."""
        raise NotImplementedError

    def _loop_ended(self, line: int) -> None:
        """Called once a loop's body has run."""
        raise NotImplementedError

    def run_text(self, text: str) -> None:
        if "\0" in text:
            self._lose("%s holds zero bytes, as after a crash" % self._file)
            return
        if not self._spend(1 + len(text) // CHARACTERS_PER_STATEMENT):
            return
        try:
            script = parse_grub_script(text)
        except GrubSyntaxError as error:
            self._lose("%s: %s" % (self._file, error))
            return
        self.run(script)

    def run(self, script: Script) -> None:
        for statement in script:
            if self._ended or not self._spend(1):
                return
            self._run(statement)

    def _spend(self, statements: int) -> bool:
        """Account for work before it is done; false if the script has to end here."""
        if not self._budget.spend(statements):
            self._lose("%s does not end, or takes too long" % self._file)
            self._ended = True
        return not self._ended

    def copied(self) -> Dict[str, Value]:
        """Copy of the variables."""
        self._spend(len(self.variables) // _VARIABLES_PER_STATEMENT)
        return dict(self.variables)

    def _lose(self, reason: str) -> Optional[bool]:
        """Give up on what follows; return the result of the command, which can't be told."""
        self.lost = self.lost or reason
        return None

    def _run(self, statement: Statement) -> None:
        if isinstance(statement, If):
            self._run_if(statement)
        elif isinstance(statement, Loop):
            self._run_loop(statement)
        elif isinstance(statement, Function):
            self._functions[statement.name] = statement.body
        else:
            self._run_command(statement)

    def _run_if(self, statement: If) -> None:
        """Follow the branches that may be taken, and merge what they left."""
        outcomes: List[Dict[str, Value]] = []
        before = self._doubt
        for condition, body in statement.branches:
            self._status = None
            self.run(condition)
            if self._status is False:
                continue
            taken, at_start = self._status is True, self.copied()
            if not taken:
                self._doubt = self._doubt or "%s:%d: a condition that only GRUB can tell" % (self._file, statement.line)
            self.run(body)
            outcomes.append(self.variables)
            self.variables = at_start
            if taken:
                break
        else:
            self.run(statement.otherwise)
            outcomes.append(self.variables)
        self.variables = self._merged(outcomes, statement.line)
        self._doubt = before

    def _merged(self, outcomes: Sequence[Dict[str, Value]], line: int) -> Dict[str, Value]:
        merged = dict(outcomes[0])
        for outcome in outcomes[1:]:
            for name in {*merged, *outcome}:
                if merged.get(name, "") != outcome.get(name, ""):
                    merged[name] = Unknown("%s:%d: $%s depends on what only GRUB can tell" % (self._file, line, name))
        return merged

    def _run_loop(self, statement: Loop) -> None:
        """Run the body once, for what it may do; how often it runs can't be told."""
        before, at_start = self._doubt, self.copied()
        self._doubt = self._doubt or "%s:%d: a loop" % (self._file, statement.line)
        if statement.variable:
            self.variables[statement.variable] = Unknown(self._doubt)
        self.run(statement.body)
        self._loop_ended(statement.line)
        self.variables = self._merged((at_start, self.variables), statement.line)
        self._doubt = before

    def _run_command(self, command: Command) -> None:
        words = self._expand(command.words)
        invert = bool(words) and words[0] == "!"
        words = words[1:] if invert else words
        if not words:
            return
        name, arguments = words[0], words[1:]
        if isinstance(name, Unknown):
            self._run_unknown(name, command.line)
        elif name in self._functions:
            self._call(self._functions[name], arguments)
        else:
            self._status = self._command(name, arguments, command)
        if invert and self._status is not None:
            self._status = not self._status
        unknown = Unknown("%s:%d: only GRUB knows the result" % (self._file, command.line))
        self.variables["?"] = unknown if self._status is None else str(int(not self._status))

    def _run_unknown(self, name: Unknown, line: int) -> None:
        """Run a command whose first word can't be told, which may be an assignment."""
        self._status = None
        if not self.assign_unknown(name):
            self._lose("%s:%d: a command that only GRUB can tell" % (self._file, line))

    def assign_unknown(self, word: Unknown) -> bool:
        """Make a variable unknown if a word assigns what can't be told to it."""
        name, equals, _value = word.before.partition("=")
        if equals:
            self.variables[name] = Unknown(word.reason)
        return bool(equals)

    def _call(self, body: Script, arguments: Sequence[Value]) -> None:
        if self._depth >= _MAX_DEPTH:
            self._lose("functions call each other without end")
            return
        self._depth += 1
        kept = {str(number): self.variables.get(str(number), "") for number in range(1, 10)}
        self.variables.update((str(number), (*arguments, *[""] * 9)[number - 1]) for number in range(1, 10))
        self.run(body)
        self.variables.update(kept)
        self._depth -= 1

    def _expand(self, words: Sequence[Word]) -> List[Value]:
        values: List[Value] = []
        for word in words:
            expanded = list(self._expand_word(word))
            values.extend(expanded)
            if not self._spend(sum(len(value) for value in expanded if isinstance(value, str)) // CHARACTERS_PER_STATEMENT):
                break
        return values

    def _expand_word(self, word: Word) -> Iterator[Value]:
        """Expand the variables of a word; one outside quotes may split it into several, or into none."""
        # Each field in pieces.
        fields: List[List[str]] = [[]]
        written = False
        length = 0
        for kind, text in word.parts:
            value = text if kind == TEXT else self.variables.get(text, "")
            length += len(value) if isinstance(value, str) else 0
            if length > _MAX_VALUE_LENGTH:
                value = Unknown("%s:%d: a value is too long" % (self._file, word.line))
            if isinstance(value, Unknown):
                yield Unknown(value.reason, "".join(fields[-1]))
                return
            if kind != VARIABLE:
                fields[-1].append(value)
                written = True
                continue
            pieces = _FIELD.findall(value)
            if not pieces:
                continue
            # Unlike a shell, GRUB does not split at white space around the value.
            fields[-1].append(pieces[0])
            fields.extend([piece] for piece in pieces[1:])
        if not written and not any(fields[-1]):
            fields.pop()
        yield from map("".join, fields)
