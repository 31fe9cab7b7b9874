# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a report writes; its content is tested in C(test_report.py)."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.fleet.kexec.plugins.plugin_utils._report.files import write_file


def test_a_new_file_and_one_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert write_file(str(path), b"1", None, new_mode=0o640, check=True)[0] and not path.exists()
    assert write_file(str(path), b"1", None, new_mode=0o640, check=False)[0]
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"1", 0o640)
    assert write_file(str(path), b"1", None, new_mode=0o600, check=False) == (False, None)
    changed, difference = write_file(str(path), b"2", None, new_mode=0o600, check=False)
    assert changed and difference is not None and (difference["before"], difference["after"]) == ("1", "2")
