# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that say which host is rebooted by what, and what that saves."""

from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.least import least_text
from ansible_collections.fleet.kexec.plugins.plugin_utils._text import columns_of

OLD = reason("SOFT_UNSUPPORTED", "systemd 252 knows no soft reboot")


def test_each_method_has_its_hosts_and_what_it_saves() -> None:
    saves_s = {"a": {"kexec": 9.0, "firmware": 84.0}, "b": {"kexec": 9.0}, "c": {}}
    methods = {"a": "soft", "b": "soft", "c": "kexec", "d": None}
    assert least_text(methods, {"c": [OLD]}, saves_s, {}, columns=100) == [
        "",
        "1 host not rebooted, because nothing is pending",
        "  d",
        "",
        "2 hosts by a soft reboot",
        "  a b",
        "  predicted outage 18 s less than via kexec, 84 s less than through firmware, in all",
        "",
        "1 host via kexec",
        "  c",
        "  not by less: SOFT_UNSUPPORTED",
    ]


def test_what_all_hosts_are_spared_against_auto() -> None:
    methods = {"a": "soft", "b": "kexec", "c": "soft", "d": None}
    saves_s = {"a": {"kexec": 9.0, "firmware": 84.0}, "b": {"firmware": 75.0}, "d": {"kexec": 15.0}}
    autos = {"a": "firmware", "b": "kexec", "c": "kexec", "d": "kexec"}
    assert least_text(methods, {}, saves_s, autos, columns=100)[-2:] == [
        "",
        "in all, predicted outage 99 s less than with method: auto (3 hosts with figures)",
    ]
    assert "auto" not in least_text({"b": "kexec"}, {}, saves_s, autos)[-1], "there is nothing to say"
    assert least_text({"a": "soft"}, {}, {"a": {"kexec": -2.0}}, {"a": "kexec"})[-1].startswith(
        "in all, predicted outage 2.0 s more"
    )


def test_a_lesser_method_may_have_been_slower() -> None:
    lines = least_text({"a": "soft", "b": "soft"}, {}, {"a": {"kexec": -2.0}}, {}, columns=100)
    assert lines[-1] == "  predicted outage 2.0 s more than via kexec, in all (1 with figures)"


@pytest.mark.parametrize("columns", [40, 80, 250])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    names = ["web%d\x1b" % number for number in range(5000)]
    lines = least_text(
        dict.fromkeys(names, "soft"), {names[0]: [OLD]}, {names[0]: {"firmware": 9e4}}, {names[0]: "firmware"}, columns=columns
    )
    assert max(map(columns_of, lines)) <= columns and len(lines) < 20
    assert not any("\x1b" in line for line in lines)
