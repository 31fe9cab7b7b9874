# SPDX-License-Identifier: GPL-3.0-or-later
"""Which facts are gathered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.surroundings import READERS
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.errors import KexecError
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.facts import present
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.reading import read
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.subsets import MINIMUM, SUBSETS, resolve, surroundings_of
from ansible_collections.fleet.kexec.plugins.modules import boot_facts

from ....conftest import HostTree

VERDICT_FACTS = {"verdict", "blockers", "warnings", "policy"}


@pytest.mark.parametrize(
    ("wanted", "subsets"),
    [
        (["all"], SUBSETS),
        ([], SUBSETS),
        (["min"], MINIMUM),
        (["!all"], MINIMUM),
        (["!all", "!min"], set()),
        (["!min"], SUBSETS - MINIMUM),
        (["pci"], MINIMUM | {"pci"}),
        (["pci", "!min"], {"pci"}),
        (["!pci", "!guests"], SUBSETS - {"pci", "guests"}),
        (["all", "!pci"], SUBSETS - {"pci"}),
        (["!all", "pci"], MINIMUM | {"pci"}),
        (["!all", "!min", "boot"], {"boot"}),
    ],
)
def test_names_are_resolved(wanted: list[str], subsets: set[str]) -> None:
    assert resolve(wanted) == subsets


@pytest.mark.parametrize("name", ["network", "!network", "", "!", "ALL"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(KexecError) as caught:
        resolve(["min", name])
    assert caught.value.reason.code == "SUBSET_INVALID"


def test_the_verdict_considers_everything() -> None:
    assert surroundings_of(resolve(["verdict", "!pci"])) == set(READERS)
    assert surroundings_of(resolve(["pci"])) == {"pci"}


def gathered(files: HostFiles, wanted: Sequence[str]) -> set[str]:
    return set(present(read(files, lambda argv, timeout_s: CommandResult(0, "", ""), resolve(wanted))))


def test_what_is_not_gathered_is_absent(host_tree: HostTree) -> None:
    files = host_tree({})
    assert gathered(files, ["min"]) == {"boot", "kernel"}
    assert gathered(files, ["!all", "!min", "verdict"]) == VERDICT_FACTS
    assert gathered(files, ["!min", "kexec", "pending"]) == {"kexec_tools", "loaders", "loaded", "staged", "pending"}
    everything = gathered(files, ["all"])
    assert gathered(files, ["!verdict"]) == everything - VERDICT_FACTS
    # Each subset has facts, and all of them together are all there are.
    each = [gathered(files, ["!min", name]) for name in SUBSETS]
    assert all(each)
    assert set().union(*each) == everything
    assert sum(len(facts) for facts in each) == len(everything)


def test_nothing_is_run_for_what_is_not_asked(tmp_path: Path) -> None:
    def run(argv: Sequence[str], timeout_s: float) -> CommandResult:
        raise AssertionError(argv)

    read(
        HostFiles(str(tmp_path)), run, resolve(["!min", "kernel", "pci", "guests", "console", "firmware", "tpm_disks", "pending"])
    )


def test_documentation_has_every_fact_and_subset(host_tree: HostTree) -> None:
    documented = yaml.safe_load(boot_facts.RETURN)["ansible_facts"]["contains"]["fleet_kexec"]["contains"]
    facts = present(read(host_tree({}), lambda argv, timeout_s: CommandResult(0, "", "")))
    assert set(documented) == set(facts)
    for name, fact in documented.items():
        assert "type" in fact
        assert all("sample" in each for each in fact.get("contains", {"itself": fact}).values()), name
        if "contains" in fact and fact["type"] == "dict":
            assert set(fact["contains"]) == set(facts[name]) | ({"stub"} if name == "boot" else set()) or name == "verdict"
    assert set(documented["kernels"]["contains"]) == set(facts["kernels"][0])
    option = "".join(yaml.safe_load(boot_facts.DOCUMENTATION)["options"]["gather_subset"]["description"])
    assert all("V(%s)" % name in option for name in SUBSETS)


def test_findings_are_those_of_the_latest_boot(host_tree: HostTree) -> None:
    boots = [
        {"boot_id": "a", "phases": [], "gain_ms": 9.0, "findings": [{"code": "FSCK", "gain_ms": 9.0, "time_ms": 9.0}]},
        {"boot_id": "b", "phases": [], "gain_ms": 7.0, "findings": [{"code": "DHCP", "gain_ms": 7.0}, {"code": "LATER"}]},
    ]
    kept = "".join(json.dumps(each) + "\n" for each in boots)
    files = host_tree({"/var/lib/fleet-kexec/history.jsonl": kept})
    found = present(read(files, lambda argv, timeout_s: CommandResult(0, "", ""), frozenset(("findings",))))
    assert set(found) == {"findings"}
    assert (found["findings"]["boot_id"], found["findings"]["gain_ms"]) == ("b", 7.0)
    assert [(each["code"], each["prepare_boot"]) for each in found["findings"]["findings"]] == [("DHCP", None)]
    assert found["findings"]["compared_with"] == "a"
    assert [(each["code"], each["gained_ms"]) for each in found["findings"]["outcomes"]] == [("FSCK", 9.0)]


def test_a_host_without_history_has_no_findings(host_tree: HostTree) -> None:
    found = present(read(host_tree({}), lambda argv, timeout_s: CommandResult(0, "", ""), frozenset(("findings",))))
    assert found == {"findings": {"boot_id": None, "gain_ms": None, "findings": [], "compared_with": None, "outcomes": []}}
