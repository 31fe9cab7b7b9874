# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing packages and removing them again, by the real apt and dpkg in a directory tree."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.changes import digest
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._paths import STATE_DIRECTORY
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.packages import LOG, PART, parse_log
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.preparation import Preparation, WantedPreparation
from ansible_collections.fleet.kexec.plugins.module_utils._prepare.record import InstalledPackage, PreparationRecord, read_record

from ....conftest import write_tree
from ....outcomes import code_of

#: Package by package: what it needs, its conffile, and its script that removes other configuration when it is purged.
PACKAGES = {
    "fleet-tool": ("fleet-lib", "/etc/fleet-tool.conf", "rm -f $DPKG_ROOT/etc/default/fleet-tool"),
    "fleet-lib": ("", "", ""),
    "fleet-other": ("", "/etc/fleet-other.conf", ""),
    "fleet-needs-lib": ("fleet-lib", "", ""),
    # Its scripts fail.
    "fleet-broken": ("fleet-lib", "", ""),
}
ASKED = WantedPreparation(present=True, parts=(PART,), packages=("fleet-tool",))
GIVEN_BACK = replace(ASKED, present=False)

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("apt-get", "apt-mark", "dpkg", "dpkg-deb"))), reason="this machine has no apt and dpkg"
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with small packages."""
    root = tmp_path_factory.mktemp("repository")
    index = []
    for name, (needs, conffile, script) in PACKAGES.items():
        tree = root / "build" / name
        control = "Package: %s\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\n" % name
        control += ("Depends: %s\n" % needs if needs else "") + "Description: for tests\n"
        write_tree(tree, {"/DEBIAN/control": control, "/usr/share/%s/data" % name: name})
        if conffile:
            write_tree(tree, {conffile: "as packaged\n", "/DEBIAN/conffiles": conffile + "\n"})
        scripts = {"postrm": "[ $1 != purge ] || " + script} if script else {}
        if script:
            scripts["postinst"] = "mkdir -p $DPKG_ROOT/etc/default; echo generated > $DPKG_ROOT/etc/default/%s" % name
        if name == "fleet-broken":
            scripts["preinst"] = "exit 1"
        for each, text in scripts.items():
            write_tree(tree, {"/DEBIAN/" + each: "#!/bin/sh\nset -e\n%s\n" % text})
            (tree / "DEBIAN" / each).chmod(0o755)
        package = root / (name + ".deb")
        subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, package], check=True, capture_output=True, timeout=60)
        content = package.read_bytes()
        index.append("%sFilename: ./%s\nSize: %d\nSHA256: %s\n" % (control, package.name, len(content), digest(content)))
    (root / "Packages").write_text("\n".join(index))
    return root


class Host:
    """A directory tree that apt and dpkg take for a system."""

    def __init__(self, root: Path, repository: Path) -> None:
        self.root = root
        self.files = HostFiles(str(root))
        self.commands: list[list[str]] = []
        self.slept_s: list[float] = []
        #: Called before a command of dpkg or apt is run, with its arguments.
        self.meanwhile: Callable[[Sequence[str]], None] = lambda argv: None
        self.native = subprocess.check_output(["dpkg", "--print-architecture"], text=True, timeout=60).strip()
        write_tree(root, {"/etc/os-release": 'ID=debian\nVERSION_ID="13"\n', "/var/lib/dpkg/status": "", "/var/lib/marker": ""})
        for directory in ("info", "updates", "triggers"):
            (root / "var/lib/dpkg" / directory).mkdir()
        for directory in (
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
        ):
            (root / directory).mkdir(parents=True)
        (root / "var/log").mkdir()
        write_tree(root, {"/etc/apt/sources.list": "deb [trusted=yes] file:%s ./\n" % repository})
        options = "".join('"%s"; ' % option for option in self._dpkg_options)
        lines = [
            'Dir "%s/";' % root,
            'Dir::State::status "%s/var/lib/dpkg/status";' % root,
            'Dir::Bin::dpkg "/usr/bin/dpkg";',
            "DPkg::Options { %s};" % options,
            'APT::Architecture "%s";' % self.native,
            'APT::Sandbox::User "";',
        ]
        (root / "apt.conf").write_text("\n".join(lines) + "\n")

    @property
    def _dpkg_options(self) -> list[str]:
        own = ["--force-not-root", "--force-script-chrootless", "--force-bad-path", "--force-unsafe-io"]
        return ["--root=%s" % self.root, "--log=%s/var/log/dpkg.log" % self.root, *own]

    def run(self, argv: Sequence[str], timeout_s: float) -> CommandResult:
        """Run a command of the host; paths in it lead into the tree."""
        command = list(argv)
        self.meanwhile(command)
        self.commands.append(command)
        where = command.index("dpkg") if "dpkg" in command else -1
        if where >= 0:
            command[where + 1 : where + 1] = self._dpkg_options
        if command[0] == "dpkg-query":
            command[1:1] = ["--root=%s" % self.root]
        command = [each.replace(STATE_DIRECTORY, str(self.root) + STATE_DIRECTORY) for each in command]
        return self._really(command, timeout_s)

    def _really(self, command: Sequence[str], timeout_s: float = 60.0) -> CommandResult:
        environment = dict(os.environ, LC_ALL="C", APT_CONFIG=str(self.root / "apt.conf"))
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=timeout_s)
        return CommandResult(done.returncode, done.stdout, done.stderr)

    def somebody(self, *command: str) -> None:
        """Have somebody else install or remove something, or mark it."""
        options = self._dpkg_options if command[0] == "dpkg" else []
        done = self._really([command[0], *options, *command[1:]])
        assert done.rc == 0, done.stderr

    def put(self, wanted: WantedPreparation) -> list[str]:
        """Plan and apply; return the messages of the notes."""
        preparation = Preparation(self.files, self.run, self.slept_s.append)
        plan = preparation.plan(wanted, preparation.look(wanted.parts))
        preparation.apply(plan.steps)
        return [note.message for note in plan.notes]

    @property
    def record(self) -> PreparationRecord:
        return read_record(self.files)

    @property
    def statuses(self) -> dict[str, str]:
        shown = self._really(
            ["dpkg-query", "--root=%s" % self.root, "--show", "--showformat", "${Package} ${db:Status-Status}\n"]
        )
        return dict(line.split() for line in shown.stdout.splitlines())


@pytest.fixture
def host(tmp_path: Path, repository: Path) -> Host:
    return Host(tmp_path, repository)


def test_what_is_installed_is_remembered_and_purged(host: Host) -> None:
    assert host.put(ASKED) == []
    assert host.statuses == {"fleet-tool": "installed", "fleet-lib": "installed"}
    tool, lib = sorted(host.record.packages, key=lambda each: each.name)[::-1]
    assert (tool.name, tool.requested, list(tool.config), tool.had_config) == (
        "fleet-tool",
        True,
        ["/etc/default/fleet-tool"],
        False,
    )
    assert lib == InstalledPackage("fleet-lib", requested=False)
    assert not host.files.exists(LOG)
    commands = len(host.commands)
    host.put(ASKED)
    assert not [command for command in host.commands[commands:] if command[0] != "dpkg-query"], "there is nothing to do any more"
    assert host.put(GIVEN_BACK) == []
    assert host.statuses == {} and host.record == PreparationRecord()
    assert not any(map(host.files.exists, ("/etc/fleet-tool.conf", "/etc/default/fleet-tool", STATE_DIRECTORY)))


def test_planning_changes_nothing(host: Host) -> None:
    preparation = Preparation(host.files, host.run)
    (step,) = preparation.plan(ASKED, preparation.look(ASKED.parts)).steps
    assert "fleet-tool" in step.commands[-1] and host.statuses == {}
    host.put(ASKED)
    preparation.plan(GIVEN_BACK, preparation.look(ASKED.parts))
    assert set(host.statuses.values()) == {"installed"}


def test_what_another_installs_meanwhile_is_theirs(host: Host) -> None:
    def another(argv: Sequence[str]) -> None:
        if "install" in argv:
            host.meanwhile = lambda argv: None
            host.somebody("apt-get", "-y", "install", "fleet-other")
            (host.root / "etc/fleet-other.conf").write_text("edited\n")

    host.meanwhile = another
    host.put(ASKED)
    assert {package.name for package in host.record.packages} == {"fleet-tool", "fleet-lib"}
    host.put(GIVEN_BACK)
    assert host.statuses == {"fleet-other": "installed"}
    assert (host.root / "etc/fleet-other.conf").read_text() == "edited\n"


def test_what_another_installs_first_is_theirs_even_if_it_was_asked_for(host: Host) -> None:
    def another(argv: Sequence[str]) -> None:
        if "install" in argv:
            host.meanwhile = lambda argv: None
            host.somebody("apt-get", "-y", "install", "fleet-tool")

    host.meanwhile = another
    host.put(ASKED)
    assert host.record == PreparationRecord()
    host.put(GIVEN_BACK)
    assert host.statuses == {"fleet-tool": "installed", "fleet-lib": "installed"}


def test_what_a_failed_installation_never_brought_is_not_remembered(host: Host) -> None:
    wanted = replace(ASKED, packages=("fleet-tool", "fleet-broken"))
    assert code_of(host.put, wanted) == "PREPARE_FAILED"
    # Somebody helps themselves.
    there = host.statuses
    assert "fleet-broken" not in there or there["fleet-broken"] != "installed"
    host.put(GIVEN_BACK)
    assert host.statuses == {} and host.record == PreparationRecord() and not host.files.exists(LOG)


def test_what_an_interrupted_installation_brought_is_remembered(host: Host) -> None:
    class Killed(BaseException):
        pass

    def killed(argv: Sequence[str]) -> None:
        if "--print-architecture" in argv:
            raise Killed

    host.meanwhile = killed
    with pytest.raises(Killed):
        host.put(ASKED)
    host.meanwhile = lambda argv: None
    assert host.files.exists(LOG) and host.record == PreparationRecord()
    host.put(GIVEN_BACK)
    assert host.statuses == {}


@pytest.mark.parametrize("path", ["/etc/fleet-tool.conf", "/etc/default/fleet-tool"])
def test_configuration_that_somebody_has_changed_stays(host: Host, path: str) -> None:
    host.put(ASKED)
    write_tree(host.root, {path: "edited\n"})
    assert host.put(GIVEN_BACK) == ["fleet-tool is removed, and its configuration stays: %s was changed" % path]
    assert host.files.read_text(path) == "edited"
    assert host.statuses == {"fleet-tool": "config-files"}


def test_configuration_that_was_there_before_stays(host: Host) -> None:
    host.somebody("apt-get", "update")
    host.somebody("apt-get", "-y", "install", "fleet-tool")
    host.somebody("dpkg", "--remove", "fleet-tool", "fleet-lib")
    host.put(ASKED)
    assert host.put(GIVEN_BACK) == ["fleet-tool is removed, and its configuration stays: it was there before"]
    assert host.statuses == {"fleet-tool": "config-files"}


def test_a_package_that_somebody_has_marked_stays(host: Host) -> None:
    host.put(ASKED)
    host.somebody("apt-mark", "manual", "fleet-lib")
    assert host.put(GIVEN_BACK) == ["the package fleet-lib stays: somebody has marked it as manually installed"]
    assert host.statuses == {"fleet-lib": "installed"}


def test_a_package_that_others_have_come_to_need_stays(host: Host) -> None:
    host.put(ASKED)
    host.somebody("apt-get", "-y", "install", "fleet-needs-lib")
    assert host.put(GIVEN_BACK) == ["the package fleet-lib stays: other packages need it"]
    assert host.statuses == {"fleet-needs-lib": "installed", "fleet-lib": "installed"}
    assert host.record == PreparationRecord()


def test_packages_that_are_gone_by_now(host: Host) -> None:
    host.put(ASKED)
    host.somebody("dpkg", "--purge", "fleet-tool", "fleet-lib")
    assert host.put(GIVEN_BACK) == []
    assert host.record == PreparationRecord()


@pytest.mark.parametrize(
    "words", ["dpkg: error: dpkg frontend lock was locked by another process with pid 7", "E: Could not get lock /x"]
)
def test_another_process_at_the_packages_is_waited_for(host: Host, words: str) -> None:
    host.put(ASKED)
    waits = [2]
    run = host.run

    def locked(argv: Sequence[str], timeout_s: float) -> CommandResult:
        if "--purge" in argv and "--no-act" not in argv and waits[0]:
            waits[0] -= 1
            return CommandResult(2, "", words)
        return run(argv, timeout_s)

    host.run = locked  # type: ignore[method-assign]
    host.put(GIVEN_BACK)
    assert host.slept_s == [5.0, 5.0] and host.statuses == {}


def test_a_lock_that_stays_is_a_failure(host: Host) -> None:
    run = host.run
    host.run = lambda argv, timeout_s: (  # type: ignore[method-assign]
        CommandResult(100, "", "E: Could not get lock") if "update" in argv else run(argv, timeout_s)
    )
    assert code_of(host.put, ASKED) == "PREPARE_FAILED"
    assert sum(host.slept_s) == 300


def test_what_dpkg_says_of_upgrades_and_other_architectures() -> None:
    said = """
processing: upgrade: libc6:amd64
status: libc6:amd64: installed
processing: install: lib:i386
status: lib:i386: half-installed
status: lib:i386: unpacked
processing: install: gone:amd64
status: gone:amd64: half-installed
status: gone:amd64: not-installed
processing: install: never
"""
    assert parse_log(said) == {"lib:i386": True, "gone:amd64": False, "never": False}
    assert parse_log("nonsense\nstatus:\nprocessing: \n") == {}
