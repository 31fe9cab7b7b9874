# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.facts import HostFacts, gather
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.errors import KexecError
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.facts import present
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.proof import Evidence, prove
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.verdict import choose_loader, decide

from ....conftest import BOOT_ID, RELEASE, HostTree

LOCKED = {"/sys/kernel/security/lockdown": "none [integrity] confidentiality\n"}
CMA = {"/proc/meminfo": "MemTotal:  733124 kB\nMemAvailable:  581324 kB\nCmaTotal:   131072 kB\n"}
CONFIG = "/boot/config-" + RELEASE


def facts_of(host_tree: HostTree, changes: dict[str, str]) -> HostFacts:
    facts = gather(host_tree(changes), lambda argv, timeout_s: CommandResult(0, "kexec-tools 2.0.29\n", ""))
    return replace(facts, kernel=replace(facts.kernel, machine="x86_64"))


@pytest.mark.parametrize(
    ("changes", "loader"),
    [
        ({}, "kexec_file_load"),
        (LOCKED, "kexec_file_load"),
        (CMA, "kexec_load"),
        ({CONFIG: "CONFIG_KEXEC=y\n"}, "kexec_load"),
        ({CONFIG: ""}, "kexec_file_load"),
    ],
)
def test_a_host_that_can(host_tree: HostTree, changes: dict[str, str], loader: str) -> None:
    verdict = decide(facts_of(host_tree, changes))
    assert (verdict.method, verdict.loader, verdict.reasons) == ("kexec", loader, [])


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"/run/systemd/container": "lxc"}, ["CONTAINER"]),
        ({"/proc/sys/kernel/kexec_load_disabled": "1\n"}, ["KEXEC_LOAD_DISABLED"]),
        ({"/proc/sys/kernel/kexec_load_limit_reboot": "0\n"}, ["KEXEC_LOAD_LIMIT"]),
        ({**LOCKED, **CMA}, ["CMA_BZIMAGE"]),
        ({"/proc/meminfo": "MemTotal: 60000 kB\nMemAvailable: 20000 kB\n"}, ["NO_MEMORY"]),
        ({**LOCKED, CONFIG: "CONFIG_KEXEC=y\n"}, ["LOADER_UNAVAILABLE"]),
        ({**LOCKED, CONFIG: "CONFIG_KEXEC=y\nCONFIG_KEXEC_FILE=y\n"}, ["LOCKDOWN"]),
        ({"/proc/sys/kernel/kexec_load_disabled": "1\n", **LOCKED, **CMA}, ["KEXEC_LOAD_DISABLED", "CMA_BZIMAGE"]),
    ],
)
def test_a_host_that_cannot(host_tree: HostTree, changes: dict[str, str], codes: list[str]) -> None:
    verdict = decide(facts_of(host_tree, changes))
    assert verdict.method == ("refuse" if codes == ["CONTAINER"] else "firmware")
    assert [reason.code for reason in verdict.reasons] == codes


def test_what_is_not_there_is_missed(host_tree: HostTree) -> None:
    facts = facts_of(host_tree, {})
    bare = replace(facts, tools=None, systemd=False, installed=[], kernel=replace(facts.kernel, machine="aarch64", loaded=None))
    codes = [reason.code for reason in decide(bare).reasons]
    assert codes == ["ARCH_UNSUPPORTED", "NO_SYSTEMD", "NO_KEXEC_SUPPORT", "NO_KEXEC_TOOLS", "NO_KERNEL"]


@pytest.mark.parametrize(
    ("changes", "wanted", "code"),
    [
        (LOCKED, "kexec_load", "LOCKDOWN"),
        (CMA, "kexec_file_load", "CMA_BZIMAGE"),
        ({CONFIG: "CONFIG_KEXEC_FILE=y\n"}, "kexec_load", "LOADER_UNAVAILABLE"),
    ],
)
def test_a_wanted_loader_is_not_replaced(host_tree: HostTree, changes: dict[str, str], wanted: str, code: str) -> None:
    with pytest.raises(KexecError) as caught:
        choose_loader(facts_of(host_tree, changes), wanted)
    assert caught.value.reason.code == code


def test_facts_as_users_see_them(host_tree: HostTree) -> None:
    facts = present(facts_of(host_tree, LOCKED), None)
    assert facts["boot"] == {"boot_id": BOOT_ID, "path": "firmware", "bootloader_type": 114, "token": None}
    assert facts["loaders"] == ["kexec_file_load"]
    assert facts["newest_release"] == RELEASE
    assert facts["verdict"] == {"method": "kexec", "loader": "kexec_file_load"}
    assert facts["blockers"] == []
    assert facts["staged"] is None


GOOD = Evidence("new", "6.12", "ro fleet_kexec.token=ab panic=10", 0xD0)


@pytest.mark.parametrize(
    ("evidence", "missing"),
    [
        (GOOD, []),
        (replace(GOOD, boot_id="old"), ["boot_id_changed"]),
        (replace(GOOD, boot_id=""), ["boot_id_changed"]),
        (replace(GOOD, cmdline="ro fleet_kexec.token=cd"), ["token"]),
        (replace(GOOD, release="6.11"), ["release"]),
        (replace(GOOD, bootloader_type=114, cmdline="ro"), ["token", "bootloader_type"]),
        (replace(GOOD, bootloader_type=None), ["bootloader_type"]),
    ],
)
def test_proof_of_path(evidence: Evidence, missing: list[str]) -> None:
    proof = prove(evidence, "old", "ab", "6.12")
    assert proof.missing == missing
    assert proof.proven is not bool(missing)
