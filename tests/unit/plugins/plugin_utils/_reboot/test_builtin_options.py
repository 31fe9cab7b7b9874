# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.builtin_options import method_from
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.errors import RebootError

NOTHING = {"method": "auto", "search_paths": None, "boot_time_command": None, "reboot_command": None}


def method(**options: Any) -> str:
    return method_from({**NOTHING, **options})


def refusal(**options: Any) -> tuple[str, str]:
    with pytest.raises(RebootError) as caught:
        method(**options)
    return caught.value.reason.code, caught.value.reason.message


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("systemctl kexec", "kexec"),
        ("/usr/bin/systemctl  kexec", "kexec"),
        ("systemctl soft-reboot", "soft"),
        ("systemctl reboot", "firmware"),
        ("/sbin/reboot", "firmware"),
        ("shutdown -r", "firmware"),
        ("/sbin/shutdown -r now", "firmware"),
        ("shutdown -r +0", "firmware"),
    ],
)
def test_a_command_that_does_what_a_method_does_stands_for_it(command: str, meant: str) -> None:
    assert method(reboot_command=command) == method(reboot_command=command, method=meant) == meant
    other = {"kexec": "firmware", "soft": "kexec", "firmware": "kexec"}[meant]
    assert refusal(reboot_command=command, method=other)[0] == "SETTINGS_INVALID"


@pytest.mark.parametrize(
    "command",
    [
        "kexec -e",
        "systemctl --force --force reboot",
        "shutdown -r +5",
        "shutdown -h now",
        "",
        "reboot '",
    ],
)
def test_any_other_command_is_refused_with_those_that_are_not(command: str) -> None:
    code, message = refusal(reboot_command=command)
    assert code == "OPTION_UNSUPPORTED" and "systemctl kexec" in message
    assert ("file systems mounted" in message) == (command == "kexec -e")


def test_how_the_boot_is_told_and_where_shutdown_lies_can_not_be_chosen() -> None:
    assert method(boot_time_command="cat /proc/sys/kernel/random/boot_id") == "auto"
    assert refusal(boot_time_command="uptime -s")[0] == refusal(search_paths=["/lib/molly-guard"])[0] == "OPTION_UNSUPPORTED"
    assert refusal(search_paths=[])[0] == "OPTION_UNSUPPORTED"


def test_without_them_the_method_is_the_users() -> None:
    assert [method(method=each) for each in ("auto", "kexec", "firmware")] == ["auto", "kexec", "firmware"]
