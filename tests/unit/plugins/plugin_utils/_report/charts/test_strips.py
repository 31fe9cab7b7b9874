# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.fleet.kexec.plugins.plugin_utils._report.charts.strips import strip_plots
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.outages import OutageDistribution, spread_of


def distribution(host_class: str, path: str, *outages_ms: float) -> OutageDistribution:
    return OutageDistribution(host_class, path, spread_of(outages_ms), sorted(outages_ms))


def test_each_path_has_a_plot_with_an_axis_of_its_own() -> None:
    runs = [("r1", [distribution("a", "kexec", 9000), distribution("a", "firmware", 90_000)])]
    kexec, firmware = strip_plots(runs)
    assert (kexec.path, firmware.path) == ("kexec", "firmware")
    assert "9 s" not in firmware.axis and "80 s" not in kexec.axis
    assert [strip.run for strip in kexec.strips] == [""]


def test_strips_of_one_host_class_stand_together() -> None:
    runs = [("r1", [distribution("a", "kexec", 9), distribution("b", "kexec", 9)]), ("r2", [distribution("a", "kexec", 9)])]
    [plot] = strip_plots(runs)
    assert [(strip.distribution.host_class, strip.run) for strip in plot.strips] == [("a", "r1"), ("a", "r2"), ("b", "r1")]


def test_many_host_classes_and_many_hosts_are_thinned_out() -> None:
    [plot] = strip_plots([("r1", [distribution("c%02d" % number, "kexec", 9) for number in range(33)])])
    assert (len(plot.strips), plot.left_out) == (30, 3)
    outages_ms = [float(number) for number in range(1, 1001)]
    [plot] = strip_plots([("r1", [distribution("a", "kexec", *outages_ms)])])
    assert plot.strips[0].drawing.count("<circle") <= 152
