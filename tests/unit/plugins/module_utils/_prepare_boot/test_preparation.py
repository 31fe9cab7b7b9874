# SPDX-License-Identifier: GPL-3.0-or-later
"""Preparing the boots of a host that is a directory tree, and giving everything back."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.changes import FileChange
from ansible_collections.fleet.kexec.plugins.module_utils._host.fast_images import FastImage
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.boot_config import BootConfig, read_boot_config
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.errors import KexecError
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.host_files import WantedFile, ensure
from ansible_collections.fleet.kexec.plugins.module_utils._paths import CONFIG_FILE
from ansible_collections.fleet.kexec.plugins.module_utils._prepare import steps
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.record import read_record
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.steps import carry_out
from ansible_collections.fleet.kexec.plugins.module_utils._prepare_boot.cloud_init_disabled import MARKER
from ansible_collections.fleet.kexec.plugins.module_utils._prepare_boot.parallel_shutdown import SCRIPT
from ansible_collections.fleet.kexec.plugins.module_utils._prepare_boot.preparation import PARTS, BootPreparation, WantedBoots
from ansible_collections.fleet.kexec.plugins.module_utils._prepare_boot.ssh_early import GENERATOR

from ....conftest import BOOT_ID, write_tree
from ....outcomes import code_of

UNITS = "/usr/lib/systemd/system/"
# As Debian 13 and Fedora have them, shortened.
SSH = """\
[Unit]
After=network.target nss-user-lookup.target auditd.service
ConditionPathExists=!/etc/ssh/sshd_not_to_be_run

[Service]
ExecStart=/usr/sbin/sshd -D $SSHD_OPTS
"""
NETWORKD = "[Service]\nType=oneshot\nExecStart=/usr/lib/systemd/systemd-networkd-wait-online\nRemainAfterExit=yes\n"
NM = "[Service]\nType=oneshot\nExecStart=/usr/bin/nm-online -s -q\nEnvironment=NM_ONLINE_TIMEOUT=60\n"
IFUPDOWN = "[Service]\nType=oneshot\nExecStart=/usr/lib/ifupdown/wait-online.sh\n"
WAITING = {
    "systemd-networkd-wait-online.service": NETWORKD,
    "NetworkManager-wait-online.service": NM,
    "ifupdown-wait-online.service": IFUPDOWN,
}
ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t1024\t00000000\t0\t0\t0
eth1\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
# The second one is that of the loopback device, which every host has.
ROUTES_6 = """\
{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     bond0
{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo
""".format(zero="0" * 32)

ALL = WantedBoots(
    stop_timeout={"nginx.service": "5s", "postgresql@16-main.service": "1min 30s"},
    quiet=True,
    initrd="slim",
    cloud_init_disabled=True,
    wait_online=("auto",),
    ssh_early=True,
    parallel_shutdown=True,
)


class Images:
    """Fast images that can be rebuilt at once; C(rebuilt) tells how."""

    def __init__(self, files: HostFiles) -> None:
        self._files = files
        self.modes: dict[str, str] = {}
        self.rebuilt: list[str] = []

    def add(self, release: str, mode: str = "keep") -> None:
        self.modes[release] = mode
        digest = {"path": "/x", "size_bytes": 1, "sha256": ""}
        manifest = {
            **dict.fromkeys((each.name for each in fields(FastImage)), 1),
            "release": release,
            **dict.fromkeys(("source", "image", "relocations"), digest),
            **dict.fromkeys(("initrd", "initrd_source", "initrd_left_out")),
            "format": 1,
        }
        write_tree(Path(self._files.root), {"/var/lib/fleet-kexec/%s/manifest.json" % release: json.dumps(manifest)})

    def with_other_initrd(self, initrd_mode: str) -> tuple[Any, ...]:
        return tuple(release for release, mode in self.modes.items() if mode != initrd_mode)

    def rebuild(self, candidates: Sequence[Any], initrd_mode: str) -> None:
        self.rebuilt += ["%s %s" % (release, initrd_mode) for release in candidates]
        self.modes.update(dict.fromkeys(candidates, initrd_mode))


class Host:
    """A host with systemd, two NVMe drives, an interface with a default route and a fast image, which cloud-init has set up."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = HostFiles(str(root))
        self.commands: list[str] = []
        self.fails = ""
        self.notes: list[str] = []
        # systemctl(1) knows these, and that they are enabled.
        self.timeouts = {"nginx.service": "1min 30s", "postgresql@16-main.service": "infinity", "quick.service": "3s"}
        self.enabled = ["systemd-networkd-wait-online.service"]
        self.listen = ["[::]:2222", "0.0.0.0:2222"]
        # To both NetworkManager and ifupdown.
        self.up = ["eth0", "eth1"]
        self.aliases: dict[str, str] = {}
        write_tree(
            root,
            {
                "/proc/sys/kernel/random/boot_id": BOOT_ID + "\n",
                "/proc/net/route": ROUTES,
                "/sys/class/net/eth0/carrier": "1",
                "/sys/class/net/eth1/carrier": "1",
                "/sys/bus/pci/drivers/nvme/0000:01:00.0/class": "0x010802",
                "/sys/bus/pci/drivers/nvme/0000:02:00.0/class": "0x010802",
                "/usr/lib/systemd/systemd-shutdown": "",
                "/usr/lib/systemd/system-shutdown/marker": "",
                "/etc/systemd/system/marker": "",
                UNITS + "cloud-init.target": "[Unit]\n",
                "/etc/cloud/cloud.cfg": "# As Debian has it, shortened.\ncloud_init_modules:\n  - bootcmd\n  - [mounts, once]\n",
                "/var/lib/cloud/instance/boot-finished": "41.20 - Mon\n",
                "/var/lib/cloud/instance/cloud-config.txt": "bootcmd: []\nmanage_etc_hosts: false  # DNS\n",
                UNITS + "ssh.service": SSH,
                **{UNITS + name: text for name, text in WAITING.items()},
            },
        )
        self.images = Images(self.files)
        self.images.add("6.1.0-1-amd64")
        sshd = root / "usr/sbin/sshd"
        sshd.parent.mkdir(parents=True)
        sshd.touch(0o755)

    def run(self, argv: Sequence[str], timeout_s: float) -> CommandResult:
        command = " ".join(argv)
        if self.fails and self.fails in command:
            return CommandResult(1, "", "no such luck\n")
        if argv[:2] == ["systemctl", "show"]:
            return CommandResult(0, self._unit(argv[-1]), "")
        if argv[-1] == "-T":
            return CommandResult(0, "port 2222\n" + "".join("listenaddress %s\n" % each for each in self.listen), "")
        if argv[0] == "nmcli":
            return CommandResult(0, "100 (connected)\n" if argv[-1] in self.up else "10 (unmanaged)\n", "")
        if argv[0] == "ifquery":
            return CommandResult(0 if argv[-1] in self.up else 1, "", "")
        self.commands.append(command)
        return CommandResult(0, "", "")

    def _unit(self, name: str) -> str:
        name = self.aliases.get(name, name)
        fragment = UNITS + name
        loaded = name in self.timeouts or self.files.exists(fragment)
        drop_ins = "/etc/systemd/system/%s.d" % name
        return (
            "Id=%s\nLoadState=%s\nUnitFileState=%s\nActiveState=inactive\nFragmentPath=%s\nDropInPaths=%s\nTimeoutStopUSec=%s\n"
            % (
                name,
                "loaded" if loaded else "not-found",
                "enabled" if name in self.enabled else "disabled",
                fragment if self.files.exists(fragment) else "",
                " ".join("%s/%s" % (drop_ins, each) for each in self.files.listdir(drop_ins)),
                self.timeouts.get(name, "1min 30s"),
            )
        )

    @property
    def preparation(self) -> BootPreparation:
        return BootPreparation(self.files, self.run, lambda: self.images)

    def put(self, wanted: WantedBoots) -> list[str]:
        """Plan and apply: the parts that had to be seen to."""
        plan = self.preparation.plan(wanted, self.preparation.look())
        self.preparation.apply(plan.steps)
        self.notes = ["%s: %s" % (note.code, note.message) for note in plan.notes]
        return [step.part for step in plan.steps]

    def drop_in(self, unit: str, part: str) -> Path:
        return self.root / "etc/systemd/system" / (unit + ".d") / ("fleet-kexec-%s.conf" % part)

    def listing(self) -> dict[str, tuple[bytes, int]]:
        """All there is, with modes."""
        return {
            str(path.relative_to(self.root)): (path.read_bytes() if path.is_file() else b"", path.lstat().st_mode)
            for path in sorted(self.root.rglob("*"))
        }


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_nothing_is_done_unless_it_is_asked_for(host: Host) -> None:
    before = host.listing()
    assert host.put(WantedBoots()) == [] and host.notes == [] and host.commands == []
    assert host.listing() == before


def test_all_of_it_is_idempotent_and_can_be_taken_back(host: Host) -> None:
    (host.root / "etc/systemd/system-generators").mkdir()
    before = host.listing()
    assert host.put(ALL) == list(PARTS) and host.notes == []
    assert host.put(ALL) == [] and host.notes == []
    assert read_record(host.files).boot_parts == dict.fromkeys(PARTS, BOOT_ID)
    assert set(host.commands) == {"systemctl daemon-reload"} and len(host.commands) == 3
    assert (host.root / SCRIPT.lstrip("/")).stat().st_mode & 0o777 == 0o755
    assert host.put(WantedBoots()) == list(PARTS) and host.notes == []
    assert host.listing() == before
    assert host.images.rebuilt == ["6.1.0-1-amd64 slim", "6.1.0-1-amd64 keep"]


def test_parts_that_are_not_processed_are_left_as_they_are(host: Host) -> None:
    host.put(ALL)
    there = host.listing()
    assert host.put(WantedBoots(parts=())) == []
    assert host.listing() == there
    assert host.put(WantedBoots(parts=("quiet",))) == ["quiet"]
    assert sorted(read_record(host.files).boot_parts) == sorted(set(PARTS) - {"quiet"})


def test_a_file_that_was_there_before_comes_back_with_its_mode(host: Host) -> None:
    path = host.drop_in("nginx.service", "stop-timeout")
    path.parent.mkdir()
    path.write_text("# Mine.\n")
    path.chmod(0o600)
    before = host.listing()
    assert host.put(ALL)
    assert "TimeoutStopSec=5s" in path.read_text()
    host.put(WantedBoots())
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("# Mine.\n", 0o600)
    assert {name: each for name, each in before.items() if "nginx" in name} == {
        name: each for name, each in host.listing().items() if "nginx" in name
    }


def test_what_was_changed_since_is_theirs(host: Host) -> None:
    host.put(ALL)
    path = host.drop_in("nginx.service", "stop-timeout")
    path.write_text(path.read_text() + "# Mine, too.\n")
    assert host.put(replace(ALL, stop_timeout={"nginx.service": "7s"})) == ["stop_timeout"]
    assert "=5s" in path.read_text() and any("CHANGED_SINCE" in note for note in host.notes)
    host.put(WantedBoots())
    assert "Mine, too" in path.read_text() and any("CHANGED_SINCE" in note for note in host.notes)
    assert read_record(host.files).boot_parts == {} and read_record(host.files).changes == {}


def test_what_was_interrupted_can_be_repeated_and_undone(host: Host) -> None:
    plan = host.preparation.plan(ALL, host.preparation.look())
    host.fails = "daemon-reload"
    assert code_of(carry_out, plan.steps[0], host.files, host.run) == "PREPARE_FAILED"
    assert read_record(host.files).reload_pending and host.drop_in("nginx.service", "stop-timeout").exists()
    host.fails = ""
    assert host.put(replace(WantedBoots(), stop_timeout=ALL.stop_timeout)) == ["stop_timeout"]
    assert host.commands == ["systemctl daemon-reload"] and not read_record(host.files).reload_pending
    host.put(WantedBoots())
    assert not host.drop_in("nginx.service", "stop-timeout").exists()


@pytest.mark.parametrize("part", PARTS)
def test_a_part_counts_as_made_until_all_of_it_is_gone(host: Host, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The role asks for the parts, and undoes nothing where there are none."""
    host.put(ALL)

    def full(_files: HostFiles, _change: FileChange) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/x")

    monkeypatch.setattr(steps, "make_change", full)
    assert code_of(host.put, replace(WantedBoots(), parts=(part,))) == "PREPARE_FAILED"
    assert part in read_record(host.files).boot_parts
    monkeypatch.undo()
    assert host.put(replace(WantedBoots(), parts=(part,))) == [part]
    assert part not in read_record(host.files).boot_parts


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (WantedBoots(stop_timeout={"nginx": "5s"}), "UNIT_NAME_INVALID"),
        (WantedBoots(stop_timeout={"../x.service": "5s"}), "UNIT_NAME_INVALID"),
        (WantedBoots(stop_timeout={"getty@.service": "5s"}), "UNIT_NAME_INVALID"),
        (WantedBoots(stop_timeout={"var.mount": "5s"}), "UNIT_NAME_INVALID"),
        (WantedBoots(stop_timeout={"x.service\n": "5s"}), "UNIT_NAME_INVALID"),
        (WantedBoots(stop_timeout={"x" * 256 + ".service": "5s"}), "UNIT_NAME_INVALID"),
        *(
            (WantedBoots(stop_timeout={"nginx.service": span}), "TIMESPAN_INVALID")
            for span in ("0", "0s", "infinity", "500ms", "soon", "", "5s\n5s", "\u0665s", "None", "-1")
        ),
        (WantedBoots(wait_online=("eth7",)), "INTERFACE_INVALID"),
        (WantedBoots(wait_online=("eth0; reboot",)), "INTERFACE_INVALID"),
        (WantedBoots(wait_online=("..",)), "INTERFACE_INVALID"),
        (WantedBoots(wait_online=("",)), "INTERFACE_INVALID"),
        (WantedBoots(parallel_shutdown=True, parallel_shutdown_drivers=("nvme' ;",)), "PARALLEL_SHUTDOWN_INVALID"),
        (WantedBoots(parallel_shutdown=True, parallel_shutdown_timeout_s=0), "PARALLEL_SHUTDOWN_INVALID"),
        (WantedBoots(parallel_shutdown=True, parallel_shutdown_timeout_s=61), "PARALLEL_SHUTDOWN_INVALID"),
    ],
)
def test_bad_input_changes_nothing(host: Host, wanted: WantedBoots, code: str) -> None:
    before = host.listing()
    # Whatever comes before it.
    assert code_of(host.put, replace(wanted, quiet=True, ssh_early=True)) == code
    assert host.listing() == before and host.commands == []


# --- stop_timeout ------------------------------------------------------------------------


def test_only_a_shorter_timeout_of_a_service_that_is_there(host: Host) -> None:
    wanted = WantedBoots(stop_timeout={"quick.service": "5s", "none.service": "5s", "nginx.service": "20"})
    assert host.put(wanted) == ["stop_timeout"]
    assert [note.partition(": ")[2] for note in host.notes] == [
        "stop_timeout changes nothing here: there is no none.service (not-found)",
        "stop_timeout changes nothing here: quick.service has a stop timeout of 3s",
    ]
    assert host.drop_in("nginx.service", "stop-timeout").read_text().endswith("[Service]\nTimeoutStopSec=20\n")
    # systemd now tells what the drop-in says.
    host.timeouts["nginx.service"] = "20s"
    assert host.put(wanted) == []
    assert host.put(replace(wanted, stop_timeout={"postgresql@16-main.service": "1min"})) == ["stop_timeout"]
    assert not host.drop_in("nginx.service", "stop-timeout").parent.exists()


@pytest.mark.parametrize(("name", "setting"), [("override.conf", "TimeoutStopSec=300"), ("zz.conf", "TimeoutSec = 5min")])
def test_a_drop_in_of_others_that_comes_later_counts(host: Host, name: str, setting: str) -> None:
    wanted = WantedBoots(stop_timeout={"nginx.service": "5s"})
    write_tree(host.root, {"/etc/systemd/system/nginx.service.d/10-mine.conf": "[Service]\nTimeoutStopSec=60\n"})
    assert host.put(wanted) == ["stop_timeout"] and host.notes == []
    path = host.drop_in("nginx.service", "stop-timeout").with_name(name)
    path.write_text("[Service]\nRestart=always\n")
    assert host.put(wanted) == [] and host.notes == []
    path.write_text("[Service]\n%s\n" % setting)
    assert host.put(wanted) == ["stop_timeout"], "it would change nothing"
    assert name + " sets the stop timeout of nginx.service" in host.notes[0]
    assert not host.drop_in("nginx.service", "stop-timeout").exists()


# --- quiet -------------------------------------------------------------------------------


def test_other_sections_of_the_configuration_stay(host: Host) -> None:
    before = "# Ours.\n\n[policy]\nmany_kexecs = allow\n"
    write_tree(host.root, {CONFIG_FILE: before})
    host.put(WantedBoots(quiet=True))
    assert read_boot_config(host.files) == BootConfig(quiet=True)
    text = (host.root / CONFIG_FILE.lstrip("/")).read_text()
    assert before.strip() in text
    assert host.put(WantedBoots()) == ["quiet"]
    assert (host.root / CONFIG_FILE.lstrip("/")).read_text() == before
    assert read_record(host.files).changes == {}


def test_the_setting_goes_and_what_another_module_has_written_stays(host: Host) -> None:
    host.put(WantedBoots(quiet=True))
    text = (host.root / CONFIG_FILE.lstrip("/")).read_text()
    ensure(host.files, WantedFile(CONFIG_FILE, ("[stage]\nkaslr = no\n\n" + text).encode(), 0o644, owned=False))
    host.put(WantedBoots())
    assert (host.root / CONFIG_FILE.lstrip("/")).read_text() == "[stage]\nkaslr = no\n"
    assert CONFIG_FILE in read_record(host.files).changes


def test_a_setting_of_the_host_is_its_own(host: Host) -> None:
    write_tree(host.root, {CONFIG_FILE: "[boot]\nquiet = on\n"})
    assert host.put(WantedBoots(quiet=True)) == host.put(WantedBoots()) == []
    assert read_boot_config(host.files).quiet
    write_tree(host.root, {CONFIG_FILE: "[boot]\nquiet = perhaps\n"})
    assert code_of(host.put, WantedBoots()) == "CONFIG_INVALID"


# --- initrd ------------------------------------------------------------------------------


def test_images_with_another_initrd_are_rebuilt_and_later_ones_are_built_like_them(host: Host) -> None:
    host.images.add("6.1.0-2-amd64", "slim")
    assert host.put(WantedBoots(initrd="slim")) == ["initrd"]
    assert host.images.rebuilt == ["6.1.0-1-amd64 slim"]
    assert read_boot_config(host.files) == BootConfig(initrd="slim")
    # One that somebody has built in another way.
    host.images.add("6.1.0-2-amd64")
    assert host.put(WantedBoots(initrd="slim")) == ["initrd"] and host.images.rebuilt[1:] == ["6.1.0-2-amd64 slim"]
    assert host.put(WantedBoots(initrd="slim")) == []
    assert host.put(WantedBoots(initrd="uncompressed")) == ["initrd"]
    assert set(host.images.modes.values()) == {"uncompressed"} and read_boot_config(host.files).initrd == "uncompressed"


def test_both_settings_of_one_file_come_and_go(host: Host) -> None:
    before = host.listing()
    assert host.put(WantedBoots(quiet=True, initrd="slim")) == ["quiet", "initrd"]
    assert read_boot_config(host.files) == BootConfig(quiet=True, initrd="slim")
    assert host.put(WantedBoots(initrd="slim")) == ["quiet"]
    assert read_boot_config(host.files) == BootConfig(initrd="slim")
    assert host.put(WantedBoots(quiet=True)) == ["quiet", "initrd"]
    assert read_boot_config(host.files) == BootConfig(quiet=True)
    assert host.put(WantedBoots()) == ["quiet"] and host.listing() == before


def test_what_would_be_rebuilt_is_shown(host: Host) -> None:
    plan = host.preparation.plan(WantedBoots(initrd="slim"), host.preparation.look())
    assert "rebuild fast images with initrd=slim" in plan.as_diff()[-1]["after"] and host.images.rebuilt == []


def test_the_part_is_remembered_before_images_are_rebuilt(host: Host) -> None:
    def failing(candidates: Sequence[Any], initrd_mode: str) -> None:
        raise KexecError("NO_SPACE", "the disk is full")

    plan = host.preparation.plan(WantedBoots(initrd="slim"), host.preparation.look())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host.images, "rebuild", failing)
        assert code_of(host.preparation.apply, plan.steps) == "NO_SPACE"
    assert host.put(WantedBoots(initrd="slim")) == ["initrd"], "its images were not rebuilt"
    assert host.put(WantedBoots()) == ["initrd"]
    assert not host.files.exists(CONFIG_FILE) and host.images.modes == {"6.1.0-1-amd64": "keep"}


def test_without_a_fast_image_there_is_no_use_for_another_initrd(host: Host) -> None:
    shutil.rmtree(host.root / "var/lib/fleet-kexec")
    host.images.modes.clear()
    assert host.put(WantedBoots(initrd="slim")) == [] and "there is no fast image" in host.notes[0]
    assert not host.files.exists(CONFIG_FILE)


def test_images_that_somebody_has_built_with_another_initrd_are_theirs(host: Host) -> None:
    host.images.add("6.1.0-2-amd64", "uncompressed")
    assert host.put(WantedBoots()) == [] and host.images.rebuilt == []
    write_tree(host.root, {CONFIG_FILE: "[boot]\ninitrd = Uncompressed\n"})
    assert host.put(WantedBoots()) == [] and read_boot_config(host.files).initrd == "uncompressed"
    write_tree(host.root, {CONFIG_FILE: "[boot]\ninitrd = tiny\n"})
    assert code_of(host.put, WantedBoots(quiet=True)) == "CONFIG_INVALID"


# --- cloud_init_disabled -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({MARKER: ""}, "cloud-init is disabled already"),
        ({"/var/lib/cloud/instance/boot-finished": None}, "cloud-init has not finished setting up the host"),
        ({UNITS + "cloud-init.target": None}, "there is no cloud-init"),
        ({"/var/lib/cloud/scripts/per-boot/tune": "#!/bin/sh\n"}, "/var/lib/cloud/scripts/per-boot in each boot"),
        ({"/var/lib/cloud/instance/boothooks/part-001": "#!/bin/sh\n"}, "/boothooks in each boot"),
        ({"/var/lib/cloud/instance/cloud-config.txt": "bootcmd:\n- [ls]\n"}, "each boot: bootcmd in /var/lib/cloud/instance/"),
        ({"/var/lib/cloud/instance/vendor-cloud-config.txt": "manage_etc_hosts: localhost\n"}, "each boot: manage_etc_hosts in"),
        ({"/etc/cloud/cloud.cfg": "disable_ec2_metadata: True\n"}, "each boot: disable_ec2_metadata in /etc/cloud/cloud.cfg"),
        ({"/etc/cloud/cloud.cfg.d/50-a.cfg": "updates:\n  network:\n    when: ['boot']\n"}, "each boot: updates in"),
        ({"/etc/cloud/cloud.cfg.d/50-a.cfg": "cloud_final_modules:\n - [scripts-user, always]\n"}, "scripts-user in"),
        ({"/etc/cloud/cloud.cfg.d/50-a.cfg": "cloud_final_modules: \n- ['scripts-user', \"always\"]\n"}, "scripts-user in"),
        (
            {"/var/lib/cloud/instance/cloud-config.txt": "cloud_final_modules:\n- - scripts-user\n  - always\n- x\n"},
            "scripts-user in",
        ),
    ],
)
def test_cloud_init_stays_on_where_it_has_something_to_do(host: Host, files: dict[str, str | None], why: str) -> None:
    for path, text in files.items():
        if text is None:
            (host.root / path.lstrip("/")).unlink()
        else:
            write_tree(host.root, {path: text})
    before = host.listing()
    assert host.put(WantedBoots(cloud_init_disabled=True)) == []
    assert why in host.notes[0] and host.notes[0].startswith("BOOT_PART_IDLE: cloud_init_disabled changes nothing here: ")
    assert host.listing() == before


def test_cloud_init_is_on_again_once_it_has_something_to_do(host: Host) -> None:
    before = host.listing()
    wanted = WantedBoots(cloud_init_disabled=True)
    assert host.put(wanted) == ["cloud_init_disabled"] and host.put(wanted) == []
    write_tree(host.root, {"/etc/cloud/cloud.cfg.d/50-a.cfg": "bootcmd: [ls]\n"})
    assert host.put(wanted) == ["cloud_init_disabled"] and "bootcmd" in host.notes[0]
    (host.root / "etc/cloud/cloud.cfg.d/50-a.cfg").unlink()
    (host.root / "etc/cloud/cloud.cfg.d").rmdir()
    assert host.listing() == before


# --- wait_online -------------------------------------------------------------------------


def test_each_unit_that_waits_does_so_for_the_named_interfaces(host: Host) -> None:
    host.enabled = list(WAITING)
    host.put(WantedBoots(wait_online=("eth1", "auto", "eth1")))
    texts = {name: host.drop_in(name, "wait-online").read_text().partition("ExecStart=\n")[2] for name in WAITING}
    assert texts["systemd-networkd-wait-online.service"] == (
        "ExecStart=/usr/lib/systemd/systemd-networkd-wait-online --interface=eth1 --interface=eth0\n"
    )
    assert texts["ifupdown-wait-online.service"] == (
        "ExecStart=/bin/sh -c 'until ifquery --state eth1 >/dev/null; do sleep 0.1; done; "
        "until ifquery --state eth0 >/dev/null; do sleep 0.1; done'\nTimeoutStartSec=300s\n"
    )
    assert "GENERAL.STATE device show eth1 | grep -q ^100" in texts["NetworkManager-wait-online.service"]


def test_the_interfaces_of_the_default_routes(host: Host) -> None:
    write_tree(host.root, {"/proc/net/ipv6_route": ROUTES_6})
    host.put(WantedBoots(wait_online=("auto",)))
    text = host.drop_in("systemd-networkd-wait-online.service", "wait-online").read_text()
    assert text.endswith(" --interface=bond0 --interface=eth0\n")


@pytest.mark.parametrize(
    "files",
    [
        {"/sys/class/net/eth0/tun_flags": "0x1001\n"},
        {"/sys/class/net/eth0/type": "65534\n"},
        {"/sys/class/net/eth0/type": "776\n"},
    ],
)
def test_a_tunnel_is_not_waited_for(host: Host, files: dict[str, str]) -> None:
    """Its own service waits for the network to be online."""
    write_tree(host.root, files)
    assert host.put(WantedBoots(wait_online=("auto",))) == [] and "except through tunnels" in host.notes[0]
    assert host.put(WantedBoots(wait_online=("eth0",))) == ["wait_online"], "who names it knows"


def test_what_another_network_manager_sets_up_is_not_waited_for(host: Host) -> None:
    """As on Ubuntu, where both systemd-networkd and NetworkManager are enabled: each boot would wait for 60 s."""
    host.enabled, host.up = list(WAITING), ["eth1"]
    host.put(WantedBoots(wait_online=("eth0", "eth1")))
    for unit in ("NetworkManager-wait-online.service", "ifupdown-wait-online.service"):
        text = host.drop_in(unit, "wait-online").read_text()
        assert " eth1 " in text and "eth0" not in text
    host.put(WantedBoots(wait_online=("eth0",)))
    assert "--interface=eth0" in host.drop_in("systemd-networkd-wait-online.service", "wait-online").read_text()
    assert not host.drop_in("NetworkManager-wait-online.service", "wait-online").exists()
    assert "to nmcli, which NetworkManager-wait-online.service asks, none of these is up: eth0" in host.notes[0]
    assert "to ifquery" in host.notes[1]


@pytest.mark.parametrize(
    ("unit", "path", "text", "bound"),
    [
        ("NetworkManager", "/etc/systemd/system/NetworkManager-wait-online.service.d/a.conf", "NM_ONLINE_TIMEOUT=240", "240s"),
        ("NetworkManager", "/etc/systemd/system/NetworkManager-wait-online.service.d/a.conf", '"NM_ONLINE_TIMEOUT=90"', "90s"),
        ("ifupdown", "/etc/default/networking", "#WAIT_ONLINE_TIMEOUT=1\nWAIT_ONLINE_TIMEOUT='600'", "600s"),
    ],
)
def test_it_waits_no_shorter_than_the_host_has_set(host: Host, unit: str, path: str, text: str, bound: str) -> None:
    setting = text if unit == "ifupdown" else "[Service]\nEnvironment=" + text
    write_tree(host.root, {path: setting + "\n"})
    host.enabled = [unit + "-wait-online.service"]
    host.put(WantedBoots(wait_online=("auto",)))
    assert host.drop_in(host.enabled[0], "wait-online").read_text().endswith("TimeoutStartSec=%s\n" % bound)
    # Without a timeout, systemd would wait for ever.
    write_tree(host.root, {path: setting.replace(bound[:-1], "0") + "\n"})
    assert host.put(WantedBoots(wait_online=("auto",))) == ["wait_online"] and "does not wait" in host.notes[0]


def test_an_alias_of_another_unit_is_none_that_waits(host: Host) -> None:
    host.enabled = ["mine.service"]
    host.aliases = dict.fromkeys(WAITING, "mine.service")
    write_tree(host.root, {UNITS + "mine.service": NETWORKD})
    assert host.put(WantedBoots(wait_online=("auto",))) == [] and "nothing waits" in host.notes[0]


@pytest.mark.parametrize(
    ("files", "enabled", "why"),
    [
        ({"/proc/net/route": ""}, "systemd-networkd", "there is no default route"),
        ({}, "", "nothing waits for the network"),
        (
            {"/etc/systemd/system/systemd-networkd-wait-online.service.d/a.conf": "[Service]\nExecStart=\nExecStart=/bin/x\n"},
            "systemd-networkd",
            "a.conf sets the command",
        ),
        (
            {UNITS + "systemd-networkd-wait-online.service": NETWORKD.replace("online\n", "online -i eth1\n")},
            "systemd-networkd",
            "none that is known",
        ),
        ({"/etc/default/networking": "WAIT_ONLINE_METHOD=route\n"}, "ifupdown", "/etc/default/networking sets"),
        ({UNITS + "ifupdown-wait-online.service": "[Service]\nExecStart=/bin/mine\n"}, "ifupdown", "none that is known"),
    ],
)
def test_where_others_decide_what_is_waited_for(host: Host, files: dict[str, str], enabled: str, why: str) -> None:
    write_tree(host.root, files)
    host.enabled = [enabled + "-wait-online.service"]
    assert host.put(WantedBoots(wait_online=("auto",))) == []
    assert len(host.notes) == 1 and host.notes[0].startswith("BOOT_PART_IDLE") and why in host.notes[0]


# --- ssh_early ---------------------------------------------------------------------------


def generated(host: Host) -> dict[str, str]:
    """Units that the generator writes, run as systemd would."""
    early = host.root / "run/early"
    early.mkdir(parents=True, exist_ok=True)
    directories = [str(host.root / "run/normal"), str(early), str(host.root / "run/late")]
    # What is under test.
    subprocess.run([str(host.root / GENERATOR.lstrip("/")), *directories, str(host.root)], check=True)
    return {path.name: path.read_text() for path in sorted(early.iterdir())}


def test_sshd_loses_its_ordering_and_nothing_else(host: Host) -> None:
    host.put(WantedBoots(ssh_early=True))
    assert generated(host) == {
        "ssh.service": SSH.replace("After=network.target nss", "After= nss"),
    }


@pytest.mark.parametrize(
    ("ordering", "left"),
    [
        ("After=network.target", "After="),
        ("After=network.target sshd-keygen.target", "After= sshd-keygen.target"),
        ("After=auditd.service network.target network-online.target remote-fs.target", "auditd.service remote-fs.target"),
        ("After=network-pre.target network.target", "After=network-pre.target"),
        ("Wants=network.target\nAfter=network.target", "Wants=network.target"),
    ],
)
def test_orderings(host: Host, ordering: str, left: str) -> None:
    write_tree(host.root, {UNITS + "ssh.service": "[Unit]\n%s\n" % ordering})
    host.put(WantedBoots(ssh_early=True))
    text = generated(host)["ssh.service"]
    after = next(line for line in text.splitlines() if line.startswith("After="))
    assert not {"network.target", "network-online.target"} & set(after[6:].split())
    assert " ".join(left.split()) in " ".join(text.split())


def test_an_upgrade_of_sshd_comes_with_its_own_unit(host: Host) -> None:
    host.put(WantedBoots(ssh_early=True))
    write_tree(host.root, {UNITS + "ssh.service": SSH + "Nice=1\n"})
    assert generated(host)["ssh.service"].endswith("Nice=1\n")


def test_a_unit_of_the_administrator_is_left_alone_also_later(host: Host) -> None:
    host.put(WantedBoots(ssh_early=True))
    write_tree(host.root, {"/etc/systemd/system/ssh.service": SSH})
    assert generated(host) == {}
    assert host.put(WantedBoots(ssh_early=True)) == ["ssh_early"], "there is no use for it any more"
    assert not host.files.exists(GENERATOR)
    assert "the administrator's" in host.notes[0]
    (host.root / "etc/systemd/system/ssh.service").unlink()
    os.symlink("/dev/null", host.root / "etc/systemd/system/ssh.service")
    assert host.put(WantedBoots(ssh_early=True)) == []


def test_a_unit_of_the_administrator_may_be_elsewhere(host: Host) -> None:
    host.put(WantedBoots(ssh_early=True))
    write_tree(host.root, {"/usr/local/lib/systemd/system/ssh.service": SSH})
    assert generated(host) == {}
    assert host.put(WantedBoots(ssh_early=True)) == ["ssh_early"] and "the administrator's" in host.notes[0]


@pytest.mark.parametrize(("part", "path"), [("ssh_early", GENERATOR), ("parallel_shutdown", SCRIPT)])
def test_an_administrator_has_turned_off_what_systemd_runs(host: Host, part: str, path: str) -> None:
    """By a link in its place, as systemd.generator(7) says."""
    link = host.root / path.lstrip("/")
    link.parent.mkdir(exist_ok=True)
    os.symlink("/dev/null", link)
    before = host.listing()
    assert host.put(replace(ALL, parts=(part,))) == [] and "administrator's link" in host.notes[0]
    assert host.listing() == before
    link.unlink()
    host.put(replace(ALL, parts=(part,)))
    link.unlink()
    os.symlink("/dev/null", link)
    assert host.put(WantedBoots(parts=(part,))) == [part] and "CHANGED_SINCE" in host.notes[0]
    assert link.is_symlink()


@pytest.mark.parametrize(
    ("listen", "why"),
    [
        (["192.0.2.1:22"], "192.0.2.1 only"),
        (["0.0.0.0:22", "[2001:db8::1]:22"], "[2001:db8::1] only"),
        ([], "nothing known"),
    ],
)
def test_an_address_has_to_be_there_first(host: Host, listen: list[str], why: str) -> None:
    host.listen = listen
    assert host.put(WantedBoots(ssh_early=True)) == [] and why in host.notes[0]


def test_other_reasons_to_leave_sshd_alone(host: Host) -> None:
    host.fails = "-T"
    assert host.put(WantedBoots(ssh_early=True)) == [] and "no such luck" in host.notes[0]
    host.fails = ""
    write_tree(host.root, {UNITS + "ssh.service": "[Unit]\nAfter=auditd.service\n"})
    assert host.put(WantedBoots(ssh_early=True)) == [] and "does not wait" in host.notes[0]
    (host.root / (UNITS + "ssh.service").lstrip("/")).unlink()
    assert host.put(WantedBoots(ssh_early=True)) == [] and "no unit" in host.notes[0]


# --- parallel_shutdown -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "wanted", "why"),
    [
        ({"/sys/module/core/parameters/async_shutdown": "Y\n"}, ALL, "side by side"),
        ({}, replace(ALL, parallel_shutdown_drivers=("mpt3sas",)), "0 controllers"),
        ({}, replace(ALL, parallel_shutdown_drivers=()), "(none)"),
    ],
)
def test_no_script_without_use(host: Host, files: dict[str, str], wanted: WantedBoots, why: str) -> None:
    write_tree(host.root, files)
    assert "parallel_shutdown" not in host.put(wanted)
    assert not host.files.exists(SCRIPT) and why in host.notes[0]


def test_a_system_that_comes_as_an_image_gets_no_script(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = str(host.root / "usr/lib/systemd")
    monkeypatch.setattr(os, "access", lambda path, mode: not (path == directory and mode == os.W_OK))
    assert host.put(replace(ALL, parts=("parallel_shutdown",))) == []
    assert "/usr/lib/systemd is read-only" in host.notes[0]
