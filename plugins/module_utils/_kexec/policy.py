# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Effects of the risks of a kexec.

The defaults are the safe ones. C([policy]) of C(/etc/fleet-kexec.conf) overrides them on a host, and a task overrides both.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Mapping, Sequence

from .._host.files import HostFiles
from .._paths import CONFIG_FILE
from .._reasons import Reason
from .config import POLICY, read_section, with_section
from .errors import KexecError

BLOCK = "block"
WARN = "warn"
ALLOW = "allow"
EFFECTS = (BLOCK, WARN, ALLOW)

DEFAULTS: Dict[str, str] = {
    "CLOUD_RISK": BLOCK,
    "COLD_BOOT_PENDING": BLOCK,
    "CONSOLE_SLOW": WARN,
    "CONTAINERS_RUNNING": WARN,
    "DRIVER_RISK": BLOCK,
    "ENTRY_UNKNOWN": WARN,
    "GUESTS_RUNNING": WARN,
    "KDUMP_LOADED": BLOCK,
    "MANY_KEXECS": WARN,
    "NO_WATCHDOG": WARN,
    "ONE_SHOT_PENDING": BLOCK,
    "RESERVATION_NOT_MADE": WARN,
    "RESERVATION_PENDING": WARN,
    "SRIOV_IN_USE": BLOCK,
    "SYSTEM_ELSEWHERE": BLOCK,
    "TPM_BOUND_DISK": BLOCK,
    "VFIO_IN_USE": BLOCK,
    "XEN_DOM0": BLOCK,
}
# Codes that a policy may block; requests.HOST_CODES are the ones that make a kexec impossible.
RISK_CODES = frozenset(DEFAULTS)

_HEADER = """\
# What risks of a kexec lead to on this host, wherever a task does not say.
# Values: CODE = block|warn|allow.
"""


@dataclass(frozen=True)
class Policy:
    """Effect of each risk by code: C(block), C(warn) or C(allow)."""

    effects: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULTS))

    def override(self, wanted: Mapping[str, Any], origin: str) -> Policy:
        """Return this policy with some effects replaced.

        :param origin: name of the source in messages.
        :raises KexecError: C(POLICY_INVALID).
        """
        for code, effect in wanted.items():
            if code not in DEFAULTS:
                known = ", ".join(sorted(DEFAULTS))
                raise KexecError("POLICY_INVALID", "%s has %s, which is no risk; known risks are %s" % (origin, code, known))
            if effect not in EFFECTS:
                raise KexecError("POLICY_INVALID", "%s has %s: %s; it can be %s" % (origin, code, effect, ", ".join(EFFECTS)))
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
