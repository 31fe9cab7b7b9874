# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-boot with kernel-install, on a directory tree."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.interface import Setter, Setting
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.kernel_install import CMDLINE, KernelInstall
from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.record import PATH, parse_record
from ansible_collections.fleet.kexec.plugins.module_utils._cmdline import values_of
from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles

from ....conftest import write_tree
from ....outcomes import code_of
from .conftest import Listing

MACHINE_ID = "0123456789abcdef0123456789abcdef"
ENTRIES = "/boot/efi/loader/entries"
OPTIONS = "root=/dev/vda1 ro systemd.machine_id=" + MACHINE_ID

CMA = {"cma": Setting(("256M",))}
NO_CMA = {"cma": Setting(())}
OVERRULED = {"crashkernel": Setting(("512M",), overrule=True)}
NO_CRASHKERNEL = {"crashkernel": Setting(())}


def entry_text(version: str, machine_id: str = MACHINE_ID, options: str = OPTIONS) -> str:
    lines = ["# Boot Loader Specification type#1 entry", "title      Debian", "version    " + version]
    lines += ["machine-id " + machine_id] if machine_id else []
    lines += ["sort-key   debian", "options    " + options, "linux      /%s/linux" % version]
    return "\n".join(lines) + "\n"


def path_of(version: str, machine_id: str = MACHINE_ID) -> str:
    return "%s/%s-%s.conf" % (ENTRIES, machine_id, version)


class SystemdBootHost:
    """The host, with a bootctl that tells of its entries."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = HostFiles(str(root))
        self.default = MACHINE_ID + "-6.12.conf"
        self.type = "type1"
        self.breaks = False
        write_tree(
            root,
            {
                "/etc/machine-id": MACHINE_ID + "\n",
                "/etc/kernel/install.conf": "",
                path_of("6.1"): entry_text("6.1"),
                path_of("6.12"): entry_text("6.12"),
                "/var/lib/marker": "",
            },
        )

    def run(self, argv: Sequence[str], timeout_s: float) -> CommandResult:
        assert argv[0] == "bootctl"
        if argv[1] == "--print-boot-path":
            return (
                CommandResult(1, "", "Couldn't find EFI system partition.\n")
                if self.breaks
                else CommandResult(0, "/boot/efi\n", "")
            )
        assert argv[1:] == ["list", "--json=short"]
        ids = [name.replace("+3-1", "") for name in self.files.listdir(ENTRIES)]
        listed = [{"type": self.type, "id": name, "isDefault": name == self.default} for name in ids]
        return CommandResult(0, json.dumps(listed), "")

    def bootloader(self) -> KernelInstall:
        return KernelInstall(self.files, self.run)

    def put(self, settings: dict[str, Setting]) -> bool:
        """Plan and apply; whether there was anything to do."""
        plan = self.bootloader().plan(settings, "all")
        if plan.needed:
            self.bootloader().apply(plan)
        return plan.needed

    def values(self, name: str) -> dict[str, tuple[str, ...]]:
        """Values of an argument, by version and for later kernels."""
        found = {entry.release: values_of(entry.cmdline, name) for entry in self.bootloader().entries()}
        return {**found, "later": values_of(self.files.read_text(CMDLINE) or "", name)}

    def install(self, version: str) -> None:
        """What kernel-install does."""
        write_tree(self.root, {path_of(version): entry_text(version, options=self.files.read_text(CMDLINE) or OPTIONS)})


@pytest.fixture
def host(tmp_path: Path) -> SystemdBootHost:
    return SystemdBootHost(tmp_path)


def test_entries_of_this_system_only(host: SystemdBootHost) -> None:
    write_tree(
        host.root,
        {
            path_of("6.12", "f" * 32): entry_text("6.12", "f" * 32),
            ENTRIES + "/arch.conf": entry_text("6.9", ""),
            ENTRIES + "/ours.conf": entry_text("6.10", ""),
            ENTRIES + "/windows.conf": "title Windows\nefi /EFI/Microsoft/bootmgfw.efi\n",
            ENTRIES + "/readme.txt": entry_text("6.12"),
            "/usr/lib/modules/6.10/modules.dep": "",
        },
    )
    entries = host.bootloader().entries()
    assert [(entry.release, entry.is_default, entry.source) for entry in entries] == [
        ("6.1", False, path_of("6.1")),
        ("6.12", True, path_of("6.12")),
        ("6.10", False, ENTRIES + "/ours.conf"),
    ]
    assert entries[1].title == "Debian (6.12)"
    assert entries[1].cmdline == OPTIONS


def test_an_entry_whose_tries_are_counted_is_the_default_all_the_same(host: SystemdBootHost) -> None:
    (host.root / path_of("6.12").lstrip("/")).rename(host.root / (ENTRIES + "/" + MACHINE_ID + "-6.12+3-1.conf").lstrip("/"))
    default = host.bootloader().default_entry()
    assert default is not None
    assert default.release == "6.12"


def test_set_for_all_kernels_and_those_to_come(host: SystemdBootHost) -> None:
    assert host.put(CMA)
    assert host.values("cma") == {"6.1": ("256M",), "6.12": ("256M",), "later": ("256M",)}
    # It is the line of the default entry, without what kernel-install puts there itself.
    assert host.files.read_bytes(CMDLINE) == b"root=/dev/vda1 ro cma=256M\n"
    assert host.files.read_bytes(path_of("6.1")) == entry_text("6.1", options=OPTIONS + " cma=256M").encode()
    assert (host.root / PATH.lstrip("/")).stat().st_mode & 0o777 == 0o600
    assert host.bootloader().own() == CMA
    assert host.bootloader().setters("cma") == []
    assert not host.put(CMA)


def test_what_a_kexec_had_for_one_boot_is_not_for_later_kernels(host: SystemdBootHost) -> None:
    # What kernel-install copied from /proc/cmdline for a kernel that was installed after a kexec.
    options = OPTIONS + " fleet_kexec.token=0123456789abcdef fleet_kexec.kexecs=1 panic=10 oops=panic"
    write_tree(host.root, {path_of("6.12"): entry_text("6.12", options=options)})
    assert host.put(CMA)
    assert host.files.read_bytes(CMDLINE) == b"root=/dev/vda1 ro cma=256M\n"


@pytest.mark.parametrize(
    "files",
    [
        {},
        {CMDLINE: "root=/dev/vda1 ro quiet\n"},
        {CMDLINE: "root=/dev/vda1\nro\n\n"},
        {"/usr/lib/kernel/cmdline": "root=/dev/vda1 ro vendor\n"},
        {path_of("6.1"): entry_text("6.1") + "options  quiet splash \noptions crashkernel=1M\n"},
        {path_of("6.1"): "linux /l\r\nversion 6.1\r\nmachine-id %s\r\noptions ro\r\n" % MACHINE_ID},
    ],
)
def test_taken_back_every_byte_is_as_before(host: SystemdBootHost, listing: Callable[[], Listing], files: dict[str, str]) -> None:
    write_tree(host.root, files)
    before = listing()
    assert host.put(CMA)
    assert host.put({"cma": Setting(("512M",))})
    assert host.put({"crashkernel": Setting(("256M",))})
    assert set(host.values("cma").values()) == {("512M",)}
    assert host.put({**NO_CMA, **NO_CRASHKERNEL})
    assert listing() == before
    assert not host.put(NO_CMA)


def test_what_the_vendor_says_is_kept_for_later_kernels(host: SystemdBootHost) -> None:
    write_tree(host.root, {"/usr/lib/kernel/cmdline": "root=/dev/vda1 ro vendor\n"})
    host.put(CMA)
    assert host.files.read_bytes(CMDLINE) == b"root=/dev/vda1 ro vendor cma=256M\n"


def test_a_host_without_a_directory_for_kernel_install(host: SystemdBootHost) -> None:
    (host.root / "etc/kernel/install.conf").unlink()
    (host.root / "etc/kernel").rmdir()
    host.put(CMA)
    assert host.values("cma")["later"] == ("256M",)
    host.put(NO_CMA)
    assert host.files.listdir("/etc/kernel") == []


def test_several_options_lines_become_one(host: SystemdBootHost) -> None:
    text = entry_text("6.1") + "options    quiet\n"
    write_tree(host.root, {path_of("6.1"): text})
    host.put(CMA)
    assert host.files.read_text(path_of("6.1")) == entry_text("6.1", options=OPTIONS + " quiet cma=256M") + "# options    quiet"


def test_what_others_change_in_between_stays(host: SystemdBootHost) -> None:
    write_tree(host.root, {CMDLINE: "root=/dev/vda1 ro\n"})
    host.put(CMA)
    host.install("6.13")
    for path in (CMDLINE, path_of("6.12")):
        target = host.root / path.lstrip("/")
        target.write_text(target.read_text().replace(" ro ", " rw quiet "))
    assert host.put(NO_CMA)
    assert host.files.read_bytes(CMDLINE) == b"root=/dev/vda1 rw quiet\n"
    assert host.files.read_bytes(path_of("6.12")) == entry_text("6.12", options=OPTIONS.replace(" ro ", " rw quiet ")).encode()
    assert host.files.read_bytes(path_of("6.1")) == entry_text("6.1").encode()
    # Installed in between: it has been with our argument from the start.
    assert host.files.read_bytes(path_of("6.13")) == entry_text("6.13", options="root=/dev/vda1 ro").encode()
    assert not host.files.exists(PATH)


def test_a_kernel_that_comes_later_and_one_that_goes(host: SystemdBootHost) -> None:
    host.put(CMA)
    host.install("6.13")
    (host.root / path_of("6.1").lstrip("/")).unlink()
    assert not host.put(CMA)
    assert host.values("cma") == {"6.12": ("256M",), "6.13": ("256M",), "later": ("256M",)}
    host.put(NO_CMA)
    assert host.values("cma") == {"6.12": (), "6.13": (), "later": ()}
    assert not host.files.exists(path_of("6.1"))


def test_an_entry_that_lost_it_gets_it_again(host: SystemdBootHost) -> None:
    host.put(CMA)
    write_tree(host.root, {path_of("6.12"): entry_text("6.12")})
    assert host.put(CMA)
    assert host.values("cma") == {"6.1": ("256M",), "6.12": ("256M",), "later": ("256M",)}


def test_entries_of_other_systems_stay_untouched(host: SystemdBootHost) -> None:
    foreign = path_of("6.12", "f" * 32)
    write_tree(host.root, {foreign: entry_text("6.12", "f" * 32)})
    host.put(CMA)
    assert host.files.read_bytes(foreign) == entry_text("6.12", "f" * 32).encode()


def test_what_others_set_is_overruled_and_given_back(host: SystemdBootHost, listing: Callable[[], Listing]) -> None:
    for version in ("6.1", "6.12"):
        write_tree(host.root, {path_of(version): entry_text(version, options="crashkernel=128M " + OPTIONS)})
    write_tree(host.root, {CMDLINE: "root=/dev/vda1 ro crashkernel=128M\n"})
    before = listing()
    assert host.bootloader().setters("crashkernel") == [Setter(CMDLINE, ("128M",))]
    assert host.put(OVERRULED)
    assert set(host.values("crashkernel").values()) == {("512M",)}
    assert host.bootloader().setters("crashkernel") == []
    assert not host.put(OVERRULED)
    host.install("6.13")
    assert host.put(NO_CRASHKERNEL)
    assert set(host.values("crashkernel").values()) == {("128M",)}
    (host.root / path_of("6.13").lstrip("/")).unlink()
    assert listing() == before


def test_what_entries_had_each_for_itself_is_given_back(host: SystemdBootHost, listing: Callable[[], Listing]) -> None:
    write_tree(host.root, {path_of("6.12"): entry_text("6.12", options="crashkernel=128M " + OPTIONS)})
    before = listing()
    assert host.bootloader().setters("crashkernel") == [Setter(path_of("6.12"), ("128M",))]
    assert host.put(OVERRULED)
    assert host.put(NO_CRASHKERNEL)
    assert listing() == before


def test_others_who_set_it_for_later_kernels_only(host: SystemdBootHost) -> None:
    write_tree(host.root, {CMDLINE: "root=/dev/vda1 ro crashkernel=128M\n"})
    assert host.bootloader().setters("crashkernel") == [Setter(CMDLINE, ("128M",))]
    assert host.bootloader().setters("cma") == []
    host.put({"crashkernel": Setting(("512M",))})
    assert host.values("crashkernel") == {"6.1": ("512M",), "6.12": ("512M",), "later": ("128M", "512M")}
    assert host.bootloader().setters("crashkernel") == [Setter(CMDLINE, ("128M",))]


def test_a_unified_kernel_image_is_refused(host: SystemdBootHost, listing: Callable[[], Listing]) -> None:
    host.type = "type2"
    before = listing()
    assert code_of(host.put, CMA) == "BOOTLOADER_UNSUPPORTED"
    assert listing() == before


@pytest.mark.parametrize("kernels", ["default", "6.12"])
def test_one_kernel_alone_can_not_be_set(host: SystemdBootHost, kernels: str) -> None:
    assert code_of(host.bootloader().plan, CMA, kernels) == "NOT_EXPRESSIBLE"


def test_without_entries_or_a_boot_partition(host: SystemdBootHost) -> None:
    for version in ("6.1", "6.12"):
        (host.root / path_of(version).lstrip("/")).unlink()
    assert code_of(host.bootloader().plan, CMA, "all") == "BOOTLOADER_CONFIG_INVALID"
    host.breaks = True
    assert code_of(host.bootloader().entries) == "BOOTLOADER_CONFIG_INVALID"


@pytest.mark.parametrize("output", ["", "nonsense", "{}", "[1]", "[]"])
def test_a_bootctl_that_does_not_tell_the_default(host: SystemdBootHost, output: str) -> None:
    def run(argv: Sequence[str], timeout_s: float) -> CommandResult:
        return host.run(argv, timeout_s) if "list" not in argv else CommandResult(0, output, "")

    bootloader = KernelInstall(host.files, run)
    assert bootloader.default_entry() is None
    bootloader.apply(bootloader.plan(CMA, "all"))
    assert set(host.values("cma").values()) == {("256M",)}


@pytest.mark.parametrize("was_set", [False, True])
def test_a_failure_in_the_middle_leaves_everything_as_it_was(
    host: SystemdBootHost, listing: Callable[[], Listing], was_set: bool
) -> None:
    if was_set:
        host.put(CMA)
    # The last one can be read, but nothing can be put beside it: the name would be too long.
    write_tree(host.root, {"%s/%s.conf" % (ENTRIES, "z" * 245): entry_text("6.9")})
    before = listing()
    assert code_of(host.put, {"cma": Setting(("512M",))}) == "BOOTLOADER_FAILED"
    assert listing() == before


def test_what_can_not_be_read_back_is_undone(host: SystemdBootHost, listing: Callable[[], Listing]) -> None:
    before = listing()
    plan = host.bootloader().plan(CMA, "all")
    host.breaks = True
    assert code_of(host.bootloader().apply, plan) == "BOOTLOADER_CONFIG_INVALID"
    assert listing() == before


def test_an_entry_that_became_a_directory(host: SystemdBootHost, listing: Callable[[], Listing]) -> None:
    plan = host.bootloader().plan(CMA, "all")
    (host.root / path_of("6.12").lstrip("/")).unlink()
    (host.root / path_of("6.12").lstrip("/")).mkdir()
    before = listing()
    assert code_of(host.bootloader().apply, plan) == "BOOTLOADER_FAILED"
    assert listing() == before


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"format": 2}', '{"format": 1, "settings": {"cma": {}}, "before": {}, "origins": {}}'],
)
def test_a_record_that_is_none_counts_as_empty(text: str) -> None:
    assert parse_record(text) == parse_record("")


def test_a_record_of_an_earlier_version_gives_back_all_the_same(host: SystemdBootHost, listing: Callable[[], Listing]) -> None:
    before = listing()
    host.put(CMA)
    record = parse_record(host.files.read_text(PATH) or "")
    origins = {}
    for path, origin in record.origins.items():
        content = origin.before.content
        origins[path] = {"text": content.decode() if content is not None else None, "left_sha256": origin.left_sha256}
    earlier = dict(json.loads(record.to_json()), format=1, origins=origins)
    write_tree(host.root, {PATH: json.dumps(earlier)})
    host.put({"cma": Setting(())})
    assert listing() == before


def test_a_record_reads_back(host: SystemdBootHost) -> None:
    host.put({**CMA, **OVERRULED})
    record = parse_record(host.files.read_text(PATH) or "")
    assert record.settings == {**CMA, **OVERRULED}
    assert record.before == {"crashkernel": ()}
    assert set(record.origins) == {CMDLINE, path_of("6.1"), path_of("6.12")}
    assert parse_record(record.to_json()) == record
