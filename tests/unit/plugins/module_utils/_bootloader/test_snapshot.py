# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of files that are made together, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.snapshot import Snapshot
from ansible_collections.fleet.kexec.plugins.module_utils._host.changes import FileChange, as_diff, make_change
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles

from ....conftest import write_tree
from ....outcomes import code_of


@pytest.fixture
def files(tmp_path: Path) -> HostFiles:
    write_tree(tmp_path, {"/etc/one": "one\n", "/etc/two": "two\n"})
    return HostFiles(str(tmp_path))


def listing(root: Path) -> dict[str, tuple[bytes | None, int]]:
    """All below a directory, with content and mode."""
    return {
        str(path.relative_to(root)): (path.read_bytes() if path.is_file() else None, path.lstat().st_mode)
        for path in sorted(root.rglob("*"))
    }


def test_a_file_is_changed_and_keeps_its_mode(files: HostFiles, tmp_path: Path) -> None:
    (tmp_path / "etc/one").chmod(0o600)
    make_change(files, FileChange("/etc/one", b"one\n", b"1\n"))
    assert (tmp_path / "etc/one").read_bytes() == b"1\n"
    assert stat.S_IMODE((tmp_path / "etc/one").stat().st_mode) == 0o600


def test_a_file_comes_and_goes_with_its_directory(files: HostFiles, tmp_path: Path) -> None:
    before = listing(tmp_path)
    make_change(files, FileChange("/etc/new/three", None, b"three\n", 0o640, with_directory=True))
    assert stat.S_IMODE((tmp_path / "etc/new/three").stat().st_mode) == 0o640
    make_change(files, FileChange("/etc/new/three", b"three\n", None, with_directory=True))
    assert listing(tmp_path) == before


def test_a_directory_stays_where_somebody_else_has_put_something(files: HostFiles, tmp_path: Path) -> None:
    make_change(files, FileChange("/etc/new/three", None, b"three\n", with_directory=True))
    (tmp_path / "etc/new/four").touch()
    make_change(files, FileChange("/etc/new/three", b"three\n", None, with_directory=True))
    assert os.listdir(tmp_path / "etc/new") == ["four"]


def test_removing_what_is_gone_already_is_no_failure(files: HostFiles) -> None:
    make_change(files, FileChange("/etc/three", b"three\n", None))


def test_a_link_stays_a_link(files: HostFiles, tmp_path: Path) -> None:
    (tmp_path / "etc/link").symlink_to("one")
    snapshot = Snapshot(files, ["/etc/link"])
    make_change(files, FileChange("/etc/link", b"one\n", b"1\n"))
    assert (tmp_path / "etc/link").is_symlink()
    assert (tmp_path / "etc/one").read_bytes() == b"1\n"
    assert snapshot.restore() == []
    assert (tmp_path / "etc/link").is_symlink()
    assert (tmp_path / "etc/one").read_bytes() == b"one\n"


def test_everything_comes_back(files: HostFiles, tmp_path: Path) -> None:
    (tmp_path / "etc/two").chmod(0o600)
    before = listing(tmp_path)
    snapshot = Snapshot(files, ["/etc/one", "/etc/two", "/etc/three", "/etc/new/four"])
    (tmp_path / "etc/one").unlink()
    # As tools do: another file takes its place, which more may read.
    (tmp_path / "etc/two.new").write_text("2\n")
    (tmp_path / "etc/two.new").chmod(0o644)
    (tmp_path / "etc/two.new").rename(tmp_path / "etc/two")
    (tmp_path / "etc/three").touch()
    (tmp_path / "etc/new").mkdir()
    (tmp_path / "etc/new/four").touch()
    assert listing(tmp_path) != before
    assert snapshot.restore() == []
    assert listing(tmp_path) == before


def test_a_mode_comes_back_where_the_content_never_went(files: HostFiles, tmp_path: Path) -> None:
    before = listing(tmp_path)
    snapshot = Snapshot(files, ["/etc/one"])
    (tmp_path / "etc/one").chmod(0o600)
    assert snapshot.restore() == []
    assert listing(tmp_path) == before


def test_what_can_not_be_put_back_is_named(files: HostFiles, tmp_path: Path) -> None:
    snapshot = Snapshot(files, ["/etc/one", "/etc/two"])
    for name in ("one", "two"):
        (tmp_path / "etc" / name).unlink()
    (tmp_path / "etc/one").mkdir()
    assert snapshot.restore() == ["/etc/one"]
    assert (tmp_path / "etc/two").read_bytes() == b"two\n"


def test_what_can_not_be_read_is_not_changed(files: HostFiles, tmp_path: Path) -> None:
    (tmp_path / "etc/three").mkdir()
    assert code_of(Snapshot, files, ["/etc/one", "/etc/three"]) == "BOOTLOADER_FAILED"


def test_changes_and_commands_are_shown_as_a_diff() -> None:
    changes = [FileChange("/etc/new", None, b"a\xff\n"), FileChange("/etc/old", b"b\n", None)]
    assert [
        (each["after_header"], each["before"], each["after"]) for each in as_diff(changes, [("update-grub",), ("a", "b")])
    ] == [
        ("/etc/new", "", "a\ufffd\n"),
        ("/etc/old", "b\n", ""),
        ("commands", "", "update-grub\na b\n"),
    ]
    assert as_diff([], []) == []


def test_links_and_attributes_come_back(files: HostFiles, tmp_path: Path) -> None:
    (tmp_path / "etc/link").symlink_to("one")
    os.setxattr(tmp_path / "etc/two", "user.note", b"mine")
    snapshot = Snapshot(files, ["/etc/link", "/etc/one", "/etc/two"])
    # As tools do: a file takes the place of a link, and of a file with a label; a link that of a file.
    for name in ("link", "one", "two"):
        (tmp_path / "etc/new").write_text("new\n")
        (tmp_path / "etc/new").rename(tmp_path / "etc" / name)
    assert snapshot.restore() == []
    assert os.readlink(tmp_path / "etc/link") == "one"
    assert [(tmp_path / "etc" / name).read_text() for name in ("one", "two")] == ["one\n", "two\n"]
    assert os.getxattr(tmp_path / "etc/two", "user.note") == b"mine"
