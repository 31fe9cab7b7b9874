# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event source for Event-Driven Ansible: what rolling reboots record in their journals."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DOCUMENTATION = r"""
---
short_description: Follow the journals of rolling reboots
description:
  - Each record that M(fleet.kexec.rolling_reboot) appends to the journal of a run becomes an event, which has the fields of the
    record and C(run_id), such as C(event.event == "run_stopping"). The collection's C(docs/journal.md) describes the records.
  - Runs that begin later are followed as well. Journals are only read, and never locked.
  - Texts are cut to 1,024 characters, lists and dictionaries to 100 items, and are neither templates nor control sequences.
    C(host) is null where the name would have had to be changed.
options:
  run_directory:
    description: Directory of the journals, as the option of the same name of M(fleet.kexec.rolling_reboot). If omitted, that of
      the user who runs ansible-rulebook.
    type: str
  start:
    description: Whether to pass on only what is recorded from now on, V(new), or what is there as well, V(all).
    type: str
    choices: [new, all]
    default: new
  events:
    description: Events to pass on, such as V(run_ended). If omitted, all except V(host_timeline), which are large.
    type: list
    elements: str
  interval_s:
    description: Seconds between two looks at the journals.
    type: float
    default: 2
"""

EXAMPLES = r"""
- fleet.kexec.journal:
    events: [run_started, run_stopping, run_ended, host_failed]
"""

# ansible-rulebook runs this file by its path, without having the collection on Python's.
_COLLECTIONS = Path(__file__).absolute().parents[6]
sys.path.append(str(_COLLECTIONS.parent))
import ansible_collections

if str(_COLLECTIONS) not in ansible_collections.__path__:
    # The package that the distribution "ansible" installs has a fixed path.
    ansible_collections.__path__.append(str(_COLLECTIONS))

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.follow import RunsFollower
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.publish import published
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import default_directory

OPTIONS = frozenset({"run_directory", "start", "events", "interval_s"})
LARGE = frozenset({"host_timeline"})
STARTS = ("new", "all")

logger = logging.getLogger("fleet.kexec.journal")


async def main(queue: asyncio.Queue[dict[str, Any]], args: dict[str, Any]) -> None:
    """Put an event into the queue for each record, until it is cancelled; raises ValueError for invalid options."""
    follower, events, interval_s = _options(args)
    while True:
        for run_id, record in follower.new_records():
            if record["event"] in events if events is not None else record["event"] not in LARGE:
                await queue.put(published(run_id, record))
            # Other sources have their turn, too.
            await asyncio.sleep(0)
        await asyncio.sleep(interval_s)


def _options(args: Mapping[str, Any]) -> tuple[RunsFollower, frozenset[str] | None, float]:
    """Follower, names of the events to pass on (None for the default), and seconds between two looks."""
    # ansible-rulebook adds some of its own, in capitals.
    unknown = {name for name in args if name.islower()} - OPTIONS
    if unknown:
        raise ValueError("fleet.kexec.journal has no option %s" % ", ".join(sorted(unknown)))
    start = args.get("start", "new")
    if start not in STARTS:
        raise ValueError("fleet.kexec.journal: start is %r, and should be new or all" % (start,))
    events = args.get("events")
    if events is not None and not (isinstance(events, list) and all(isinstance(name, str) for name in events)):
        raise ValueError("fleet.kexec.journal: events is %r, and should be a list of names" % (events,))
    try:
        interval_s = float(args.get("interval_s", 2))
    except (TypeError, ValueError):
        interval_s = 0.0
    if not 0 < interval_s < 86_400:
        raise ValueError("fleet.kexec.journal: interval_s is %r, and should be a number of seconds" % (args["interval_s"],))
    directory = os.path.expanduser(args.get("run_directory") or default_directory(os.environ))
    follower = RunsFollower(directory, past=start == "all", complain=lambda error: logger.warning("%s", error.reason.message))
    return follower, None if events is None else frozenset(events), interval_s
