# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtio devices, which may keep writing into memory across a kexec."""

from __future__ import annotations

from typing import Optional

from .files import HostFiles

_VIRTIO = "/sys/bus/virtio/devices"
_SYMBOLS = "/proc/kallsyms"
# Resets virtio devices on shutdown; in Linux since 6.15, and backported by some distributions.
_RESET = b" virtio_dev_shutdown"
_CHUNK_BYTES = 1 << 20


def virtio_reset_on_shutdown(files: HostFiles) -> Optional[bool]:
    """Whether the running kernel resets virtio devices before a kexec; None if the host has none."""
    if not files.listdir(_VIRTIO):
        return None
    try:
        with files.open(_SYMBOLS) as stream:
            tail = b""
            while True:
                chunk = stream.read(_CHUNK_BYTES)
                if not chunk:
                    return False
                if _RESET in tail + chunk:
                    return True
                tail = chunk[-len(_RESET) :]
    except OSError:
        return False
