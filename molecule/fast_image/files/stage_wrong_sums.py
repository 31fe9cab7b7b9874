# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Stages a fast image with sums that are not those of its initrd, by the host's own command."""

import sys

sys.path.insert(0, "/usr/local/sbin/fleet-kexec")

from fleet_kexec import _cli
from fleet_kexec._arch.x86.stub import StubChecksummer

true_sums = StubChecksummer.sums


def wrong_sums(self, data):
    first, *others = true_sums(self, data)
    return (first ^ 1, *others)


StubChecksummer.sums = wrong_sums
sys.exit(_cli.main(["stage", "--image", "fast", "--loader", "kexec_load"]))
