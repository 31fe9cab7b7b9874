# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of bootloaders share: all files of a host, to be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Dict, Tuple

import pytest

#: What is at each path: content, empty of what is no file, and mode.
Listing = Dict[str, Tuple[bytes, int]]


@pytest.fixture
def listing(tmp_path: Path) -> Callable[[], Listing]:
    """Tells all there is below the host's root."""

    def take() -> Listing:
        return {
            "/%s" % path.relative_to(tmp_path): (path.read_bytes() if path.is_file() else b"", path.lstat().st_mode)
            for path in sorted(tmp_path.rglob("*"))
        }

    return take
