# SPDX-License-Identifier: GPL-3.0-or-later
"""Fast images on a host that is a directory tree: built, found stale, made ready, loaded, removed."""

from __future__ import annotations

import datetime
import gzip
import json
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.architecture import X86_64
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.stub import ENTRY_OFFSET, StubChecksummer
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.stub_code import CODE, CONFIG_OFFSET
from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.boot_setup import read_boot_setup
from ansible_collections.fleet.kexec.plugins.module_utils._host.change_record import read_changes
from ansible_collections.fleet.kexec.plugins.module_utils._host.facts import HostFacts, gather
from ansible_collections.fleet.kexec.plugins.module_utils._host.fast_images import directory_of, list_fast_images, read_fast_image
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.initrd_survey import PATH as SURVEYS
from ansible_collections.fleet.kexec.plugins.module_utils._host.initrd_survey import read_surveys, surveys_to_json
from ansible_collections.fleet.kexec.plugins.module_utils._host.throughput import read_throughput
from ansible_collections.fleet.kexec.plugins.module_utils._image.payload import Unpacker
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.candidate import Candidate, payload_format, read_candidate
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.file_part import FilePart
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.host_files import COMMAND_PATH, HOOK_PATHS, WantedFile, ensure
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.image_store import KEEP, SLIM, UNCOMPRESSED, ImageStore
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.installation import (
    ALL,
    Installation,
    Installed,
    WantedInstallation,
)
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.kexec_tools import Kexec
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.lock import exclusive
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.policy import Policy, read_policy
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.preferences import Preferences, read_preferences
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.requests import StagingRequest
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.staging import (
    Stager,
    current_record,
    plan,
    stage_planned,
)
from ansible_collections.fleet.kexec.plugins.module_utils._paths import CONFIG_FILE, STATE_DIRECTORY

from ....bzimages import make_content, make_elf, make_kernel, make_payload
from ....conftest import RELEASE, HostTree, write_tree
from ....initrds import make_bootconfig, make_cpio
from ....outcomes import code_of

KERNEL = "/boot/vmlinuz-" + RELEASE
INITRD = "/boot/initrd.img-" + RELEASE
CPU = {"/proc/cpuinfo": "model name\t: A CPU\nflags\t\t: fpu sse4_2\n"}
NOW = datetime.datetime(2026, 11, 22, 21, 0, tzinfo=datetime.timezone.utc)
# The release that bzimages.make_kernel gives its kernels.
BUILT_FOR = "6.12.0-test"


class Host:
    """A host whose kexec keeps a copy of what it is given."""

    def __init__(self, files: HostFiles) -> None:
        self.files = files
        self.commands: list[list[str]] = []
        self.loaded_image = b""
        self.after_load: Callable[[], object] = lambda: None
        self.random: Callable[[int], bytes] = os.urandom
        Path(files.path(KERNEL)).write_bytes(make_kernel(make_payload("gzip", make_content())))
        self.store = ImageStore(files, Unpacker(files.root), clock=lambda: 0.0, now=lambda: NOW)

    def run(self, argv: Sequence[str], timeout_s: float) -> CommandResult:
        if "--version" not in argv:
            self.commands.append(list(argv[1:]))
        if "-l" in argv:
            path = argv[argv.index("-l") + 1]
            # Anonymous memory has a path of its own, whatever the root.
            self.loaded_image = Path(path if path.startswith("/proc/") else self.files.path(path)).read_bytes()
        if "-l" in argv or "-u" in argv:
            Path(self.files.path("/sys/kernel/kexec_loaded")).write_text("1\n" if "-l" in argv else "0\n")
            self.after_load()
        return CommandResult(0, "kexec-tools 2.0.29\n", "")

    @property
    def candidate(self) -> Candidate:
        return read_candidate(self.files, X86_64, FilePart(KERNEL), [FilePart(INITRD)], "")

    def facts(self) -> HostFacts:
        facts = gather(self.files, self.run)
        return replace(facts, kernel=replace(facts.kernel, machine="x86_64"))

    def add_to_line(self, arguments: str) -> None:
        """Add arguments to the bootloader's entry."""
        grub_cfg = Path(self.files.path("/boot/grub/grub.cfg"))
        grub_cfg.write_text(grub_cfg.read_text().replace(" ro ", " ro %s " % arguments))

    def build(self, initrd_mode: str = KEEP) -> None:
        self.store.build(self.candidate, initrd_mode)

    def stage(self, **preferences: object) -> None:
        request, facts = StagingRequest(preferences=preferences), self.facts()
        stage_planned(self.stager(), plan(request, facts, self.files), request, facts, self.files)

    def stager(self) -> Stager:
        return Stager(self.files, Kexec("/usr/sbin/kexec", self.files, self.run), self.random)

    def path(self, name: str) -> Path:
        return Path(self.files.path(os.path.join(directory_of(BUILT_FOR), name)))

    def tree(self) -> dict[str, bytes]:
        """Everything below the directories that building writes to."""
        roots = [Path(self.files.path(path)) for path in ("/var/lib", "/usr/local", "/etc")]
        return {str(path): path.read_bytes() for root in roots for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture
def host(host_tree: HostTree) -> Host:
    return Host(host_tree(CPU))


def test_building(host: Host) -> None:
    assert not host.store.is_current(host.candidate, KEEP)
    host.build()
    assert host.store.is_current(host.candidate, KEEP)
    assert not host.store.is_current(host.candidate, UNCOMPRESSED)
    (fast,) = list_fast_images(host.files)
    assert (fast.release, fast.payload_format, fast.built_at) == (BUILT_FOR, "gzip", "2026-11-22T21:00:00Z")
    assert sorted(os.listdir(host.path("."))) == ["image", "manifest.json", "relocations"]
    assert {host.path(name).stat().st_mode & 0o777 for name in os.listdir(host.path("."))} == {0o600}
    assert host.path(".").stat().st_mode & 0o777 == 0o700


def test_an_architecture_without_fast_images(host: Host) -> None:
    host.build()
    without = replace(X86_64, fast=None)
    candidate = read_candidate(host.files, without, FilePart(KERNEL), [FilePart(INITRD)], "")
    assert candidate.fast is None
    assert candidate.fast_obstacle is not None and candidate.fast_obstacle.code == "FAST_IMAGE_UNSUPPORTED"
    assert code_of(host.store.check, candidate, KEEP, 1 << 40) == "FAST_IMAGE_UNSUPPORTED"
    assert code_of(host.store.build, candidate, KEEP) == "FAST_IMAGE_UNSUPPORTED"
    assert host.store.is_current(host.candidate, KEEP), "what is there stays"


@pytest.mark.parametrize("name", ["image", "relocations"])
def test_damage_is_seen_and_mended(host: Host, name: str) -> None:
    host.build()
    content = bytearray(host.path(name).read_bytes())
    content[len(content) // 2] ^= 1
    host.path(name).write_bytes(content)
    assert not host.store.is_current(host.candidate, KEEP)
    before = host.files.read_text("/sys/kernel/kexec_loaded")
    assert code_of(lambda: host.stage(image="fast")) == "FAST_IMAGE_DAMAGED"
    assert host.files.read_text("/sys/kernel/kexec_loaded") == before
    # Where nobody insists on it, its bzImage will do.
    host.stage()
    record = current_record(host.files)
    assert record is not None
    assert record.image.image == "bzimage"
    host.build()
    assert host.store.is_current(host.candidate, KEEP)


def test_a_damaged_uncompressed_initrd_is_not_vouched_for(host: Host) -> None:
    Path(host.files.path(INITRD)).write_bytes(gzip.compress(make_cpio({"init": b"x" * 100})))
    host.build(UNCOMPRESSED)
    content = bytearray(host.path("initrd").read_bytes())
    content[-1] ^= 1
    host.path("initrd").write_bytes(content)
    for integrity in ("crc32c", "none", "sha256"):
        assert code_of(lambda integrity=integrity: host.stage(image="fast", integrity=integrity)) == "FAST_IMAGE_DAMAGED"
    host.path("initrd").unlink()
    assert code_of(lambda: host.stage(image="fast")) == "FAST_IMAGE_DAMAGED"


def test_what_changes_while_it_is_loaded_is_unloaded(host: Host) -> None:
    host.build()
    host.after_load = lambda: Path(host.files.path(INITRD)).write_text("070701 another")
    assert code_of(lambda: host.stage(image="fast")) == "LOAD_FAILED"
    assert host.files.read_int("/sys/kernel/kexec_loaded") == 0
    assert current_record(host.files) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 99}', '{"format": 1, "release": "%s"}' % BUILT_FOR])
def test_a_manifest_that_cannot_be_understood_is_none(host: Host, text: str) -> None:
    host.build()
    host.path("manifest.json").write_text(text)
    assert read_fast_image(host.files, BUILT_FOR) is None
    assert host.candidate.fast_obstacle is not None
    assert host.candidate.fast_obstacle.code == "FAST_IMAGE_MISSING"


def test_another_kernel_of_the_same_release_makes_an_image_stale(host: Host) -> None:
    host.build()
    Path(host.files.path(KERNEL)).write_bytes(make_kernel(make_payload("xz", make_content())))
    assert host.candidate.fast is None
    assert code_of(lambda: host.stage(image="fast")) == "FAST_IMAGE_STALE"
    host.stage()
    record = current_record(host.files)
    assert record is not None
    assert record.image.image == "bzimage"


def test_an_uncompressed_initrd_follows_the_one_it_was_made_from(host: Host) -> None:
    Path(host.files.path(INITRD)).write_bytes(gzip.compress(make_cpio({"init": b""})))
    host.build(UNCOMPRESSED)
    assert host.path("initrd").read_bytes() == make_cpio({"init": b""})
    host.stage(image="fast")
    assert "--initrd=%s/initrd" % directory_of(BUILT_FOR) in host.commands[-1]
    Path(host.files.path(INITRD)).write_text("070701 another")
    assert code_of(lambda: host.stage(image="fast")) == "FAST_IMAGE_STALE"


def config_of(image: bytes) -> tuple[int, ...]:
    """The stub's configuration in a loaded image: flags, three sizes, eight sums."""
    setup_bytes = (image[0x1F1] + 1) * 512
    assert image[setup_bytes + ENTRY_OFFSET :].startswith(CODE[:CONFIG_OFFSET])
    return struct.unpack_from("<6Q8I", image, setup_bytes + ENTRY_OFFSET + CONFIG_OFFSET)


def kernel_of(image: bytes) -> bytes:
    return image[(image[0x1F1] + 1) * 512 + (2 << 20) :]


def test_staging_puts_the_sums_of_kernel_and_initrd_into_the_stub(host: Host) -> None:
    host.build()
    host.stage(image="fast")
    assert host.commands[-1][:2] == ["-c", "-l"]
    assert "--no-checks" in host.commands[-1]
    flags, kernel_bytes, _entry, initrd_bytes, kernel_at, initrd_at, *sums = config_of(host.loaded_image)
    kernel, initrd = kernel_of(host.loaded_image), Path(host.files.path(INITRD)).read_bytes()
    assert (flags, kernel_bytes, initrd_bytes) == (3, len(kernel), len(initrd))
    assert kernel_at == initrd_at == 0
    checksummer = StubChecksummer()
    assert tuple(sums) == checksummer.sums(bytearray(kernel)) + checksummer.sums(bytearray(initrd))


def test_the_address_is_drawn_anew_at_every_staging(host: Host) -> None:
    host.build()
    images = []
    for draw in (1, 2):
        host.random = bytes([draw]).__mul__
        host.stage(image="fast")
        images.append(kernel_of(host.loaded_image))
    assert images[0] != images[1]
    # The one on the disk lies where it was linked for.
    assert kernel_of(host.path("image").read_bytes()) not in images


@pytest.mark.parametrize(("preferences", "forbidden"), [({"kaslr": False}, False), ({}, True)])
def test_without_kaslr_the_kernel_stays_where_it_was_linked_for(
    host: Host, preferences: dict[str, object], forbidden: bool
) -> None:
    host.build()
    if forbidden:
        host.add_to_line("nokaslr")
    host.stage(image="fast", **preferences)
    assert config_of(host.loaded_image)[0] == 1
    assert kernel_of(host.loaded_image) == kernel_of(host.path("image").read_bytes())
    (line,) = [argument for argument in host.commands[-1] if argument.startswith("--command-line=")]
    assert line.split().count("nokaslr") == 1


@pytest.mark.parametrize(
    ("preferences", "arguments", "flags"),
    [
        ({"integrity": "none", "loader": "kexec_load"}, ["-c", "--no-checks"], 2),
        ({"integrity": "sha256", "loader": "kexec_load"}, ["-c"], 2),
        ({"integrity": "sha256", "loader": "kexec_file_load"}, ["-s"], 2),
        ({"integrity": "crc32c", "loader": "kexec_file_load"}, ["-s"], 3),
    ],
)
def test_ways_of_loading(host: Host, preferences: dict[str, object], arguments: list[str], flags: int) -> None:
    host.build()
    host.stage(image="fast", **preferences)
    assert [argument for argument in host.commands[-1] if argument in ("-c", "-s", "--no-checks")] == arguments
    assert config_of(host.loaded_image)[0] == flags


def test_the_hosts_own_defaults(host: Host) -> None:
    host.build()
    Path(host.files.path("/etc")).mkdir(exist_ok=True)
    Path(host.files.path(CONFIG_FILE)).write_text("[stage]\nimage = fast\nintegrity = sha256\n")
    host.stage()
    record = current_record(host.files)
    assert record is not None
    assert (record.image.image, record.image.integrity) == ("fast", "sha256")
    host.stage(integrity="none")
    record = current_record(host.files)
    assert record is not None
    assert record.image.integrity == "none"
    Path(host.files.path(CONFIG_FILE)).write_text("[stage]\nimage = quick\n")
    assert code_of(host.stage) == "CONFIG_INVALID"


def test_too_little_room_is_refused_before_anything_is_written(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.statvfs_result((4096, 4096, 10, 10, 10, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: full)
    before = host.tree()
    assert code_of(lambda: host.store.check(host.candidate, KEEP, 1 << 40)) == "NO_SPACE"
    assert host.tree() == before


def test_the_format_of_a_kernel_is_told_by_its_first_bytes(host: Host) -> None:
    assert payload_format(host.files, X86_64, KERNEL) == "gzip"
    assert payload_format(host.files, X86_64, INITRD) is None
    assert payload_format(host.files, X86_64, "/boot/vmlinuz-gone") is None


def test_too_little_memory_is_refused(host: Host) -> None:
    assert code_of(lambda: host.store.check(host.candidate, KEEP, 1000)) == "NO_MEMORY"


@pytest.mark.parametrize("release", ["../escape", ".hidden", "", "a b"])
def test_a_release_that_is_no_name_is_refused(host: Host, release: str) -> None:
    candidate = replace(host.candidate, header=replace(host.candidate.header, release=release))
    assert code_of(lambda: host.store.check(candidate, KEEP, 1 << 40)) == "KERNEL_INVALID"


def test_a_build_that_fails_leaves_nothing(host: Host) -> None:
    Path(host.files.path(INITRD)).write_bytes(b"\x1f\x8b damaged")
    before = host.tree()
    assert code_of(lambda: host.build(UNCOMPRESSED)) == "PAYLOAD_INVALID"
    assert host.tree() == before
    assert not host.path(".").exists()


# --- the whole installation ----------------------------------------------------------------


def install(host: Host, wanted: WantedInstallation) -> bool:
    """Plan and apply; whether there was anything to do."""
    installation = Installation(host.files, host.facts(), host.store, host.stager().unstage)
    change = installation.plan(wanted)
    if change.needed:
        installation.apply(change, wanted)
    return change.needed


PRESENT = WantedInstallation(command=b"the command", defaults=Preferences(image="fast"))


def test_installing_is_idempotent_and_can_be_taken_back(host: Host) -> None:
    before = host.tree()
    assert install(host, PRESENT)
    assert host.files.read_text(COMMAND_PATH) == "the command"
    assert all(os.access(host.files.path(path), os.X_OK) for path in (COMMAND_PATH, *HOOK_PATHS))
    assert read_throughput(host.files, host.facts().cpu).measured
    assert "gzip" in read_throughput(host.files, host.facts().cpu).unpack
    assert not install(host, PRESENT)
    assert install(host, replace(PRESENT, command=None))
    assert not host.files.exists(COMMAND_PATH)
    absent = WantedInstallation(present=False, kernel=ALL)
    assert install(host, absent)
    assert not install(host, absent)
    # The file that it has written stays, and with it what tells how it was.
    assert set(read_changes(host.files)) == {CONFIG_FILE}
    ensure(host.files, WantedFile(CONFIG_FILE, None, 0o644, owned=False))
    assert host.tree() == before


def test_a_policy_stays_when_defaults_are_written(host: Host) -> None:
    Path(host.files.path("/etc")).mkdir(exist_ok=True)
    config = Path(host.files.path(CONFIG_FILE))
    config.write_text("[stage]\nimage = bzimage\n\n# Ours come back.\n[policy]\nDRIVER_RISK = allow\n")
    assert install(host, PRESENT)
    assert config.read_text().endswith("\n\n# Ours come back.\n[policy]\nDRIVER_RISK = allow\n")
    assert read_preferences(host.files) == Preferences(image="fast")
    assert read_policy(host.files).effects["DRIVER_RISK"] == "allow"
    assert not install(host, PRESENT)


def test_the_hosts_own_policy(host: Host) -> None:
    config = Path(host.files.path(CONFIG_FILE))
    own = WantedInstallation(policy={"NO_WATCHDOG": "block", "DRIVER_RISK": "allow"})
    assert install(host, own)
    assert not install(host, own)
    assert read_policy(host.files) == Policy().override(own.policy or {}, "")
    alone = config.read_text()
    assert install(host, replace(own, defaults=Preferences(image="fast")))
    assert config.read_text().endswith("\n\n" + alone)
    assert install(host, WantedInstallation(policy={"NO_WATCHDOG": "warn"}))
    assert read_policy(host.files) == Policy()
    assert read_preferences(host.files) == Preferences(image="fast")
    assert install(host, WantedInstallation(policy={}))
    assert "policy" not in config.read_text()
    assert read_preferences(host.files) == Preferences(image="fast")


def test_no_policy_needs_no_file(host: Host) -> None:
    install(host, WantedInstallation())
    assert not install(host, WantedInstallation(policy={}))
    install(host, WantedInstallation(policy={"NO_WATCHDOG": "block"}))
    assert install(host, WantedInstallation(policy={}))
    assert not host.files.exists(CONFIG_FILE)


def test_a_policy_that_means_nothing_changes_nothing(host: Host) -> None:
    before = host.tree()
    assert code_of(install, host, WantedInstallation(policy={"NO_WATCHDOG": "maybe"})) == "POLICY_INVALID"
    assert code_of(install, host, WantedInstallation(policy={"LOCKDOWN": "allow"})) == "POLICY_INVALID"
    assert host.tree() == before


def test_planning_changes_nothing(host: Host) -> None:
    before = host.tree()
    change = Installation(host.files, host.facts(), host.store, host.stager().unstage).plan(PRESENT)
    assert change.needed
    assert change.before["fast_image"] is None
    assert change.after["fast_image"]["release"] == BUILT_FOR
    assert host.tree() == before


def test_what_a_killed_build_left_is_cleared_away(host: Host) -> None:
    host.path(".").mkdir(parents=True)
    host.path(".image.x7s").write_bytes(b"half")
    install(host, PRESENT)
    assert sorted(os.listdir(host.path("."))) == ["image", "manifest.json", "relocations"]


def test_an_image_that_is_removed_is_unloaded_too(host: Host) -> None:
    install(host, PRESENT)
    host.stage(image="fast")
    install(host, WantedInstallation(present=False, kernel=ALL))
    assert host.files.read_int("/sys/kernel/kexec_loaded") == 0
    assert current_record(host.files) is None


def test_images_of_kernels_that_are_gone_go_too(host: Host) -> None:
    gone = Path(host.files.path(directory_of("5.10.0-gone")))
    gone.mkdir(parents=True)
    (gone / "image").write_bytes(b"")
    assert install(host, PRESENT)
    assert not gone.exists()


def test_what_is_no_image_is_left_alone(host: Host) -> None:
    state = Path(host.files.path(STATE_DIRECTORY))
    others = ("last-stop/token", "lost+found/#12/image", "notes/readme", "notes/.image", "5.10.0-gone/mine")
    for name in (*others, "5.10.0-gone/image", "5.10.0-gone/.initrd.x7s", "throughput.json", "initrds.json"):
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        (state / name).write_bytes(b"")
    (state / "empty").mkdir()
    assert host.store.releases() == ("5.10.0-gone",)
    for name in ("last-stop", "notes"):
        assert host.store.remove(name) is False
    install(host, PRESENT)
    install(host, WantedInstallation(present=False, kernel=ALL))
    assert all((state / name).exists() for name in (*others, "empty"))
    assert os.listdir(state / "5.10.0-gone") == ["mine"]
    assert host.store.releases() == ()


def test_only_one_at_a_time(host: Host) -> None:
    with exclusive(host.files):
        assert code_of(lambda: install(host, PRESENT)) == "STAGE_BUSY"
    assert not host.path(".").exists()


def test_a_command_that_somebody_else_put_there_is_replaced(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    install(host, PRESENT)
    owners: list[int] = []
    monkeypatch.setattr(os, "fchown", lambda descriptor, uid, gid: owners.append(uid))
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    assert install(host, PRESENT)
    assert 4321 in owners


def test_a_command_that_somebody_has_linked_is_replaced(host: Host, tmp_path: Path) -> None:
    install(host, PRESENT)
    command = Path(host.files.path(COMMAND_PATH))
    command.rename(tmp_path / "elsewhere")
    command.symlink_to(tmp_path / "elsewhere")
    assert install(host, PRESENT)
    assert not command.is_symlink() and command.stat().st_mode & 0o777 == 0o755


def test_a_linked_configuration_is_written_and_stays_a_link(host: Host, tmp_path: Path) -> None:
    (tmp_path / "mine.conf").write_text("[policy]\nDRIVER_RISK = allow\n")
    (tmp_path / "mine.conf").chmod(0o640)
    config = Path(host.files.path(CONFIG_FILE))
    config.parent.mkdir(exist_ok=True)
    config.symlink_to(tmp_path / "mine.conf")
    assert install(host, PRESENT)
    assert config.is_symlink() and (tmp_path / "mine.conf").stat().st_mode & 0o777 == 0o640
    assert read_preferences(host.files) == Preferences(image="fast")
    assert not install(host, PRESENT)


def test_a_release_that_is_not_installed(host: Host) -> None:
    for kernel in ("9.9", "/boot/vmlinuz-" + RELEASE):
        assert code_of(lambda kernel=kernel: install(host, WantedInstallation(kernel=kernel))) == "KERNEL_NOT_FOUND"
        # Whatever need not be there, the request has to make sense.
        wanted = WantedInstallation(kernel=kernel, required=False)
        assert code_of(lambda wanted=wanted: install(host, wanted)) == "KERNEL_NOT_FOUND"


# --- what can have no image ----------------------------------------------------------------


def other_kernel(host: Host, release: str, kernel: bytes | None = None) -> None:
    """Install another kernel beside the host's own, with that release in its header."""
    if kernel is None:
        kernel = make_kernel(make_payload("gzip", make_content()))
    made = bytearray(kernel)
    made[0x400 : 0x400 + len(BUILT_FOR)] = release.encode()
    Path(host.files.path("/boot/vmlinuz-" + release)).write_bytes(made)
    Path(host.files.path("/boot/initrd.img-" + release)).write_text("070701 not really")


def result_of(host: Host, wanted: WantedInstallation) -> Installed:
    installation = Installation(host.files, host.facts(), host.store, host.stager().unstage)
    return installation.apply(installation.plan(wanted), wanted)


PAYLOAD = make_payload("gzip", make_content())
FIXED = make_kernel(PAYLOAD, relocatable=False)
BZIP2 = make_kernel(b"BZh91AY&SY" + bytes(100) + struct.pack("<I", 1000))


def test_a_kernel_that_cannot_be_moved_is_refused_before_it_is_unpacked(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.build()
    Path(host.files.path(KERNEL)).write_bytes(FIXED)
    monkeypatch.setattr(Unpacker, "unpack", lambda *arguments: pytest.fail("unpacked"))
    before = host.tree()
    assert code_of(host.store.check, host.candidate, KEEP, 1 << 40) == "FAST_IMAGE_UNSUPPORTED"
    assert code_of(host.store.build, host.candidate, KEEP) == "FAST_IMAGE_UNSUPPORTED"
    assert host.tree() == before
    assert code_of(lambda: host.stage(image="fast")) == "FAST_IMAGE_UNSUPPORTED"
    host.stage()
    record = current_record(host.files)
    assert record is not None
    assert record.image.image == "bzimage"


@pytest.mark.parametrize(
    ("kernel", "code"),
    [
        (FIXED, "FAST_IMAGE_UNSUPPORTED"),
        (BZIP2, "PAYLOAD_FORMAT"),
        (make_kernel(PAYLOAD, min_alignment=24), "FAST_IMAGE_UNSUPPORTED"),
    ],
)
def test_a_host_that_can_have_no_image_gets_everything_else(host: Host, kernel: bytes, code: str) -> None:
    Path(host.files.path(KERNEL)).write_bytes(kernel)
    before = host.tree()
    assert code_of(lambda: install(host, PRESENT)) == code
    assert host.tree() == before
    result = result_of(host, replace(PRESENT, required=False))
    assert (result.images, result.main) == ((), None)
    assert [(each.release, each.reason.code) for each in result.unbuilt] == [(BUILT_FOR, code)]
    assert set(result.unbuilt[0].as_dict()) == {"release", "code", "message", "hint"}
    assert host.files.read_text(COMMAND_PATH) == "the command"
    assert read_preferences(host.files) == Preferences(image="fast")
    assert not install(host, replace(PRESENT, required=False))


@pytest.mark.parametrize(("machine", "code"), [("riscv64", "ARCH_UNSUPPORTED"), ("aarch64", "FAST_IMAGE_UNSUPPORTED")])
def test_a_host_of_another_architecture_gets_everything_else(
    host: Host, monkeypatch: pytest.MonkeyPatch, machine: str, code: str
) -> None:
    # Its kernel can't be read.
    Path(host.files.path(KERNEL)).write_bytes(bytes(0x38) + b"ARM\x64" + bytes(4096))
    facts = host.facts()
    facts = replace(facts, kernel=replace(facts.kernel, machine=machine))
    monkeypatch.setattr(host, "facts", lambda: facts)
    assert code_of(lambda: install(host, PRESENT)) == code
    for kernel in ("default", ALL):
        result = result_of(host, replace(PRESENT, kernel=kernel, required=False))
        assert {each.reason.code for each in result.unbuilt} == {code}
        assert machine in result.unbuilt[0].reason.message
    assert host.files.read_text(COMMAND_PATH) == "the command"


def test_a_full_disk_is_passed_over(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.statvfs_result((4096, 4096, 10, 10, 10, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: full)
    assert code_of(lambda: install(host, PRESENT)) == "NO_SPACE"
    result = result_of(host, replace(PRESENT, required=False))
    assert [each.reason.code for each in result.unbuilt] == ["NO_SPACE"]
    assert not host.path(".").exists()


def test_a_disk_that_fills_up_meanwhile_is_passed_over(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = replace(PRESENT, required=False)
    installation = Installation(host.files, host.facts(), host.store, host.stager().unstage)
    change = installation.plan(wanted)
    full = os.statvfs_result((4096, 4096, 10, 10, 10, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: full)
    result = installation.apply(change, wanted)
    assert (result.images, [each.reason.code for each in result.unbuilt]) == ((), ["NO_SPACE"])


def test_damage_is_always_a_failure(host: Host) -> None:
    wanted = replace(PRESENT, required=False)
    Path(host.files.path(KERNEL)).write_bytes(make_kernel(make_payload("gzip", make_content()))[:-600])
    assert code_of(lambda: install(host, wanted)) == "KERNEL_TRUNCATED"
    Path(host.files.path(KERNEL)).write_bytes(make_kernel(make_payload("gzip", b"no kernel")))
    assert code_of(lambda: install(host, wanted)) == "PAYLOAD_INVALID"


# --- all kernels ---------------------------------------------------------------------------

OLDER, NEWER = "6.11.0-test", "6.13.0-test"


def test_the_default_entrys_kernel_is_the_default(host: Host) -> None:
    other_kernel(host, OLDER)
    result = result_of(host, PRESENT)
    assert [image.release for image in result.images] == [BUILT_FOR]
    assert result.main == result.images[0]


def test_all_kernels(host: Host) -> None:
    other_kernel(host, OLDER)
    other_kernel(host, NEWER)
    # The same kernel by another name.
    Path(host.files.path("/boot/vmlinuz-copy")).write_bytes(Path(host.files.path("/boot/vmlinuz-" + NEWER)).read_bytes())
    wanted = replace(PRESENT, kernel=ALL)
    change = Installation(host.files, host.facts(), host.store, host.stager().unstage).plan(wanted)
    assert change.before["fast_image"] == [None] * 3
    assert sorted(image["release"] for image in change.after["fast_image"]) == [OLDER, BUILT_FOR, NEWER]
    result = result_of(host, wanted)
    assert sorted(image.release for image in result.images) == [OLDER, BUILT_FOR, NEWER]
    assert result.main is not None
    assert result.unbuilt == ()
    assert sorted(host.store.releases()) == [OLDER, BUILT_FOR, NEWER]
    assert not install(host, wanted)
    # Those of installed kernels stay.
    assert not install(host, PRESENT)
    assert install(host, WantedInstallation(present=False, kernel=OLDER))
    assert sorted(host.store.releases()) == [BUILT_FOR, NEWER]


@pytest.mark.parametrize("kernel", [FIXED, BZIP2, b"not a kernel", make_kernel(make_payload("gzip", b"no kernel"))])
def test_one_of_all_kernels_does_not_stop_the_others(host: Host, kernel: bytes) -> None:
    if kernel == b"not a kernel":
        Path(host.files.path("/boot/vmlinuz-" + NEWER)).write_bytes(kernel)
        Path(host.files.path("/boot/initrd.img-" + NEWER)).write_text("070701 not really")
    else:
        other_kernel(host, NEWER, kernel)
    result = result_of(host, replace(PRESENT, kernel=ALL))
    assert BUILT_FOR in [image.release for image in result.images]
    assert [each.release for each in result.unbuilt] == [NEWER]
    assert host.files.read_text(COMMAND_PATH) == "the command"


def test_all_kernels_fail(host: Host) -> None:
    Path(host.files.path(KERNEL)).write_bytes(FIXED)
    other_kernel(host, NEWER, BZIP2)
    wanted = replace(PRESENT, kernel=ALL)
    assert code_of(lambda: install(host, wanted)) in ("FAST_IMAGE_UNSUPPORTED", "PAYLOAD_FORMAT")
    result = result_of(host, replace(wanted, required=False))
    assert result.images == ()
    assert sorted((each.release or "", each.reason.code) for each in result.unbuilt) == [
        (BUILT_FOR, "FAST_IMAGE_UNSUPPORTED"),
        (NEWER, "PAYLOAD_FORMAT"),
    ]


def test_the_default_entrys_kernel_is_reported_once(host: Host) -> None:
    other_kernel(host, NEWER)
    Path(host.files.path(KERNEL)).write_bytes(b"")
    result = result_of(host, replace(PRESENT, kernel=ALL))
    assert [image.release for image in result.images] == [NEWER]
    assert [each.release for each in result.unbuilt] == [RELEASE]


# --- kernels unlike Debian's ---------------------------------------------------------------


def test_a_kernel_without_relocations_stays_where_it_was_linked_for(host: Host) -> None:
    Path(host.files.path(KERNEL)).write_bytes(make_kernel(make_payload("gzip", make_elf())))
    host.build()
    assert host.store.is_current(host.candidate, KEEP)
    assert host.path("relocations").read_bytes() == b""
    host.stage(image="fast")
    assert config_of(host.loaded_image)[0] == 1
    assert kernel_of(host.loaded_image) == kernel_of(host.path("image").read_bytes())


def test_a_kernel_that_prefers_16_mib(host: Host) -> None:
    Path(host.files.path(KERNEL)).write_bytes(make_kernel(PAYLOAD, alignment=16 << 20))
    install(host, PRESENT)
    host.random = bytes([1]).__mul__
    host.stage(image="fast")
    assert config_of(host.loaded_image)[0] == 3
    assert struct.unpack_from("<IBB", host.loaded_image, 0x230) == (2 << 20, 1, 21)


@pytest.mark.parametrize("argument", ["mem=4G", "memmap=4G!12G", "movable_node", "hugepagesz=1G", "nokaslr mem=4G"])
def test_a_line_that_restricts_where_the_kernel_may_be_leads_to_the_bzimage(host: Host, argument: str) -> None:
    host.build()
    host.add_to_line("hugepages=4 " + argument)
    assert code_of(lambda: host.stage(image="fast")) == "FAST_IMAGE_UNSUPPORTED"
    host.stage()
    record = current_record(host.files)
    assert record is not None
    assert record.image.image == "bzimage"


def test_an_uncompressed_initrd_keeps_its_boot_configuration(host: Host) -> None:
    trailer = make_bootconfig(b"kernel { quiet }\n") + bytes(2)
    Path(host.files.path(INITRD)).write_bytes(gzip.compress(make_cpio({"init": b""})) + trailer)
    host.store.check(host.candidate, UNCOMPRESSED, 1 << 40)
    host.build(UNCOMPRESSED)
    assert host.path("initrd").read_bytes() == make_cpio({"init": b""}) + trailer
    host.stage(image="fast")
    assert "--initrd=%s/initrd" % directory_of(BUILT_FOR) in host.commands[-1]


# --- directories that only look like images ------------------------------------------------


@pytest.mark.parametrize("name", ["a b", "5.10\n", "5.10\n6.1", ".5.10", "-5.10", "5.10;reboot", "\u00e9"])
def test_a_directory_whose_name_is_no_release_is_no_image(host: Host, name: str) -> None:
    directory = Path(host.files.path(STATE_DIRECTORY)) / name
    directory.mkdir(parents=True)
    (directory / "image").write_bytes(b"")
    (directory / "manifest.json").write_text("{}")
    assert host.store.releases() == ()
    assert host.store.remove(name) is False
    install(host, WantedInstallation(present=False, kernel=ALL))
    assert (directory / "image").exists()


def test_a_link_is_no_image(host: Host, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "image").write_bytes(b"somebody's")
    state = Path(host.files.path(STATE_DIRECTORY))
    state.mkdir(parents=True)
    (state / "5.10.0-linked").symlink_to(elsewhere)
    (state / "5.10.0-dangling").symlink_to(tmp_path / "nowhere")
    (state / "5.10.0-file").write_bytes(b"")
    # Links within an image's directory are removed, not followed.
    (state / "5.10.0-gone").mkdir()
    (state / "5.10.0-gone" / "image").symlink_to(elsewhere / "image")
    (state / "5.10.0-nested" / "image").mkdir(parents=True)
    assert host.store.releases() == ("5.10.0-gone",)
    install(host, PRESENT)
    install(host, WantedInstallation(present=False, kernel=ALL))
    assert (elsewhere / "image").read_bytes() == b"somebody's"
    assert sorted(os.listdir(state)) == ["5.10.0-dangling", "5.10.0-file", "5.10.0-linked", "5.10.0-nested", "changes.json"]


# --- slim initrds ------------------------------------------------------------------------

MODULES = "usr/lib/modules/%s/kernel/" % BUILT_FOR
TABLES = {
    "/lib/modules/%s/modules.dep"
    % BUILT_FOR: "kernel/nvme.ko.xz: kernel/nvme-core.ko.xz\nkernel/nvme-core.ko.xz:\nkernel/dm-mod.ko:\n",
    "/lib/modules/%s/modules.alias"
    % BUILT_FOR: "# Aliases\nalias pci:v*d*sv*sd*bc01sc08i02* nvme\nalias pci:v00001000d* mpt3sas\n",
    "/proc/modules": "dm_mod 200704 3 - Live 0x0\next4 1 1 - Live 0x0\n",
    "/sys/bus/pci/devices/0000:01:00.0/modalias": "pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02\n",
}
ARCHIVE = {
    "init": b"#!/bin/sh",
    MODULES + "nvme.ko.xz": b"nvme!",
    MODULES + "nvme-core.ko.xz": b"core",
    MODULES + "dm-mod.ko": b"dm",
    MODULES + "mpt3sas.ko.zst": b"raid controllers",
    "usr/lib/modules/6.1.0-other/kernel/x.ko": b"of another kernel",
    "etc/modules": b"mpt3sas",
}
NEEDED = {path: content for path, content in ARCHIVE.items() if "mpt3sas.ko" not in path}


@pytest.fixture
def slim(host: Host) -> Host:
    write_tree(Path(host.files.root), TABLES)
    Path(host.files.path(INITRD)).write_bytes(make_cpio({"microcode": b"m"}) + gzip.compress(make_cpio(ARCHIVE)))
    host.build(SLIM)
    return host


def test_a_slim_initrd_lacks_the_modules_of_other_machines(slim: Host) -> None:
    assert slim.path("initrd").read_bytes() == make_cpio({"microcode": b"m"}) + make_cpio(NEEDED)
    fast = read_fast_image(slim.files, BUILT_FOR)
    assert fast is not None and (fast.initrd_mode, fast.initrd_left_out) == (SLIM, ("mpt3sas",))
    assert slim.store.is_current(slim.candidate, SLIM) and not slim.store.is_current(slim.candidate, UNCOMPRESSED)
    assert [str(each) for each in slim.candidate.initrds_of("fast")] == [directory_of(BUILT_FOR) + "/initrd"]
    assert [str(each) for each in slim.candidate.initrds_of("bzimage")] == [INITRD]


def test_on_a_machine_that_has_changed_the_own_initrd_is_loaded(slim: Host) -> None:
    write_tree(Path(slim.files.root), {"/proc/modules": TABLES["/proc/modules"] + "mpt3sas 1 1 - Live 0x0\n"})
    assert slim.candidate.fast is not None
    assert [str(each) for each in slim.candidate.initrds_of("fast")] == [INITRD]
    assert not slim.store.is_current(slim.candidate, SLIM)
    slim.build(SLIM)
    assert b"raid controllers" in slim.path("initrd").read_bytes()
    fast = read_fast_image(slim.files, BUILT_FOR)
    assert fast is not None and (fast.initrd_mode, fast.initrd_left_out) == (SLIM, ())


@pytest.mark.parametrize("missing", [path for path in TABLES if "modules" in path])
def test_without_tables_of_modules_there_is_no_slim_initrd(slim: Host, missing: str) -> None:
    Path(slim.files.path(missing)).unlink()
    assert code_of(slim.store.check, slim.candidate, SLIM, 1 << 30) == "MODULES_UNKNOWN"
    assert code_of(slim.build, SLIM) == "MODULES_UNKNOWN"
    assert not slim.path("manifest.json").exists()


def test_what_is_in_the_initrd_is_surveyed_once(slim: Host) -> None:
    result_of(slim, PRESENT)
    (survey,) = read_surveys(slim.files).values()
    unpacked_bytes = len(make_cpio({"microcode": b"m"}) + make_cpio(ARCHIVE))
    assert (survey.unpacked_bytes, survey.unneeded) == (unpacked_bytes, 1)
    assert survey.unneeded_bytes == len(make_cpio(ARCHIVE)) - len(make_cpio(NEEDED))
    assert survey.unpack_ms >= 0 and survey.write_ms >= 0
    path = Path(slim.files.path(INITRD))
    written = Path(slim.files.path(SURVEYS)).stat().st_ino
    result_of(slim, PRESENT)
    assert Path(slim.files.path(SURVEYS)).stat().st_ino == written, "it is the same initrd"
    path.write_bytes(make_cpio({"init": b"", MODULES + "mpt3sas.ko": b"raid"}))
    result_of(slim, PRESENT)
    (survey,) = read_surveys(slim.files).values()
    assert (survey.unneeded, survey.unpack_ms) == (1, 0.0)
    path.write_bytes(gzip.compress(make_cpio({"init": b""}))[:-9])
    result_of(slim, PRESENT)
    assert read_surveys(slim.files) == {}, "findings do without it"


@pytest.mark.skipif(shutil.which("zstd") is None, reason="there is no zstd here")
def test_an_initrd_that_is_packed_with_zstd_is_surveyed_too(slim: Host) -> None:
    archive = make_cpio({**ARCHIVE, "large": os.urandom(1 << 20)})
    packed = subprocess.run(["zstd", "-cq"], input=archive, stdout=subprocess.PIPE, check=True).stdout
    path = Path(slim.files.path(INITRD))
    path.write_bytes(packed)
    store = ImageStore(slim.files, Unpacker())
    survey = store.survey(BUILT_FOR, FilePart(INITRD), 1 << 30)
    assert (survey.size_bytes, survey.unpacked_bytes, survey.unneeded) == (len(packed), len(archive), 1)
    assert survey.unpack_ms > 0 and survey.write_ms > 0
    path.write_bytes(packed[:-20])
    assert code_of(store.survey, BUILT_FOR, FilePart(INITRD), 1 << 30) == "PAYLOAD_INVALID"


def test_a_copy_that_a_fast_image_has_is_known_by_what_is_in_its_source(slim: Host) -> None:
    # The kernel's file is named after another release than its header has.
    Path(slim.files.path(INITRD)).rename(slim.files.path("/boot/initrd.img-" + BUILT_FOR))
    Path(slim.files.path(KERNEL)).rename(slim.files.path("/boot/vmlinuz-" + BUILT_FOR))
    own_path = "/boot/initrd.img-" + BUILT_FOR
    survey = slim.store.survey(BUILT_FOR, FilePart(own_path), 1 << 30)
    write_tree(Path(slim.files.root), {SURVEYS: surveys_to_json({own_path: survey})})
    own, copy = read_boot_setup(slim.files, BUILT_FOR).initrds
    assert (own.path, own.format, own.survey) == (own_path, "gzip", survey)
    assert (copy.path, copy.format) == (directory_of(BUILT_FOR) + "/initrd", None)
    assert copy.survey == replace(
        survey, unpack_ms=0.0, unneeded=0, unneeded_bytes=0, unpacked_bytes=survey.unpacked_bytes - survey.unneeded_bytes
    )


def test_images_are_rebuilt_with_another_initrd(slim: Host) -> None:
    installation = Installation(slim.files, slim.facts(), slim.store, lambda: None)
    other_kernel(slim, NEWER)
    assert installation.with_other_initrd(SLIM) == ()
    (stale,) = installation.with_other_initrd(UNCOMPRESSED)
    installation.rebuild([stale], UNCOMPRESSED)
    fast = read_fast_image(slim.files, BUILT_FOR)
    assert fast is not None and fast.initrd_mode == UNCOMPRESSED
    Path(slim.files.path("/proc/modules")).unlink()
    assert code_of(installation.with_other_initrd, SLIM) == "MODULES_UNKNOWN"


def test_a_manifest_of_before_slim_initrds(host: Host) -> None:
    Path(host.files.path(INITRD)).write_bytes(gzip.compress(make_cpio(ARCHIVE)))
    host.build(UNCOMPRESSED)
    values = json.loads(host.path("manifest.json").read_text())
    del values["initrd_left_out"]
    host.path("manifest.json").write_text(json.dumps(values))
    fast = read_fast_image(host.files, BUILT_FOR)
    assert fast is not None and fast.initrd_mode == UNCOMPRESSED
