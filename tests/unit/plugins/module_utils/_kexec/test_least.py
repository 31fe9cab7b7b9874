# SPDX-License-Identifier: GPL-3.0-or-later
"""The least reboot that applies what is pending."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.least import (
    FIRMWARE,
    KEXEC,
    METHODS,
    SOFT,
    Need,
    decide_least,
    method_for,
)
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason

OLD_SYSTEMD = reason("SOFT_UNSUPPORTED", "systemd 252 knows no soft reboot")
NVIDIA = reason("DRIVER_RISK", "nvidia drives 0000:3b:00.0")


def need(method: str) -> Need:
    return Need(reason("PENDING_PACKAGES", "updates"), method)


@pytest.mark.parametrize(
    ("needs", "obstacles", "method", "ruled_out"),
    [
        ([], {}, None, []),
        ([], {SOFT: [OLD_SYSTEMD]}, None, []),
        ([SOFT], {}, SOFT, []),
        ([SOFT, KEXEC], {}, KEXEC, []),
        ([FIRMWARE, SOFT], {}, FIRMWARE, []),
        ([SOFT], {SOFT: [OLD_SYSTEMD]}, KEXEC, ["SOFT_UNSUPPORTED"]),
        ([SOFT], {SOFT: [OLD_SYSTEMD], KEXEC: [NVIDIA]}, FIRMWARE, ["SOFT_UNSUPPORTED", "DRIVER_RISK"]),
        ([KEXEC], {SOFT: [OLD_SYSTEMD], KEXEC: [NVIDIA]}, FIRMWARE, ["DRIVER_RISK"]),
    ],
)
def test_the_least_that_applies_it_all(
    needs: list[str], obstacles: dict[str, list[object]], method: str | None, ruled_out: list[str]
) -> None:
    least = decide_least([need(each) for each in needs], obstacles)  # type: ignore[arg-type]
    assert (least.method, [each.code for each in least.ruled_out]) == (method, ruled_out)


def test_no_need_is_left_unapplied_whatever_stands_in_the_way() -> None:
    for size in range(1, 4):
        for needs in itertools.product(METHODS, repeat=size):
            for blocked in itertools.chain.from_iterable(itertools.combinations(METHODS, count) for count in range(4)):
                least = decide_least([need(each) for each in needs], {each: [NVIDIA] for each in blocked})
                assert least.method in least.candidates
                assert least.method is not None and all(METHODS.index(least.method) >= METHODS.index(each) for each in needs)
                assert least.method == FIRMWARE or least.method not in blocked


@pytest.mark.parametrize(
    ("packages", "method"),
    [
        (["libc6"], SOFT),
        (["glibc", "systemd", "openssl-libs", "gnutls", "dbus-broker", "dbus-daemon", "systemd-udev"], SOFT),
        (["libssl3t64", "systemd-sysv", "libsystemd0", "udev"], SOFT),
        (["libc6", "linux-image-6.12.118+deb13-amd64"], KEXEC),
        (["linux-firmware"], KEXEC),
        (["intel-microcode"], KEXEC),
        (["systemd-boot"], KEXEC),
        (["dbus\x1b"], KEXEC),
        ([], KEXEC),
    ],
)
def test_what_packages_take(packages: list[str], method: str) -> None:
    assert method_for(packages) == method
