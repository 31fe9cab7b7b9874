# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templating with the variables of many hosts.

Ansible compiles a template each time that it is rendered, which takes several times as long as rendering it. With thousands of
hosts and the same few templates for each, that is most of the time before a rollout begins.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from types import CodeType
from typing import Any

from ansible._internal._templating._jinja_bits import AnsibleEnvironment
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

# Compiled templates to keep. Those of one task are few; a variable of each host may be a template of its own.
_COMPILED_MAX = 1000


class _CompilingOnce(AnsibleEnvironment):  # type: ignore[misc]  # untyped
    """Ansible's environment of templates that remembers those it has compiled."""

    def __init__(self, ansible_basedir: str) -> None:
        super().__init__(ansible_basedir=ansible_basedir)
        self._compiled: Callable[[str], CodeType] = lru_cache(_COMPILED_MAX)(super().compile)

    def compile(self, source: Any, name: str | None = None, *args: Any, **options: Any) -> CodeType:
        # Templates with a name are files, which have a cache of their own. An overlay has other options.
        if name is not None or args or options or self.overlayed or not isinstance(source, str):
            code: CodeType = super().compile(source, name, *args, **options)
            return code
        return self._compiled(source)


class Templates:
    """Maker of templars that share what they compile."""

    def __init__(self, loader: DataLoader) -> None:
        self._loader = loader
        self._environment = _CompilingOnce(loader.get_basedir())

    def templar(self, variables: dict[str, Any]) -> Templar:
        """Make a templar for one host; C(variables) are the host's."""
        templar = Templar(loader=self._loader, variables=variables)
        # As an engine does that is derived from another.
        templar._engine._environment = self._environment
        return templar
