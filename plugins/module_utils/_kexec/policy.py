# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Effects of the risks of a kexec or a soft reboot, and of differences of the machine after a reboot.

The defaults are the safe ones. C([policy]) of C(/etc/fleet-kexec.conf) overrides them on a host, and a task overrides both.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Mapping, Sequence

from .._host.files import HostFiles
from .._machine.codes import DIFFERENCE_DEFAULTS, DIFFERENCE_EFFECTS
from .._paths import CONFIG_FILE
from .._reasons import Reason
from .config import POLICY, read_section, with_section
from .errors import KexecError

BLOCK = "block"
WARN = "warn"
ALLOW = "allow"
EFFECTS = (BLOCK, WARN, ALLOW)

# CLASS_FAILED and UNPROVEN are found on the controller, which has the ledger.
DEFAULTS: Dict[str, str] = {
    "CLASS_FAILED": BLOCK,
    "CLOUD_RISK": BLOCK,
    "COLD_BOOT_PENDING": BLOCK,
    "CONFIDENTIAL_RISK": BLOCK,
    "CONSOLE_SLOW": WARN,
    "CONTAINERS_RUNNING": WARN,
    "DISK_UNREADABLE": WARN,
    "DRIVER_RISK": BLOCK,
    "ENTRY_UNKNOWN": WARN,
    "GUESTS_RUNNING": WARN,
    "HYPERV_PARENT": BLOCK,
    "KDUMP_LOADED": BLOCK,
    "MANY_KEXECS": WARN,
    "NEXT_ROOT": BLOCK,
    "NO_WATCHDOG": WARN,
    "ONE_SHOT_PENDING": BLOCK,
    "RESERVATION_NOT_MADE": WARN,
    "RESERVATION_PENDING": WARN,
    "SHUTDOWN_SCHEDULED": WARN,
    "SNP_HOST": BLOCK,
    "SOFT_INCOMPLETE": BLOCK,
    "SOFT_SURVIVORS": WARN,
    "SRIOV_IN_USE": BLOCK,
    "SYSTEM_ELSEWHERE": BLOCK,
    "TPM_BOUND_DISK": BLOCK,
    "UIO_IN_USE": BLOCK,
    "UNPROVEN": WARN,
    "VFIO_IN_USE": BLOCK,
    "XEN_DOM0": BLOCK,
    "XEN_GUEST": BLOCK,
}
# Codes that a policy may block; requests.HOST_CODES are the ones that make a kexec impossible.
RISK_CODES = frozenset(DEFAULTS)

_HEADER = """\
# What risks of a kexec, and differences after a reboot, lead to on this host, wherever a task does not say.
# Values: RISK = block|warn|allow, DIFFERENCE = fail|warn|ignore.
"""


def _effects_of(code: str) -> Sequence[str]:
    """Effects that a code can have; none if it has no effect."""
    return EFFECTS if code in DEFAULTS else DIFFERENCE_EFFECTS if code in DIFFERENCE_DEFAULTS else ()


@dataclass(frozen=True)
class Policy:
    """Effect of each risk by code, C(block), C(warn) or C(allow), and of each difference, C(fail), C(warn) or C(ignore)."""

    effects: Mapping[str, str] = field(default_factory=lambda: {**DEFAULTS, **DIFFERENCE_DEFAULTS})

    def override(self, wanted: Mapping[str, Any], origin: str) -> Policy:
        """Return this policy with some effects replaced.

        :param origin: name of the source in messages.
        :raises KexecError: C(POLICY_INVALID).
        """
        for code, effect in wanted.items():
            possible = _effects_of(code)
            if not possible:
                known = "known risks are %s; known differences are %s" % tuple(
                    ", ".join(sorted(table)) for table in (DEFAULTS, DIFFERENCE_DEFAULTS)
                )
                raise KexecError("POLICY_INVALID", "%s has %s, which is no risk and no difference; %s" % (origin, code, known))
            if effect not in possible:
                kind = "a risk" if code in DEFAULTS else "a difference"
                message = "%s has %s: %s; %s can be %s" % (origin, code, effect, kind, ", ".join(possible))
                raise KexecError("POLICY_INVALID", message)
        return replace(self, effects={**self.effects, **wanted})


@dataclass(frozen=True)
class Judgement:
    """Risks that rule out a kexec, and risks to report; allowed risks are in neither list."""

    blocked: List[Reason] = field(default_factory=list)
    warned: List[Reason] = field(default_factory=list)


def judge(risks: Sequence[Reason], policy: Policy) -> Judgement:
    """Sort risks by their effect."""
    return Judgement(
        blocked=[risk for risk in risks if policy.effects[risk.code] == BLOCK],
        warned=[risk for risk in risks if policy.effects[risk.code] == WARN],
    )


def render_policy(effects: Mapping[str, str], existing: str = "") -> str:
    """Render C(/etc/fleet-kexec.conf) with the host's own policy, keeping the other sections of the existing text.

    :raises KexecError: C(POLICY_INVALID).
    """
    Policy().override(effects, "policy")
    return with_section(existing, POLICY, _HEADER, effects)


def read_policy(files: HostFiles) -> Policy:
    """Read the host's own policy.

    :raises KexecError: C(CONFIG_INVALID) or C(POLICY_INVALID).
    """
    section = read_section(files, POLICY)
    return Policy().override({code.upper(): effect for code, effect in section.items()}, "[%s] of %s" % (POLICY, CONFIG_FILE))
