# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bootloaders whose arguments stand in files of others: what is set there has to be remembered."""

from __future__ import annotations

from typing import Dict, List, Mapping, Tuple

from .._cmdline import values_of
from .interface import Bootloader, Entry, Setter, Setting
from .record import SettingsRecord, read_record


class RecordedBootloader(Bootloader):
    """A bootloader with a record of what was set."""

    def own(self) -> Dict[str, Setting]:
        """See :class:`Bootloader`."""
        return dict(read_record(self._files).settings)

    def setters(self, name: str) -> List[Setter]:
        """See :class:`Bootloader`."""
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
        """Who has set values of an argument in an entry, as far as that can be told."""
        return entry.source


def foreign(values: Tuple[str, ...], own: Setting | None) -> Tuple[str, ...]:
    """Values that are not our own: those before what we have put at the end."""
    mine = own.values if own is not None else ()
    return values[: len(values) - len(mine)] if mine and values[len(values) - len(mine) :] == mine else values


def updated(record: SettingsRecord, settings: Mapping[str, Setting], found: Mapping[str, Tuple[str, ...]]) -> SettingsRecord:
    """A record once settings are made.

    :param found: values of the arguments as they are now.
    """
    kept = {name: setting for name, setting in {**record.settings, **settings}.items() if setting.values or setting.overrule}
    before = {
        name: record.before.get(name, foreign(found.get(name, ()), record.settings.get(name)))
        for name, setting in kept.items()
        if setting.overrule
    }
    return SettingsRecord(kept, before, record.origins)


def values_after(name: str, setting: Setting, values: Tuple[str, ...], record: SettingsRecord) -> Tuple[str, ...]:
    """Values of an argument once a setting is made, from those that are there.

    :param record: as it is before.
    """
    own = record.settings.get(name)
    others = foreign(values, own)
    if setting.overrule:
        others = ()
    elif own is not None and own.overrule:
        # Taken back: what others had set is theirs again, unless they have set it anew.
        others = others or record.before.get(name, ())
    return (*others, *setting.values)
