# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter fleet.kexec.query."""

from __future__ import annotations

DOCUMENTATION = r"""
name: query
short_description: Query journals and timelines with JMESPath
version_added: 0.1.0
author: [fleet.kexec contributors (@fleet-kexec)]
description:
  - Applies a JMESPath expression to the journal of a rolling reboot, or to timelines and other values.
  - An invalid expression fails with the position of the error.
  - The collection's documentation has a page of useful queries.
requirements:
  - jmespath (Python library, on the controller)
options:
  _input:
    description:
      - Name of a run, V(latest), or path of a journal, which contains a slash. The expression applies to the list of the
        journal's records.
      - Otherwise the value to query, such as a list of records, a timeline, or a list of timelines.
    type: raw
    required: true
  expression:
    description: The JMESPath expression, see U(https://jmespath.org).
    type: str
    required: true
  run_directory:
    description: Directory of the journals, as O(fleet.kexec.rolling_reboot#module:run_directory).
    type: path
positional: expression
seealso:
  - module: fleet.kexec.rolling_reboot
  - module: fleet.kexec.report
"""

EXAMPLES = r"""
- name: Hosts that failed in the newest run, and why
  ansible.builtin.debug:
    msg: "{{ 'latest' | fleet.kexec.query('[?event==`host_failed`].{host: host, code: reason.code}') }}"

- name: The longest phase of a host's last boot
  ansible.builtin.debug:
    msg: "{{ ansible_facts.fleet_kexec.last_boot.timeline | fleet.kexec.query('max_by(phases, &duration_ms).name') }}"
"""

RETURN = r"""
_value:
  description: Result of the expression, or none if it finds nothing.
  type: raw
"""

import os
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import default_directory
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.query import query


def _query(source: Any, expression: Any, run_directory: str | None = None) -> Any:
    try:
        return query(source, expression, os.path.expanduser(run_directory) if run_directory else default_directory(os.environ))
    except CodedError as error:
        why = error.reason
        raise AnsibleFilterError("%s: %s. %s" % (why.code, why.message, why.hint)) from error


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"query": _query}
