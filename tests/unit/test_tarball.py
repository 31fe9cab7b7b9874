# SPDX-License-Identifier: GPL-3.0-or-later
"""The tarball holds what users need, and nothing of how it is developed."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

WANTED = {
    "CHANGELOG.rst",
    "CODE_OF_CONDUCT.md",
    "FILES.json",
    "LICENSE",
    "LICENSES",
    "MANIFEST.json",
    "README.md",
    "REUSE.toml",
    "SECURITY.md",
    "bindep.txt",
    "changelogs",
    "docs",
    "extensions",
    "meta",
    "playbooks",
    "plugins",
    "roles",
    "CONTRIBUTING.md",
}


def test_top_level(tmp_path: Path) -> None:
    subprocess.run(
        ["ansible-galaxy", "collection", "build", "--output-path", str(tmp_path), str(ROOT)], check=True, capture_output=True
    )
    (tarball,) = tmp_path.glob("fleet-kexec-*.tar.gz")
    with tarfile.open(tarball) as archive:
        names = archive.getnames()
    assert {name.split("/")[0] for name in names} == WANTED
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
