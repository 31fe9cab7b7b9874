# SPDX-License-Identifier: GPL-3.0-or-later
"""What risks lead to: the file, the dictionary, and the verdict."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.errors import KexecError
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.policy import DEFAULTS, RISK_CODES, Policy, judge, read_policy
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.requests import HOST_CODES
from ansible_collections.fleet.kexec.plugins.module_utils._machine.codes import (
    DIFFERENCE_DEFAULTS,
    DIFFERENCES,
    DifferenceKind,
)
from ansible_collections.fleet.kexec.plugins.module_utils._paths import CONFIG_FILE
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason

from ....conftest import HostTree

ROOT = Path(__file__).resolve().parents[5]
RISKS = [reason("DRIVER_RISK", "a"), reason("NO_WATCHDOG", "b"), reason("GUESTS_RUNNING", "c")]


def codes(policy: Policy) -> tuple[list[str], list[str]]:
    judged = judge(RISKS, policy)
    return [risk.code for risk in judged.blocked], [risk.code for risk in judged.warned]


def test_the_default_is_the_safe_one() -> None:
    assert codes(Policy()) == (["DRIVER_RISK"], ["NO_WATCHDOG", "GUESTS_RUNNING"])


def test_the_host_has_its_own_and_a_task_goes_before_it(host_tree: HostTree) -> None:
    files = host_tree({CONFIG_FILE: "[stage]\nimage = auto\n[policy]\nDRIVER_RISK = warn\nno_watchdog = block\n"})
    own = read_policy(files)
    assert codes(own) == (["NO_WATCHDOG"], ["DRIVER_RISK", "GUESTS_RUNNING"])
    assert codes(own.override({"NO_WATCHDOG": "allow"}, "policy")) == ([], ["DRIVER_RISK", "GUESTS_RUNNING"])
    assert codes(own.override({}, "policy")) == codes(own)


def test_a_host_without_a_file(host_tree: HostTree) -> None:
    assert read_policy(host_tree({})) == Policy()


@pytest.mark.parametrize(
    "text",
    [
        "[policy]\nLOCKDOWN = allow\n",
        "[policy]\nNO_SUCH = warn\n",
        "[policy]\nDRIVER_RISK = maybe\n",
        "[policy]\nDRIVER_RISK =\n",
    ],
)
def test_what_means_nothing_is_refused(host_tree: HostTree, text: str) -> None:
    with pytest.raises(KexecError) as caught:
        read_policy(host_tree({CONFIG_FILE: text}))
    assert caught.value.reason.code == "POLICY_INVALID"
    assert CONFIG_FILE in caught.value.reason.message


def test_a_difference_has_effects_of_its_own(host_tree: HostTree) -> None:
    own = read_policy(host_tree({CONFIG_FILE: "[policy]\nNIC_RENAMED = ignore\nDRIVER_RISK = warn\n"}))
    effects = own.override({"KERNEL_ERRORS": "fail"}, "policy").effects
    assert (effects["NIC_RENAMED"], effects["KERNEL_ERRORS"], effects["NIC_LOST"]) == ("ignore", "fail", "fail")


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({"DRIVER_RISK": "ignore"}, "a risk can be block, warn, allow"),
        ({"NIC_LOST": "block"}, "a difference can be fail, warn, ignore"),
    ],
)
def test_an_effect_of_the_other_kind_is_refused(wanted: dict[str, str], named: str) -> None:
    with pytest.raises(KexecError) as caught:
        Policy().override(wanted, "policy")
    assert caught.value.reason.code == "POLICY_INVALID"
    assert named in caught.value.reason.message


@pytest.mark.parametrize("wanted", [{"NONE": "warn"}, {"driver_risk": "warn"}, {"DRIVER_RISK": True}, {"DRIVER_RISK": "Block"}])
def test_a_dictionary_that_means_nothing_is_refused(wanted: dict[str, object]) -> None:
    with pytest.raises(KexecError) as caught:
        Policy().override(wanted, "policy")
    assert caught.value.reason.code == "POLICY_INVALID"


def test_what_is_not_possible_is_no_matter_of_policy() -> None:
    assert not RISK_CODES & HOST_CODES
    assert not (RISK_CODES | HOST_CODES) & set(DIFFERENCES)


def table(page: str) -> dict[str, str]:
    """Effects by code from a table with the columns code, meaning and default."""
    return dict(re.findall(r"^\| `([A-Z0-9_]+)` \| [^|]* \| (block|fail|warn) \| ", page, re.MULTILINE))


def test_documentation_has_every_default() -> None:
    codes_page = (ROOT / "docs/codes.md").read_text()
    risks, _heading, rest = codes_page.partition("## Differences\n")
    assert table(risks) == DEFAULTS
    assert table(rest) == DIFFERENCE_DEFAULTS
    page = (ROOT / "docs/policy.md").read_text()
    assert dict(re.findall(r"`([A-Z0-9_]+)` \((block|warn)\)", page)) == DEFAULTS
    proof = (ROOT / "docs/proof.md").read_text()
    settling = re.findall(r"^\| `([A-Z0-9_]+)` \| (fail|warn) \| (yes|no) \| ", proof, re.MULTILINE)
    assert {code: DifferenceKind(effect, mends == "yes") for code, effect, mends in settling} == DIFFERENCES


def test_the_option_documents_every_default() -> None:
    fragment = re.sub(r"\s+", " ", (ROOT / "plugins/doc_fragments/policy.py").read_text())
    ends = ("Blocked by default are", "Warned of by default are", "Differences that fail", "Those that warn", "No other codes")
    pieces = re.split("|".join(ends), fragment)[1:-1]
    blocked, warned, failing, warning = (re.findall(r"C\(([A-Z0-9_]+)\)", piece) for piece in pieces)
    assert {**dict.fromkeys(blocked, "block"), **dict.fromkeys(warned, "warn")} == DEFAULTS
    assert {**dict.fromkeys(failing, "fail"), **dict.fromkeys(warning, "warn")} == DIFFERENCE_DEFAULTS
