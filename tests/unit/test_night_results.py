# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of a night: kept, gone on from, summed up, and shown in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.tests.night import docs
from ansible_collections.fleet.kexec.tests.night.plan import Step
from ansible_collections.fleet.kexec.tests.night.results import (
    Outcome,
    Result,
    append,
    gone_on_with,
    left,
    outcome_of,
    read,
    summarise,
    summary_of,
    took_s,
)
from ansible_collections.fleet.kexec.tests.night.run import details_of
from ansible_collections.fleet.kexec.tests.night.tables import night_section, section_of_tested, with_section

A = Step("secure-boot", "night", "Secure Boot", (), 100.0)
B = Step("fleet", "chaos-1", "a fleet under faults, seed 1", (), 100.0, alone=True)
STATES = {A.name: "s1", B.name: "s1"}
DETAILS = {
    "versions": {"kernel": "6.12.117", "systemd": "257", "accelerator": "tcg"},
    "kexec_tools": "2.0.29",
    "ways": [{"method": "kexec", "image": "bzimage", "loader": "kexec_file_load", "placement": "copied"}, {"method": "soft"}],
    "firmware": True,
    "refused": ["LOCKED_DOWN"],
    "faults": ["no_memory"],
    "skipped": {"absent": "nothing was prepared"},
}


def result(outcome: Outcome = Outcome.PASSED, step: Step = A, state: str = "s1", took: float = 61.0) -> Result:
    return Result(step.name, state, outcome, took, "2026-11-30T03:00:00+00:00", DETAILS if step is A else {})


def test_results_are_read_as_they_were_kept(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert read(path) == []
    append(path, result())
    append(path, result(Outcome.FAILED))
    assert read(path) == [result(), result(Outcome.FAILED)]


def test_a_line_that_was_cut_off_costs_that_result_only(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    append(path, result())
    with path.open("a") as stream:
        stream.write('{"step": "b')
    assert read(path) == [result()]


@pytest.mark.parametrize(
    ("results", "again", "expected"),
    [
        ([], False, [A, B]),
        ([result()], False, [B]),
        ([result(state="s0")], False, [A, B]),
        ([result(Outcome.NOT_RUN)], False, [A, B]),
        ([result(Outcome.FAILED)], False, [B]),
        ([result(Outcome.FAILED)], True, [A, B]),
        ([result(Outcome.FAILED), result()], True, [B]),
    ],
)
def test_a_step_with_a_result_for_its_state_is_not_run_again(results: list[Result], again: bool, expected: list[Step]) -> None:
    assert left([A, B], STATES, results, again=again) == expected


def test_how_long_a_step_took_is_by_its_last_whole_run() -> None:
    assert took_s([result(took=50), result(took=70, state="s0"), result(Outcome.NOT_RUN, took=1)]) == {A.name: 70}


@pytest.mark.parametrize(
    ("returncode", "allowed", "expected"),
    [(0, 100, Outcome.PASSED), (2, 100, Outcome.FAILED), (None, 100, Outcome.TOO_LONG), (None, 30, Outcome.NOT_RUN)],
)
def test_a_step_that_the_night_was_too_short_for_has_not_failed(
    returncode: int | None, allowed: float, expected: Outcome
) -> None:
    assert outcome_of(returncode, A, allowed) is expected


def test_the_summary_has_all_steps() -> None:
    summary = summarise([A, B], STATES, [result(), result(Outcome.NOT_RUN, B)], {"qemu": "7.2.22", "cores": "2"})
    assert [(row.guest, row.outcome) for row in summary.rows] == [("secure-boot", Outcome.PASSED), ("fleet", Outcome.NOT_RUN)]
    assert summary.date == "2026-11-30"
    assert summary_of(summary.as_json()) == summary


@pytest.mark.parametrize(
    ("results", "outcome", "changed_since"),
    [
        ([result(state="s0")], Outcome.PASSED, True),
        ([result(state="s0"), result(Outcome.FAILED)], Outcome.FAILED, False),
        # Another branch of the checkout was tried in between.
        ([result(), result(Outcome.FAILED, state="s0")], Outcome.PASSED, False),
        # The night was over before it had ended: that takes back nothing.
        ([result(state="s0"), result(Outcome.NOT_RUN)], Outcome.PASSED, True),
    ],
)
def test_a_result_of_an_earlier_state_is_shown_as_such(results: list[Result], outcome: Outcome, changed_since: bool) -> None:
    [row] = summarise([A], STATES, results, {}).rows
    assert (row.outcome, row.changed_since) == (outcome, changed_since)
    assert ("passed\\*" in night_section(summarise([A], STATES, results, {}))) == changed_since


def test_a_summary_of_another_machine_goes_on_with_the_one_that_is_kept() -> None:
    kept = summarise([A, B], STATES, [result(), result(Outcome.FAILED, B)], {"qemu": "7.2.22", "cores": "2"})
    later = summarise([A, B], STATES, [result(step=B)], {"qemu": "10.0.7", "cores": "2"})
    both = gone_on_with(kept, later)
    assert [(row.outcome, row.changed_since) for row in both.rows] == [(Outcome.PASSED, True), (Outcome.PASSED, False)]
    assert both.versions["qemu"] == "10.0.7"
    assert gone_on_with(kept, summarise([A], STATES, [], {})).rows[0].guest == "secure-boot"


def test_tables_say_what_was_seen_with_which_versions() -> None:
    summary = summarise([A, B], STATES, [result(), result(Outcome.FAILED, B, took=3700)], {"qemu": "7.2.22", "cores": "2"})
    shown = night_section(summary)
    assert "up to 2026-11-30: 1 passed, 1 failed. QEMU 7.2.22, accelerator TCG, 2 cores." in shown
    assert (
        "| secure-boot | Secure Boot | night | passed | 2026-11-30 | 1 min | bzimage, `kexec_file_load`, copied; soft; firmware;"
        " refused: `LOCKED_DOWN`; faults: no_memory; no absent: nothing was prepared |" in shown
    )
    assert "| fleet | a fleet under faults, seed 1 | chaos-1 | **failed** | 2026-11-30 | 1 h 02 min |  |" in shown
    assert section_of_tested(summary).splitlines()[-1] == (
        "| Secure Boot | 6.12.117 | 257 | 2.0.29 | bzimage, `kexec_file_load`, copied; soft; firmware | 2026-11-30 |"
    )


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.NOT_RUN, Outcome.TOO_LONG])
def test_nothing_is_said_to_be_tested_that_did_not_pass(outcome: Outcome) -> None:
    assert "Secure Boot" not in section_of_tested(summarise([A], STATES, [result(outcome)], {}))


def test_no_row_is_made_up_before_the_first_night() -> None:
    summary = summarise([A], STATES, [], {})
    assert "|" not in night_section(summary) + section_of_tested(summary)


def test_a_section_ends_at_the_next_heading_of_its_level_or_above() -> None:
    page = "# Page\n\n## One\n\nold\n\n### Below\n\nold, too\n\n## Two\n\nrest\n"
    assert with_section(page, "## One\n\nnew\n") == "# Page\n\n## One\n\nnew\n\n## Two\n\nrest\n"
    assert with_section(page, "## Two\n\nnew\n").endswith("old, too\n\n## Two\n\nnew\n")
    with pytest.raises(ValueError, match="Three"):
        with_section(page, "## Three\n\nnew\n")


def test_the_documentation_shows_the_summary_that_is_kept() -> None:
    """`make night-docs` would change nothing."""
    for path, text in docs.pages(summary_of(docs.KEPT.read_text(encoding="utf-8"))).items():
        assert path.read_text(encoding="utf-8") == text


def test_parts_that_a_scenario_kept_are_taken_together(tmp_path: Path) -> None:
    (tmp_path / "kx1.night_ways.json").write_text('{"ways": []}')
    (tmp_path / "kx1.night_faults.json").write_text('{"faults": ["a"]}')
    (tmp_path / "kx1.night_broken.json").write_text("{")
    (tmp_path / "kx1.before.json").write_text('{"files": {}}')
    assert details_of(tmp_path) == {"ways": [], "faults": ["a"]}
