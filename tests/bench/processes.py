# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Memory of a process with all that it started."""

from __future__ import annotations

from pathlib import Path


def shares_bytes(root: int) -> int:
    """What a process and all that it started take, what they share counted once (proc(5), smaps_rollup)."""
    total, left = 0, [root]
    while left:
        pid = left.pop()
        try:
            # What a thread started is a child of its own thread.
            for children in Path("/proc/%d/task" % pid).glob("*/children"):
                left.extend(map(int, children.read_text(encoding="ascii").split()))
            for line in Path("/proc/%d/smaps_rollup" % pid).read_text(encoding="ascii").splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            # It has ended.
            continue
    return total
