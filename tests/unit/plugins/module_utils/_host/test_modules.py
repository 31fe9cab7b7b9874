# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that a host needs, by the tables of its kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.modules import (
    module_name,
    read_loaded_modules,
    read_needed_modules,
)

from ....conftest import write_tree

DEPENDENCIES = """\
kernel/drivers/net/virtio_net.ko.xz: kernel/net/core/failover.ko.xz kernel/drivers/net/net_failover.ko.xz
kernel/drivers/net/net_failover.ko.xz: kernel/net/core/failover.ko.xz
kernel/net/core/failover.ko.xz:
kernel/drivers/md/dm-mod.ko.xz: kernel/drivers/dax/dax.ko.xz
"""
ALIASES = """\
# Aliases extracted from modules themselves.
alias virtio:d00000001v* virtio_net
alias pci:v00008086d0000153Asv*sd*bc*sc*i* e1000e
alias pci:v*d*sv*sd*bc01sc0[67]i* ahci
alias fs-xfs xfs
alias malformed
"""


def host_with(root: Path, *devices: str) -> HostFiles:
    write_tree(
        root,
        {
            "/lib/modules/6.12/modules.dep": DEPENDENCIES,
            "/lib/modules/6.12/modules.alias": ALIASES,
            "/proc/modules": "dm_mod 1 0 - Live 0x0\n",
            **{"/sys/bus/%s/devices/%d/modalias" % (each.partition(":")[0], n): each + "\n" for n, each in enumerate(devices)},
        },
    )
    return HostFiles(str(root))


@pytest.mark.parametrize(
    ("device", "more"),
    [
        ("virtio:d00000001v00001AF4", {"virtio_net", "net_failover", "failover"}),
        ("virtio:d00000002v00001AF4", set()),
        ("pci:v00008086d0000153Asv00001043sd000085C4bc02sc00i00", {"e1000e"}),
        ("pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", {"ahci"}),
        ("pci:v00008086d00002922sv00001AF4sd00001100bc01sc08i01", set()),
    ],
)
def test_what_a_device_needs_and_what_that_depends_on(tmp_path: Path, device: str, more: set[str]) -> None:
    assert read_needed_modules(host_with(tmp_path, device), "6.12") == frozenset({"dm_mod", "dax"} | more)


def test_without_tables_nothing_is_known(tmp_path: Path) -> None:
    files = host_with(tmp_path)
    assert read_needed_modules(files, "6.13") is None
    assert read_loaded_modules(files) == {"dm_mod"}
    (tmp_path / "proc/modules").unlink()
    assert read_loaded_modules(files) == frozenset()


def test_names_of_modules() -> None:
    assert [module_name(each) for each in ("a/dm-mod.ko", "b/nvme-core.ko.zst", "modules.dep", "x.ko.txt", "")] == [
        "dm_mod",
        "nvme_core",
        None,
        None,
        None,
    ]
