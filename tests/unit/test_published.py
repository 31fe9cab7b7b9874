# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses are those of galaxy.yml wherever they are repeated, and every guide is on the documentation's site."""

from __future__ import annotations

import re

import pytest
import yaml

from .documentation import MODULES, ROOT, yaml_of

GALAXY = yaml_of(ROOT / "galaxy.yml")
(AUTHOR,) = GALAXY["authors"]
(MAIL,) = re.findall(r"<(\S+)>", AUTHOR)
(NICKNAME,) = re.findall(r"(?<!\S)@\S+", AUTHOR)
URLS = {GALAXY[name] for name in ("repository", "documentation", "homepage", "issues")}

# Files that tell readers an address, and what has to be in them.
TOLD = {
    "CODE_OF_CONDUCT.md": [MAIL],
    "README.md": [GALAXY["issues"]],
    "SECURITY.md": [MAIL],
}
# Addresses of this project as long as it has no home; names that nobody can own (RFC 2606).
PLACEHOLDER = re.compile(r"https://git\.example\.org/[\w/]+|fleet-kexec@example\.org")


@pytest.mark.parametrize("name", TOLD)
def test_addresses_are_those_of_galaxy_yml(name: str) -> None:
    text = (ROOT / name).read_text()
    for address in TOLD[name]:
        assert address in text
    assert set(PLACEHOLDER.findall(text)) <= {MAIL, *URLS}, "galaxy.yml has other addresses"


@pytest.mark.parametrize("module", MODULES)
def test_the_authors_of_modules_are_those_of_galaxy_yml(module: str) -> None:
    text = (ROOT / "plugins/modules" / (module + ".py")).read_text()
    assert "%s (%s)" % (AUTHOR.partition(" <")[0], NICKNAME) in text


def test_every_guide_is_on_the_site_once() -> None:
    sections = yaml.safe_load((ROOT / "docs/docsite/extra-docs.yml").read_text())["sections"]
    listed = [guide for section in sections for guide in section["toctree"]]
    guides = [str(path.relative_to(ROOT / "docs").with_suffix("")) for path in (ROOT / "docs").glob("**/*.md")]
    assert sorted(listed) == sorted(guides)
