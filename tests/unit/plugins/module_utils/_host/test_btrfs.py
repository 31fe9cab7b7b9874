# SPDX-License-Identifier: GPL-3.0-or-later
"""The default subvolume of a real btrfs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._host.btrfs import default_subvolume_id, subvolume_id
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.mounts import read_mounts

DISK_BYTES = 128 * 1024**2


def run(*argv: str | Path) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, timeout=60)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A btrfs with two subvolumes."""
    if os.geteuid() != 0 or not shutil.which("mkfs.btrfs") or "\tbtrfs\n" not in Path("/proc/filesystems").read_text():
        pytest.skip("needs root, btrfs-progs and a kernel with btrfs")
    disk, point = tmp_path / "disk", tmp_path / "mnt"
    with disk.open("wb") as stream:
        stream.truncate(DISK_BYTES)
    run("mkfs.btrfs", "--quiet", disk)
    point.mkdir()
    if subprocess.run(["mount", "-o", "loop", disk, point], check=False, capture_output=True, timeout=60).returncode:
        pytest.skip("no loop device can be mounted here")
    try:
        for name in ("old", "new"):
            run("btrfs", "subvolume", "create", point / name)
        yield point
    finally:
        run("umount", point)


def test_the_default_subvolume_is_found_by_its_id(mounted: Path) -> None:
    files = HostFiles("/")
    mount = read_mounts(files)[str(mounted)]
    assert subvolume_id(mount.options) == default_subvolume_id(files, str(mounted)) == 5
    run("btrfs", "subvolume", "set-default", mounted / "new")
    shown = subprocess.run(["btrfs", "subvolume", "get-default", mounted], check=True, capture_output=True, text=True).stdout
    assert shown.startswith("ID %d " % (default_subvolume_id(files, str(mounted)) or 0))
    assert subvolume_id(mount.options) == 5, "the mount stays what it is"


def test_another_file_system_has_none(tmp_path: Path) -> None:
    assert default_subvolume_id(HostFiles("/"), "/proc") is None
    assert default_subvolume_id(HostFiles("/"), str(tmp_path / "missing")) is None
