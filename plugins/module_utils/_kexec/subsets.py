# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subsets of the facts: C(gather_subset) with the semantics of Ansible's C(setup)."""

from __future__ import annotations

from typing import FrozenSet, Iterable, Set

from .._host.surroundings import READERS
from .errors import KexecError

GUESTS = "guests"
PENDING = "pending"
BOOT = "boot"
MINIMUM = frozenset((BOOT, "kernel"))
VERDICT = "verdict"
ENTRY = "entry"
FINDINGS = "findings"
HISTORY = "history"
MACHINE = "machine"
REBOOT_NEEDED = "reboot_needed"
SOFT = "soft"
# Subsets that need the host's facts as a whole.
HOST_SUBSETS = frozenset(
    (
        "container",
        "cpu",
        "defaults",
        "fast_images",
        "kernels",
        "kexec",
        "memory",
        "reservations",
        "virtio",
        ENTRY,
        REBOOT_NEEDED,
        SOFT,
        VERDICT,
    )
)
SUBSETS: FrozenSet[str] = MINIMUM | HOST_SUBSETS | frozenset(READERS) | frozenset((FINDINGS, HISTORY, MACHINE))

_ALL = "all"
_MIN = "min"


def resolve(wanted: Iterable[str]) -> FrozenSet[str]:
    """Resolve requested subsets.

    :param wanted: names, names to exclude with a leading C(!), C(all) and C(min). With exclusions only, they are taken from all.
        The minimum is always included unless C(!min) is given; C(!all) leaves only the minimum.
    :raises KexecError: C(SUBSET_INVALID).
    """
    included: Set[str] = set()
    named: Set[str] = set()
    excluded: Set[str] = set()
    said = [name.strip() for name in wanted]
    for word in said:
        name = word[1:] if word.startswith("!") else word
        if name not in SUBSETS and name not in (_ALL, _MIN):
            known = ", ".join([_ALL, _MIN, *sorted(SUBSETS)])
            raise KexecError("SUBSET_INVALID", "the facts have no subset %s; subsets are %s" % (name or "without a name", known))
        meant = {_ALL: SUBSETS, _MIN: MINIMUM}.get(name, frozenset((name,)))
        if word.startswith("!"):
            excluded |= meant - MINIMUM if name == _ALL else meant
        else:
            included |= meant
            named |= meant if name != _ALL else frozenset()
    if all(word.startswith("!") for word in said):
        included = set(SUBSETS)
    included -= excluded - named
    return frozenset(included | (MINIMUM - excluded))


def surroundings_of(subsets: FrozenSet[str]) -> FrozenSet[str]:
    """Pieces of C(_host/surroundings.py) to read; the verdict needs all of them, whatever else is excluded."""
    if VERDICT in subsets:
        return frozenset(READERS)
    pending = frozenset((PENDING,)) if subsets & {REBOOT_NEEDED, SOFT} else frozenset()
    return subsets & frozenset(READERS) | pending | (frozenset((GUESTS,)) if SOFT in subsets else frozenset())
