# SPDX-License-Identifier: GPL-3.0-or-later
"""Staging on a host that is a directory tree, with a kexec that acts on that tree."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.clocks import CycleClock
from ansible_collections.fleet.kexec.plugins.module_utils._host.facts import HostFacts, gather
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.cmdline import Edits
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.kexec_tools import Kexec
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.record import parse_record
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.requests import BASES, RUNNING_LINE, StagingRequest
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.staging import (
    Stager,
    current_record,
    plan,
)
from ansible_collections.fleet.kexec.plugins.module_utils._paths import CONFIG_FILE, STAGED_RECORD
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError

from ....bzimages import make_bzimage
from ....conftest import BOOT_ID, RELEASE, HostTree, write_tree

KERNEL = "/boot/vmlinuz-" + RELEASE
INITRD = "/boot/initrd.img-" + RELEASE


class Host:
    """A host with a kexec program that can be told to fail or to lie."""

    def __init__(self, files: HostFiles) -> None:
        self.files = files
        self.commands: list[list[str]] = []
        self.fails = False
        self.lies = False
        self.stuck = False
        self.clock: CycleClock | None = None
        self.after_load: Callable[[], None] = lambda: None

    def run(self, argv: Sequence[str], timeout_s: float) -> CommandResult:
        if "--version" in argv:
            return CommandResult(0, "kexec-tools 2.0.29\n", "")
        self.commands.append(list(argv[1:]))
        if "-u" in argv:
            if not self.stuck:
                self.set_loaded(0)
            return CommandResult(0, "", "")
        if self.fails:
            return CommandResult(255, "", "kexec_file_load failed: Exec format error\n")
        if not self.lies:
            self.set_loaded(1)
        self.after_load()
        return CommandResult(0, "", "")

    def set_loaded(self, value: int) -> None:
        Path(self.files.path("/sys/kernel/kexec_loaded")).write_text("%d\n" % value)

    @property
    def loaded(self) -> bool:
        return self.files.read_int("/sys/kernel/kexec_loaded") == 1

    def facts(self) -> HostFacts:
        facts = gather(self.files, self.run)
        return replace(facts, kernel=replace(facts.kernel, machine="x86_64"))

    def stager(self) -> Stager:
        return Stager(
            self.files, Kexec("/usr/sbin/kexec", self.files, self.run), lambda count: b"\xab" * count, lambda: self.clock
        )

    def stage(self, request: StagingRequest) -> str:
        return self.stager().stage(plan(request, self.facts(), self.files), BOOT_ID).token


@pytest.fixture
def host(host_tree: HostTree) -> Host:
    return Host(host_tree({}))


def code_of(host: Host, request: StagingRequest) -> str:
    before = snapshot(host)
    with pytest.raises(CodedError) as caught:
        host.stage(request)
    assert snapshot(host) == before, "a refusal changes nothing"
    return caught.value.reason.code


def snapshot(host: Host) -> tuple[bool, bool]:
    return host.loaded, host.files.exists(STAGED_RECORD)


def test_staging_loads_with_the_system_call_by_name(host: Host) -> None:
    token = host.stage(StagingRequest())
    assert token == "ab" * 8
    assert host.commands == [
        [
            "-s",
            "-l",
            KERNEL,
            "--initrd=" + INITRD,
            "--command-line=root=UUID=1 ro console=ttyS0 fleet_kexec.token=%s fleet_kexec.kexecs=1 panic=10 oops=panic" % token,
        ]
    ]
    record = current_record(host.files)
    assert record is not None
    assert (record.token, record.image.release, record.image.loader) == (token, RELEASE, "kexec_file_load")
    assert os.stat(host.files.path(STAGED_RECORD)).st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("bootloader_type", "cmdline", "count"),
    [
        (114, "ro", "fleet_kexec.kexecs=1"),
        # Whatever it says: firmware booted it.
        (114, "ro fleet_kexec.token=ab fleet_kexec.kexecs=7", "fleet_kexec.kexecs=1"),
        (208, "ro fleet_kexec.token=ab fleet_kexec.kexecs=7 panic=10 oops=panic", "fleet_kexec.kexecs=8"),
        # A kexec of somebody else.
        (208, "ro", None),
    ],
)
def test_kexecs_are_counted_from_the_last_boot_through_firmware(
    host: Host, bootloader_type: int, cmdline: str, count: str | None
) -> None:
    Path(host.files.path("/proc/sys/kernel/bootloader_type")).write_text("%d\n" % bootloader_type)
    Path(host.files.path("/proc/cmdline")).write_text(cmdline + "\n")
    host.stage(StagingRequest(base=RUNNING_LINE))
    line = host.commands[-1][-1].partition("=")[2]
    own = ["fleet_kexec.token=" + "ab" * 8, *([count] if count else []), "panic=10", "oops=panic"]
    assert line.split() == ["ro", *own]


@pytest.mark.parametrize("clock", [None, CycleClock(18446744066422816574, 827188077, 31)])
def test_the_clock_of_the_kernel_is_kept_for_the_next_one(host: Host, clock: CycleClock | None) -> None:
    host.clock = clock
    host.stage(StagingRequest())
    record = current_record(host.files)
    assert record is not None and record.clock == clock
    text = Path(host.files.path(STAGED_RECORD)).read_text()
    assert parse_record(text) == record
    # As one was written before there were clocks in it.
    values = json.loads(text)
    del values["clock"]
    assert parse_record(json.dumps(values)) == replace(record, clock=None)
    assert parse_record(json.dumps(dict(values, clock={"hz": 1}))) is None


def test_kexec_load_and_no_initrd(host: Host) -> None:
    host.stage(StagingRequest(preferences={"loader": "kexec_load"}, initrd="none", edits=Edits(replace="root=/dev/vda1")))
    assert host.commands[0][:3] == ["-c", "-l", KERNEL]
    assert not any(argument.startswith("--initrd") for argument in host.commands[0])


def test_the_same_image_is_recognised_until_something_changes(host: Host) -> None:
    host.stage(StagingRequest())

    def staged_is(request: StagingRequest) -> bool:
        record = current_record(host.files)
        return record is not None and record.image == plan(request, host.facts(), host.files).image

    assert staged_is(StagingRequest())
    assert staged_is(StagingRequest(kernel=RELEASE))
    assert staged_is(StagingRequest(kernel=KERNEL))
    assert not staged_is(StagingRequest(preferences={"loader": "kexec_load"}))
    assert not staged_is(StagingRequest(edits=Edits(append=["quiet"])))
    Path(host.files.path(INITRD)).write_text("070701 another")
    assert not staged_is(StagingRequest())


def test_a_profile_is_of_the_staged_image_and_not_of_the_next(host: Host) -> None:
    host.stage(StagingRequest(profile=True))
    record = current_record(host.files)
    assert record is not None and record.image.profile and "initcall_debug" not in record.image.cmdline
    line = next(each for each in host.commands[0] if each.startswith("--command-line="))
    assert line.endswith(" initcall_debug log_buf_len=16M")
    assert record.image != plan(StagingRequest(), host.facts(), host.files).image
    # As one was written before there were profiles.
    values = json.loads(Path(host.files.path(STAGED_RECORD)).read_text())
    del values["image"]["profile"]
    assert parse_record(json.dumps(values)) == replace(record, image=replace(record.image, profile=False))


def test_a_host_that_boots_quietly(host: Host) -> None:
    write_tree(Path(host.files.root), {CONFIG_FILE: "[boot]\nquiet = yes\n"})
    host.stage(StagingRequest())
    record = current_record(host.files)
    assert record is not None and record.image.quiet and "loglevel" not in record.image.cmdline
    line = next(each for each in host.commands[0] if each.startswith("--command-line="))
    assert line.endswith(" panic=10 oops=panic quiet loglevel=4")


def test_a_record_counts_only_while_its_image_is_loaded_in_its_boot(host: Host) -> None:
    host.stage(StagingRequest())
    host.set_loaded(0)
    assert current_record(host.files) is None
    host.set_loaded(1)
    assert current_record(host.files) is not None
    Path(host.files.path("/proc/sys/kernel/random/boot_id")).write_text("another\n")
    assert current_record(host.files) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 2, "image": {}}', '{"format": 1, "image": {"kernel": 1}}']
)
def test_a_damaged_record_is_no_record(host: Host, text: str) -> None:
    host.stage(StagingRequest())
    Path(host.files.path(STAGED_RECORD)).write_text(text)
    assert current_record(host.files) is None


def test_unstaging(host: Host) -> None:
    assert host.stager().unstage() is False
    host.stage(StagingRequest())
    assert host.stager().unstage() is True
    assert snapshot(host) == (False, False)


def test_a_foreign_image_is_unloaded_too(host: Host) -> None:
    host.set_loaded(1)
    assert host.stager().unstage() is True
    assert not host.loaded


def test_an_image_that_will_not_go(host: Host) -> None:
    host.set_loaded(1)
    host.stuck = True
    with pytest.raises(CodedError) as caught:
        host.stager().unstage()
    assert caught.value.reason.code == "UNLOAD_FAILED"
    assert host.commands == [["-s", "-u"], ["-c", "-u"]]


@pytest.mark.parametrize(("name", "value"), [("kexec_load_disabled", "1\n"), ("kexec_load_limit_reboot", "0\n")])
def test_an_image_that_the_kernel_lets_nobody_unload(host: Host, name: str, value: str) -> None:
    host.stage(StagingRequest())
    host.stuck = True
    Path(host.files.path("/proc/sys/kernel/" + name)).write_text(value)
    with pytest.raises(CodedError) as caught:
        host.stager().unstage()
    assert caught.value.reason.code == "UNLOAD_DISABLED"
    assert "kernel.%s=%s" % (name, value.strip()) in caught.value.reason.message
    assert current_record(host.files) is not None, "it is still what is loaded"


def test_a_failed_load_leaves_nothing_loaded_not_even_the_old_image(host: Host) -> None:
    host.stage(StagingRequest())
    host.fails = True
    with pytest.raises(CodedError) as caught:
        host.stage(StagingRequest(preferences={"loader": "kexec_load"}))
    assert caught.value.reason.code == "LOAD_FAILED"
    assert "Exec format error" in caught.value.reason.message
    assert snapshot(host) == (False, False)


def test_a_kexec_that_lies_is_found_out(host: Host) -> None:
    host.lies = True
    assert code_of(host, StagingRequest()) == "LOAD_UNVERIFIED"


def test_only_one_stages_at_a_time(host: Host) -> None:
    os.makedirs(host.files.path("/run/fleet-kexec"))
    other = os.open(host.files.path("/run/fleet-kexec"), os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    try:
        assert code_of(host, StagingRequest()) == "STAGE_BUSY"
    finally:
        os.close(other)
    assert host.stage(StagingRequest())


def test_a_record_that_cannot_be_written_undoes_the_load(host: Host) -> None:
    host.after_load = lambda: shutil.rmtree(host.files.path("/run/fleet-kexec"))
    with pytest.raises(CodedError) as caught:
        host.stage(StagingRequest())
    assert caught.value.reason.code == "LOAD_FAILED"
    assert not host.loaded


def test_the_record_is_its_owners_alone_and_no_link_is_followed(host: Host, tmp_path: Path) -> None:
    bystander = tmp_path / "bystander"
    bystander.write_text("mine\n")
    bystander.chmod(0o644)
    before = os.umask(0)
    try:
        host.stage(StagingRequest())
        record = Path(host.files.path(STAGED_RECORD))
        assert (record.parent.stat().st_mode & 0o777, record.stat().st_mode & 0o777) == (0o700, 0o600)
        record.unlink()
        record.symlink_to(bystander)
        host.stage(StagingRequest())
    finally:
        os.umask(before)
    assert not record.is_symlink()
    assert record.stat().st_mode & 0o777 == 0o600
    assert bystander.read_text() == "mine\n"


OWN_BYTES = len(" fleet_kexec.token=%s fleet_kexec.kexecs=1 panic=10 oops=panic" % ("ab" * 8))


@pytest.mark.parametrize(
    ("fill", "cmdline_bytes", "preferences", "loader"),
    [
        ("x", 2016, {}, "-s"),
        ("x", 2017, {}, "-c"),
        ("x", 2046, {}, "-c"),
        # Each of them takes a byte.
        ("\udce9", 2016, {}, "-s"),
        ("\udce9", 2017, {}, "-c"),
        ("\u00e9", 2016, {}, "-s"),
        ("x", 2016, {"loader": "kexec_file_load"}, "-s"),
        ("x", 2017, {"loader": "kexec_file_load"}, None),
        ("x", 2047, {}, None),
    ],
)
def test_a_line_too_long_for_one_loader_is_passed_by_the_other(
    host: Host, fill: str, cmdline_bytes: int, preferences: dict[str, str], loader: str | None
) -> None:
    length_bytes = len(fill.encode("utf-8", "surrogateescape"))
    request = StagingRequest(edits=Edits(replace=fill * ((cmdline_bytes - OWN_BYTES) // length_bytes)), preferences=preferences)
    if loader is None:
        assert code_of(host, request) == "CMDLINE_TOO_LONG"
    else:
        host.stage(request)
        assert host.commands[-1][0] == loader


def test_what_the_kernel_adds_by_itself_is_not_passed_to_the_next(host: Host) -> None:
    config = Path(host.files.path("/boot/config-" + RELEASE))
    config.write_text(config.read_text() + 'CONFIG_CMDLINE_BOOL=y\nCONFIG_CMDLINE="earlyprintk"\n')
    Path(host.files.path("/proc/bootconfig")).write_text(
        'kernel.console = "ttyS0"\n# Parameters from bootloader:\n# ro bootconfig\n'
    )
    Path(host.files.path("/proc/cmdline")).write_text("console=ttyS0 earlyprintk ro bootconfig\n")
    assert plan(StagingRequest(base=RUNNING_LINE), host.facts(), host.files).image.cmdline == "ro bootconfig"


ENTRY = b"menuentry Debian {\n linux %s %s\n}\n"
LATIN_1 = b"root=LABEL=caf\xe9 ro vendor=\xc3\xa9"


@pytest.mark.parametrize("base", BASES)
def test_bytes_that_are_not_utf_8_arrive_as_they_are(host: Host, base: str) -> None:
    Path(host.files.path("/boot/grub/grub.cfg")).write_bytes(ENTRY % (KERNEL.encode(), LATIN_1))
    Path(host.files.path("/proc/cmdline")).write_bytes(LATIN_1 + b"\n")
    request = StagingRequest(base=base, edits=Edits(append=["quiet"]))
    token = host.stage(request)
    own = b" quiet fleet_kexec.token=%s fleet_kexec.kexecs=1 panic=10 oops=panic" % token.encode()
    assert os.fsencode(host.commands[0][-1]) == b"--command-line=" + LATIN_1 + own
    record = current_record(host.files)
    planned = plan(request, host.facts(), host.files)
    assert record is not None and record.image == planned.image, "staging it again changes nothing"
    assert planned.image.summary()["cmdline"] == "root=LABEL=caf\\xe9 ro vendor=\u00e9 quiet"


def test_they_arrive_in_any_locale(tmp_path: Path) -> None:
    script = """if True:
        import sys
        from ansible_collections.fleet.kexec.plugins.module_utils._command import run_command
        from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
        from ansible_collections.fleet.kexec.plugins.module_utils._kexec.kexec_tools import Kexec

        files = HostFiles(sys.argv[1])
        Kexec("/bin/sh", files, lambda argv, timeout_s: run_command(
            ["/bin/sh", "-c", 'printf %s "$1" > "$0"', sys.argv[1] + "/line", argv[-1]], timeout_s
        )).load("/boot/vmlinuz", None, files.read_line("/cmdline"), "kexec_load")
    """
    (tmp_path / "cmdline").write_bytes(LATIN_1)
    (tmp_path / "sys/kernel").mkdir(parents=True)
    (tmp_path / "sys/kernel/kexec_loaded").write_text("1\n")
    for utf_8 in "01":
        environment = dict(os.environ, LC_ALL="C", PYTHONUTF8=utf_8, PYTHONCOERCECLOCALE="0")
        subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=environment, check=True, timeout=60)
        assert (tmp_path / "line").read_bytes() == b"--command-line=" + LATIN_1


@pytest.mark.parametrize(
    ("path", "content", "request_", "code"),
    [
        ("/x", b"", StagingRequest(kernel="/boot/vmlinuz-none"), "KERNEL_NOT_FOUND"),
        ("/x", b"", StagingRequest(kernel="5.10"), "KERNEL_NOT_FOUND"),
        (KERNEL, b"text", StagingRequest(), "KERNEL_INVALID"),
        (KERNEL, make_bzimage()[:-100], StagingRequest(), "KERNEL_TRUNCATED"),
        (KERNEL, make_bzimage(xloadflags=0), StagingRequest(), "WRONG_ARCH"),
        (INITRD, b"", StagingRequest(), "INITRD_INVALID"),
        (INITRD, b"<html>", StagingRequest(), "INITRD_INVALID"),
        ("/x", b"", StagingRequest(initrd="/boot/initrd-none"), "INITRD_NOT_FOUND"),
        ("/boot/vmlinuz-9.9", make_bzimage(release="9.9"), StagingRequest(kernel="9.9"), "INITRD_NOT_FOUND"),
        ("/x", b"", StagingRequest(edits=Edits(append=["x" * 2048])), "CMDLINE_TOO_LONG"),
        ("/x", b"", StagingRequest(edits=Edits(replace='a="b')), "CMDLINE_INVALID"),
        ("/x", b"", StagingRequest(edits=Edits(append=["\ud800"])), "CMDLINE_INVALID"),
        ("/proc/meminfo", b"MemTotal: 60000 kB\nMemAvailable: 20000 kB\n", StagingRequest(), "NO_MEMORY"),
        ("/proc/sys/kernel/kexec_load_disabled", b"1\n", StagingRequest(), "KEXEC_LOAD_DISABLED"),
        ("/sys/kernel/security/lockdown", b"none [integrity]", StagingRequest(preferences={"loader": "kexec_load"}), "LOCKDOWN"),
        ("/run/systemd/container", b"docker", StagingRequest(), "CONTAINER"),
    ],
)
def test_bad_input(host: Host, path: str, content: bytes, request_: StagingRequest, code: str) -> None:
    target = Path(host.files.path(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    assert code_of(host, request_) == code
    assert host.commands == []


def test_without_kexec_tools(host: Host) -> None:
    os.unlink(host.files.path("/usr/sbin/kexec"))
    assert code_of(host, StagingRequest()) == "NO_KEXEC_TOOLS"
