# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines as the kernel lays them out, changed at random: each difference has the code that the guide to proof promises."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._machine.codes import DIFFERENCE_DEFAULTS
from ansible_collections.fleet.kexec.plugins.module_utils._machine.comparison import Difference, compare
from ansible_collections.fleet.kexec.plugins.module_utils._machine.reading import take_snapshot
from ansible_collections.fleet.kexec.plugins.module_utils._machine.snapshot import MachineSnapshot, parse_snapshot

from .examples import MEMORY, tried
from .machine import (
    ABOUT_MODULES,
    CLASSES,
    OOPS,
    SLOW_CLOCKS,
    WARNED,
    Array,
    Described,
    Drive,
    Function,
    Interface,
    build,
    effects_of_page,
    expected,
)

EFFECTS = effects_of_page()
# Names that people and programs make up, and some that mean harm.
HARM = ["\x1b[2J", "{{ 7 * 7 }}", "<b>", "a b", "ü", "\udcff", "$(reboot)", "'", '"', "%s", "\\x20", "x" * 15]


def names(of: str, without: str = "", longest: int = 15) -> st.SearchStrategy[str]:
    """Names such as C(eth0), or that mean harm; without some characters, and that many bytes at most."""
    harm = [each for each in HARM if not set(each) & set(without)]
    plain = st.integers(0, 9).map(lambda number: "%s%d" % (of, number))
    return st.one_of(plain, st.sampled_from(harm)).filter(lambda name: len(name.encode("utf-8", "surrogateescape")) <= longest)


# What the kernel allows as the name of an interface.
INTERFACE_NAMES = names("eth", without=" /:")
POINTS = names("data", longest=60).map("/srv/{}".format)
MODULES = st.sampled_from(["ipmi-si", "msr", "nct6775", "br_netfilter"])
UNITS = st.sampled_from(["db.service", "srv-my\\x20data.mount", "backup@1.service", "apt-daily.timer", "a:b.service"])
# "without those of users and of single connections"
PASSING_UNITS = st.sampled_from(["user@1000.service", "sshd@3-192.0.2.1:22-192.0.2.2:5000.service"])
VOLUMES = st.integers(0, 5).map(lambda number: "%s-%064x" % ("CRYPT-LUKS2" if number % 2 else "LVM", number))
DRIVERS = st.one_of(st.none(), names("drv", without="/ "))
ADDRESSES = st.integers(1, 12).map("0000:00:{:02x}.0".format)
LINKS = st.one_of(st.none(), st.tuples(st.sampled_from([2.5, 5.0, 8.0, 16.0]), st.sampled_from([1, 4, 8, 16])))
FUNCTIONS = st.builds(
    Function,
    address=ADDRESSES,
    identity=st.sampled_from(["8086:1533", "144d:a80a", "10de:2235"]),
    kind=st.sampled_from(sorted(CLASSES)),
    driver=DRIVERS,
    link=LINKS,
    virtual_functions=st.integers(0, 4),
)
MACS = st.integers(0, 7).map("b8:ce:f6:00:00:{:02x}".format)
DRIVES = st.builds(
    Drive,
    wwid=st.one_of(st.integers(0, 4).map("naa.5000cca2{:08x}".format), names("t10.ATA", longest=60)),
    size_mib=st.integers(1, 4),
    paths=st.lists(st.booleans(), min_size=1, max_size=3).map(tuple),
)
ARRAYS = st.builds(Array, st.integers(0, 3).map("3aaa0122:29827cfa:5331ad66:{:08x}".format), st.booleans())
SINGLE: dict[str, st.SearchStrategy[Any]] = {
    "cpus": st.integers(1, 6),
    "nodes": st.integers(1, 3),
    "blocks": st.integers(2, 5),
    "huge_pages": st.dictionaries(st.sampled_from(["2048", "1048576"]), st.integers(0, 3)),
    "clock": st.sampled_from(["tsc", "kvm-clock", *SLOW_CLOCKS]),
    "microcode": st.integers(1, 0x30),
    "taints": st.frozensets(st.sampled_from([*OOPS, *WARNED, *ABOUT_MODULES]), max_size=4),
    "errors": st.lists(st.tuples(st.integers(0, 3), st.integers(0, 999)), max_size=3).map(tuple),
    "swap_kib": st.sampled_from([0, 1024, 4096]),
    "zram_kib": st.sampled_from([0, 1000]),
    "pools": st.dictionaries(st.sampled_from(["tank", "rpool"]), st.booleans()),
    "volumes": st.frozensets(VOLUMES, max_size=3),
    "mounts": st.dictionaries(POINTS, st.booleans(), max_size=3),
    "modules": st.frozensets(MODULES),
    "built_in": st.frozensets(MODULES, max_size=1),
    "tpms": st.integers(0, 2),
    "watchdogs": st.lists(st.sampled_from(["iTCO_wdt", "i6300ESB timer", "\x1b[2J"]), max_size=2).map(tuple),
    "corrected": st.sampled_from([0, 0, 3]),
    "uncorrected": st.sampled_from([0, 0, 1]),
    "failed_units": st.frozensets(UNITS, max_size=2),
    "passing_units": st.frozensets(PASSING_UNITS),
    "software_interfaces": st.lists(st.sampled_from(["docker0", "veth1", "tap0"]), unique=True).map(tuple),
    "loops": st.integers(0, 2),
}


def keyed(items: st.SearchStrategy[Any], *keys: str, most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    """Lists of items that differ in each of these attributes."""
    unique = tuple(attrgetter(key) for key in keys)
    return st.lists(items, max_size=most, unique_by=unique).map(tuple)


@st.composite
def interfaces(draw: st.DrawFn, functions: tuple[Function, ...]) -> tuple[Interface, ...]:
    """Interfaces of some network cards of a machine."""
    cards = [each.address for each in functions if each.kind == "network"]
    if not cards:
        return ()
    each = st.builds(
        Interface,
        name=INTERFACE_NAMES,
        mac=MACS,
        address=st.sampled_from(cards),
        port=st.integers(0, 1),
        carrier=st.booleans(),
        speed=st.sampled_from([100, 1000, 25000]),
        master=st.one_of(st.none(), st.just("bond0"), names("br", without=" /:")),
    )
    return draw(keyed(each, "name", "mac", "slot"))


@st.composite
def machines(draw: st.DrawFn) -> Described:
    """Any machine."""
    values = {name: draw(strategy) for name, strategy in SINGLE.items()}
    functions = draw(keyed(FUNCTIONS, "address", most=4))
    return Described(
        **values,
        functions=functions,
        interfaces=draw(interfaces(functions)),
        drives=draw(keyed(DRIVES, "wwid")),
        arrays=draw(keyed(ARRAYS, "uuid", most=2)),
        wanted_mounts=frozenset(draw(st.sets(st.sampled_from(sorted(values["mounts"]) or ["/srv/none"])))),
        wanted_modules=draw(st.frozensets(MODULES)),
    )


def changed_item(
    draw: st.DrawFn, items: tuple[Any, ...], others: st.SearchStrategy[Any], keys: tuple[str, ...]
) -> tuple[Any, ...]:
    """Items without one, with another one, or with one that keeps only what it is recognised by."""
    index = draw(st.integers(0, len(items)))
    if index == len(items) or draw(st.booleans()):
        new = draw(others)
        if index < len(items):
            new = replace(items[index], **{key: getattr(new, key) for key in draw(st.sets(st.sampled_from(fields_of(new))))})
        rest = tuple(each for number, each in enumerate(items) if number != index)
        clash = any(getattr(each, key) == getattr(new, key) for each in rest for key in keys)
        return rest if clash else (*rest, new)
    return tuple(each for number, each in enumerate(items) if number != index)


def fields_of(item: Any) -> list[str]:
    return sorted(vars(item))


@st.composite
def changes(draw: st.DrawFn, was: Described) -> Described:
    """What comes back of a machine: mostly what it was, in another order."""
    now = was
    for _change in range(draw(st.integers(0, 4))):
        what = draw(st.sampled_from([*SINGLE, "functions", "functions", "interfaces", "interfaces", "drives", "arrays", "state"]))
        if what in SINGLE:
            now = replace(now, **{what: draw(SINGLE[what])})
        elif what == "functions":
            functions = changed_item(draw, now.functions, FUNCTIONS, ("address",))
            there = {each.address for each in functions if each.kind == "network"}
            now = replace(now, functions=functions, interfaces=tuple(each for each in now.interfaces if each.address in there))
        elif what == "interfaces":
            others = interfaces(now.functions).filter(bool).map(lambda found: found[0])
            if any(each.kind == "network" for each in now.functions):
                now = replace(now, interfaces=changed_item(draw, now.interfaces, others, ("name", "mac", "slot")))
        elif what == "drives":
            now = replace(now, drives=changed_item(draw, now.drives, DRIVES, ("wwid",)))
        elif what == "arrays":
            now = replace(now, arrays=changed_item(draw, now.arrays, ARRAYS, ("uuid",)))
        else:
            now = replace(now, state=draw(st.sampled_from(["running", "degraded", "starting", None])))
    shuffled: dict[str, Any] = {
        name: tuple(draw(st.permutations(getattr(now, name)))) for name in ("functions", "interfaces", "drives", "arrays")
    }
    return replace(now, **shuffled)


def snapshot(machine: Described, boot: str) -> MachineSnapshot:
    """Snapshot of a machine as it is read back from the host's file."""
    with TemporaryDirectory(dir=MEMORY) as directory:
        tree = build(machine, Path(directory), boot)
        taken = take_snapshot(tree.files, tree.run)
    return parse_snapshot(json.loads(json.dumps(taken.as_dict())))


def found(was: Described, now: Described) -> list[Difference]:
    return compare(snapshot(was, "1" * 32), snapshot(now, "2" * 32), DIFFERENCE_DEFAULTS)


@tried(12)
@given(st.data())
def test_each_difference_has_the_code_that_is_promised(data: st.DataObject) -> None:
    was = data.draw(machines())
    now = data.draw(changes(was))
    differences = found(was, now)
    assert Counter(each.code for each in differences) == expected(was, now)
    for each in differences:
        assert each.effect == EFFECTS[each.code]
        assert (each.subject + each.message + (each.before or "") + (each.after or "")).isprintable()


@tried(12)
@given(machines())
def test_a_machine_that_came_back_as_it_was_has_none(machine: Described) -> None:
    assert found(machine, machine) == []
