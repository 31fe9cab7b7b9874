# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a host, from directory trees."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path
from random import Random

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.atomic import read_access, write_atomically
from ansible_collections.fleet.kexec.plugins.module_utils._host.container import read_container
from ansible_collections.fleet.kexec.plugins.module_utils._host.facts import gather
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.installed import (
    InstalledKernel,
    list_installed,
    newest,
    split_release,
    version_key,
)
from ansible_collections.fleet.kexec.plugins.module_utils._host.kernel import parse_lockdown
from ansible_collections.fleet.kexec.plugins.module_utils._host.memory import parse_meminfo

from ....bzimages import make_bzimage
from ....conftest import BOOT_ID, RELEASE, HostTree


def test_a_debian_host(host_tree: HostTree) -> None:
    facts = gather(host_tree({}), lambda argv, timeout_s: CommandResult(0, "kexec-tools 2.0.29\n", ""))
    assert facts.kernel.release == RELEASE
    assert facts.kernel.boot_id == BOOT_ID
    assert facts.kernel.loaded is False
    assert facts.kernel.config == {
        "CRASH_DUMP": "n",
        "DMA_CMA": "n",
        "KEXEC": "y",
        "KEXEC_FILE": "y",
        "KEXEC_SIG": "y",
        "KEXEC_SIG_FORCE": "n",
        "KEXEC_HANDOVER_ENABLE_DEFAULT": "n",
    }
    assert facts.kernel.load_limit_reboot == -1
    assert facts.tools is not None
    assert (facts.tools.path, facts.tools.version) == ("/usr/sbin/kexec", "2.0.29")
    assert facts.systemd
    assert [kernel.release for kernel in facts.installed] == [RELEASE]


def test_an_empty_host_raises_nothing(tmp_path: Path) -> None:
    facts = gather(HostFiles(str(tmp_path)), lambda argv, timeout_s: CommandResult(127, "", ""))
    assert facts.kernel.loaded is None
    assert facts.kernel.config == {}
    assert facts.tools is None
    assert facts.installed == []


@pytest.mark.parametrize(
    ("text", "mode"),
    [(None, "none"), ("[none] integrity confidentiality", "none"), ("none [integrity] confidentiality", "integrity")],
)
def test_lockdown(text: str | None, mode: str) -> None:
    assert parse_lockdown(text) == mode


@pytest.mark.parametrize(
    ("changes", "kho"),
    [
        ({}, False),
        ({"/proc/cmdline": "ro kho=on\n"}, True),
        ({"/proc/cmdline": "ro kho=on kho=off\n"}, False),
        ({"/proc/cmdline": 'ro "kho=on" a="b kho=off"\n'}, True),
        ({"/boot/config-" + RELEASE: "CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT=y\n"}, True),
    ],
)
def test_kexec_handover(host_tree: HostTree, changes: dict[str, str], kho: bool) -> None:
    assert gather(host_tree(changes), lambda argv, timeout_s: CommandResult(0, "", "")).kernel.kho is kho


def test_meminfo() -> None:
    memory = parse_meminfo("MemTotal:  1000 kB\nMemAvailable: 500 kB\nCmaTotal: 64 kB\nHugePages_Total: 3\nodd line\n")
    assert (memory.total_bytes, memory.available_bytes, memory.cma_total_bytes) == (1024000, 512000, 65536)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, None),
        ({"/run/systemd/container": "lxc\n"}, "lxc"),
        ({"/proc/1/environ": "A=b\0container=podman\0"}, "podman"),
        ({"/.dockerenv": ""}, "docker"),
        ({"/run/.containerenv": ""}, "podman"),
    ],
)
def test_containers(host_tree: HostTree, changes: dict[str, str], name: str | None) -> None:
    assert read_container(host_tree(changes)) == name


OLDEST_FIRST = ["6.1.0-9", "6.1.0-28", "6.9", "6.10", "6.12.1-rc1", "6.12.1", "6.12.117+deb13", "7.3~rc2", "7.3", "7.3.1"]


def test_versions_sort_as_package_managers_sort_them() -> None:
    assert sorted(Random(1).sample(OLDEST_FIRST, len(OLDEST_FIRST)), key=version_key) == OLDEST_FIRST


@pytest.mark.parametrize(
    ("release", "parts"),
    [
        ("6.12.117+deb13-cloud-amd64", ("6.12.117+deb13", "cloud-amd64")),
        ("6.1.0-28-amd64", ("6.1.0-28", "amd64")),
        ("5.14.0-503.el9.x86_64", ("5.14.0-503.el9.x86_64", "")),
        ("5.14.0-503.el9.x86_64+debug", ("5.14.0-503.el9.x86_64", "debug")),
        ("5.14.0-503.el9.x86_64+rt-debug", ("5.14.0-503.el9.x86_64", "rt-debug")),
        ("6.13.0-rc2-custom", ("6.13.0-rc2", "custom")),
        ("6.13.0", ("6.13.0", "")),
        ("6.8.0-1010-aws", ("6.8.0-1010", "aws")),
        ("6.4.0-150600.21-default", ("6.4.0-150600.21", "default")),
        ("6.1.0-28-rt-amd64", ("6.1.0-28", "rt-amd64")),
        ("6.6.58-x64v3-xanmod1", ("6.6.58-1", "x64v3-xanmod")),
        ("6.6.58-fleet.6", ("6.6.58-6", "fleet")),
        ("6.6.58-gentoo", ("6.6.58", "gentoo")),
        ("6.6.58-gentoo-r1", ("6.6.58-1", "gentoo")),
        ("6.12.1-arch1-1", ("6.12.1-1-1", "arch")),
        ("6.6.58-00012-g1a2b3c4d5e6f-dirty", ("6.6.58-00012", "")),
        ("4.18.0-553.rt7.342.el8.x86_64", ("4.18.0-553.rt7.342.el8.x86_64", "rt")),
        ("5.15.0-301.163.5.2.el8uek.x86_64", ("5.15.0-301.163.5.2.el8uek.x86_64", "uek")),
        ("6.9.1-1.el8.elrepo.x86_64", ("6.9.1-1.el8.elrepo.x86_64", "elrepo")),
        ("6.1.112-122.189.amzn2023.x86_64", ("6.1.112-122.189.amzn2023.x86_64", "amzn6.1")),
        ("6.11.4-301.fc41.x86_64", ("6.11.4-301.fc41.x86_64", "")),
    ],
)
def test_releases_split_into_version_and_flavour(release: str, parts: tuple[str, str]) -> None:
    assert split_release(release) == parts


def test_installed_kernels_with_their_initrds(tmp_path: Path) -> None:
    boot = tmp_path / "boot"
    boot.mkdir()
    for name in (
        "vmlinuz-6.9-a",
        "vmlinuz-6.10-a",
        "initrd.img-6.10-a",
        "vmlinuz-6.10-a.dpkg-tmp",
        "vmlinuz-0-rescue-1",
        "config-6",
    ):
        (boot / name).write_text("abcd" if name.startswith("initrd") else "abc")
    (boot / "vmlinuz-directory").mkdir()
    kernels = list_installed(HostFiles(str(tmp_path)))
    assert kernels == [
        InstalledKernel("6.9-a", "/boot/vmlinuz-6.9-a", None, 3, None),
        InstalledKernel("6.10-a", "/boot/vmlinuz-6.10-a", "/boot/initrd.img-6.10-a", 3, 4),
    ]
    assert [kernel.size_bytes for kernel in kernels] == [3, 7]


def test_the_release_is_in_the_header_and_copies_are_not_listed(host_tree: HostTree) -> None:
    files = host_tree({})
    boot = Path(files.path("/boot"))
    for suffix in (".orig", ".rpmsave", ".rpmnew", ".dpkg-bak", ".old", "~", ".mine", "-before-the-update"):
        (boot / ("vmlinuz-" + RELEASE + suffix)).write_bytes(make_bzimage(release=RELEASE))
    # Whatever it is called: as on Arch, and one that was renamed.
    (boot / "vmlinuz-linux").write_bytes(make_bzimage(release="6.12.1-arch1-1"))
    (boot / "initramfs-linux.img").write_text("070701")
    (boot / "vmlinuz-99").write_bytes(make_bzimage(release="6.1.0-9-amd64"))
    (boot / "vmlinuz-5.10.0-damaged").write_bytes(b"MZ")
    found = {(each.release, each.kernel, each.initrd) for each in list_installed(files)}
    assert found == {
        (RELEASE, "/boot/vmlinuz-" + RELEASE, "/boot/initrd.img-" + RELEASE),
        ("6.12.1-arch1-1", "/boot/vmlinuz-linux", "/boot/initramfs-linux.img"),
        ("6.1.0-9-amd64", "/boot/vmlinuz-99", None),
        ("5.10.0-damaged", "/boot/vmlinuz-5.10.0-damaged", None),
    }


def kernel(release: str) -> InstalledKernel:
    return InstalledKernel(release, "/boot/vmlinuz-" + release, None, 1, None)


@pytest.mark.parametrize(
    ("installed", "running", "best"),
    [
        (["6.12.9-amd64", "6.12.10-amd64"], "6.12.9-amd64", "6.12.10-amd64"),
        (["6.12.10-amd64", "6.12.10-cloud-amd64"], "6.12.1-cloud-amd64", "6.12.10-cloud-amd64"),
        (["6.8.0-45-generic", "6.8.0-1010-aws"], "6.8.0-44-generic", "6.8.0-45-generic"),
        (["5.14.0-503.el9.x86_64", "5.14.0-503.el9.x86_64+debug"], "5.14.0-427.el9.x86_64", "5.14.0-503.el9.x86_64"),
        (["6.12.9-amd64", "6.12.10-amd64"], "6.13.0-custom", "6.12.10-amd64"),
        (["6.6.58-xanmod1", "6.6.58-xanmod2"], "6.6.58-xanmod1", "6.6.58-xanmod2"),
        (["6.6.58-fleet.6", "6.6.58-fleet.10"], "6.6.58-fleet.6", "6.6.58-fleet.10"),
        (["6.6.58-gentoo", "6.6.58-gentoo-r1"], "6.6.58-gentoo", "6.6.58-gentoo-r1"),
        (["6.6.58-g1a2b3c4d5e6f", "6.6.59-g6f5e4d3c2b1a"], "6.6.58-g1a2b3c4d5e6f", "6.6.59-g6f5e4d3c2b1a"),
        (["6.12.1-arch1-1", "6.12.1-arch2-1"], "6.12.1-arch1-1", "6.12.1-arch2-1"),
        (["4.18.0-553.el8.x86_64", "4.18.0-553.rt7.342.el8.x86_64"], "4.18.0-552.el8.x86_64", "4.18.0-553.el8.x86_64"),
        (
            ["4.18.0-553.el8.x86_64", "4.18.0-553.rt7.342.el8.x86_64"],
            "4.18.0-552.rt7.341.el8.x86_64",
            "4.18.0-553.rt7.342.el8.x86_64",
        ),
        (["4.18.0-553.el8.x86_64", "5.15.0-301.163.5.2.el8uek.x86_64"], "4.18.0-552.el8.x86_64", "4.18.0-553.el8.x86_64"),
        (["4.18.0-553.el8.x86_64", "6.9.1-1.el8.elrepo.x86_64"], "4.18.0-553.el8.x86_64", "4.18.0-553.el8.x86_64"),
        (
            ["6.1.112-122.189.amzn2023.x86_64", "6.1.115-126.197.amzn2023.x86_64", "6.12.20-23.97.amzn2023.x86_64"],
            "6.1.112-122.189.amzn2023.x86_64",
            "6.1.115-126.197.amzn2023.x86_64",
        ),
        (["6.11.4-301.fc41.x86_64", "6.12.5-200.fc42.x86_64"], "6.11.4-301.fc41.x86_64", "6.12.5-200.fc42.x86_64"),
        (["6.12.9+deb13-amd64", "6.12.10+deb13-amd64"], "6.1.0-28-amd64", "6.12.10+deb13-amd64"),
    ],
)
def test_newest_is_of_the_running_flavour(installed: list[str], running: str, best: str) -> None:
    found = newest([kernel(release) for release in installed], running)
    assert found is not None
    assert found.release == best


def test_newest_of_none() -> None:
    assert newest([], "6.12.1-amd64") is None


def test_atomic_write_keeps_mode_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(str(path), b"one", 0o640)
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o604)
    write_atomically(str(path), b"two", 0o640)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o604
    (tmp_path / "directory").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(str(tmp_path / "directory"), b"three")
    assert sorted(os.listdir(tmp_path)) == ["directory", "file"]


def test_atomic_write_keeps_the_access_control_list_and_other_attributes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    entries = [(0x01, 6, -1), (0x02, 4, 1000), (0x04, 4, -1), (0x10, 4, -1), (0x20, 0, -1)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("this file system has no access control lists")
    os.setxattr(path, "user.note", b"mine")
    mode = path.stat().st_mode
    write_atomically(str(path), b"two")
    assert os.getxattr(path, "user.note") == b"mine"
    assert os.getxattr(path, "system.posix_acl_access") == acl
    assert path.stat().st_mode == mode


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.EPERM])
def test_atomic_write_needs_no_attributes(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> list[str]:
        raise OSError(number, "no")

    path = tmp_path / "file"
    path.write_bytes(b"one")
    monkeypatch.setattr(os, "listxattr", refuse)
    write_atomically(str(path), b"two")
    assert path.read_bytes() == b"two"


def test_a_digest_of_the_content_does_not_stay_with_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attributes = {"security.ima": b"digest", "security.capability": b"all", "user.note": b"mine"}
    monkeypatch.setattr(os, "listxattr", lambda path: list(attributes))
    monkeypatch.setattr(os, "getxattr", lambda path, name: attributes[name])
    path = tmp_path / "file"
    path.write_bytes(b"one")
    assert read_access(str(path)).attributes == {"user.note": b"mine"}
