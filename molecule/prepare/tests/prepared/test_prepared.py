# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""The host is ready."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testinfra.host import Host


@pytest.fixture
def record(host: Host) -> dict[str, Any]:
    """What the role remembers on the host."""
    value: dict[str, Any] = json.loads(host.file("/var/lib/fleet-kexec/prepared.json").content_string)
    return value


@pytest.fixture
def changed(host: Host) -> set[str]:
    """Files that the role remembers to have changed."""
    return {change["path"] for change in json.loads(host.file("/var/lib/fleet-kexec/changes.json").content_string)["changes"]}


@pytest.fixture
def watchdog(host: Host) -> bool:
    """Whether there is a watchdog to feed."""
    return bool(host.file("/dev/watchdog0").exists)


def test_what_was_missing_is_installed(host: Host, record: dict[str, Any]) -> None:
    host.check_output("kexec --version")
    names = [package["name"] for package in record["packages"]]
    assert "kexec-tools" in names
    assert {package["name"] for package in record["packages"] if package["requested"]} <= {"kexec-tools", "zstd"}
    states = host.check_output("dpkg-query --show --showformat='${db:Status-Status}\\n' " + " ".join(names))
    assert set(states.split()) == {"installed"}


def test_init_scripts_are_masked_where_there_are_any(host: Host, record: dict[str, Any]) -> None:
    old = host.ansible.get_variables()["lab_release"] == "bookworm"
    units = ["kexec-load.service", "kexec.service"]
    assert sorted(record["masked"]) == (units if old else [])
    assert host.file("/etc/init.d/kexec-load").exists is old
    for unit in units if old else []:
        assert host.check_output("systemctl show --value --property=LoadState " + unit) == "masked"
        assert host.file("/etc/systemd/system/" + unit).linked_to == "/dev/null"


def test_systemd_feeds_the_watchdog(host: Host, changed: set[str], watchdog: bool) -> None:
    shown = host.check_output("systemctl show --property=RuntimeWatchdogUSec --property=KExecWatchdogUSec").split()
    assert sorted(shown) == (
        ["KExecWatchdogUSec=5min", "RuntimeWatchdogUSec=1min"] if watchdog else ["KExecWatchdogUSec=0", "RuntimeWatchdogUSec=0"]
    )
    assert ("/etc/systemd/system.conf.d/fleet-kexec.conf" in changed) is watchdog
    if watchdog:
        assert host.file("/sys/class/watchdog/watchdog0/state").content_string.strip() == "active"
        assert "options watchdog stop_on_reboot=0" in host.check_output("modprobe --showconfig").splitlines()


def test_files_have_owner_and_mode(host: Host, watchdog: bool) -> None:
    wanted = ["700 /var/lib/fleet-kexec", "600 /var/lib/fleet-kexec/prepared.json", "600 /var/lib/fleet-kexec/changes.json"]
    wanted += ["644 /etc/fleet-kexec.conf"]
    if watchdog:
        wanted += ["644 /etc/systemd/system.conf.d/fleet-kexec.conf", "644 /etc/modprobe.d/fleet-kexec.conf"]
    paths = " ".join(line.split()[1] for line in wanted)
    assert host.check_output("stat --format='%U %G %a %n' " + paths).splitlines() == ["root root " + line for line in wanted]


def test_the_fast_image_is_the_way_to_go(host: Host) -> None:
    status = json.loads(host.check_output("fleet-kexec status --json"))
    assert (status["verdict"]["method"], status["verdict"]["image"]) == ("kexec", "fast")
    entry = status["entry"]
    assert (entry["unknown"], entry["one_shot"]) == (None, None)
    assert all(host.file(path).is_file for path in [entry["kernel"], *entry["initrds"]]) and entry["initrds"]
    assert host.file(entry["source"].rpartition(":")[0] or entry["source"]).is_file


def test_later_kernels_get_what_the_bootloader_boots(host: Host, changed: set[str]) -> None:
    boots_by_entries = host.ansible.get_variables()["lab_bootloader"] == "systemd-boot"
    assert ("/etc/kernel/cmdline" in changed) is boots_by_entries
    cmdline = host.file("/etc/kernel/cmdline")
    assert cmdline.exists is boots_by_entries
    if boots_by_entries:
        options = host.check_output("sed -n 's/^options *//p' /boot/efi/loader/entries/*.conf").split()
        assert cmdline.content_string.split() == [word for word in options if not word.startswith("systemd.machine_id=")]


def test_the_host_has_a_policy_of_its_own(host: Host) -> None:
    assert host.file("/etc/fleet-kexec.conf").content_string.endswith("\n[policy]\nMANY_KEXECS = allow\n")
