# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own command: as code, and as the one file that it is on a host."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils import _cli
from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.trigger import CALL_OFF, IMAGE_STAYS_RC, TRIGGER
from ansible_collections.fleet.kexec.plugins.module_utils._paths import MACHINE_FILE
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError
from ansible_collections.fleet.kexec.plugins.module_utils._zipapp import build_command

from ...conftest import RELEASE, HostTree, write_tree


class Host:
    """A host whose kexec loads and whose systemd can fail."""

    def __init__(self, files: HostFiles) -> None:
        self.files = files
        self.commands: list[list[str]] = []
        self.trigger_fails = self.load_disabled = False
        # What systemctl show tells of systemd; None: it can not be asked.
        self.manager: str | None = None

    def run(self, argv: Sequence[str], timeout_s: float) -> CommandResult:
        if "--version" in argv:
            return CommandResult(0, "kexec-tools 2.0.29\n", "")
        if argv[0] in ("journalctl", "systemctl", "systemd-detect-virt"):
            told = self.manager if argv[:2] == ["systemctl", "show"] else None
            return CommandResult(1 if told is None else 0, told or "", "")
        if argv[0] == "sh":
            # Read what GRUB is set to; nothing reserves memory.
            return CommandResult(0, "", "")
        self.commands.append([Path(argv[0]).name, *argv[1:]])
        if "-l" in argv or "-u" in argv:
            Path(self.files.path("/sys/kernel/kexec_loaded")).write_text("1\n" if "-l" in argv else "0\n")
        if TRIGGER in argv and self.trigger_fails:
            return CommandResult(1, "", "Failed to start transient timer unit\n")
        if CALL_OFF in argv and self.load_disabled:
            return CommandResult(IMAGE_STAYS_RC, "", "the image stays loaded until the next boot\n")
        if CALL_OFF in argv:
            Path(self.files.path("/sys/kernel/kexec_loaded")).write_text("0\n")
        return CommandResult(0, "", "")

    def __call__(self, *arguments: str) -> str:
        out = io.StringIO()
        args = _cli.parse(arguments)
        getattr(_cli.ConsoleCommand(self.files, self.run, out), args.command)(args)
        return out.getvalue()

    @property
    def loaded(self) -> bool:
        return self.files.read_int("/sys/kernel/kexec_loaded") == 1


@pytest.fixture
def host(host_tree: HostTree, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return Host(host_tree({}))


def test_status(host: Host) -> None:
    lines = host("status").splitlines()
    assert lines[0] == "booted   %s through firmware" % RELEASE
    assert lines[1] == "default  Debian GNU/Linux, /boot/vmlinuz-%s (/boot/grub/grub.cfg:1)" % RELEASE
    assert lines[2] == "staged   nothing"
    assert lines[3] == "machine  of an unknown model, not compared: no snapshot of an earlier boot can be read"
    assert lines[4].startswith("verdict  kexec: bzImage via kexec_file_load, integrity sha256, copied, about ")
    assert lines[5].startswith("         FAST_IMAGE_MISSING: ")
    assert json.loads(host("status", "--json"))["kernel"]["release"] == RELEASE


def test_status_shows_the_default_entry_and_where_it_was_read(host_tree: HostTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    script = "menuentry 'Debian' {\n linux /boot/vmlinuz-%s root=UUID=1 ro hugepages=64\n initrd /boot/a.cpio /boot/b.img\n}\n"
    files = host_tree(
        {
            "/boot/grub/grub.cfg": "set default=0\n" + script % RELEASE,
            "/usr/sbin/update-grub": "",
            "/proc/self/mountinfo": "22 1 254:1 / / rw - ext4 /dev/vda1 rw\n",
        }
    )
    Path(files.path("/usr/sbin/update-grub")).chmod(0o755)
    host = Host(files)
    assert host("status").splitlines()[1] == "default  Debian, /boot/vmlinuz-%s (/boot/grub/grub.cfg:2)" % RELEASE
    entry = json.loads(host("status", "--json"))["entry"]
    assert (entry["initrds"], entry["added"]) == (["/boot/a.cpio", "/boot/b.img"], ["hugepages=64"])
    assert (entry["removed"], entry["unknown"], entry["one_shot"]) == (["console=ttyS0"], None, None)


def test_staging_and_unstaging(host: Host) -> None:
    assert "would be" in host("stage", "--dry-run")
    assert not host.loaded
    assert host("stage", "--append", "quiet").startswith("staged   %s (bzImage via kexec_file_load" % RELEASE)
    assert host.loaded
    assert "already" in host("stage", "--append", "quiet")
    assert host("unstage") == "unstaged what was loaded\n"
    assert host("unstage") == "unstaged nothing was loaded\n"


def test_a_reboot_takes_what_is_staged(host: Host) -> None:
    host("stage", "--append", "quiet")
    loads = len(host.commands)
    assert "into %s" % RELEASE in host("reboot")
    (trigger,) = host.commands[loads:]
    assert trigger[:4] == ["sh", "-c", TRIGGER, "fleet-kexec"]
    assert trigger[5:7] == ["kexec", "1"]


def test_status_tells_why_a_reboot_is_needed(host: Host, tmp_path: Path) -> None:
    assert "PENDING" not in host("status")
    (tmp_path / "run/reboot-required").write_text("")
    assert "needed   PENDING_REBOOT_REQUIRED: packages ask for a reboot" in host("status").splitlines()


def test_status_has_warnings(host: Host) -> None:
    assert any(line.startswith("warning  NO_WATCHDOG: ") for line in host("status").splitlines())


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("arguments", [["reboot"], ["reboot", "--dry-run"]])
def test_a_reboot_heeds_what_the_policy_blocks(host: Host, arguments: list[str], staged: bool) -> None:
    if staged:
        host("stage")
    commands = len(host.commands)
    write_tree(Path(host.files.root), {"/proc/xen/capabilities": "control_d\n"})
    with pytest.raises(CodedError) as caught:
        host(*arguments)
    assert caught.value.reason.code == "XEN_DOM0"
    assert len(host.commands) == commands
    assert host.loaded is staged
    write_tree(Path(host.files.root), {"/etc/fleet-kexec.conf": "[policy]\nXEN_DOM0 = warn\n"})
    assert "warning  XEN_DOM0: " in host(*arguments)
    assert "XEN_DOM0" in host("status")


def test_staging_asks_for_no_risks(host: Host) -> None:
    write_tree(Path(host.files.root), {"/proc/xen/capabilities": "control_d\n"})
    assert host("stage").startswith("staged   ")


def test_a_reboot_stages_what_is_asked_for(host: Host) -> None:
    host("stage")
    host("reboot", "--kaslr", "no")
    assert "nokaslr" in host.commands[-2][-1]
    assert TRIGGER in host.commands[-1]


def test_a_kernel_that_is_asked_for_goes_before_what_is_staged(host: Host) -> None:
    host("stage", "--append", "quiet")
    host("reboot", "--kernel", "newest")
    assert "quiet" not in host.commands[-2][-1]


def test_a_dry_run_reboots_nothing(host: Host) -> None:
    assert "would be" in host("reboot", "--dry-run")
    assert host.commands == []
    assert not host.loaded
    host("stage")
    loads = len(host.commands)
    assert "reboot   would be into" in host("reboot", "--dry-run")
    assert len(host.commands) == loads


def test_a_reboot_that_cannot_begin_leaves_nothing_loaded(host: Host) -> None:
    host.trigger_fails = True
    with pytest.raises(CodedError) as caught:
        host("reboot")
    assert caught.value.reason.code == "TRIGGER_FAILED"
    assert not host.loaded


def new_boot(host: Host) -> None:
    write_tree(Path(host.files.root), {"/proc/sys/kernel/random/boot_id": "another\n"})


def test_a_reboot_remembers_the_machine_and_status_compares(host: Host) -> None:
    write_tree(Path(host.files.root), {"/sys/devices/system/cpu/online": "0-3\n", "/sys/class/dmi/id/product_name": "R650\n"})
    host("reboot", "--dry-run")
    assert not host.files.exists(MACHINE_FILE)
    host("reboot")
    assert "machine  R650, not compared" in host("status"), "there was no reboot yet"
    new_boot(host)
    assert re.search(r"^machine  R650, as it was at 20\S+Z$", host("status"), re.MULTILINE)
    write_tree(Path(host.files.root), {"/sys/devices/system/cpu/online": "0\n"})
    lines = host("status").splitlines()
    assert re.fullmatch(r"machine  R650, different from what it was at 20\S+Z:", lines[3])
    assert lines[4] == "degraded CPU_LOST: 1 of 4 processors are online"
    (difference,) = json.loads(host("status", "--json"))["machine"]["differences"]
    assert (difference["before"], difference["after"], difference["effect"]) == ("4", "1", "fail")
    write_tree(Path(host.files.root), {"/etc/fleet-kexec.conf": "[policy]\nCPU_LOST = ignore\n"})
    assert "R650, as it was" in host("status")


@pytest.mark.parametrize("staged", [False, True])
def test_a_reboot_that_cannot_be_compared_is_refused(host: Host, staged: bool) -> None:
    if staged:
        host("stage")
    write_tree(Path(host.files.root), {MACHINE_FILE + "/where/a/file/should/be": ""})
    with pytest.raises(CodedError) as caught:
        host("reboot")
    assert caught.value.reason.code == "MACHINE_NOT_REMEMBERED"
    assert not any(TRIGGER in command for command in host.commands)
    # What was staged before stays so.
    assert ("-u" in host.commands[-1]) is not staged
    host("reboot", "--no-compare")
    assert any(TRIGGER in command for command in host.commands)


def test_a_reboot_that_cannot_begin_tells_of_an_image_that_nobody_can_unload(host: Host) -> None:
    host.trigger_fails = host.load_disabled = True
    with pytest.raises(CodedError) as caught:
        host("reboot")
    assert caught.value.reason.code == "UNLOAD_DISABLED"
    assert "timer unit; the image stays loaded" in caught.value.reason.message


def test_privileges_are_needed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for arguments in (["stage"], ["unstage"], ["reboot"]):
        with pytest.raises(CodedError) as caught:
            host(*arguments)
        assert caught.value.reason.code == "NOT_ROOT"
    host("status")


def test_the_file_is_the_same_each_time_and_complete() -> None:
    content = build_command()
    assert content == build_command()
    assert content.startswith(b"#!/")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        assert not any(b"ansible.module_utils" in archive.read(name) for name in names)
    assert "fleet_kexec/_arch/x86/stub_code.py" in names
    assert "fleet_kexec/_module.py" not in names


def test_the_file_runs_by_itself(tmp_path: Path) -> None:
    command = tmp_path / "fleet-kexec"
    command.write_bytes(build_command())
    # Without anything of the tests' environment.
    status = subprocess.run(
        [sys.executable, "-I", "-S", command, "status", "--json"], check=True, capture_output=True, env={}, timeout=60
    )
    assert json.loads(status.stdout)["kernel"]["release"]
    refused = subprocess.run(
        [sys.executable, "-I", "-S", command, "stage", "--kernel", "/no/kernel"],
        check=False,
        capture_output=True,
        env={},
        timeout=60,
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith(b"fleet-kexec: ")


def test_a_soft_reboot_stages_nothing_and_keeps_the_kernel(host: Host) -> None:
    host.manager = "Version=257\nSoftRebootsCount=2\nUserspaceTimestampMonotonic=9\n"
    host("stage", "--append", "quiet")
    assert "would be softly" in host("reboot", "--method", "soft", "--dry-run") and host.loaded
    said = host("reboot", "--method", "soft")
    assert "reboot   softly, on the running kernel %s" % RELEASE in said
    assert not host.loaded, "what is loaded may be run as services stop"
    trigger = host.commands[-1]
    assert trigger[:3] == ["sh", "-c", TRIGGER] and trigger[5] == "soft-reboot" and trigger[9] == "2"
    assert "by a soft reboot" in host("status") and "soft     possible, 2 since the kernel booted" in host("status")


@pytest.mark.parametrize(
    ("manager", "arguments", "code"),
    [
        ("Version=252\n", [], "SOFT_UNSUPPORTED"),
        ("Version=257\nSoftRebootsCount=0\n", ["--append", "quiet"], "SETTINGS_INVALID"),
    ],
)
def test_a_soft_reboot_that_is_not_possible_is_refused(host: Host, manager: str, arguments: list[str], code: str) -> None:
    host.manager = manager
    with pytest.raises(CodedError) as caught:
        host("reboot", "--method", "soft", *arguments)
    assert caught.value.reason.code == code
    assert not any(TRIGGER in command for command in host.commands)


def soft_host(host: Host) -> Host:
    host.manager = "Version=257\nSoftRebootsCount=0\nUserspaceTimestampMonotonic=9\n"
    return host


def pend(host: Host, *packages: str) -> None:
    """Have packages ask for a reboot."""
    names = "".join(name + "\n" for name in packages)
    write_tree(Path(host.files.root), {"/run/reboot-required": "", "/run/reboot-required.pkgs": names})


def triggered(host: Host) -> list[str]:
    """Verbs of the reboots that were triggered."""
    return [command[5] for command in host.commands if TRIGGER in command]


def test_the_least_reboot_is_none_where_nothing_is_pending(host: Host) -> None:
    said = host("reboot", "--method", "least")
    assert said == "least    none: nothing is pending\nreboot   none: the host stays as it is\n"
    assert host.commands == [] and not host.files.exists(MACHINE_FILE)
    assert "least    none: nothing is pending" in host("status").splitlines()


def test_the_least_reboot_is_a_soft_one_for_userspace(host: Host) -> None:
    pend(soft_host(host), "libc6")
    lines = host("reboot", "--method", "least").splitlines()
    assert lines[0] == "least    soft"
    assert lines[1].startswith("needed   PENDING_REBOOT_REQUIRED: ")
    assert lines[-1] == "reboot   softly, on the running kernel %s" % RELEASE
    assert triggered(host) == ["soft-reboot"]
    assert "least    soft" in host("status").splitlines()


def test_the_least_reboot_is_a_kexec_for_a_kernel(host: Host) -> None:
    pend(soft_host(host), "linux-image-amd64")
    host("stage", "--append", "quiet")
    loads = len(host.commands)
    said = host("reboot", "--method", "least")
    assert said.startswith("least    kexec\n") and "reboot   into %s" % RELEASE in said
    load, _trigger = host.commands[loads:]
    assert "quiet" not in load[-1], "what somebody staged is not the default entry"
    assert triggered(host) == ["kexec"]


def test_the_least_reboot_takes_the_default_entry_as_it_is_staged(host: Host) -> None:
    pend(host, "linux-image-amd64")
    host("stage")
    loads = len(host.commands)
    host("reboot", "--method", "least")
    assert len(host.commands) == loads + 1


def test_the_least_reboot_is_a_greater_one_where_lesser_ones_are_not_possible(host: Host) -> None:
    pend(host, "libc6")
    write_tree(Path(host.files.root), {"/proc/xen/capabilities": "control_d\n"})
    lines = host("reboot", "--method", "least", "--dry-run").splitlines()
    assert lines[0] == "least    firmware, not soft or kexec: SOFT_UNSUPPORTED, XEN_DOM0"
    assert [line.split(":")[0].strip() for line in lines[2:4]] == ["SOFT_UNSUPPORTED", "XEN_DOM0"]
    assert lines[-1] == "reboot   would be through firmware"
    assert triggered(host) == []
    host("reboot", "--method", "least")
    assert triggered(host) == ["reboot"] and host.files.exists(MACHINE_FILE)


def test_the_least_reboot_is_refused_where_nobody_knows_what_it_would_boot(host: Host) -> None:
    pend(host, "linux-image-amd64")
    write_tree(Path(host.files.root), {"/etc/fleet-kexec.conf": "[stage]\nimage = fast\n"})
    assert "verdict  refuse" in host("status")
    with pytest.raises(CodedError) as caught:
        host("reboot", "--method", "least")
    assert caught.value.reason.code == json.loads(host("status", "--json"))["blockers"][0]["code"]
    assert triggered(host) == []


def test_a_reboot_through_firmware_unloads_what_is_staged(host: Host) -> None:
    host("stage")
    assert "reboot   through firmware" in host("reboot", "--method", "firmware", "--no-compare")
    assert triggered(host) == ["reboot"] and not host.loaded
    assert not host.files.exists(MACHINE_FILE)


@pytest.mark.parametrize(
    "arguments", [["--kernel", "newest"], ["--append", "quiet"], ["--base", "running"], ["--initrd", "none"]]
)
@pytest.mark.parametrize("method", ["least", "firmware"])
def test_no_image_can_be_asked_for_where_the_default_entry_is_booted(host: Host, method: str, arguments: list[str]) -> None:
    with pytest.raises(CodedError) as caught:
        host("reboot", "--method", method, *arguments)
    assert caught.value.reason.code == "SETTINGS_INVALID"
    assert triggered(host) == []


def test_how_the_default_entry_is_loaded_can_be_asked_for_with_the_least_reboot(host: Host) -> None:
    pend(host, "linux-image-amd64")
    host("reboot", "--method", "least", "--loader", "kexec_load")
    assert triggered(host) == ["kexec"]
