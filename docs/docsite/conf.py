# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Configuration of Sphinx for the collection's own site, C(make docs)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from docutils import nodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "fleet.kexec"
copyright = "fleet.kexec contributors"  # Sphinx's name for it
extensions = ["sphinx_antsibull_ext"]
default_role = "any"
nitpicky = True

html_theme = "sphinx_ansible_theme"
html_title = "fleet.kexec"
html_short_title = "fleet.kexec"
html_theme_options = {"documentation_home_url": "index.html", "vcs_pageview_mode": "", "display_version": False}
html_show_sphinx = False
html_copy_source = False
html_use_index = False
pygments_style = "ansible"
highlight_language = "YAML+Jinja"

# Pages of Ansible's documentation that antsibull-docs refers to. Sphinx would want their inventory, from the network.
ANSIBLE = "https://docs.ansible.com/ansible/latest/"
PAGES = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
BUILTIN = re.compile(r"ansible_collections\.ansible\.builtin\.(\w+?)(?:__(.+))?$")


def ansible_reference(_app: Sphinx, _env: Any, node: Any, content: nodes.TextElement) -> nodes.reference | None:
    """Reference to a page of Ansible's documentation, for a label that is not of this site."""
    target = node.get("reftarget", "")
    page = PAGES.get(target)
    builtin = BUILTIN.match(target)
    if builtin is not None:
        page = "collections/ansible/builtin/%s.html%s" % (builtin[1], "#" + builtin[2] if builtin[2] else "")
    if page is None:
        return None
    return nodes.reference("", "", content, internal=False, refuri=ANSIBLE + page)


def setup(app: Sphinx) -> None:
    """Resolve references to Ansible's documentation."""
    app.connect("missing-reference", ansible_reference)
