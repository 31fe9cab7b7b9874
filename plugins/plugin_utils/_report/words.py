# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What phases, stages and statuses are called, and times in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from .._journal.phases import Stage
from .._text import clean, duration


@dataclass(frozen=True)
class Name:
    """A word, what it means, and how it is drawn.

    :ivar css: class of its bars.
    """

    title: str
    meaning: str
    css: str


#: Phases of a reboot, in their order.
PHASES: dict[str, Name] = {
    "stage": Name("Stage", "the kernel is loaded; the host still serves", "p-stage"),
    "drain": Name("Drain", "before hooks; the host still serves", "p-drain"),
    "stop_units": Name("Stop units", "systemd stops services and unmounts", "p-stop_units"),
    "jump": Name("Jump", "from the old kernel's last moment to the new one's first", "p-jump"),
    "stub": Name("Check", "the fast image's check of itself, within the jump", "p-stub"),
    "firmware": Name("Firmware", "memory training, option ROMs, device set-up", "p-firmware"),
    "loader": Name("Boot loader", "menu, and reading kernel and initrd from disk", "p-loader"),
    "kernel": Name("Kernel", "until it starts init", "p-kernel"),
    "initrd": Name("Initrd", "until the root file system is there", "p-initrd"),
    "userspace": Name("Userspace", "until the network is started", "p-userspace"),
    "network": Name("Network", "until the first address", "p-network"),
    "ssh": Name("SSH", "until sshd answers", "p-ssh"),
    "outage": Name("Not told apart", "no timeline tells the parts of it", "p-outage"),
    "healthy": Name("Health checks", "after hooks and the test command", "p-healthy"),
}

STAGES: dict[Stage, Name] = {
    Stage.PREPARING: Name("Preparing", "facts and staging; it serves", "s-preparing"),
    Stage.READY: Name("Ready", "staged, waiting for its turn; it serves", "s-ready"),
    Stage.DRAINING: Name("Draining", "before hooks", "s-draining"),
    Stage.GATE: Name("Waiting for room", "drained, held by a limit or the lock", "s-gate"),
    Stage.SHUTTING_DOWN: Name("Shutting down", "triggered, still answering", "s-shutting_down"),
    Stage.DOWN: Name("Down", "does not answer", "s-down"),
    Stage.CHECKING: Name("Proving", "answers; how it came back is proven", "s-checking"),
    Stage.AFTER: Name("Health checks", "after hooks", "s-after"),
    Stage.UNDOING: Name("Undoing", "not rebooted after all; after hooks", "s-undoing"),
    Stage.GIVEN_UP: Name("Given up, down", "has to be looked after", "s-given_up"),
}

WHEN = {"stop": "stopping", "start": "starting", "initcall": "initcall"}


def phase(name: str) -> Name:
    """What a phase is called; of one that is not known here its own name."""
    return PHASES.get(name) or Name(clean(name), "", "p-other")


def path_css(path: str) -> str:
    """Class of what went this way."""
    return "path-" + path if path in ("kexec", "firmware") else "path-other"


def ms(milliseconds: float) -> str:
    """A time for people, to about three digits: C(0.8 ms), C(850 ms), C(38.4 s), C(2m05s)."""
    size = abs(milliseconds)
    if size < 0.95:
        text = "%.2g ms" % size if size else "0 ms"
    elif size < 999.5:
        text = "%.0f ms" % size
    else:
        text = "%.1f s" % (size / 1000) if size < 99_950 else duration(size / 1000)
    return "-" + text if milliseconds < 0 else text


def with_error(milliseconds: float, error_ms: float) -> str:
    """A time, and how far it may be off."""
    return "%s ± %s" % (ms(milliseconds), ms(error_ms)) if error_ms else ms(milliseconds)


def hours(milliseconds: float) -> str:
    """Host-hours: C(12.3), C(0.04)."""
    value = milliseconds / 3_600_000
    return "%.2f" % value if abs(value) < 1 else "%.1f" % value


def clock(time_s: float, *, seconds: bool = True) -> str:
    """Time of day, UTC.

    :param time_s: since 1970.
    """
    moment = datetime.fromtimestamp(time_s, UTC)
    return moment.strftime("%H:%M:%S" if seconds else "%H:%M")


def moment(time_s: float) -> str:
    """Date and time of day, UTC."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def share(fraction: float) -> str:
    """C(12 %); less than one in a hundred is not nothing."""
    return "< 1 %" if 0 < fraction < 0.01 else "%.0f %%" % (fraction * 100)
