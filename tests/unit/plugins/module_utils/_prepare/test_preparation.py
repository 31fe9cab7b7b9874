# SPDX-License-Identifier: GPL-3.0-or-later
"""Preparing a host that is a directory tree, and putting it back as it was."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Dict, Tuple

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.kernel_install import CMDLINE
from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.atomic import FileAccess
from ansible_collections.fleet.kexec.plugins.module_utils._host.change_record import PATH as CHANGES
from ansible_collections.fleet.kexec.plugins.module_utils._host.changes import FileChange, FileState, HostChange, digest
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.host_files import WantedFile, ensure
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.policy import render_policy
from ansible_collections.fleet.kexec.plugins.module_utils._paths import CONFIG_FILE
from ansible_collections.fleet.kexec.plugins.module_utils._prepare import config_file, init_scripts, kernel_cmdline, watchdog
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.distribution import LinuxDistribution, parse_distribution
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.errors import PrepareError
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.packages import LOG
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.packages import PART as PACKAGES
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.preparation import RESERVATION, Preparation, WantedPreparation
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.record import (
    PATH,
    InstalledPackage,
    PreparationRecord,
    read_record,
    write_record,
)
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.steps import Step, carry_out
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.watchdog import WatchdogWish
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.watchdog_files import MODPROBE_CONF, SYSTEM_CONF

from ....conftest import write_tree
from ....outcomes import code_of

RELEASE = "6.12.1-amd64"
ENTRY = "/boot/efi/loader/entries/0123-%s.conf" % RELEASE
STATE = "/sys/class/watchdog/watchdog0/state"
OS_RELEASES = {
    "bookworm": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n',
    "trixie": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\n',
    "sid": 'PRETTY_NAME="Debian GNU/Linux forky/sid"\nID=debian\n',
    "noble": "ID=ubuntu\nID_LIKE=debian\nVERSION_ID='24.04'\n",
    "rhel": 'ID="rhel"\nID_LIKE="fedora centos"\nVERSION_ID="9.4"\n',
}
# What is needed for it counts, not what a test leaves out.
ALL = WantedPreparation(present=True, packages=("kexec-tools", "zstd"), reservations=("cma",))
NOTHING = WantedPreparation(present=False)

Listing = Dict[str, Tuple[bytes, int]]


class Host:
    """A host with systemd-boot, dpkg, initramfs-tools, and a watchdog that nobody feeds."""

    def __init__(self, root: Path, distribution: str = "trixie") -> None:
        self.root = root
        self.files = HostFiles(str(root))
        self.installed = ["base-files", "zstd"]
        self.commands: list[str] = []
        self.fails = ""
        self.notes: list[str] = []
        # What systemctl show tells of units that feed a watchdog.
        self.units = ""
        write_tree(
            root,
            {
                "/etc/os-release": OS_RELEASES[distribution],
                "/etc/machine-id": "0123\n",
                "/etc/modprobe.d/marker": "",
                "/etc/kernel/marker": "",
                "/etc/systemd/system/marker": "",
                "/boot/vmlinuz-" + RELEASE: "kernel",
                # What is in it, as it is listed.
                "/boot/initrd.img-" + RELEASE: "init\nusr/lib/modules/x/kernel/drivers/watchdog/watchdog.ko.xz\n",
                "/boot/vmlinuz-6.1.1-cloud-amd64": "kernel",
                "/boot/initrd.img-6.1.1-cloud-amd64": "init\n",
                ENTRY: "title Debian\nversion %s\nmachine-id 0123\noptions root=/dev/vda3 ro quiet systemd.machine_id=0123\n"
                "linux /linux\n" % RELEASE,
                "/boot/efi/EFI/systemd/systemd-bootx64.efi": "",
                "/proc/cmdline": "root=/dev/vda3 ro quiet fleet_kexec.token=1f fleet_kexec.kexecs=1 panic=10 oops=panic\n",
                STATE: "inactive\n",
                "/var/lib/marker": "",
            },
        )
        variables = root / "sys/firmware/efi/efivars"
        variables.mkdir(parents=True)
        loader = "LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
        (variables / loader).write_bytes(b"\6\0\0\0" + "systemd-boot 257\0".encode("utf-16-le"))
        for tool in ("lsinitramfs", "kernel-install", "bootctl"):
            path = root / "usr/bin" / tool
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(0o755)
        for directory in (root, *(path for path in root.rglob("*"))):
            # Made long ago, as far as that counts.
            os.utime(directory, (1e9, 1e9))

    def run(self, argv: Sequence[str], timeout_s: float) -> CommandResult:
        name, *arguments = argv
        command = " ".join([os.path.basename(name), *arguments])
        if self.fails and self.fails in command:
            return CommandResult(1, "", "no such luck\n")
        answer = self._answer(os.path.basename(name), arguments)
        if answer is not None:
            return CommandResult(0, answer, "")
        if name == "env":
            self._packages([each for each in arguments if "=" not in each])
            return CommandResult(0, "", "")
        self.commands.append(command)
        if name == "update-initramfs":
            self._update_initramfs(arguments[-1])
        if name == "systemctl" and arguments[0] in ("mask", "unmask"):
            self._mask(arguments[0] == "mask", arguments[1:])
        return CommandResult(0, "", "")

    def _answer(self, name: str, arguments: Sequence[str]) -> str | None:
        """Answer of a command that changes nothing; None if it may change something."""
        if name == "dpkg-query":
            lines = ["installed %s\n" % package for package in self.installed]
            return "".join([*lines, "config-files kexec-tools\n"]) if "Status" in arguments[2] else ""
        if name == "lsinitramfs":
            return Path(arguments[0]).read_text()
        if name == "bootctl":
            listed = [{"type": "type1", "id": os.path.basename(ENTRY), "isDefault": True}]
            return "/boot/efi\n" if "--print-boot-path" in arguments else json.dumps(listed)
        if name == "systemctl" and arguments[0] == "show":
            return self.units
        return ("amd64\n" if "--print-architecture" in arguments else "") if name in ("dpkg", "apt-mark") else None

    def _packages(self, argv: Sequence[str]) -> None:
        """Install kexec-tools and what it needs, or remove, as dpkg does; see test_packages.py for the real one."""
        if "install" in argv:
            said = ""
            for package in ("kexec-tools", "libkexec"):
                self.installed.append(package)
                said += "processing: install: %s\nstatus: %s: installed\n" % (package, package)
            write_tree(self.root, {LOG: said})
        elif argv[0] == "dpkg":
            self.installed = [each for each in self.installed if each not in argv]
        self.commands.append(" ".join(each for each in argv if not each.startswith(("--quiet", "--yes", "--no-i", "-o"))))

    def _update_initramfs(self, release: str) -> None:
        path = self.root / "boot" / ("initrd.img-" + release)
        option = MODPROBE_CONF.lstrip("/") + "\n"
        kept = path.read_text().replace(option, "")
        path.write_text(kept + (option if self.files.exists(MODPROBE_CONF) else ""))

    def _mask(self, masked: bool, units: Sequence[str]) -> None:
        for unit in units:
            path = self.root / "etc/systemd/system" / unit
            if masked:
                path.symlink_to("/dev/null")
            else:
                path.unlink()

    @property
    def preparation(self) -> Preparation:
        return Preparation(self.files, self.run)

    def put(self, wanted: WantedPreparation) -> list[str]:
        """Plan and apply: the parts that had to be seen to."""
        plan = self.preparation.plan(wanted, self.preparation.look(wanted.parts))
        self.preparation.apply(plan.steps)
        self.notes = [note.code for note in plan.notes]
        return [step.part for step in plan.steps]

    @property
    def record(self) -> PreparationRecord:
        return read_record(self.files)

    def listing(self) -> Listing:
        """All there is, with modes."""
        return {
            str(path.relative_to(self.root)): (
                os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes() if path.is_file() else b"",
                path.lstat().st_mode,
            )
            for path in sorted(self.root.rglob("*"))
        }


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_all_of_it_is_idempotent_and_can_be_taken_back(tmp_path: Path) -> None:
    host = Host(tmp_path, "bookworm")
    before = host.listing()
    everything = [init_scripts.PART, PACKAGES, kernel_cmdline.PART, watchdog.PART, RESERVATION]
    assert host.put(ALL) == everything
    assert host.put(ALL) == []
    assert host.commands == [
        "systemctl mask kexec.service kexec-load.service",
        "apt-get update",
        "apt-get install kexec-tools",
        "systemctl daemon-reload",
        "update-initramfs -u -k " + RELEASE,
    ]
    record = host.record
    assert record == PreparationRecord(
        packages=(InstalledPackage("kexec-tools", had_config=True), InstalledPackage("libkexec", requested=False)),
        masked=("kexec.service", "kexec-load.service"),
        cma=True,
        changes=record.changes,
    )
    assert {path: change.made_directory for path, change in record.changes.items()} == {
        CMDLINE: False,
        SYSTEM_CONF: True,
        MODPROBE_CONF: False,
    }
    host.commands.clear()
    assert host.put(NOTHING) == everything[::-1]
    assert host.notes == ["PACKAGE_STAYS"], "of kexec-tools there was configuration before"
    assert host.commands == [
        "systemctl daemon-reload",
        "update-initramfs -u -k " + RELEASE,
        "dpkg --remove kexec-tools libkexec",
        "dpkg --purge libkexec",
        "systemctl unmask kexec.service kexec-load.service",
    ]
    assert host.put(NOTHING) == []
    assert host.listing() == before


def test_planning_changes_nothing(host: Host) -> None:
    before = host.listing()
    host.preparation.plan(ALL, host.preparation.look())
    assert (host.listing(), host.commands) == (before, [])
    host.put(ALL)
    prepared, commands = host.listing(), list(host.commands)
    host.preparation.plan(NOTHING, host.preparation.look())
    assert (host.listing(), host.commands) == (prepared, commands)


def test_only_the_parts_that_are_asked_for(host: Host) -> None:
    assert host.put(replace(ALL, parts=(RESERVATION,))) == [RESERVATION]
    assert host.record == PreparationRecord(cma=True)
    assert host.put(replace(NOTHING, parts=(watchdog.PART,))) == []
    assert host.put(NOTHING) == [RESERVATION]
    assert not host.files.exists(os.path.dirname(PATH))


@pytest.mark.parametrize("fails", ["mask", "daemon-reload", "update-initramfs"])
def test_what_fails_half_way_is_repeated_or_taken_back(tmp_path: Path, fails: str) -> None:
    host = Host(tmp_path, "bookworm")
    before = host.listing()
    host.fails = fails
    assert code_of(host.put, ALL) == "PREPARE_FAILED"
    half = host.record
    assert half != PreparationRecord()
    host.fails = ""
    host.put(NOTHING)
    assert host.listing() == before
    host.fails = fails
    code_of(host.put, ALL)
    host.fails = ""
    host.commands.clear()
    host.put(ALL)
    assert "systemctl daemon-reload" in host.commands
    assert host.put(ALL) == []
    assert MODPROBE_CONF.lstrip("/") in (host.root / "boot" / ("initrd.img-" + RELEASE)).read_text()


def test_a_file_that_cannot_be_written(host: Host) -> None:
    write_tree(host.root, {"/var/lib/fleet-kexec": "no directory"})
    assert code_of(host.put, ALL) == "PREPARE_FAILED"
    assert not host.files.exists(SYSTEM_CONF)


def test_a_file_that_cannot_be_replaced_is_named(tmp_path: Path) -> None:
    """Not the temporary file that was to replace it; such as an immutable one (chattr +i)."""
    (tmp_path / "etc/ours.conf/inside").mkdir(parents=True)
    nothing = PreparationRecord()
    step = Step("files", nothing, nothing, nothing, (FileChange("/etc/ours.conf", None, b"text"),))
    with pytest.raises(PrepareError, match=r"^%s/etc/ours\.conf can't be written" % re.escape(str(tmp_path))):
        carry_out(step, HostFiles(str(tmp_path)), lambda argv, timeout_s: CommandResult(0, "", ""))


# --- packages -------------------------------------------------------------------------------------


def test_packages_of_others_are_not_known(tmp_path: Path) -> None:
    host = Host(tmp_path, "rhel")
    found = host.preparation.look()
    assert (found.installed, found.missing(ALL.packages)) == (None, [])
    assert PACKAGES not in host.put(ALL)
    assert init_scripts.PART not in host.put(ALL)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bookworm", LinuxDistribution("debian", ("debian",), 12)),
        ("sid", LinuxDistribution("debian", ("debian",), None)),
        ("noble", LinuxDistribution("ubuntu", ("ubuntu", "debian"), 24)),
        ("rhel", LinuxDistribution("rhel", ("rhel", "fedora", "centos"), 9)),
    ],
)
def test_distributions(name: str, expected: LinuxDistribution) -> None:
    assert parse_distribution("# comment\n\n" + OS_RELEASES[name]) == expected
    assert expected.is_debian_like is (name != "rhel")


def test_a_distribution_that_says_nothing() -> None:
    assert parse_distribution("") == parse_distribution("nonsense\n") == LinuxDistribution("", ("",), None)
    assert parse_distribution('ID="debian\n').name == '"debian'


# --- init scripts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("distribution", "installed", "script", "masked"),
    [
        ("bookworm", False, False, True),
        ("bookworm", True, False, False),
        ("bookworm", True, True, True),
        ("trixie", False, False, False),
        ("trixie", True, True, True),
        ("sid", False, False, True),
        ("noble", False, False, True),
        ("rhel", False, True, False),
    ],
)
def test_init_scripts_are_masked_where_they_are_or_may_come(
    tmp_path: Path, distribution: str, installed: bool, script: bool, masked: bool
) -> None:
    host = Host(tmp_path, distribution)
    if installed:
        host.installed.append("kexec-tools")
    if script:
        write_tree(tmp_path, {"/etc/init.d/kexec-load": ""})
    wanted = replace(ALL, parts=(init_scripts.PART,))
    assert host.put(wanted) == ([init_scripts.PART] if masked else [])
    assert host.put(wanted) == []


def test_masks_and_units_of_others_stay(tmp_path: Path) -> None:
    host = Host(tmp_path, "bookworm")
    (tmp_path / "etc/systemd/system/kexec.service").symlink_to("/dev/null")
    write_tree(tmp_path, {"/etc/systemd/system/kexec-load.service": "[Unit]\n"})
    assert host.put(replace(ALL, parts=(init_scripts.PART,))) == []
    (tmp_path / "etc/systemd/system/kexec-load.service").unlink()
    # For this boot only: not masked then.
    write_tree(tmp_path, {"/run/systemd/system/marker": ""})
    (tmp_path / "run/systemd/system/kexec-load.service").symlink_to("/dev/null")
    before = host.listing()
    assert host.put(replace(ALL, parts=(init_scripts.PART,))) == [init_scripts.PART]
    assert host.record.masked == ("kexec-load.service",)
    host.put(NOTHING)
    assert host.listing() == before


# --- watchdog -------------------------------------------------------------------------------------


def only_watchdog(enabled: bool | None = None, **spans: str) -> WantedPreparation:
    return WantedPreparation(present=True, parts=(watchdog.PART,), watchdog=WatchdogWish(enabled, **spans))


def test_the_watchdog_is_left_to_whoever_feeds_it(host: Host) -> None:
    write_tree(host.root, {STATE: "active\n"})
    assert host.put(only_watchdog()) == []
    assert host.put(only_watchdog(True)) == [watchdog.PART]
    # It is systemd by now.
    assert host.put(only_watchdog()) == []
    assert host.put(only_watchdog(runtime="30s")) == [watchdog.PART]
    assert "RuntimeWatchdogSec=30s\n" in (host.root / SYSTEM_CONF.lstrip("/")).read_text()


def test_without_a_watchdog(host: Host) -> None:
    (host.root / STATE.lstrip("/")).unlink()
    before = host.listing()
    assert host.put(only_watchdog()) == []
    assert host.put(only_watchdog(False)) == []
    assert host.put(only_watchdog(True)) == [watchdog.PART]
    assert host.put(only_watchdog(False)) == [watchdog.PART]
    assert host.listing() == before


def test_an_initramfs_is_made_anew_only_where_it_takes_that(host: Host) -> None:
    host.put(only_watchdog())
    assert host.commands == ["systemctl daemon-reload", "update-initramfs -u -k " + RELEASE]
    host.commands.clear()
    # Made by another kernel's package since: it has the option, and is not even looked at.
    host.fails = "lsinitramfs"
    newer = host.files.path("/boot/initrd.img-6.1.1-cloud-amd64")
    os.utime(newer)
    assert host.put(only_watchdog()) == []
    # Restored from a backup, without it.
    host.fails = ""
    initrd = host.root / "boot" / ("initrd.img-" + RELEASE)
    initrd.write_text("init\nusr/lib/modules/x/kernel/drivers/watchdog/watchdog.ko.xz\n")
    os.utime(initrd, (1e9, 1e9))
    assert host.put(only_watchdog()) == [watchdog.PART]
    assert host.commands == ["update-initramfs -u -k " + RELEASE]


def test_other_generators_of_an_initramfs_are_left_alone(host: Host) -> None:
    (host.root / "usr/bin/lsinitramfs").unlink()
    host.put(only_watchdog())
    host.put(NOTHING)
    assert host.commands == ["systemctl daemon-reload"] * 2


@pytest.mark.parametrize("span", ["60s", "5min", "1min 30s", "2h30min", "90", "0", "off", "default", "infinity", "1.5 hours"])
def test_time_spans_of_systemd(host: Host, span: str) -> None:
    assert host.put(only_watchdog(runtime=span)) == [watchdog.PART]


@pytest.mark.parametrize("span", ["", "soon", "5 fortnights", "60s\nRebootWatchdogSec=0", "-1s", "60s;"])
def test_what_is_no_time_span_is_refused(host: Host, span: str) -> None:
    assert code_of(host.put, only_watchdog(kexec=span)) == "TIMESPAN_INVALID"
    assert not host.files.exists(SYSTEM_CONF)


# --- /etc/kernel/cmdline --------------------------------------------------------------------------

ONLY_CMDLINE = WantedPreparation(present=True, parts=(kernel_cmdline.PART,))


def test_later_kernels_get_what_the_bootloader_boots(host: Host) -> None:
    before = host.listing()
    assert host.put(ONLY_CMDLINE) == [kernel_cmdline.PART]
    assert host.files.read_bytes(CMDLINE) == b"root=/dev/vda3 ro quiet\n"
    assert host.put(ONLY_CMDLINE) == []
    host.put(NOTHING)
    assert host.listing() == before


def test_an_entry_that_was_made_after_a_kexec_is_not_believed(host: Host) -> None:
    own = "fleet_kexec.token=1f fleet_kexec.kexecs=1 panic=10 oops=panic"
    write_tree(host.root, {ENTRY: (host.root / ENTRY.lstrip("/")).read_text().replace("quiet", "panic=10 quiet " + own)})
    host.put(ONLY_CMDLINE)
    assert host.files.read_bytes(CMDLINE) == b"root=/dev/vda3 ro panic=10 quiet\n"


@pytest.mark.parametrize("path", [CMDLINE, "/usr/lib/kernel/cmdline"])
def test_a_file_that_is_there_stays(host: Host, path: str) -> None:
    write_tree(host.root, {path: "root=/dev/vda3\n"})
    assert host.put(ONLY_CMDLINE) == []
    assert host.put(NOTHING) == []
    assert host.files.read_text(path) == "root=/dev/vda3"


def test_a_file_that_was_changed_since_is_not_ours(host: Host) -> None:
    host.put(ONLY_CMDLINE)
    write_tree(host.root, {CMDLINE: "root=/dev/vda3 ro quiet crashkernel=256M\n"})
    assert host.put(ONLY_CMDLINE) == []
    assert host.put(NOTHING) == [kernel_cmdline.PART]
    assert host.files.read_text(CMDLINE) == "root=/dev/vda3 ro quiet crashkernel=256M"
    assert host.record == PreparationRecord()


def test_a_directory_that_was_not_there(host: Host) -> None:
    (host.root / "etc/kernel/marker").unlink()
    (host.root / "etc/kernel").rmdir()
    before = host.listing()
    host.put(ONLY_CMDLINE)
    assert host.record.changes[CMDLINE].made_directory
    host.put(NOTHING)
    assert host.listing() == before


@pytest.mark.parametrize("missing", ["usr/bin/kernel-install", "boot/efi/EFI/systemd/systemd-bootx64.efi", ENTRY.lstrip("/")])
def test_hosts_that_boot_otherwise(host: Host, missing: str) -> None:
    path = host.root / missing
    path.unlink()
    if not any(path.parent.iterdir()):
        path.parent.rmdir()
    assert host.put(ONLY_CMDLINE) == []


# --- the record -----------------------------------------------------------------------------------


def test_a_record_is_read_as_it_was_written(host: Host) -> None:
    before = FileState(b"\xff\0", FileAccess(0o600, 1, 2, {"user.note": b"\xff"}), "../conf")
    record = PreparationRecord(
        packages=(InstalledPackage("kexec-tools", None, {"/etc/default/kexec": "ab"}, had_config=True),),
        masked=("kexec.service",),
        reload_pending=True,
        crashkernel=True,
        cma=True,
        changes={CONFIG_FILE: HostChange(CONFIG_FILE, before, "cd", FileAccess(0o644, 0, 0), made_directory=True)},
    )
    write_record(host.files, record)
    assert host.record == record
    assert [os.stat(host.files.path(path)).st_mode & 0o7777 for path in (PATH, CHANGES)] == [0o600, 0o600]
    write_tree(host.root, {PATH: "{}", CHANGES: '{"changes": []}'})
    assert host.record == PreparationRecord()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"packages": 1}', '{"config_file": {"content": "!"}}', '{"config_file": {}}'])
def test_a_damaged_record_is_not_taken_for_none(host: Host, text: str) -> None:
    write_tree(host.root, {PATH: text})
    assert code_of(host.put, NOTHING) == "PREPARE_RECORD_INVALID"
    assert code_of(host.put, ALL) == "PREPARE_RECORD_INVALID"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"changes": [{}]}', '{"changes": [{"path": "/etc/x", "content": "!"}]}'])
def test_damaged_changes_are_not_taken_for_none(host: Host, text: str) -> None:
    write_tree(host.root, {CHANGES: text})
    assert code_of(host.put, NOTHING) == "PREPARE_RECORD_INVALID"


def test_reservations_are_remembered_and_forgotten(host: Host) -> None:
    only = WantedPreparation(present=True, parts=(RESERVATION,))
    assert host.put(only) == []
    assert host.put(replace(only, reservations=("cma",))) == [RESERVATION]
    assert host.put(replace(only, reservations=("crashkernel",))) == [RESERVATION]
    assert (host.record.crashkernel, host.record.cma) == (True, True)
    assert host.put(replace(only, present=False)) == [RESERVATION]
    assert host.record == PreparationRecord()


# --- what somebody has changed since --------------------------------------------------------------


@pytest.mark.parametrize("path", [SYSTEM_CONF, MODPROBE_CONF])
def test_what_was_added_to_a_drop_in_stays(host: Host, path: str) -> None:
    host.put(only_watchdog())
    added = (host.files.read_bytes(path) or b"") + b"# mine\n"
    Path(host.files.path(path)).write_bytes(added)
    assert host.put(only_watchdog(runtime="30s")) == ([watchdog.PART] if path == MODPROBE_CONF else [])
    assert (host.files.read_bytes(path), host.notes) == (added, ["CHANGED_SINCE"])
    assert host.put(NOTHING) == [watchdog.PART]
    assert (host.files.read_bytes(path), host.notes) == (added, ["CHANGED_SINCE"])
    assert not host.files.exists(SYSTEM_CONF if path == MODPROBE_CONF else MODPROBE_CONF)
    assert (host.put(NOTHING), host.notes) == ([], []), "it is theirs by now"


def write_config(host: Host, text: str) -> None:
    """Write the host's own defaults as fast_image does."""
    ensure(host.files, WantedFile(CONFIG_FILE, text.encode(), 0o644, owned=False))


def test_the_hosts_own_defaults_come_back_and_keep_mode_and_attributes(host: Host) -> None:
    write_tree(host.root, {CONFIG_FILE: "[stage]\nimage = fast\n"})
    path = Path(host.files.path(CONFIG_FILE))
    path.chmod(0o640)
    os.setxattr(path, "user.note", b"mine")
    before = host.listing()
    write_config(host, "[stage]\nimage = auto\n")
    write_config(host, "[stage]\nimage = auto\n\n[policy]\n")
    assert (path.stat().st_mode & 0o7777, os.getxattr(path, "user.note")) == (0o640, b"mine")
    host.put(NOTHING)
    assert host.listing() == before
    assert os.getxattr(path, "user.note") == b"mine"


def test_defaults_that_were_not_there_go(host: Host) -> None:
    before = host.listing()
    write_config(host, "[stage]\nimage = auto\n")
    host.put(NOTHING)
    assert host.listing() == before


def test_a_linked_configuration_stays_a_link(host: Host) -> None:
    write_tree(host.root, {"/srv/conf": "[stage]\nimage = fast\n"})
    path = Path(host.files.path(CONFIG_FILE))
    path.symlink_to("../srv/conf")
    before = host.listing()
    write_config(host, "[stage]\nimage = auto\n")
    assert path.is_symlink() and host.files.read_text("/srv/conf") == "[stage]\nimage = auto"
    host.put(NOTHING)
    assert host.listing() == before


def test_what_was_added_to_the_defaults_stays(host: Host) -> None:
    write_config(host, "[stage]\nimage = auto\n")
    added = "[stage]\nimage = auto\n\n[policy]\nNO_WATCHDOG = allow\n"
    write_tree(host.root, {CONFIG_FILE: added})
    # Another round of the role does not make it ours.
    write_config(host, added.replace("auto", "fast"))
    assert host.put(NOTHING) == [config_file.PART]
    assert (host.files.read_text(CONFIG_FILE), host.notes) == (added.replace("auto", "fast").strip(), ["CHANGED_SINCE"])
    assert host.record == PreparationRecord()


def test_a_configuration_that_somebody_has_linked_since_is_theirs(host: Host) -> None:
    write_config(host, "[stage]\nimage = auto\n")
    path = Path(host.files.path(CONFIG_FILE))
    path.rename(host.root / "etc/mine.conf")
    path.symlink_to("mine.conf")
    host.put(NOTHING)
    assert path.is_symlink() and path.exists() and host.notes == ["CHANGED_SINCE"]


# --- watchdogs of others --------------------------------------------------------------------------

UNIT = "Id=%s\nLoadState=loaded\nUnitFileState=%s\nActiveState=%s\n"


@pytest.mark.parametrize(
    ("unit", "owned"),
    [
        (UNIT % ("sbd.service", "enabled", "inactive"), True),
        (UNIT % ("watchdog.service", "enabled", "failed"), True),
        (UNIT % ("watchdog-mux.service", "static", "inactive"), True),
        (UNIT % ("watchdog.service", "disabled", "active"), True),
        (UNIT % ("watchdog.service", "disabled", "inactive"), False),
        (UNIT % ("watchdog.service", "masked", "inactive"), False),
        ("Id=sbd.service\nLoadState=not-found\nUnitFileState=\nActiveState=inactive\n", False),
    ],
)
def test_a_watchdog_that_a_daemon_is_set_up_to_feed_is_left_to_it(host: Host, unit: str, owned: bool) -> None:
    host.units = unit + "\n" + UNIT % ("other.service", "enabled", "active")
    assert host.put(only_watchdog()) == ([] if owned else [watchdog.PART])
    assert host.notes == (["WATCHDOG_OWNED"] if owned else [])
    assert host.put(only_watchdog(True)) == ([watchdog.PART] if owned else []), "whoever asks for it gets it"


@pytest.mark.parametrize(
    ("files", "owned"),
    [
        ({"/etc/systemd/system.conf": "[Manager]\nRuntimeWatchdogSec=off\n"}, True),
        ({"/etc/systemd/system.conf.d/10-mine.conf": "[Manager]\nRuntimeWatchdogSec = 0\n"}, True),
        ({"/proc/cmdline": "ro systemd.watchdog_sec=0\n"}, True),
        ({"/sys/class/watchdog/watchdog0/nowayout": "1\n"}, True),
        ({"/sys/class/watchdog/watchdog0/nowayout": "0\n"}, False),
        ({"/usr/local/lib/systemd/system.conf.d/site.conf": "[Manager]\nRuntimeWatchdogSec=off\n"}, True),
        ({"/etc/systemd/system.conf": "[Manager]\n#RuntimeWatchdogSec=off\nRuntimeWatchdogSec=\n"}, False),
        ({"/usr/lib/systemd/system.conf.d/vendor.conf": "[Manager]\nRuntimeWatchdogSec=off\n"}, False),
    ],
)
def test_a_watchdog_that_the_administrator_has_decided_on_is_left_alone(host: Host, files: Dict[str, str], owned: bool) -> None:
    write_tree(host.root, files)
    assert host.put(only_watchdog()) == ([] if owned else [watchdog.PART])
    assert host.notes == (["WATCHDOG_OWNED"] if owned else [])
    assert host.put(only_watchdog()) == []


def test_a_watchdog_that_nobody_can_stop_goes_on_being_fed(host: Host) -> None:
    host.put(only_watchdog(True))
    write_tree(host.root, {STATE: "active\n", "/sys/class/watchdog/watchdog0/nowayout": "1\n"})
    host.commands.clear()
    assert host.put(NOTHING) == []
    assert (host.notes, host.commands) == (["WATCHDOG_STAYS"], [])
    assert host.files.exists(SYSTEM_CONF) and SYSTEM_CONF in host.record.changes


# --- records of version 0.1.0 ---------------------------------------------------------------------


def earlier(host: Host, **values: object) -> None:
    write_tree(host.root, {PATH: json.dumps(values)})


def test_a_watchdog_that_an_earlier_version_configured_is_given_back(host: Host) -> None:
    before = host.listing()
    host.put(only_watchdog(runtime="2min"))
    Path(host.files.path(CHANGES)).unlink()
    earlier(host, watchdog=True, directories=[os.path.dirname(SYSTEM_CONF)])
    assert host.put(NOTHING) == [watchdog.PART]
    assert host.listing() == before


def test_a_drop_in_that_was_changed_after_an_earlier_version_stays(host: Host) -> None:
    write_tree(host.root, {SYSTEM_CONF: "[Manager]\nRuntimeWatchdogSec=60s\n# mine\n"})
    earlier(host, watchdog=True)
    host.put(NOTHING)
    assert host.files.exists(SYSTEM_CONF) and host.notes == ["CHANGED_SINCE"]


def test_a_command_line_of_an_earlier_version_is_given_back(host: Host) -> None:
    write_tree(host.root, {CMDLINE: "ro\n"})
    earlier(host, cmdline_sha256=digest(b"ro\n"))
    assert host.put(NOTHING) == [kernel_cmdline.PART]
    assert not host.files.exists(CMDLINE) and not host.files.exists(PATH)


def test_defaults_that_an_earlier_version_has_replaced_come_back_with_their_mode(host: Host) -> None:
    write_tree(host.root, {CONFIG_FILE: render_policy({"NO_WATCHDOG": "allow"})})
    before = b"[policy]\nNO_WATCHDOG = block\n"
    values = {"content": base64.b64encode(before).decode(), "mode": "0640", "uid": os.geteuid(), "gid": os.getegid()}
    earlier(host, config_file=values)
    assert host.put(NOTHING) == [config_file.PART]
    assert (host.files.read_bytes(CONFIG_FILE), host.notes) == (before, [])
    assert os.stat(host.files.path(CONFIG_FILE)).st_mode & 0o7777 == 0o640


def test_defaults_that_were_edited_after_an_earlier_version_stay(host: Host) -> None:
    write_tree(host.root, {CONFIG_FILE: render_policy({"NO_WATCHDOG": "allow"}) + "# mine\n"})
    earlier(host, config_file={"content": None})
    host.put(NOTHING)
    assert "# mine" in (host.files.read_text(CONFIG_FILE) or "") and host.notes == ["CHANGED_SINCE"]


def test_packages_of_an_earlier_version_are_purged(host: Host) -> None:
    host.installed.append("kexec-tools")
    earlier(host, packages=["kexec-tools", "gone"])
    assert host.put(NOTHING) == [PACKAGES]
    assert "kexec-tools" not in host.installed and host.record == PreparationRecord()
