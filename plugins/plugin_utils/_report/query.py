# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""JMESPath (https://jmespath.org/specification.html) over journals and timelines, with errors that give the position."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from .._journal.file import read
from .._journal.run_store import RunStore
from .errors import ReportError

# Length of the expression shown on either side of an error's position.
_SHOWN_CHARS = 24


def query(source: Any, expression: Any, run_directory: str) -> Any:
    """Evaluate an expression over values, or over the list of a journal's records.

    :param source: path of a journal, which contains a slash; name of a run, or C(latest); or values.
    :raises CodedError: C(QUERY_INVALID) or C(QUERY_LIBRARY_MISSING), or the journal can't be read.
    """
    if not isinstance(expression, str):
        raise ReportError("QUERY_INVALID", "the expression is %r, but has to be text" % (expression,))
    search = _compiled(str.__str__(expression))
    if not isinstance(source, str):
        return search(_plain(source))
    journal = source if "/" in source else RunStore(run_directory).open(source).journal
    records, _torn = read(os.path.expanduser(journal))
    return search(records)


def _compiled(expression: str) -> Any:
    try:
        import jmespath  # noqa: PLC0415
        from jmespath import exceptions, lexer  # noqa: PLC0415
    except ImportError as error:
        raise ReportError("QUERY_LIBRARY_MISSING", "the Python library jmespath is missing: %s" % error) from error

    def position_of(error: Exception) -> int | None:
        """Position where the lexer or the parser stopped, or of the function at fault."""
        for name in ("lex_position", "lexer_position"):
            position = getattr(error, name, None)
            if isinstance(position, int):
                return position
        name = getattr(error, "function_name", None) or _unknown_function(error)
        tokens = lexer.Lexer().tokenize(expression) if name else ()
        return next((int(token["start"]) for token in tokens if token["value"] == name), None)

    def _unknown_function(error: Exception) -> str:
        words = str(error).removeprefix("Unknown function: ")
        return words.removesuffix("()") if isinstance(error, exceptions.UnknownFunctionError) else ""

    def refused(error: Exception) -> ReportError:
        return ReportError("QUERY_INVALID", _where(expression, position_of(error), _why(error)))

    try:
        compiled = jmespath.compile(expression)
    except exceptions.JMESPathError as error:
        raise refused(error) from error

    def search(values: Any) -> Any:
        try:
            return compiled.search(values)
        except exceptions.JMESPathError as error:
            raise refused(error) from error
        except (TypeError, ValueError, AttributeError) as error:
            # For example sorting values that can't be compared: the library does not catch this.
            raise refused(error) from error

    return search


def _why(error: Exception) -> str:
    """Error message without the library's drawing of the position."""
    kind = type(error).__name__
    if kind == "EmptyExpressionError":
        return "it is empty"
    if kind == "IncompleteExpressionError":
        return "it ends too early"
    token = getattr(error, "token_value", None)
    if kind == "LexerError":
        return str(getattr(error, "message", error))
    return "%r can't stand there" % (token,) if kind == "ParseError" and token is not None else str(error).splitlines()[0]


def _where(expression: str, position: int | None, why: str) -> str:
    if position is None:
        return "the expression %r: %s" % (expression, why)
    position = min(position, len(expression))
    line = expression.count("\n", 0, position) + 1
    column = position - (expression.rfind("\n", 0, position) + 1) + 1
    place = "at character %d" % column if "\n" not in expression else "in line %d, at character %d" % (line, column)
    begin, end = max(0, position - _SHOWN_CHARS), position + _SHOWN_CHARS
    before, after = expression[begin:position], expression[position:end]
    shown = "%s%s⟶%s%s" % ("…" if begin else "", before, after, "…" if end < len(expression) else "")
    return "the expression is wrong %s: %s (%s)" % (place, why, " ".join(shown.split()))


def _plain(value: Any) -> Any:
    """Convert values to JSON's own types: the library rejects subclasses, and Ansible's values are such."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Mapping):
        return {str.__str__(key) if isinstance(key, str) else key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each) for each in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else value
