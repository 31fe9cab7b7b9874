# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.mounts import Mount, partition_type, read_mounts

from ....conftest import write_tree

MOUNTINFO = """\
1 1 0:1 / / rw - rootfs rootfs rw
22 1 0:23 /@ / rw,relatime shared:1 - btrfs /dev/vda3 rw,subvol=/@
30 22 0:35 / /boot rw,relatime shared:15 - autofs systemd-1 rw,fd=44
31 30 254:2 / /boot rw,relatime shared:16 master:2 - vfat /dev/vda2 rw
40 22 254:9 / /srv/my\\040data rw - ext4 /dev/vda9 rw
broken
"""


def test_the_upper_one_counts(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/proc/self/mountinfo": MOUNTINFO})
    mounts = read_mounts(HostFiles(str(tmp_path)))
    assert mounts == {
        "/": Mount("0:23", "/@", "/", "btrfs", "/dev/vda3", "rw,subvol=/@"),
        "/boot": Mount("254:2", "/", "/boot", "vfat", "/dev/vda2", "rw"),
        "/srv/my data": Mount("254:9", "/", "/srv/my data", "ext4", "/dev/vda9", "rw"),
    }


def test_the_type_of_a_partition(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/run/udev/data/b254:2": "S:disk/by-label/BOOT\nE:ID_PART_ENTRY_TYPE=BC13C2FF-1\nG:systemd\n"})
    files = HostFiles(str(tmp_path))
    assert partition_type(files, Mount("254:2", "/", "/boot", "vfat", "")) == "bc13c2ff-1"
    assert partition_type(files, Mount("254:3", "/", "/boot", "vfat", "")) is None


@given(st.text(alphabet="1 :/-\\0\n", max_size=60))
def test_any_text(text: str) -> None:
    class Files(HostFiles):
        def read_bytes(self, path: str, limit: int = -1, offset: int = 0) -> bytes:
            return text.encode()

    read_mounts(Files())
