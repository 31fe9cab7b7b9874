# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in the crash reservation of a host that is a directory tree, with the real script that puts kdump's image back."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.architecture import X86_64
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.bzimage import parse_bzimage
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.stub import ENTRY_OFFSET, STUB_BYTES, StubChecksummer
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.stub_code import CONFIG_OFFSET, CRASH_ENTRY_OFFSET
from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.crash_area import CRASH_LOADED
from ansible_collections.fleet.kexec.plugins.module_utils._host.facts import HostFacts, gather
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._image.payload import Unpacker
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.candidate import read_candidate
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.crash_image import CrashImages, CrashSegment
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.file_part import FilePart
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.host_files import HOOK
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.image_store import KEEP, ImageStore
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.kexec_tools import Kexec
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.policy import Policy
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.requests import StagingRequest
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.staging import (
    Stager,
    StagingPlan,
    current_record,
    plan,
    stage_planned,
)
from ansible_collections.fleet.kexec.plugins.module_utils._paths import CRASH_MARKER, STAGED_RECORD, STATE_DIRECTORY

from ....bzimages import make_content, make_kernel, make_payload
from ....conftest import RELEASE, HostTree
from ....outcomes import code_of

KERNEL = "/boot/vmlinuz-" + RELEASE
INITRD = "/boot/initrd.img-" + RELEASE
LOADED = "/sys/kernel/kexec_loaded"
MIB = 1 << 20
RESERVED = {
    "/proc/cpuinfo": "model name\t: A CPU\nflags\t\t: fpu sse4_2\n",
    "/proc/iomem": "00100000-3fffffff : System RAM\n  30000000-3fffffff : Crash kernel\n",
    CRASH_LOADED: "0\n",
}
ALLOWED = Policy().override({"KDUMP_LOADED": "allow"}, "a test")

# Programs of the host, which note that they were called.
KEXEC = """\
#!/bin/sh
echo "kexec $*" >> "$ROOT/called"
case "$*" in *-p*-u*) [ -e "$ROOT/stuck" ] || echo 0 > "$ROOT/sys/kernel/kexec_crash_loaded" ;; esac
"""
KDUMP_CONFIG = """\
#!/bin/sh
echo "kdump-config $*" >> "$ROOT/called"
[ -e "$ROOT/broken" ] || echo 1 > "$ROOT/sys/kernel/kexec_crash_loaded"
"""
SYSTEMCTL = """\
#!/bin/sh
[ -e "$ROOT/active" ]
"""


class Host:
    """A host with 256 MiB reserved, whose kernel keeps what it is given."""

    def __init__(self, files: HostFiles) -> None:
        self.files = files
        self.root = Path(files.path("/"))
        self.trampoline = b""
        self.crash: tuple[int, list[tuple[bytes, int, int]]] | None = None
        self.refuses = False
        self.units = ""
        self.loads: list[list[str]] = []
        Path(files.path(KERNEL)).write_bytes(make_kernel(make_payload("gzip", make_content())))
        programs = self.root / "programs"
        programs.mkdir()
        for name, script in (("kexec", KEXEC), ("kdump-config", KDUMP_CONFIG), ("systemctl", SYSTEMCTL)):
            (programs / name).write_text(script)
            (programs / name).chmod(0o755)
        candidate = read_candidate(files, X86_64, FilePart(KERNEL), [FilePart(INITRD)], "")
        ImageStore(files, Unpacker(files.root), clock=lambda: 0.0).build(candidate, KEEP)

    def run(self, argv: Sequence[str], _timeout_s: float) -> CommandResult:
        if argv[0] == "systemctl":
            return CommandResult(0, self.units, "")
        if argv[0] == "/bin/sh":
            return self.shell(argv[2], "kexec")
        if "-l" in argv:
            self.loads.append(list(argv))
            path = argv[argv.index("-l") + 1]
            # Anonymous memory has a path of its own, whatever the root.
            self.trampoline = Path(path if path.startswith("/proc/") else self.files.path(path)).read_bytes()
        if "-l" in argv or "-u" in argv:
            self.write(LOADED, "1" if "-l" in argv else "0")
        return CommandResult(0, "kexec-tools 2.0.29\n", "")

    def shell(self, script: str, argument: str) -> CommandResult:
        """Run a script on this host's paths, with its programs."""
        script = script.replace("/sys/kernel", self.files.path("/sys/kernel"))
        script = script.replace(CRASH_MARKER, self.files.path(CRASH_MARKER))
        environment = {"ROOT": str(self.root), "PATH": "%s/programs:/usr/bin:/bin" % self.root}
        done = subprocess.run(
            ["/bin/sh", "-c", script, "fleet-kexec", argument], env=environment, capture_output=True, text=True, check=False
        )
        return CommandResult(done.returncode, done.stdout, done.stderr)

    def load(self, entry: int, segments: Sequence[CrashSegment]) -> None:
        if self.refuses:
            raise OSError(16, "Device or resource busy")
        self.crash = (entry, [(bytes(each.content), each.at, each.memory_bytes) for each in segments])
        self.write(CRASH_LOADED, "1")

    def write(self, path: str, text: str) -> None:
        Path(self.files.path(path)).write_text(text + "\n")

    def facts(self) -> HostFacts:
        facts = gather(self.files, self.run)
        return replace(facts, kernel=replace(facts.kernel, machine="x86_64"))

    def stager(self) -> Stager:
        kexec = Kexec("/usr/sbin/kexec", self.files, self.run)
        return Stager(self.files, kexec, os.urandom, lambda: None, CrashImages(self.files, self.run, "kexec", self.load))

    def stage(self, policy: Policy | None = None, **preferences: object) -> StagingPlan:
        request, facts = StagingRequest(preferences=preferences), self.facts()
        planned = plan(request, facts, self.files, policy)
        return stage_planned(self.stager(), planned, request, facts, self.files, policy=policy)[0]

    @property
    def crash_loaded(self) -> bool:
        return self.files.read_int(CRASH_LOADED) == 1

    @property
    def called(self) -> list[str]:
        log = self.root / "called"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def host(host_tree: HostTree) -> Host:
    return Host(host_tree(RESERVED))


def test_kernel_initrd_and_entry_are_loaded_where_they_will_be(host: Host) -> None:
    planned = host.stage()
    assert planned.image.placement == "reserved"
    assert planned.choice.predicted_ms["copy"] == 0
    assert host.crash is not None
    entry, [(kernel, kernel_at, kernel_bytes), (initrd, initrd_at, _initrd_bytes), (page, page_at, page_bytes)] = host.crash
    assert kernel_at == 0x30000000
    assert initrd_at >= kernel_at + kernel_bytes >= kernel_at + len(kernel)
    assert initrd == Path(host.files.path(INITRD)).read_bytes()
    assert entry == page_at + ENTRY_OFFSET + CRASH_ENTRY_OFFSET
    assert len(page) == page_bytes == STUB_BYTES
    setup_bytes = parse_bzimage(host.trampoline, len(host.trampoline)).setup_bytes
    assert len(host.trampoline) == setup_bytes + STUB_BYTES
    config = struct.unpack_from("<6Q8I", host.trampoline, setup_bytes + ENTRY_OFFSET + CONFIG_OFFSET)
    assert config[1] == len(kernel)
    assert config[3:6] == (len(initrd), kernel_at, initrd_at)
    checksummer = StubChecksummer()
    assert config[6:] == checksummer.sums(bytearray(kernel)) + checksummer.sums(bytearray(initrd))


def test_what_is_staged_is_current_while_both_are_loaded(host: Host) -> None:
    host.stage()
    assert current_record(host.files) is not None
    host.write(CRASH_LOADED, "0")
    assert current_record(host.files) is None


def test_staging_again_displaces_nobody(host: Host) -> None:
    host.stage()
    host.stage(kaslr=False)
    assert host.called == []
    assert host.stager().unstage()
    assert not host.crash_loaded
    assert host.called == ["kexec -p -u"]


def test_unstaging_empties_the_reservation_even_if_the_trampoline_is_gone(host: Host) -> None:
    host.stage()
    host.write(LOADED, "0")
    assert host.stager().unstage()
    assert not host.crash_loaded
    assert not host.files.exists(CRASH_MARKER)
    assert not host.stager().unstage()


def test_kdump_that_is_still_to_start_is_not_preceded(host: Host) -> None:
    host.units = "ActiveState=inactive\nUnitFileState=enabled\n"
    assert host.stage(ALLOWED).image.placement == "copied"
    assert code_of(lambda: host.stage(ALLOWED, placement="reserved")) == "KDUMP_LOADED"
    # Once the image is there, kdump has been stopped.
    host.units = ""
    host.stage()
    host.units = "ActiveState=inactive\nUnitFileState=enabled\n"
    assert host.stage().image.placement == "reserved"


def test_a_crash_kernel_of_kdump_stays(host: Host) -> None:
    host.write(CRASH_LOADED, "1")
    planned = host.stage()
    assert planned.image.placement == "copied"
    assert [note.code for note in planned.notes if note.code == "KDUMP_LOADED"] == ["KDUMP_LOADED"]
    assert host.crash is None
    assert code_of(lambda: host.stage(placement="reserved")) == "KDUMP_LOADED"
    assert host.stager().unstage()
    assert host.crash_loaded
    assert host.called == []


def test_an_allowed_displacement_is_put_back(host: Host) -> None:
    host.write(CRASH_LOADED, "1")
    assert host.stage(ALLOWED).image.placement == "reserved"
    # Staging anew does not forget it.
    host.stage(ALLOWED, kaslr=False)
    assert host.stager().unstage()
    assert host.called == ["kexec -p -u", "kdump-config load"]
    assert host.crash_loaded
    assert not host.files.exists(CRASH_MARKER)


def test_kdump_that_started_meanwhile_is_put_back(host: Host) -> None:
    host.stage()
    (host.root / "active").touch()
    assert host.stager().unstage()
    assert host.called == ["kexec -p -u", "kdump-config load"]


@pytest.mark.parametrize("trouble", ["broken", "stuck"])
def test_a_crash_kernel_that_does_not_come_back_is_reported(host: Host, trouble: str) -> None:
    host.write(CRASH_LOADED, "1")
    host.stage(ALLOWED)
    (host.root / trouble).touch()
    assert code_of(host.stager().unstage) == "KDUMP_NOT_RESTORED"
    # It can be tried again.
    assert host.files.exists(CRASH_MARKER)


def test_a_crash_kernel_that_is_still_to_be_put_back_is_not_forgotten(host: Host) -> None:
    host.write(CRASH_LOADED, "1")
    host.stage(ALLOWED)
    (host.root / "broken").touch()
    assert code_of(host.stager().unstage) == "KDUMP_NOT_RESTORED"
    assert code_of(host.stager().unstage) == "KDUMP_NOT_RESTORED"
    host.stage(ALLOWED)
    (host.root / "broken").unlink()
    assert host.stager().unstage()
    assert host.crash_loaded
    assert not host.files.exists(CRASH_MARKER)


def test_an_active_service_that_had_no_crash_kernel_need_not_load_one(host: Host) -> None:
    host.stage()
    (host.root / "active").touch()
    (host.root / "broken").touch()
    assert host.stager().unstage()
    assert not host.files.exists(CRASH_MARKER)


def test_a_copy_can_be_staged_even_if_kdump_does_not_come_back(host: Host) -> None:
    host.write(CRASH_LOADED, "1")
    host.stage(ALLOWED)
    (host.root / "broken").touch()
    assert host.stage(ALLOWED, placement="copied").image.placement == "copied"
    assert code_of(host.stager().unstage) == "KDUMP_NOT_RESTORED"


def test_the_trampoline_is_loaded_below_the_reservation(host: Host) -> None:
    host.stage()
    assert [each for each in host.loads[-1] if each.startswith("--mem-max")] == ["--mem-max=0x2fffffff"]
    host.stage(placement="copied")
    assert not [each for each in host.loads[-1] if each.startswith("--mem-max")]


@pytest.mark.parametrize(
    ("loaded", "limit", "enough"), [("0", 1, False), ("0", 2, True), ("1", 4, False), ("1", 5, True), ("1", -1, True)]
)
def test_kdump_is_not_displaced_if_it_could_not_be_put_back(host: Host, loaded: str, limit: int, enough: bool) -> None:
    host.write(CRASH_LOADED, loaded)
    path = "/proc/sys/kernel/kexec_load_limit_panic"
    host.write(path, str(limit))
    assert host.stage(ALLOWED).image.placement == ("reserved" if enough else "copied")
    if enough:
        # An image that is there already takes no more loads.
        host.write(path, "0")
        assert plan(StagingRequest(), host.facts(), host.files, ALLOWED).image.placement == "reserved"


def test_the_hook_of_kernel_packages_puts_back_too(host: Host) -> None:
    host.write(CRASH_LOADED, "1")
    host.stage(ALLOWED)
    release = json.loads(host.files.read_text(STAGED_RECORD) or "")["image"]["release"]
    host.write(LOADED, "0")
    script = HOOK.replace("PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH", "").replace(STATE_DIRECTORY, str(host.root / "state"))
    done = host.shell(script.replace(STAGED_RECORD, host.files.path(STAGED_RECORD)), release)
    assert done.rc == 0, done
    assert host.crash_loaded
    assert not host.files.exists(CRASH_MARKER)
    assert not host.files.exists(STAGED_RECORD)


def test_staging_a_copy_empties_the_reservation(host: Host) -> None:
    host.write(CRASH_LOADED, "1")
    host.stage(ALLOWED)
    assert host.stage(ALLOWED, placement="copied").image.placement == "copied"
    assert host.called == ["kexec -p -u", "kdump-config load"]


def test_a_kernel_that_refuses_has_the_image_copied(host: Host) -> None:
    host.refuses = True
    planned = host.stage()
    assert (planned.image.image, planned.image.placement) == ("fast", "copied")
    assert planned.notes[0].code == "LOAD_FAILED"
    assert code_of(lambda: host.stage(placement="reserved")) == "LOAD_FAILED"
    assert not host.crash_loaded


@pytest.mark.parametrize(
    ("tree", "code"),
    [
        ({"/proc/iomem": "00100000-3fffffff : System RAM\n"}, "NO_RESERVATION"),
        ({"/proc/sys/kernel/kexec_load_limit_panic": "0\n"}, "KEXEC_LOAD_LIMIT"),
        ({"/proc/iomem": "00100000-3fffffff : System RAM\n  3ff00000-3fffffff : Crash kernel\n"}, "RESERVATION_TOO_SMALL"),
        ({"/proc/iomem": "00100000-2fffffff : System RAM\n  10000000-2fffffff : Crash kernel\n"}, "NO_NEXT_RESERVATION"),
        ({"/proc/cmdline": "ro crashkernel=256M@768M\n"}, "NO_NEXT_RESERVATION"),
    ],
)
def test_why_not(host_tree: HostTree, tree: dict[str, str], code: str) -> None:
    host = Host(host_tree({**RESERVED, **tree}))
    assert host.stage().image.placement == "copied"
    assert code_of(lambda: host.stage(placement="reserved")) == code


@pytest.mark.parametrize(
    "preferences", [{"image": "bzimage"}, {"loader": "kexec_file_load"}, {"integrity": "none"}, {"integrity": "sha256"}]
)
def test_what_can_not_lie_there(host: Host, preferences: dict[str, Any]) -> None:
    assert host.stage(**preferences).image.placement == "copied"
    assert code_of(lambda: host.stage(placement="reserved", **preferences)) in ("PLACEMENT_UNAVAILABLE", "INTEGRITY_UNAVAILABLE")


def test_little_memory_is_enough(host_tree: HostTree) -> None:
    host = Host(host_tree({**RESERVED, "/proc/meminfo": "MemTotal: 1000000 kB\nMemAvailable: 20000 kB\n"}))
    assert code_of(lambda: host.stage(placement="copied")) == "NO_MEMORY"
    assert host.stage().image.placement == "reserved"
