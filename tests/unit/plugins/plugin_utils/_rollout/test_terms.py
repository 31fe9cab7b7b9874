# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a resume, and those of the run in its journal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.request import RebootRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.arguments import rolling_argument_spec
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.terms import Terms, terms_again, terms_of

BERLIN = timezone(timedelta(hours=1))
#: At this hour the run begins.
EVENING = datetime(2026, 11, 24, 22, 0, tzinfo=BERLIN)
MORNING = datetime(2026, 11, 25, 6, 5, tzinfo=BERLIN)
SIX = datetime(2026, 11, 25, 5, 0, tzinfo=UTC)
REQUEST = RebootRequest("auto", 600.0, "", "m")


def validated(**options: Any) -> dict[str, Any]:
    checked = ArgumentSpecValidator(rolling_argument_spec()).validate(options)
    assert not checked.error_messages, checked.error_messages
    return dict(checked.validated_parameters)


def began(*, earlier: bool = False, **options: Any) -> RunState:
    """A run with these options; C(earlier) if by a version that did not record the instant of a deadline."""
    terms = terms_of(validated(**options), REQUEST, EVENING)
    record = events.RunStarted(
        run_id="night",
        controller="c",
        collection_version="",
        hosts=("a",),
        bystanders=(),
        settings=terms.options,
        waves=(),
        deadline=terms.deadline_text,
    ).as_record()
    if earlier:
        del record["deadline"]
    return RunState.from_records([{**record, "at": "2026-11-24T21:00:00.000Z"}])


def resumed(state: RunState, now: datetime = MORNING, **options: Any) -> Terms:
    terms = terms_again(validated(resume="night", **options), REQUEST, state, now)
    record = events.RunResumed(controller="c", pid=1, settings=terms.options, deadline=terms.deadline_text).as_record()
    state.read({**record, "at": "2026-11-25T05:05:00.000Z"})
    return terms


def test_what_is_not_given_is_as_in_the_journal() -> None:
    run = began(
        method="kexec",
        kernel="6.12",
        cmdline={"append": ["quiet"]},
        canaries={"count": 1},
        order="shuffle",
        window=5,
        max_unavailable={"rack": 1},
        failure_budget=3,
    )
    terms = resumed(run)
    assert terms.request.method == "kexec"
    assert terms.request.image["kernel"] == "6.12" and terms.request.image["cmdline"]["append"] == ["quiet"]
    assert set(terms.taken) == {"method", "kernel", "cmdline", "canaries", "order", "max_unavailable"}
    # A limit that is kept only because it was left out would be a surprise; these two are as strict as can be by default.
    assert (terms.settings.window.of(9), terms.settings.failure_budget.total.of(9)) == (1, 0)
    assert terms.settings.max_unavailable["rack"].of(9) == 1


def test_limits_can_be_changed() -> None:
    run = began(window=5, max_unavailable={"rack": 1}, stop_on_regression={})
    terms = resumed(run, window=2, max_unavailable={"zone": 2}, stop_on_regression={"samples": 9}, reboot_timeout=30)
    assert (terms.settings.window.of(9), list(terms.settings.max_unavailable)) == (2, ["zone"])
    assert terms.settings.regression is not None and terms.settings.regression.samples == 9
    assert terms.taken == {}


def test_a_limit_that_was_changed_stays_changed() -> None:
    run = began(max_unavailable={"rack": 1}, method="kexec")
    resumed(run, max_unavailable={"zone": 2})
    terms = resumed(run)
    assert list(terms.settings.max_unavailable) == ["zone"]
    assert terms.request.method == "kexec"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"method": "firmware"}, "method=kexec, and method=firmware"),
        ({"kernel": "6.13"}, "kernel=default, and kernel=6.13"),
        ({"canaries": {"count": 2}}, 'canaries={"count": 1}, and canaries={"count": 2}'),
        ({"waves": ["10%"]}, 'waves=null, and waves=["10%"]'),
        ({"wave_soak": 5}, "wave_soak=0.0, and wave_soak=5.0"),
        ({"order": "sorted"}, "order=spread, and order=sorted"),
        ({"integrity": "none"}, "integrity=null, and integrity=none"),
    ],
)
def test_what_the_run_is_can_not_be_changed(given: dict[str, Any], named: str) -> None:
    run = began(method="kexec", canaries={"count": 1}, order="spread")
    with pytest.raises(RolloutError) as caught:
        resumed(run, **given)
    assert caught.value.reason.code == "RESUME_MISMATCH"
    assert named in caught.value.reason.message


def test_the_same_options_can_be_given_again() -> None:
    options: dict[str, Any] = {"method": "kexec", "canaries": {"count": 1, "soak": 60}, "waves": [1, "50%"], "wave_soak": 5}
    run = began(**options)
    assert resumed(run, **options).taken == {}
    # A variable on the command line is text.
    assert resumed(run, **{**options, "waves": ["1", "50%"], "canaries": {"count": "1", "soak": "60"}}).taken == {}


def test_a_lock_has_to_be_given_again_and_may_be_another() -> None:
    run = began(lock={"slots": 3})
    with pytest.raises(RolloutError, match=r'begun with lock=\{.*"slots": 3\}, and no lock is given'):
        resumed(run)
    assert resumed(run, lock={"slots": 4}).options["lock"]["slots"] == 4


@pytest.mark.parametrize("earlier", [True, False])
@pytest.mark.parametrize("options", [{}, {"deadline": "06:00"}])
def test_six_o_clock_is_not_that_of_the_next_day(options: dict[str, Any], earlier: bool) -> None:
    terms = resumed(began(deadline="06:00", earlier=earlier), **options)
    assert terms.deadline == SIX
    assert terms.settings_at(MORNING).deadline_s == -300.0
    assert terms.deadline_text == "2026-11-25T05:00:00.000Z"


def test_seconds_are_counted_from_the_beginning_of_the_run() -> None:
    assert resumed(began(deadline="28800"), deadline="28800").deadline == SIX


def test_a_new_deadline_is_kept_by_the_next_resume_and_an_old_one_is_what_it_was() -> None:
    run = began(deadline="06:00")
    eight = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)
    assert resumed(run, deadline="08:00").deadline == eight
    assert resumed(run, MORNING + timedelta(hours=12)).deadline == eight
    assert resumed(run, MORNING + timedelta(hours=12), deadline="08:00").deadline == eight
    assert resumed(run, deadline="06:00").deadline == SIX
    assert resumed(run).deadline == SIX


def test_a_run_without_a_deadline_can_be_given_one() -> None:
    assert resumed(began()).deadline is None
    assert resumed(began(), deadline="60").deadline == MORNING + timedelta(seconds=60)
    with pytest.raises(RolloutError, match="still to come"):
        resumed(began(), deadline="2026-11-25T06:00")


def test_options_of_an_earlier_version_that_are_refused_by_now_are_as_they_were() -> None:
    run = began()
    run.settings = {**run.settings, "canaries": {"number": 1}}
    assert set(resumed(run).taken) == {"canaries"}
    with pytest.raises(RolloutError, match="canaries"):
        resumed(run, canaries={"count": 1})


def test_secrets_of_a_lock_are_not_in_the_journal() -> None:
    lock = {"backend": "etcd", "slots": 2, "name": "web", "endpoints": ["https://e:1"], "password": "hunter2", "username": "u"}
    assert terms_of(validated(lock=lock), REQUEST, EVENING).options["lock"] == {"backend": "etcd", "name": "web", "slots": 2}
