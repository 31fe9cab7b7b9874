# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stamps that the stub of a fast image left in this boot."""

from __future__ import annotations

from typing import Optional

from .._arch.architectures import architecture_of
from .._arch.interface import StubStamps
from .files import HostFiles


def read_stub_stamps(files: HostFiles, machine: str) -> Optional[StubStamps]:
    """Read this boot's stamps; None if it did not pass through a stub, or without privileges."""
    fast = architecture_of(machine).fast
    content = files.read_bytes(fast.stamps_path) if fast else None
    return fast.parse_stamps(content) if fast and content is not None else None
