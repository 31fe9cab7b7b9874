# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Guests of the night: their files say what the lab and the scenario can read, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CATALOGUE
from ansible_collections.fleet.kexec.tests.night.plan import GUESTS, of_guest

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "molecule/lab/roles/lab"
FILES = sorted((ROOT / GUESTS).glob("*.yml"))
FAULTS = yaml.safe_load((ROOT / "molecule/shared/faults.yml").read_text(encoding="utf-8"))["all_faults"]

guests = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def read(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def names_of(variable: str) -> set[str]:
    """Names that a dictionary of the lab's role has."""
    for path in (ROLE / "vars").rglob("*.yml"):
        if variable in (loaded := read(path)):
            return set(loaded[variable])
    raise AssertionError(variable)


def test_there_are_some() -> None:
    assert FILES


@guests
def test_a_guest_is_one_that_the_lab_can_make(path: Path) -> None:
    known = set(re.findall(r"lab_guest\.(\w+)", "".join(file.read_text(encoding="utf-8") for file in ROLE.rglob("*.yml"))))
    kx1, *others = read(path)["lab_guests"]
    assert kx1["name"] == "kx1", "the scenario reboots no other"
    for guest in (kx1, *others):
        assert set(guest) <= known
        assert guest.get("firmware") == "uefi" or not guest.get("secure_boot")
        for key in ("bootloader", "install", "network", "storage", "initrd"):
            assert key not in guest or guest[key] in names_of("lab_%ss" % key)


@guests
def test_what_comes_out_is_said_in_words_that_the_collection_has(path: Path) -> None:
    night = read(path)["night"]
    assert of_guest(path.relative_to(ROOT), read(path), 1)
    verdict, offers, faults = (night.get(key, {}) for key in ("verdict", "offers", "faults"))
    assert verdict.get("method", "kexec") in ("kexec", "firmware", "refuse")
    codes = [*verdict.get("codes", ()), *(each["code"] for each in night.get("refuses", ())), *night.get("policy", ())]
    assert set(codes) <= set(CATALOGUE)
    assert set(offers.get("images", ())) <= {"fast", "bzimage"}
    assert set(offers.get("loaders", ())) <= {"kexec_load", "kexec_file_load"}
    assert set(offers.get("placements", ())) <= {"copied", "reserved", "cma"}
    assert set(faults.get("without", ())) <= set(FAULTS)
    assert set(night.get("skip", ())) <= {"prepare", "firmware", "faults", "absent"}
