# SPDX-License-Identifier: GPL-3.0-or-later
"""A host class says what a machine is, whatever the facts are like."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._host.hardware import Hardware
from ansible_collections.fleet.kexec.plugins.plugin_utils._host_class import hardware_of, hardware_of_setup, host_class_of

R650 = Hardware(
    "Dell Inc.", "PowerEdge R650", "0F2X5K", "2.14.1", {"network": ["ixgbe"], "storage": ["nvme"], "display": ["nvidia 550.54"]}
)


def test_a_class_is_one_line() -> None:
    assert host_class_of(R650) == "Dell Inc. PowerEdge R650, board 0F2X5K, firmware 2.14.1, drivers ixgbe nvidia 550.54 nvme"
    assert host_class_of(None) == ""
    assert host_class_of(Hardware("", "", "", "", {})) == "unknown machine"
    assert host_class_of(Hardware("", "", "", "", {"network": ["virtio-pci"], "storage": ["virtio-pci"]})) == (
        "unknown machine, drivers virtio-pci"
    )


def test_a_long_class_is_told_from_another_one() -> None:
    drivers = ["driver%02d" % number for number in range(60)]
    one, other = (host_class_of(replace(R650, drivers={"network": each})) for each in (drivers, drivers[:-1]))
    assert len(one) <= 200
    assert one != other


def test_facts_that_are_as_they_should_be() -> None:
    assert hardware_of(asdict(R650)) == R650
    assert hardware_of({**asdict(R650), "vendor": "\x1b[31mDell"}) == replace(R650, vendor="?[31mDell")


@pytest.mark.parametrize(
    "fact",
    [
        None,
        [],
        "Dell",
        {},
        {**asdict(R650), "vendor": None},
        {**asdict(R650), "product": ["x"]},
        {**asdict(R650), "drivers": ["nvme"]},
        {**asdict(R650), "drivers": {"network": "nvme"}},
        {**asdict(R650), "drivers": {"network": [1]}},
    ],
)
def test_facts_that_are_not(fact: Any) -> None:
    assert hardware_of(fact) is None


def test_facts_of_setup_name_the_machine() -> None:
    facts = {"system_vendor": "Dell Inc.", "product_name": "PowerEdge R650", "board_name": "0F2X5K", "bios_version": "2.14.1"}
    assert host_class_of(hardware_of_setup(facts)) == "Dell Inc. PowerEdge R650, board 0F2X5K, firmware 2.14.1"
    assert hardware_of_setup({"product_name": "NA", "kernel": "6.1"}) is None
    assert hardware_of_setup({}) is None
