# SPDX-License-Identifier: GPL-3.0-or-later
"""What a part has brought, by the timelines of the host."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._prepare_boot.effects import PHASES, effects_of
from ansible_collections.fleet.kexec.plugins.module_utils._prepare_boot.preparation import PARTS


def boot(number: int, path: str = "kexec", **phases: float) -> dict[str, Any]:
    return {
        "boot_id": "b-%d" % number,
        "boot_id_before": "b-%d" % (number - 1),
        "path": path,
        "phases": [{"name": name, "duration_ms": ms, "error_ms": 1.0} for name, ms in phases.items()],
    }


def test_every_part_has_its_phases() -> None:
    assert tuple(PHASES) == PARTS


def test_the_last_reboot_before_and_the_first_one_after() -> None:
    history = [
        boot(1, kernel=9000.0, initrd=1000.0),
        boot(2, kernel=5000.0, initrd=1000.0),
        boot(3, "firmware", kernel=1.0, initrd=1.0),
        boot(4, kernel=2000.0, initrd=900.0),
        boot(5, kernel=1.0, initrd=1.0),
    ]
    (effect,) = effects_of(history, {"quiet": "b-2"})
    assert effect.as_dict() == {
        "part": "quiet",
        "phases": ["kernel", "initrd"],
        "before_ms": 6000.0,
        "after_ms": 2900.0,
        "saved_ms": 3100.0,
        "predicted_ms": None,
        "error_ms": 4.0,
        "faster": True,
    }


def test_what_findings_had_predicted_is_beside_what_was_saved() -> None:
    serial = {"code": "CONSOLE_SERIAL", "time_ms": 4000.0, "gain_ms": 3000.0, "basis": "modelled"}
    before = {**boot(1, kernel=5000.0, initrd=1000.0), "findings": [serial], "gain_ms": 3500.0}
    (effect,) = effects_of([before, boot(2, kernel=2000.0, initrd=900.0)], {"quiet": "b-1"})
    assert (effect.predicted_ms, effect.saved_ms) == (3000.0, 3100.0)


def test_the_boot_in_which_it_was_made_need_not_have_a_timeline() -> None:
    history = [boot(1, stop_units=7000.0), boot(4, stop_units=2000.0)]
    (effect,) = effects_of(history, {"stop_timeout": "b3"})
    assert effect.saved_ms == 5000.0


def test_one_that_made_it_no_faster_is_told() -> None:
    history = [boot(1, jump=500.0, shutdown=400.0), boot(2, jump=10.0, shutdown=399.0)]
    (effect,) = effects_of(history, {"parallel_shutdown": "b1"})
    assert not effect.is_faster
    note = effect.note()
    assert note.code == "BOOT_PART_NO_FASTER" and "shutdown took 400 ms before it, and 399 ms after" in note.message


def test_without_stamps_of_the_stub_the_whole_jump_counts() -> None:
    (effect,) = effects_of([boot(1, jump=500.0, shutdown=400.0), boot(2, jump=300.0)], {"parallel_shutdown": "b1"})
    assert (effect.phases, effect.saved_ms) == (("jump",), 200.0)


@pytest.mark.parametrize(
    "history",
    [
        [],
        [boot(1, stop_units=1.0)],
        [boot(2, stop_units=1.0)],
        [boot(1, "firmware", stop_units=1.0), boot(2, stop_units=1.0)],
        [boot(1, jump=1.0), boot(2, jump=1.0)],
        [{"boot_id": "b1", "phases": [3, {"name": "stop_units", "duration_ms": "x"}], "path": "kexec"}, boot(2, stop_units=1.0)],
        [boot(1, stop_units=float("inf")), boot(2, stop_units=1.0)],
        [boot(1, stop_units=10**400), boot(2, stop_units=1.0)],
    ],
)
def test_what_is_not_known_is_not_told(history: list[Any]) -> None:
    assert effects_of(history, {"stop_timeout": "b1"}) == []
    assert effects_of(history, {"of a later version": "b1", "stop_timeout": ""}) == []
