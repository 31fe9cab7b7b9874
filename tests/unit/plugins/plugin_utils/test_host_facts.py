# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts as hosts present them are those that the controller reads."""

from __future__ import annotations

import json

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.facts import present
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.reading import read
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.subsets import resolve
from ansible_collections.fleet.kexec.plugins.plugin_utils._host_facts import read_answer, read_facts
from ansible_collections.fleet.kexec.plugins.plugin_utils._preflight import OPTIONAL, REQUIRED, preflight_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.preparing import FACTS

from ...conftest import RELEASE, HostTree

ALL = ("min", "container", "hardware", "verdict", "kexec", "entry", "reboot_needed", "soft", "history", "machine")


@pytest.mark.parametrize(
    "tree", [{}, {"/boot/grub/grub.cfg": ""}, {"/proc/xen/capabilities": "control_d\n"}, {"/run/reboot-required": ""}], ids=str
)
@pytest.mark.parametrize("subsets", [ALL, FACTS, REQUIRED])
def test_what_a_host_presents_is_read(host_tree: HostTree, tree: dict[str, str], subsets: list[str]) -> None:
    reading = read(host_tree(tree), lambda argv, timeout_s: CommandResult(127, "", "not found"), resolve(subsets))
    presented = json.loads(json.dumps(present(reading)))
    facts = read_answer({"ansible_facts": {"fleet_kexec": presented}}, subsets)
    assert facts.release == RELEASE and facts.verdict is not None
    assert facts.verdict.method == reading.verdict.method
    assert facts.verdict.notes or facts.blockers
    if subsets is not FACTS:
        assert facts.least == reading.least
        assert preflight_of("web1", read_facts(presented, REQUIRED, OPTIONAL)).last_boot == reading.evidence.path
