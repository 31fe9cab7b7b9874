# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a run-once task that hold for all hosts, and so have to be the same for each.

Ansible templates them with the variables of the host that the task runs on. A value that is another one for another host would
silently be ignored.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any

import jinja2
from ansible.errors import AnsibleError, AnsibleValueOmittedError
from ansible.template import Templar

# Variables that Ansible gives the same value for all hosts of a play.
_SAME_FOR_ALL = frozenset(
    {
        "ansible_check_mode",
        "ansible_diff_mode",
        "ansible_forks",
        "ansible_play_batch",
        "ansible_play_hosts",
        "ansible_play_hosts_all",
        "ansible_play_name",
        "ansible_play_role_names",
        "ansible_playbook_python",
        "ansible_role_name",
        "ansible_run_tags",
        "ansible_skip_tags",
        "ansible_version",
        "groups",
        "hostvars",
        "omit",
        "play_hosts",
        "playbook_dir",
        "role_name",
        "role_names",
        "role_path",
    }
)
# What reads variables whose names are not written in the template.
_READS_ANYTHING = frozenset({"lookup", "q", "query", "vars"})

# Key of a task's arguments for those given by a template as a whole.
_SPLAT = "_variable_params"
_MISSING = object()
_PARSER = jinja2.Environment()  # noqa: S701  # nothing is rendered


class SharedOptions:
    """Test of whether a task's options have the same values for other hosts.

    :param args: the task's arguments as written.
    :param keywords: keywords as written, by their names, that the same goes for.
    :param per_host: names of arguments that may differ.
    :param templar: with the variables of the host that the task runs on.
    """

    def __init__(self, args: Mapping[str, Any], keywords: Mapping[str, Any], per_host: Container[str], templar: Templar) -> None:
        self._per_host = per_host
        self._templar = templar
        self._raw = {
            name: value for name, value in {**args, **keywords}.items() if name not in per_host and templar.is_template(value)
        }
        self._values: dict[str, Any] = {}
        names = self._names(self._raw.values())
        # None if it can't be told which variables the options depend on.
        self._variables = None if names & _READS_ANYTHING else {name: self._first(name) for name in names - _SAME_FOR_ALL}

    def differing(self, templar: Templar) -> str | None:
        """Name of an option that has another value for a host; None if none has.

        :param templar: with the host's variables.
        :raises AnsibleError: an option can't be templated for this host.
        """
        variables = templar.available_variables
        # Cheap, and enough for nearly every host: what the options depend on is the same.
        if self._variables is not None and all(
            value is (own := variables.get(name, _MISSING)) or value == own for name, value in self._variables.items()
        ):
            return None
        return next((name for name in self._raw if self._value(name, templar) != self._first_value(name)), None)

    def _first(self, name: str) -> Any:
        return self._templar.available_variables.get(name, _MISSING)

    def _first_value(self, name: str) -> Any:
        if name not in self._values:
            self._values[name] = self._value(name, self._templar)
        return self._values[name]

    def _value(self, name: str, templar: Templar) -> Any:
        try:
            value = templar.template(self._raw[name])
        except AnsibleValueOmittedError:
            return _MISSING
        except AnsibleError as error:
            raise AnsibleError("%s: %s" % (name, error)) from error
        if name == _SPLAT and isinstance(value, Mapping):
            return {option: each for option, each in value.items() if option not in self._per_host}
        return value

    def _names(self, values: Any) -> frozenset[str]:
        """Names of variables that templates read, directly or through other variables."""
        found: set[str] = set()
        left = list(values)
        while left:
            for name in _names_in(left.pop()):
                if name not in found:
                    found.add(name)
                    left.append(self._first(name))
        return frozenset(found)


def _names_in(value: Any) -> Iterator[str]:
    """Names in all templates of a value; those of loops and macros in it are among them."""
    if isinstance(value, str):
        if "{{" in value or "{%" in value:
            try:
                yield from (node.name for node in _PARSER.parse(value).find_all(jinja2.nodes.Name))
            except jinja2.TemplateSyntaxError:
                # Ansible's own extensions.
                yield from _READS_ANYTHING
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _names_in(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _names_in(each)
