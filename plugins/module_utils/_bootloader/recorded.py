# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bootloaders that keep arguments in files of others, so that our settings have to be recorded."""

from __future__ import annotations

from typing import Dict, List, Mapping, Tuple

from .._cmdline import values_of
from .interface import Bootloader, Entry, Setter, Setting
from .record import SettingsRecord, read_record


class RecordedBootloader(Bootloader):
    """Bootloader with a record of our settings."""

    def own(self) -> Dict[str, Setting]:
        return dict(read_record(self._files).settings)

    def setters(self, name: str) -> List[Setter]:
        own = self.own().get(name)
        if own is not None and own.overrule:
            return []
        found: Dict[str, Tuple[str, ...]] = {}
        for entry in self.affected():
            values = foreign(values_of(entry.cmdline, name), own)
            if values:
                found.setdefault(self._setter(entry, name, values), values)
        return [Setter(source, values) for source, values in found.items()]

    def _setter(self, entry: Entry, name: str, values: Tuple[str, ...]) -> str:
        """Determine, as far as possible, who set values of an argument in an entry."""
        return entry.source


def foreign(values: Tuple[str, ...], own: Setting | None) -> Tuple[str, ...]:
    """Values that others have set: those before ours, which are at the end."""
    mine = own.values if own is not None else ()
    return values[: len(values) - len(mine)] if mine and values[len(values) - len(mine) :] == mine else values


def updated(record: SettingsRecord, settings: Mapping[str, Setting], found: Mapping[str, Tuple[str, ...]]) -> SettingsRecord:
    """Update a record with settings, given the present values by argument."""
    kept = {name: setting for name, setting in {**record.settings, **settings}.items() if setting.values or setting.overrule}
    before = {
        name: record.before.get(name, foreign(found.get(name, ()), record.settings.get(name)))
        for name, setting in kept.items()
        if setting.overrule
    }
    return SettingsRecord(kept, before, record.origins)


def values_after(name: str, setting: Setting, values: Tuple[str, ...], record: SettingsRecord) -> Tuple[str, ...]:
    """Values of an argument once a setting is applied to the present ones, given the record before that."""
    own = record.settings.get(name)
    others = foreign(values, own)
    if setting.overrule:
        others = ()
    elif own is not None and own.overrule:
        # Withdrawn: restore what others had set, unless they have set it anew.
        others = others or record.before.get(name, ())
    return (*others, *setting.values)
