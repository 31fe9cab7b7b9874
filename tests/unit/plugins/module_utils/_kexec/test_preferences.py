# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.errors import KexecError
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.preferences import (
    Preferences,
    parse_preferences,
    read_preferences,
    render_preferences,
)

from ....conftest import HostTree

SET = Preferences(image="fast", integrity="sha256", loader="kexec_load", kaslr=False)


@pytest.mark.parametrize("preferences", [Preferences(), SET])
def test_what_is_written_is_read_again(preferences: Preferences) -> None:
    assert parse_preferences(render_preferences(preferences)) == preferences


def test_what_is_not_said_is_the_default() -> None:
    assert parse_preferences("") == parse_preferences("# nothing\n[stage]\n") == Preferences()
    assert parse_preferences("[stage]\nintegrity = none\n") == Preferences(integrity="none")


def test_other_sections_stay_as_they_are() -> None:
    others = "; of ours\n[policy]\n# GPUs\nDRIVER_RISK = allow"
    existing = "# old header\n[stage]\nimage = bzimage\n\n%s\n" % others
    text = render_preferences(SET, existing)
    assert text.endswith("\n\n%s\n" % others)
    assert text.count("[stage]") == text.count("[policy]") == 1
    assert "old header" not in text
    assert parse_preferences(text) == SET
    assert render_preferences(SET, text) == text
    first = "[policy]\nDRIVER_RISK = allow\n"
    assert parse_preferences(render_preferences(SET, first)) == SET
    assert render_preferences(SET, first).endswith("\n[policy]\nDRIVER_RISK = allow\n")


def test_a_policy_is_no_concern_of_staging() -> None:
    assert parse_preferences("[stage]\nimage = fast\n[policy]\nNONSENSE = maybe\n") == Preferences(image="fast")


def test_a_host_without_a_file(host_tree: HostTree) -> None:
    assert read_preferences(host_tree({})) == Preferences()


def test_a_wish_goes_before_the_hosts_own() -> None:
    wish = {"image": None, "integrity": "crc32c", "loader": None, "kaslr": None}
    assert SET.override(wish) == Preferences("fast", "crc32c", "kexec_load", "auto", False)
    assert SET.override({"kaslr": True}).kaslr is True
    assert SET.override({}) == SET


@pytest.mark.parametrize(
    "text",
    [
        "image = fast\n",
        "[stage]\nimage = quick\n",
        "[stage]\nimage\n",
        "[stage]\nkaslr = maybe\n",
        "[stage]\nhash_skip = yes\n",
        "[stage]\nimage = fast\nimage = bzimage\n",
        "[start]\nimage = fast\n",
        "\x00",
    ],
)
def test_what_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(KexecError) as caught:
        parse_preferences(text)
    assert caught.value.reason.code == "CONFIG_INVALID"
