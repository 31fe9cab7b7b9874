# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words for phases, stages and paths, and numbers formatted for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from .._journal.phases import Stage
from .._text import clean, duration


@dataclass(frozen=True)
class Term:
    """Word with its meaning, its colour, and the class of its bars."""

    title: str
    meaning: str
    css: str


#: Phases of a reboot, in their order.
PHASES: dict[str, Term] = {
    "stage": Term("Stage", "the kernel is loaded; the host still serves", "p-stage"),
    "drain": Term("Drain", "before hooks; the host still serves", "p-drain"),
    "stop_units": Term("Stop units", "systemd stops services and unmounts", "p-stop_units"),
    "jump": Term("Jump", "from the old kernel's last moment to the new one's first", "p-jump"),
    "shutdown": Term("Shutdown", "devices of the old system, within the jump", "p-shutdown"),
    "stub": Term("Check", "the fast image's check of itself, within the jump", "p-stub"),
    "reexec": Term("Re-execution", "what still runs is killed, and systemd starts anew", "p-reexec"),
    "firmware": Term("Firmware", "memory training, option ROMs, device set-up", "p-firmware"),
    "loader": Term("Boot loader", "menu, and reading kernel and initrd from disk", "p-loader"),
    "kernel": Term("Kernel", "until it starts init", "p-kernel"),
    "initrd": Term("Initrd", "until the root file system is there", "p-initrd"),
    "userspace": Term("Userspace", "until the network is started", "p-userspace"),
    "network": Term("Network", "until the first address", "p-network"),
    "ssh": Term("SSH", "until sshd answers", "p-ssh"),
    "outage": Term("Undivided", "no timeline divides it into phases", "p-outage"),
    "healthy": Term("Health checks", "after hooks and the test command", "p-healthy"),
}

STAGES: dict[Stage, Term] = {
    Stage.PREPARING: Term("Preparing", "facts and staging; the host still serves", "s-preparing"),
    Stage.READY: Term("Ready", "staged, waiting for its turn; the host still serves", "s-ready"),
    Stage.DRAINING: Term("Draining", "before hooks", "s-draining"),
    Stage.GATE: Term("Held back", "drained, waiting for a limit or the lock", "s-gate"),
    Stage.SHUTTING_DOWN: Term("Shutting down", "triggered, still answering", "s-shutting_down"),
    Stage.DOWN: Term("Down", "does not answer", "s-down"),
    Stage.CHECKING: Term("Proving", "answers; its path is being proven", "s-checking"),
    Stage.AFTER: Term("Health checks", "after hooks", "s-after"),
    Stage.UNDOING: Term("Undoing", "not rebooted after all; after hooks", "s-undoing"),
    Stage.GIVEN_UP: Term("Given up", "down, needs attention", "s-given_up"),
}

#: Meaning of a gain.
BASES = {"measured": "measured", "modelled": "modelled", "at_most": "at most"}

#: When a unit was slow.
WHEN = {"stop": "stopping", "start": "starting", "initcall": "initcall"}


def phase(name: str) -> Term:
    """Term for a phase; an unknown phase goes by its name."""
    return PHASES.get(name) or Term(clean(name), "", "p-other")


def capital(text: str) -> str:
    """Capitalize the first letter only."""
    return text[:1].upper() + text[1:]


def path_css(path: str) -> str:
    """CSS class of shapes for a path."""
    return "path-" + path if path in ("kexec", "soft", "firmware") else "path-other"


def ms(milliseconds: float) -> str:
    """Format a time to about three digits: C(0.8 ms), C(850 ms), C(38.4 s), C(2m05s)."""
    size = abs(milliseconds)
    if size < 0.95:
        text = "%.2g ms" % size if size else "0 ms"
    elif size < 999.5:
        text = "%.0f ms" % size
    else:
        text = "%.1f s" % (size / 1000) if size < 99_950 else duration(size / 1000)
    return "-" + text if milliseconds < 0 else text


def with_error(milliseconds: float, error_ms: float) -> str:
    """Format a time with its error."""
    return "%s ± %s" % (ms(milliseconds), ms(error_ms)) if error_ms else ms(milliseconds)


def hours(milliseconds: float) -> str:
    """Format host-hours: C(12.3), C(0.04)."""
    value = milliseconds / 3_600_000
    return "%.2f" % value if abs(value) < 1 else "%.1f" % value


def clock(time_s: float, *, seconds: bool = True) -> str:
    """Format the time of day of seconds since 1970, UTC."""
    moment = datetime.fromtimestamp(time_s, UTC)
    return moment.strftime("%H:%M:%S" if seconds else "%H:%M")


def moment(time_s: float) -> str:
    """Format date and time of day, UTC."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def share(fraction: float) -> str:
    """Format a share of a whole, such as C(12 %); the smallest is C(< 1 %)."""
    return "< 1 %" if 0 < fraction < 0.01 else "%.0f %%" % (fraction * 100)


def times(factor: float) -> str:
    """Format a factor to two digits: C(14 times), C(1.8 times)."""
    return "%.0f times" % factor if factor >= 9.95 else "%.1f times" % factor
