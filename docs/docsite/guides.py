# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Write the guides (C(docs/*.md)) as reStructuredText to C(docs/docsite/rst), for documentation sites, which take nothing else.

Run in a copy of the collection, by C(make docs) and C(make package): the Markdown is the original, the rest is not kept.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import mistune
from m2r2.rst.renderer import RestRenderer, escape_role_title, flatten_to_plain_text
from mistune.plugins.table import table

# Documentation sites require it of every label.
PREFIX = "ansible_collections.fleet.kexec.docsite."


def slug(heading: str) -> str:
    """Anchor of a heading, as forges make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def label(guide: str, anchor: str = "") -> str:
    """Label of a guide, named by its path below C(docs), or of a heading in it."""
    return ".".join([PREFIX.rstrip("."), *Path(guide).with_suffix("").parts, *([anchor] if anchor else [])])


class Guide(RestRenderer):  # type: ignore[misc]  # not typed for subclasses
    """Rendering of one guide. Links to guides are references, those to other files lead to the repository.

    :ivar guide: its path below C(docs)
    :ivar repository: address of the repository
    """

    def __init__(self, guide: str, repository: str) -> None:
        super().__init__()
        self.guide = guide
        self.repository = repository

    def heading(self, token: dict[str, Any], state: Any) -> str:
        """Heading with its label; for the first one, that of the guide."""
        first = token["attrs"]["level"] == 1
        anchor = "" if first else slug("".join(flatten_to_plain_text(child) for child in token["children"]))
        return "\n.. _%s:\n%s" % (label(self.guide, anchor), super().heading(token, state))

    def render_linked_text(self, token: dict[str, Any], _state: Any, emphasis_marker: str) -> str:
        """Link. Its text has no markup, which reStructuredText does not take there."""
        words = escape_role_title(flatten_to_plain_text(token))
        target = token["attrs"]["url"]
        if re.match(r"[a-z]+:", target):
            return "\\ `%s <%s>`__\\ " % (words, target)
        file, _hash, anchor = target.partition("#")
        path = os.path.normpath(Path("docs", self.guide).parent / file if file else Path("docs", self.guide))
        if path.startswith("docs/") and path.endswith(".md"):
            return "\\ :ref:`%s <%s>`\\ " % (words, label(path.removeprefix("docs/"), anchor))
        return "\\ `%s <%s/%s%s>`__\\ " % (words, self.repository, path, _hash + anchor)

    def render_image(self, token: dict[str, Any], state: Any, target: str | None, *, inline: bool = True) -> str:
        """Picture as a link to it, because sites take texts only."""
        del target
        link = self.render_linked_text(token, state, "")
        return link if inline else "\n%s\n" % link


def main() -> None:
    """Write all guides of the collection in the working directory."""
    repository = re.search(r"^repository: (\S+)$", Path("galaxy.yml").read_text(), re.MULTILINE)
    if repository is None:
        sys.exit("galaxy.yml has no repository")
    docs = Path("docs")
    for source in sorted(docs.glob("**/*.md")):
        guide = source.relative_to(docs)
        renderer = Guide(str(guide), repository[1])
        body, state = mistune.create_markdown(renderer=renderer, plugins=[table]).parse(source.read_text())
        target = docs / "docsite/rst" / guide.with_suffix(".rst")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(renderer.finalize_document(body, state).lstrip("\n"))


if __name__ == "__main__":
    main()
