# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates of the pages.

Every value that an expression inserts is cleaned and escaped. By a Content-Security-Policy with the hash of its style sheet, a
page can load nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import os

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from .._text import by_path, clean, clipped, counted
from . import sentences, words
from .charts import svg

# Maximum number of messages shown for one problem, and of hosts named for one message.
_MOST_NAMED = 50
_MOST_FOLDED = 500


def template(name: str) -> Template:
    """Load the template of a page, with its style sheet, filters and macros."""
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
        by_path=by_path,
        capital=words.capital,
        path_css=words.path_css,
        finding_title=sentences.finding_title,
        finding_hint=sentences.finding_hint,
        gain_text=sentences.gain_text,
        evidence_text=sentences.evidence_text,
    )
    with open(os.path.join(directory, "page.css"), encoding="utf-8") as stream:
        style = stream.read()
    environment.globals.update(
        most_named=_MOST_NAMED,
        most_folded=_MOST_FOLDED,
        style=Markup(style),  # noqa: S704
        style_hash="sha256-" + base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii"),
        swatch=svg.swatch,
    )
    return environment.get_template(name)


def _cleaned(value: object) -> object:
    """Clean a value before it is escaped."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    # A name that consists only of what cleaning removes is still shown.
    return clean(value) or (ascii(value)[1:-1] if value.strip() else "")


def _lines(text: str) -> Markup:
    """Mark up text so that its line breaks are kept."""
    return Markup("\n").join(escape(clean(each)) for each in text.splitlines())
