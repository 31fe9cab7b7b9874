# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""The execution environment by ansible-builder, up to where a container engine builds it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .rulebooks import ROOT

DEFINITION = ROOT / "extensions/awx/execution-environment.yml"


def program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the collection is installed as in an image, from its tarball."""
    directory = tmp_path_factory.mktemp("collections")
    galaxy = [program("ansible-galaxy"), "collection"]
    subprocess.run([*galaxy, "build", "--output-path", str(directory), str(ROOT)], check=True, capture_output=True)
    (tarball,) = directory.glob("*.tar.gz")
    arguments = ["install", "--force", "--offline", "--no-deps", "--collections-path", str(directory), str(tarball)]
    subprocess.run([*galaxy, *arguments], check=True, capture_output=True)
    return directory


def test_what_the_collection_needs_gets_into_the_image(installed: Path) -> None:
    done = subprocess.run([program("ansible-builder"), "introspect", str(installed)], check=True, capture_output=True, text=True)
    found = yaml.safe_load(done.stdout)
    needed = {kind: {re.sub(r"\s*#.*", "", line) for line in found[kind]} for kind in found}
    assert needed == {
        "python": entries(ROOT / "meta/ee-requirements.txt"),
        "system": entries(ROOT / "bindep.txt"),
    }


def entries(path: Path) -> set[str]:
    """Lines of a list of requirements, without its comments."""
    return {line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")}


def test_a_build_context_is_made(tmp_path: Path) -> None:
    context = tmp_path / "context"
    subprocess.run(
        [
            program("ansible-builder"),
            "create",
            "--file",
            str(DEFINITION),
            "--context",
            str(context),
            "--output-filename",
            "Containerfile",
        ],
        check=True,
        capture_output=True,
    )
    containerfile = (context / "Containerfile").read_text()
    assert 'ANSIBLE_INSTALL_REFS="ansible-core>=2.19 ansible-runner"' in containerfile
    assert "introspect" in containerfile
    assert yaml.safe_load((context / "_build/requirements.yml").read_text()) == {"collections": [{"name": "fleet.kexec"}]}


def test_the_oldest_ansible_core_is_that_of_the_collection() -> None:
    requires = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["requires_ansible"]
    package = yaml.safe_load(DEFINITION.read_text())["dependencies"]["ansible_core"]["package_pip"]
    assert package == "ansible-core" + requires.removesuffix(".0")
