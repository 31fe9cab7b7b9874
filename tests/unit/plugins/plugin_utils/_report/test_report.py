# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports as files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.options import ReportRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.report import make_report

from ....outcomes import code_of
from .journals import Night, records_of, write_journal

NOW, BEFORE = "20261124T015830Z-5f0c", "20261117T015830Z-77aa"
ROOT = Path(__file__).resolve().parents[5]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs; of the first one some hosts went through firmware."""
    directory = tmp_path / "runs"
    write_journal(directory, records_of(Night(hosts=6, firmware=0.0, failures=0, refusals=0)))
    older = Night(hosts=12, seed=2, run_id=BEFORE, firmware=0.5, failures=0)
    write_journal(directory, records_of(older), started="2026-11-17T01:58:30.000Z")
    return directory


@pytest.fixture
def report(runs: Path) -> Callable[..., dict[str, Any]]:
    """Makes a report of a run."""

    def make(run_id: str = "latest", compare: str | None = None, **options: Any) -> dict[str, Any]:
        more = {name: options.pop(name) for name in ("mode", "check") if name in options}
        return make_report(RunStore(str(runs)), ReportRequest(run_id, compare, options, **more))

    return make


Report = Callable[..., dict[str, Any]]


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_without_a_path_the_page_goes_beside_the_journal(report: Report, runs: Path) -> None:
    made = report()
    page = runs / NOW / "report.html"
    assert made["changed"] and made["html"] == str(page) and made["run_id"] == NOW
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert mode_of(page) == 0o600
    assert "json" not in made and "metrics" not in made
    assert sorted(os.listdir(runs / NOW)) == ["journal.jsonl", "report.html"]


def test_only_what_is_asked_for_is_written(report: Report, runs: Path, tmp_path: Path) -> None:
    made = report(metrics=str(tmp_path / "kexec.prom"), json=str(tmp_path / "report.json"))
    assert "html" not in made and not (runs / NOW / "report.html").exists()
    assert mode_of(tmp_path / "kexec.prom") == 0o644
    assert mode_of(tmp_path / "report.json") == 0o600
    values = json.loads((tmp_path / "report.json").read_text())
    assert values["version"] == 1 and values["headline"] == made["headline"]


def test_nothing_changes_that_is_as_it_should_be(report: Report, tmp_path: Path) -> None:
    paths = {what: str(tmp_path / what) for what in ("html", "json", "metrics")}
    assert report(**paths)["changed"]
    before = {path: os.stat(path).st_ino for path in paths.values()}
    again = report(**paths)
    assert not again["changed"] and again["diff"] == []
    assert {path: os.stat(path).st_ino for path in paths.values()} == before
    (tmp_path / "json").write_text("{}")
    assert report(**paths)["changed"]
    assert os.stat(paths["html"]).st_ino == before[paths["html"]]


def test_modes(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert report(html=str(path), mode=0o640)["changed"] and mode_of(path) == 0o640
    # Left alone where nothing is said, and changed where it is.
    assert not report(html=str(path))["changed"] and mode_of(path) == 0o640
    assert report(html=str(path), mode=0o600, check=True)["changed"] and mode_of(path) == 0o640
    assert report(html=str(path), mode=0o600)["changed"] and mode_of(path) == 0o600
    path.write_text("")
    assert report(html=str(path))["changed"] and mode_of(path) == 0o600


def test_check_mode_writes_nothing_and_shows_the_difference(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "kexec.prom"
    path.write_text("old\n")
    made = report(metrics=str(path), check=True)
    assert made["changed"] and path.read_text() == "old\n"
    [diff] = made["diff"]
    assert diff["before"] == "old\n" and "fleet_kexec_run_info" in diff["after"]
    report(metrics=str(path))
    assert path.read_text() == diff["after"]


def test_the_difference_of_a_large_file_is_not_shown(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(b"x" * 200_000)
    [diff] = report(html=str(path))["diff"]
    assert "before" not in diff and diff["dst_larger"]


def test_earlier_reboots_through_firmware_are_the_baseline(report: Report, tmp_path: Path) -> None:
    report(json=str(tmp_path / "r"))
    saved = json.loads((tmp_path / "r").read_text())["figures"]["saved"]
    assert saved["hosts"] >= 1 and saved["total_ms"] > 60_000


def test_a_damaged_earlier_run_tells_nothing(report: Report, runs: Path, tmp_path: Path) -> None:
    with (runs / BEFORE / "journal.jsonl").open("a") as stream:
        stream.write("damaged\n{}\n")
    report(json=str(tmp_path / "r"))
    assert json.loads((tmp_path / "r").read_text())["figures"]["saved"] is None
    # But to compare with it is what was asked for.
    assert code_of(report, NOW, BEFORE) == "JOURNAL_DAMAGED"


def test_a_comparison(report: Report, tmp_path: Path) -> None:
    made = report(NOW, BEFORE, html=str(tmp_path / "h"), json=str(tmp_path / "j"))
    assert "Compared with" in Path(made["html"]).read_text()
    assert json.loads((tmp_path / "j").read_text())["compared_with"]["run"]["run_id"] == BEFORE


def test_a_run_that_is_not_there(report: Report) -> None:
    assert code_of(report, "nope") == "RUN_NOT_FOUND"
    assert code_of(report, NOW, "nope") == "RUN_NOT_FOUND"
    assert code_of(report, "../etc") == "RUN_ID_INVALID"


def test_a_damaged_journal_leaves_the_old_page(report: Report, runs: Path) -> None:
    page = Path(report()["html"])
    before = page.read_bytes()
    with (runs / NOW / "journal.jsonl").open("a") as stream:
        stream.write('{"v":1,"seq":2}\n')
    assert code_of(report) == "JOURNAL_DAMAGED"
    assert page.read_bytes() == before


def test_a_run_that_is_going_on_has_a_report(report: Report, runs: Path) -> None:
    journal = runs / NOW / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-300])
    made = report()
    assert made["ended"] is False
    assert "is incomplete" in Path(made["html"]).read_text()


def test_places_that_can_not_be_written_to(report: Report, tmp_path: Path) -> None:
    directory = tmp_path / "directory"
    directory.mkdir()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (tmp_path / "none" / "page.html", directory, fifo, Path("/proc/page.html"), Path("/dev/null")):
        assert code_of(lambda path=path: report(html=str(path))) == "REPORT_FAILED", path
    assert os.listdir(directory) == []


def test_two_files_can_not_be_one(report: Report, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "page")
    assert code_of(lambda: report(html=str(tmp_path / "page"), json=str(tmp_path / "link"))) == "REPORT_FAILED"


def test_nothing_is_left_of_a_write_that_failed(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert code_of(lambda: report(html=str(path))) == "REPORT_FAILED"
    assert path.read_text() == "old" and sorted(each.name for each in tmp_path.iterdir()) == ["page.html", "runs"]


def test_a_link_is_followed_to_the_file_that_is_meant(report: Report, tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "www" / "page.html")
    report(html=str(link))
    assert link.is_symlink() and (tmp_path / "www" / "page.html").is_file()


# With Ansible.


def playbook(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the playbook of the collection, as users do."""
    tree = next(path for path in map(Path, sys.path) if (path / "ansible_collections/fleet/kexec").exists())
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(tree),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "ANSIBLE_NOCOLOR": "true",
    }
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_playbook(runs: Path, tmp_path: Path) -> None:
    arguments = ("fleet.kexec.report", "-e", "report_run_directory=%s" % runs, "-e", "report_metrics=%s/kexec.prom" % tmp_path)
    more = ("-e", "report_html=%s/page.html" % tmp_path, "-e", "report_compare=" + BEFORE)
    ended = playbook(tmp_path, *arguments, *more, "--check", "--diff")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "changed=1" in ended.stdout and "+fleet_kexec_run_window" in ended.stdout
    assert not (tmp_path / "page.html").exists()
    ended = playbook(tmp_path, *arguments, *more)
    assert ended.returncode == 0 and "changed=1" in ended.stdout, ended.stdout + ended.stderr
    assert "6 of 6 hosts rebooted" in ended.stdout
    assert (tmp_path / "page.html").is_file() and (tmp_path / "kexec.prom").is_file()
    ended = playbook(tmp_path, *arguments, *more)
    assert ended.returncode == 0 and "changed=0" in ended.stdout, ended.stdout + ended.stderr
    ended = playbook(tmp_path, *arguments, "-e", "report_run_id=nope")
    assert ended.returncode != 0 and "RUN_NOT_FOUND" in ended.stdout


ASKING = """
- hosts: one, two
  connection: local
  gather_facts: false
  tasks:
    - fleet.kexec.report:
        run_directory: "{{ runs }}"
      run_once: true
      register: made
    - ansible.builtin.assert:
        that:
          - "'latest' | fleet.kexec.query('[0].run_id', run_directory=runs) == made.run_id"
          - "[{'name': 'web{{ 1 }}', 'times': [1, 2.5]}] | fleet.kexec.query('[0].sum(times)') == 3.5"
          - "groups | fleet.kexec.query(expression) == ['one']"
      vars:
        expression: all[?contains(@, 'ne')]
    - ansible.builtin.debug:
        msg: "{{ groups | fleet.kexec.query('all[?') }}"
"""


def test_module_and_filter_in_a_play(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "asking.yml").write_text(ASKING)
    ended = playbook(tmp_path, "-i", "one,two", "asking.yml", "-e", "runs=%s" % runs)
    said = ended.stdout + ended.stderr
    assert "QUERY_INVALID" in said and "at character 6" in said, said
    assert said.count("All assertions passed") == 2, said
    # The page is made once, for all hosts.
    assert ended.stdout.count("changed: [") == 1
