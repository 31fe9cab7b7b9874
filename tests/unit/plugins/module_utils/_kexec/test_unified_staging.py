# SPDX-License-Identifier: GPL-3.0-or-later
"""Staging of unified kernel images: what the kexec program gets is what systemd's stub would hand to the kernel."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.boot_entry import BootChoice, DefaultEntry
from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.facts import HostFacts, gather
from ansible_collections.fleet.kexec.plugins.module_utils._host.fast_images import list_fast_images
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._image.payload import Unpacker
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.facts import present
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.file_part import FilePart
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.image_store import KEEP, UNCOMPRESSED, ImageStore
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.installation import Installation, WantedInstallation
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.kexec_tools import Kexec
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.reading import read
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.requests import StagingRequest
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.staging import (
    Stager,
    StagingPlan,
    current_record,
    plan,
    plan_image,
)
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError

from ....bzimages import make_bzimage, make_content, make_kernel, make_payload, pack_stream, signed
from ....conftest import BOOT_ID, RELEASE, HostTree
from ....efi import write_loader_string
from ....initrds import make_cpio
from ....outcomes import code_of
from ....unified_images import OSREL, make_pe, make_unified

UNIFIED = "/boot/efi/EFI/Linux/debian-6.12.efi"
OTHER = "/srv/other.efi"
LINE = "root=UUID=1 ro quiet"
UCODE = make_cpio({"kernel/x86/microcode/GenuineIntel.bin": b"microcode"})
INITRD = pack_stream("gzip", make_cpio({"init": b"#!/bin/sh"}))
KERNEL = make_kernel(make_payload("gzip", make_content()))
# The release that bzimages.make_kernel gives its kernels.
UNIFIED_RELEASE = "6.12.0-test"
IMAGE = make_unified(LINE, linux=KERNEL, initrd=INITRD, ucode=UCODE)
SIGNATURE, PUBLIC_KEY = b'{"sha256": []}', b"-----BEGIN PUBLIC KEY-----\n"
CPU = {"/proc/cpuinfo": "model name\t: A CPU\nflags\t\t: fpu sse4_2\n"}
LOCKDOWN = "/sys/kernel/security/lockdown"


class Host:
    """A host with systemd-boot, whose kexec keeps a copy of what it is given."""

    def __init__(self, files: HostFiles) -> None:
        self.files = files
        self.kernel = b""
        self.initrd: bytes | None = None
        self.argv: list[str] = []
        self.after_load: Callable[[], object] = lambda: None

    def run(self, argv: Sequence[str], timeout_s: float) -> CommandResult:
        if "-l" in argv:
            self.argv = list(argv)
            self.kernel = self._read(argv[argv.index("-l") + 1])
            paths = [each.partition("=")[2] for each in argv if each.startswith("--initrd=")]
            self.initrd = self._read(paths[0]) if paths else None
            self.after_load()
        if "-l" in argv or "-u" in argv:
            Path(self.files.path("/sys/kernel/kexec_loaded")).write_text("1\n" if "-l" in argv else "0\n")
        return CommandResult(0, "kexec-tools 2.0.29\n", "")

    def _read(self, path: str) -> bytes:
        # Anonymous memory has a path of its own, whatever the root.
        return Path(path if path.startswith("/proc/") else self.files.path(path)).read_bytes()

    def write(self, path: str, content: bytes) -> None:
        target = Path(self.files.path(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def facts(self) -> HostFacts:
        facts = gather(self.files, self.run)
        return replace(facts, kernel=replace(facts.kernel, machine="x86_64"))

    def plan(self, request: StagingRequest | None = None) -> StagingPlan:
        return plan(request or StagingRequest(preferences={"image": "bzimage"}), self.facts(), self.files)

    def stage(self, request: StagingRequest | None = None) -> None:
        Stager(self.files, Kexec("/usr/sbin/kexec", self.files, self.run)).stage(self.plan(request), BOOT_ID)

    def is_staged(self, request: StagingRequest | None = None) -> bool:
        record = current_record(self.files)
        return record is not None and record.image == self.plan(request).image

    def tree(self) -> set[str]:
        root = Path(self.files.root)
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def host(host_tree: HostTree) -> Host:
    # The kernel's EFI stub has the type 0x21.
    changes = {"/proc/sys/kernel/bootloader_type": "33\n", "/usr/bin/bootctl": "", "/sys/firmware/efi/fw_platform_size": "64\n"}
    files = host_tree({**CPU, **changes})
    os.chmod(files.path("/usr/bin/bootctl"), 0o755)
    write_loader_string(Path(files.root), "LoaderInfo", "systemd-boot 257.7-1")
    made = Host(files)
    made.write("/boot/efi/EFI/systemd/systemd-bootx64.efi", b"")
    made.write(UNIFIED, IMAGE)
    return made


def members(archive: bytes) -> list[tuple[str, int, bytes]]:
    """Path, mode and content of each member in archives that follow each other, without their trailers."""
    found = []
    position = 0
    while position < len(archive):
        fields = [int(archive[position + 6 + 8 * index :][:8], 16) for index in range(13)]
        name_at = position + 110
        data_at = position + (110 + fields[11] + 3) // 4 * 4
        name = archive[name_at : name_at + fields[11] - 1].decode()
        if name != "TRAILER!!!":
            found.append((name, fields[1], archive[data_at : data_at + fields[6]]))
        position = data_at + (fields[6] + 3) // 4 * 4
    return found


# --- what is loaded ----------------------------------------------------------------------


def test_the_parts_of_the_default_entry_are_loaded_from_memory(host: Host) -> None:
    before = host.tree()
    host.stage()
    assert host.kernel == KERNEL
    assert host.initrd is not None
    front = UCODE + INITRD + bytes(-len(INITRD) % 4)
    assert host.initrd.startswith(front)
    assert members(host.initrd[len(front) :]) == [(".extra", 0o040555, b""), (".extra/os-release", 0o100444, OSREL.encode())]
    assert host.argv[-1].startswith("--command-line=%s fleet_kexec.token=" % LINE)
    assert {path for path in host.tree() - before if not path.startswith("run/fleet-kexec")} == set()


def test_the_stubs_files_follow_in_its_order(host: Host) -> None:
    more = [(".profile", b"ID=main\n"), (".pcrpkey", PUBLIC_KEY), (".pcrsig", SIGNATURE)]
    host.write(UNIFIED, make_unified(LINE, more=more, linux=KERNEL, initrd=UCODE, ucode=b""))
    host.stage()
    assert host.initrd is not None
    assert members(host.initrd[len(UCODE) :]) == [
        (".extra", 0o040555, b""),
        (".extra/tpm2-pcr-signature.json", 0o100444, SIGNATURE),
        (".extra", 0o040555, b""),
        (".extra/tpm2-pcr-public-key.pem", 0o100444, PUBLIC_KEY),
        (".extra", 0o040555, b""),
        (".extra/os-release", 0o100444, OSREL.encode()),
        (".extra", 0o040555, b""),
        (".extra/profile", 0o100444, b"ID=main\n"),
    ]


@pytest.mark.parametrize(
    ("cmdline", "passed"),
    [("", ""), (" a=1\n b \0c", "a=1  b"), ("a\tb\r\n", "a b"), ("\0ignored", "")],
)
def test_the_command_line_is_passed_as_the_stub_passes_it(host: Host, cmdline: str, passed: str) -> None:
    host.write(UNIFIED, make_unified(cmdline, linux=KERNEL, initrd=INITRD, ucode=UCODE))
    assert host.plan().image.cmdline.split() == passed.split()


def test_results_name_the_image_as_kernel_and_initrd(host: Host) -> None:
    host.stage()
    reading = read(host.files, host.run)
    presented = present(replace(reading, facts=host.facts()))
    staged = presented["staged"]
    assert (staged["kernel"], staged["initrd"], staged["initrds"]) == (UNIFIED, UNIFIED, [UNIFIED])
    assert staged["release"] == UNIFIED_RELEASE
    entry = presented["entry"]
    assert (entry["kernel"], entry["initrds"], entry["cmdline"], entry["unknown"]) == (UNIFIED, [UNIFIED], LINE, None)
    assert "ENTRY_UNKNOWN" not in [each["code"] for each in presented["warnings"] + presented["blockers"]]


def test_the_same_image_is_recognised_until_the_file_changes(host: Host) -> None:
    host.stage()
    assert host.is_staged()
    assert host.is_staged(StagingRequest(kernel=UNIFIED, preferences={"image": "bzimage"}))
    assert not host.is_staged(StagingRequest(initrd="none", preferences={"image": "bzimage"}))
    host.write(UNIFIED + ".new", IMAGE)
    os.replace(host.files.path(UNIFIED + ".new"), host.files.path(UNIFIED))
    assert not host.is_staged()


def test_an_image_that_changes_while_it_is_loaded_is_unloaded(host: Host) -> None:
    host.after_load = lambda: host.write(UNIFIED, IMAGE + bytes(512))
    assert code_of(host.stage) == "LOAD_FAILED"
    assert host.files.read_int("/sys/kernel/kexec_loaded") == 0


# --- requests ----------------------------------------------------------------------------


def test_an_image_named_by_its_path_is_loaded_with_the_line_of_the_default_entry(host: Host) -> None:
    kernel = make_bzimage("7.3")
    host.write(OTHER, make_unified("ignored", linux=kernel, initrd=UCODE, ucode=b""))
    host.stage(StagingRequest(kernel=OTHER))
    assert host.kernel == kernel
    assert host.initrd is not None and host.initrd.startswith(UCODE)
    assert host.argv[-1].startswith("--command-line=%s fleet_kexec.token=" % LINE)


def test_an_image_named_by_its_path_where_the_entry_is_a_plain_kernel(host: Host) -> None:
    plain = DefaultEntry("/boot/vmlinuz-" + RELEASE, (), "ro", "Debian", "GRUB", "grub.cfg")
    request = StagingRequest(kernel=UNIFIED, preferences={"image": "bzimage"})
    planned = plan_image(request, host.facts(), host.files, BootChoice(plain))
    assert (planned.image.release, planned.image.cmdline) == (UNIFIED_RELEASE, "ro")
    assert [each.path for each in planned.image.initrds] == [UNIFIED]


@pytest.mark.parametrize("kernel", ["newest", "running", RELEASE])
def test_names_of_installed_kernels_mean_those_in_boot(host: Host, kernel: str) -> None:
    planned = host.plan(StagingRequest(kernel=kernel))
    assert planned.image.kernel.path == "/boot/vmlinuz-" + RELEASE
    assert planned.image.cmdline == LINE


def test_another_initrd_takes_the_place_of_all(host: Host) -> None:
    other = "/boot/initrd.img-" + RELEASE
    host.stage(StagingRequest(initrd=other, preferences={"image": "bzimage"}))
    assert (host.kernel, host.initrd) == (KERNEL, Path(host.files.path(other)).read_bytes())
    assert "--initrd=" + other in host.argv
    host.stage(StagingRequest(initrd="none", preferences={"image": "bzimage"}))
    assert (host.kernel, host.initrd) == (KERNEL, None)


def test_an_image_without_an_initrd_boots_without_one(host: Host) -> None:
    host.write(OTHER, make_pe([(".linux", KERNEL), (".initrd", b"")]))
    host.stage(StagingRequest(kernel=OTHER, preferences={"image": "bzimage"}))
    assert (host.kernel, host.initrd) == (KERNEL, None)


# --- signatures --------------------------------------------------------------------------


@pytest.mark.parametrize("config", ["", "CONFIG_KEXEC_FILE=y\nCONFIG_KEXEC_SIG=y\nCONFIG_KEXEC_SIG_FORCE=y\n"])
def test_the_inner_kernel_needs_its_own_signature(host: Host, config: str) -> None:
    if config:
        host.write("/boot/config-" + RELEASE, config.encode())
    else:
        host.write(LOCKDOWN, b"none [integrity] confidentiality\n")
    request = StagingRequest(preferences={"loader": "kexec_file_load"})
    host.write(UNIFIED, signed(IMAGE))
    with pytest.raises(CodedError) as caught:
        host.stage(request)
    assert caught.value.reason.code == "LOCKDOWN"
    assert "debian-6.12.efi (.linux) has no signature" in caught.value.reason.message
    kernel = signed(KERNEL)
    host.write(UNIFIED, make_unified(LINE, linux=kernel, initrd=INITRD, ucode=UCODE))
    host.stage(request)
    assert host.kernel == kernel


# --- fast images -------------------------------------------------------------------------


def store(host: Host) -> ImageStore:
    return ImageStore(host.files, Unpacker(host.files.root))


FAST = StagingRequest(preferences={"image": "fast"})


def test_a_fast_image_is_built_from_the_inner_kernel(host: Host) -> None:
    installation = Installation(host.files, host.facts(), store(host), lambda: None)
    wanted = WantedInstallation()
    installation.apply(installation.plan(wanted), wanted)
    (fast,) = list_fast_images(host.files)
    assert (fast.release, fast.source.path, fast.source.size_bytes) == (UNIFIED_RELEASE, UNIFIED, len(KERNEL))
    assert not installation.plan(wanted).needed
    host.stage(FAST)
    assert host.initrd is not None and host.initrd.startswith(UCODE + INITRD)
    host.write(UNIFIED, make_unified(LINE, linux=KERNEL + b"\0", initrd=INITRD, ucode=UCODE))
    assert code_of(host.stage, FAST) == "FAST_IMAGE_STALE"


def test_the_fast_image_of_the_same_kernel_in_boot_is_used(host: Host) -> None:
    path = "/boot/vmlinuz-" + UNIFIED_RELEASE
    host.write(path, KERNEL)
    facts = host.facts()
    plain = BootChoice(DefaultEntry(path, (), "ro", "Debian", "GRUB", "grub.cfg"))
    candidate = plan_image(StagingRequest(preferences={"image": "bzimage"}), facts, host.files, plain).candidate
    store(host).build(candidate, KEEP)
    assert host.plan(FAST).image.fast is not None


def test_the_main_initrd_of_the_image_is_uncompressed(host: Host) -> None:
    store(host).check(host.plan().candidate, UNCOMPRESSED, 1 << 30)
    store(host).build(host.plan().candidate, UNCOMPRESSED)
    planned = host.plan(FAST)
    initrds = planned.candidate.initrds_of("fast")
    assert [(each.section.name if each.section else each.path) for each in initrds] == [
        ".ucode",
        "/var/lib/fleet-kexec/%s/initrd" % UNIFIED_RELEASE,
        ".osrel",
    ]
    host.stage(FAST)
    assert host.initrd is not None
    assert [name for name, _mode, _data in members(host.initrd)][-3:] == ["init", ".extra", ".extra/os-release"]
    assert [each.path for each in planned.image.initrds] == [UNIFIED, "/var/lib/fleet-kexec/%s/initrd" % UNIFIED_RELEASE]
    changed = pack_stream("gzip", make_cpio({"init": b"#!/bin/ash"}))
    host.write(UNIFIED, make_unified(LINE, linux=KERNEL, initrd=changed, ucode=UCODE))
    assert code_of(host.stage, FAST) == "FAST_IMAGE_STALE"


# --- bad images --------------------------------------------------------------------------


def moved(image: bytes, name: bytes, *, begin: int | None = None, size_bytes: int | None = None) -> bytes:
    """An image with another offset or size of a section in its table."""
    made = bytearray(image)
    entry = made.index(name.ljust(8, b"\0"))
    if begin is not None:
        struct.pack_into("<I", made, entry + 20, begin)
    if size_bytes is not None:
        struct.pack_into("<I4xI", made, entry + 8, size_bytes, size_bytes)
    return bytes(made)


def arm64_zboot() -> bytes:
    """Start of a compressed kernel for arm64: a PE file with "zimg" in front."""
    made = bytearray(4096)
    struct.pack_into("<2s2x4s", made, 0, b"MZ", b"zimg")
    struct.pack_into("<I4sH", made, 0x3C, 0x40, b"PE\0\0", 0xAA64)
    return bytes(made)


BAD = {
    "truncated": (IMAGE[:-512], "KERNEL_TRUNCATED"),
    "section-beyond-the-end": (moved(IMAGE, b".initrd", begin=1 << 30), "KERNEL_TRUNCATED"),
    "section-larger-than-the-file": (moved(IMAGE, b".initrd", size_bytes=0xFFFFFFFF), "KERNEL_TRUNCATED"),
    "empty-kernel": (make_unified(linux=b"", initrd=INITRD, ucode=UCODE), "KERNEL_INVALID"),
    "kernel-is-no-kernel": (make_unified(linux=bytes(4096), initrd=INITRD, ucode=UCODE), "KERNEL_INVALID"),
    "kernel-is-the-image-itself": (moved(IMAGE, b".linux", begin=0), "KERNEL_INVALID"),
    "kernel-overlaps-the-initrd": (moved(IMAGE, b".linux", begin=IMAGE.index(INITRD)), "KERNEL_INVALID"),
    "cut-off-kernel": (make_unified(linux=make_bzimage()[:-64], initrd=INITRD, ucode=UCODE), "KERNEL_TRUNCATED"),
    "kernel-of-32-bits": (make_unified(linux=make_bzimage(xloadflags=0), initrd=INITRD, ucode=UCODE), "WRONG_ARCH"),
    "kernel-for-arm64": (make_unified(linux=arm64_zboot(), initrd=INITRD, ucode=UCODE), "WRONG_ARCH"),
    "initrd-is-no-initrd": (make_unified(linux=KERNEL, initrd=b"<html>", ucode=UCODE), "INITRD_INVALID"),
}


@pytest.mark.parametrize(("content", "code"), BAD.values(), ids=BAD.keys())
def test_a_bad_image(host: Host, content: bytes, code: str) -> None:
    host.write(OTHER, content)
    entry = DefaultEntry(OTHER, (OTHER,), LINE, "Debian", "systemd-boot", OTHER, unified=True)
    for request in (StagingRequest(), StagingRequest(kernel=OTHER)):
        assert code_of(plan_image, request, host.facts(), host.files, BootChoice(entry)) == code
    assert code_of(host.stage, StagingRequest(kernel=OTHER)) == code
    assert host.argv == []


def test_an_image_that_is_gone(host: Host) -> None:
    entry = DefaultEntry(OTHER, (OTHER,), LINE, "Debian", "systemd-boot", OTHER, unified=True)
    assert code_of(plan_image, StagingRequest(), host.facts(), host.files, BootChoice(entry)) == "KERNEL_NOT_FOUND"
    planned = host.plan()
    os.unlink(host.files.path(UNIFIED))
    stager = Stager(host.files, Kexec("/usr/sbin/kexec", host.files, host.run))
    assert code_of(stager.stage, planned, BOOT_ID) == "KERNEL_NOT_FOUND"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 0x300), st.integers(0, 255)), max_size=6))
def test_any_damage_is_loaded_within_the_file_or_has_a_code(host: Host, changes: list[tuple[int, int]]) -> None:
    content = bytearray(IMAGE)
    for place, value in changes:
        content[place] = value
    host.write(OTHER, bytes(content))
    try:
        host.stage(StagingRequest(kernel=OTHER, initrd="none", preferences={"image": "bzimage"}))
    except CodedError:
        return
    assert host.kernel in content


def test_sizes_are_those_of_what_is_loaded(host: Host) -> None:
    candidate = host.plan().candidate
    assert candidate.header.file_bytes == len(KERNEL)
    assert candidate.initrd_bytes == sum(len(each.read(host.files)) for each in candidate.initrds)
    assert FilePart("/none").size_bytes(host.files) == 0
