# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""kexec-tools as installed on the host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from .._command import Runner, find_executable
from .files import HostFiles

VERSION_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class KexecTools:
    """An installed kexec-tools; the version is such as C(2.0.29), or empty if unknown."""

    path: str
    version: str


def find_kexec_tools(files: HostFiles, run: Runner) -> Optional[KexecTools]:
    path = find_executable("kexec", files.root)
    if path is None:
        return None
    version = re.search(r"kexec-tools\s+(\S+)", run([path, "--version"], VERSION_TIMEOUT_S).stdout)
    return KexecTools(path, version.group(1) if version else "")
