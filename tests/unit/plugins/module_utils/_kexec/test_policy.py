# SPDX-License-Identifier: GPL-3.0-or-later
"""What risks lead to: the file, the dictionary, and the verdict."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.errors import KexecError
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.policy import DEFAULTS, RISK_CODES, Policy, judge, read_policy
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.requests import HOST_CODES
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


@pytest.mark.parametrize("wanted", [{"NONE": "warn"}, {"driver_risk": "warn"}, {"DRIVER_RISK": True}, {"DRIVER_RISK": "Block"}])
def test_a_dictionary_that_means_nothing_is_refused(wanted: dict[str, object]) -> None:
    with pytest.raises(KexecError) as caught:
        Policy().override(wanted, "policy")
    assert caught.value.reason.code == "POLICY_INVALID"


def test_what_is_not_possible_is_no_matter_of_policy() -> None:
    assert not RISK_CODES & HOST_CODES


def test_documentation_has_every_default() -> None:
    listed = dict(
        re.findall(r"^\| `([A-Z0-9_]+)` \| [^|]* \| (block|warn) \| ", (ROOT / "docs/codes.md").read_text(), re.MULTILINE)
    )
    assert listed == DEFAULTS
    page = (ROOT / "docs/policy.md").read_text()
    assert dict(re.findall(r"`([A-Z0-9_]+)` \((block|warn)\)", page)) == DEFAULTS
    fragment = re.sub(r"\s+", " ", (ROOT / "plugins/doc_fragments/policy.py").read_text())
    blocked, warned = fragment.partition("Blocked by default")[2].split("No other codes")[0].split("Warned of")
    named = {"block": set(re.findall(r"C\((\w+)\)", blocked)), "warn": set(re.findall(r"C\((\w+)\)", warned))}
    assert named == {effect: {code for code in DEFAULTS if DEFAULTS[code] == effect} for effect in named}
