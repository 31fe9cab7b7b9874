# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.fleet.kexec.plugins.module_utils._host import devices
from ansible_collections.fleet.kexec.plugins.module_utils._host.devices import virtio_reset_on_shutdown

from ....conftest import HostTree

VIRTIO = {"/sys/bus/virtio/devices/virtio0/vendor": "0x1af4\n"}
SYMBOL = "0000000000000000 t virtio_dev_shutdown\t[virtio]\n"


def test_a_host_without_virtio(host_tree: HostTree) -> None:
    assert virtio_reset_on_shutdown(host_tree({"/proc/kallsyms": SYMBOL})) is None


def test_a_kernel_that_resets(host_tree: HostTree) -> None:
    assert virtio_reset_on_shutdown(host_tree({**VIRTIO, "/proc/kallsyms": "0000 T _text\n" + SYMBOL})) is True


def test_a_kernel_that_does_not(host_tree: HostTree) -> None:
    assert virtio_reset_on_shutdown(host_tree({**VIRTIO, "/proc/kallsyms": "0000 t virtio_dev_probe\n"})) is False
    assert virtio_reset_on_shutdown(host_tree(VIRTIO)) is False, "no symbols can be read"


def test_a_symbol_on_the_edge_of_what_is_read_at_once(host_tree: HostTree) -> None:
    for ahead in range(1, len(SYMBOL)):
        text = "x" * (devices._CHUNK_BYTES - ahead) + SYMBOL
        assert virtio_reset_on_shutdown(host_tree({**VIRTIO, "/proc/kallsyms": text})) is True
