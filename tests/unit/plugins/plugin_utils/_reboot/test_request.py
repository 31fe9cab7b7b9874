# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.errors import RebootError
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.request import RebootRequest


def checked(method: str, **image: Any) -> list[str]:
    return RebootRequest(method, 600, "true", "m", image=image).check()


@pytest.mark.parametrize(
    "image",
    [
        {"kernel": "newest"},
        {"initrd": "/boot/initrd"},
        {"cmdline": {"append": ["quiet"]}},
        {"cmdline": {"base": "running"}},
        {"kernel": "6.1", "image": "fast"},
    ],
)
def test_firmware_boots_no_kernel_that_the_user_names(image: dict[str, Any]) -> None:
    with pytest.raises(RebootError) as caught:
        checked("firmware", **image)
    assert caught.value.reason.code == "SETTINGS_INVALID"
    assert caught.value.reason.message.startswith("%s has to be left out with method firmware" % next(iter(image)))
    assert checked("kexec", **image) == checked("auto", **image) == []


def test_preferences_for_an_image_have_no_effect_with_firmware() -> None:
    told = checked("firmware", image="fast", integrity="auto", loader="kexec_load", kaslr=False)
    assert [each.partition(" ")[0] for each in told] == ["image", "loader", "kaslr"]
    assert checked("kexec", image="fast") == []


def test_what_asks_for_nothing_is_not_refused() -> None:
    nothing: dict[str, Any] = {
        "kernel": "default",
        "initrd": None,
        "cmdline": {"base": "entry", "replace": None, "remove": [], "append": []},
    }
    assert checked("firmware", **nothing) == checked("firmware", cmdline=None) == checked("firmware") == []


@pytest.mark.parametrize("method", ["auto", "kexec", "firmware"])
def test_a_host_is_compared_with_the_default_entry_and_nothing_else(method: str) -> None:
    request = RebootRequest(method, 600, "true", "m", image={"kernel": "newest"}, only="pending")
    with pytest.raises(RebootError, match="kernel has to be left out with only pending"):
        request.check()
    assert RebootRequest(method, 600, "true", "m", only="pending").check() == []
