# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Stages a fast image with sums that are not those of its initrd, by the host's own command."""

import sys

sys.path.insert(0, "/usr/local/sbin/fleet-kexec")

from fleet_kexec import _cli
from fleet_kexec._image.stub import Checksummer

true_sums = Checksummer.sums


def wrong_sums(self, data):
    first, *others = true_sums(self, data)
    return (first ^ 1, *others)


Checksummer.sums = wrong_sums
sys.exit(_cli.main(["stage", "--image", "fast", "--loader", "kexec_load"]))
