# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates of the pages.

Everything that comes from a journal is cleaned and escaped as it is put in,
whichever expression puts it there. A page forbids itself everything but its own
style sheet, by a Content-Security-Policy with the hash of the sheet.
"""

from __future__ import annotations

import base64
import hashlib
import os

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from .._text import clean, clipped, counted
from . import words
from .charts import svg

# Most hosts of a problem that are named.
_MOST_NAMED = 50


def template(name: str) -> Template:
    """Template of a page, with its style sheet, filters and macros."""
    directory = os.path.dirname(__file__)
    environment = Environment(
        loader=FileSystemLoader(directory),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_cleaned,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        ms=words.ms,
        with_error=words.with_error,
        moment=words.moment,
        counted=counted,
        clipped=clipped,
        lines=_lines,
        by_path=words.by_path,
        capital=words.capital,
        path_css=words.path_css,
    )
    with open(os.path.join(directory, "page.css"), encoding="utf-8") as stream:
        style = stream.read()
    environment.globals.update(
        most_named=_MOST_NAMED,
        style=Markup(style),  # noqa: S704
        style_hash="sha256-" + base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii"),
        swatch=svg.swatch,
    )
    return environment.get_template(name)


def _cleaned(value: object) -> object:
    """Value of an expression, cleaned, before it is escaped."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    # A name that has nothing else than what cleaning removes is still shown.
    return clean(value) or (ascii(value)[1:-1] if value.strip() else "")


def _lines(text: str) -> Markup:
    """Text of several lines that keeps its lines."""
    return Markup("\n").join(escape(clean(each)) for each in text.splitlines())
