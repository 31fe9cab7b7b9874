# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that hold for all hosts are the same for each, however they are written."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.shared_options import SharedOptions

from .._rollout.inventory import trusted


def templar(**variables: Any) -> Templar:
    return Templar(loader=DataLoader(), variables=trusted(variables))


def differing(option: Any, first: dict[str, Any], other: dict[str, Any], **others: Any) -> str | None:
    options = SharedOptions(trusted({"method": option, **others}), {}, ("before",), templar(**first))
    assert options.differing(templar(**first)) is None
    return options.differing(templar(**other))


@pytest.mark.parametrize(
    ("option", "first", "other"),
    [
        ("{{ m }}", {"m": "kexec"}, {"m": "firmware"}),
        ("{{ a }}", {"a": "{{ b }}", "b": {"c": ["{{ m }}"]}, "m": 1}, {"a": "{{ b }}", "b": {"c": ["{{ m }}"]}, "m": 2}),
        ({"cmdline": ["x", "y={{ m }}"]}, {"m": 1}, {"m": 2}),
        ("{% if m == 1 %}kexec{% else %}firmware{% endif %}", {"m": 1}, {"m": 2}),
        ("{{ lookup('vars', 'm' ~ '') }}", {"m": 1}, {"m": 2}),
        ("{{ m | default(omit) }}", {}, {"m": 2}),
        ("{{ inventory_hostname }}", {"inventory_hostname": "web1"}, {"inventory_hostname": "web2"}),
    ],
)
def test_an_option_that_differs(option: Any, first: dict[str, Any], other: dict[str, Any]) -> None:
    assert differing(option, first, other) == "method"


@pytest.mark.parametrize(
    ("option", "first", "other"),
    [
        ("kexec", {}, {}),
        ("{{ m }}", {"m": "kexec", "x": 1}, {"m": "kexec", "x": 2}),
        # What it depends on differs, and still it is the same.
        ("{{ 'kexec' if m else 'firmware' }}", {"m": 1}, {"m": 2}),
        ("{{ m | default(omit) }}", {}, {"n": 1}),
        ("{{ m | default(omit) }}", {"m": "{{ omit }}"}, {}),
        ("{{ hosts | map(attribute='m') | unique }}", {"hosts": [{"m": 1}]}, {"hosts": [{"m": 1}]}),
    ],
)
def test_an_option_that_does_not_differ(option: Any, first: dict[str, Any], other: dict[str, Any]) -> None:
    assert differing(option, first, other) is None


def test_options_that_may_differ() -> None:
    assert differing("kexec", {"m": 1}, {"m": 2}, before="{{ m }}") is None
    assert (
        differing(
            "kexec", {"all": {"before": "{{ m }}"}, "m": 1}, {"all": {"before": "{{ m }}"}, "m": 2}, _variable_params="{{ all }}"
        )
        is None
    )
    splat = differing("kexec", {"all": {"window": 1}}, {"all": {"window": 2}}, _variable_params="{{ all }}")
    assert splat == "_variable_params"


def test_a_variable_that_one_host_lacks() -> None:
    with pytest.raises(AnsibleError, match=r"method: .*'m' is undefined"):
        differing("{{ m }}", {"m": 1}, {})
