#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Report on a rolling reboot, as a page, JSON and metrics
version_added: 0.1.0
author:
  - fleet.kexec contributors (@fleet-kexec)
description:
  - Reads the journal of a run of M(fleet.kexec.rolling_reboot), while it lasts or after, and makes a report of it. The report
    says which hosts were rebooted and by which path, how long the outages lasted, where the seconds went, whether all limits of
    capacity were kept, how good the forecast was, and what failed and why.
  - The page is one file that loads nothing and runs no script. It can be mailed, archived and printed.
  - Runs once, on the controller, for all hosts. Nothing is connected to; all is in the journal.
  - Files are replaced in one step, and only if they would change.
extends_documentation_fragment:
  - fleet.kexec.attributes
  - fleet.kexec.attributes.action
attributes:
  bypass_host_loop:
    support: full
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Files larger than 100 KiB are not shown, as elsewhere in Ansible; the page of more than a few hosts is.
options:
  run_id:
    description: The run, by its name, or V(latest).
    type: str
    default: latest
  compare:
    description: Another run to compare it with, by its name.
    type: str
  ways:
    description:
      - Compare ways to reboot, in place of reporting on one run. For each way its runs, by their names.
      - The playbook C(fleet.kexec.benchmark) makes such runs, and reports on them.
      - Takes O(html) or O(json), and neither O(compare) nor O(metrics).
    type: dict
  run_directory:
    description: Where journals are kept, as O(fleet.kexec.rolling_reboot#module:run_directory).
    type: path
  html:
    description:
      - Where to write the page.
      - If none of O(html), O(json) and O(metrics) is given, it goes beside the journal, as C(report.html).
    type: path
  json:
    description: Where to write the same as JSON. The collection's documentation describes it.
    type: path
  metrics:
    description:
      - Where to write metrics for Prometheus, a file that ends in C(.prom) in the directory of the node exporter's textfile
        collector.
    type: path
  mode:
    description:
      - Permissions of the files that are written, octal, such as V('0644').
      - If omitted, files keep those they have. New ones can be read by everybody if they are metrics, and by their owner alone
        otherwise, for they have what hosts and hooks said.
    type: raw
seealso:
  - module: fleet.kexec.rolling_reboot
  - plugin: fleet.kexec.query
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Make a page of the newest run, beside its journal
  fleet.kexec.report:

- name: Compare two runs, and keep what monitoring asks for
  fleet.kexec.report:
    run_id: 20261124T015830Z-5f0c
    compare: 20261117T015830Z-77aa
    html: /var/www/reboots/20261124.html
    json: /var/www/reboots/20261124.json
    metrics: /var/lib/prometheus/node-exporter/fleet_kexec.prom
    mode: '0644'

- name: Compare two ways to reboot
  fleet.kexec.report:
    ways:
      fast: [monday-fast, tuesday-fast]
      firmware: [monday-firmware]
    html: /var/www/reboots/ways.html
"""

RETURN = r"""
run_id:
  description: The run that the report is of.
  returned: unless ways are compared
  type: str
  sample: 20261124T015830Z-5f0c
journal:
  description: Path of its journal.
  returned: unless ways are compared
  type: str
headline:
  description: The run in one line.
  returned: success
  type: str
  sample: >-
    38 of 40 hosts rebooted (2 failed); 38 via kexec; outage p50 12.1 s, p95 15.0 s, longest 17.3 s; host-hours saved against
    firmware n/a; capacity within limits; took 7m15s.
html:
  description: Path of the page.
  returned: if one was asked for
  type: str
json:
  description: Path of the JSON.
  returned: if it was asked for
  type: str
metrics:
  description: Path of the metrics.
  returned: if they were asked for
  type: str
counts:
  description: Hosts by how they ended, as RV(fleet.kexec.rolling_reboot#module:hosts) has it, or C(unfinished).
  returned: unless ways are compared
  type: dict
  sample: {done: 38, failed: 2}
paths:
  description: Rebooted hosts by the path they took.
  returned: unless ways are compared
  type: dict
  sample: {kexec: 38}
outage_p50_ms:
  description: Median outage; null if no outage was seen.
  returned: unless ways are compared
  type: float
outage_p95_ms:
  description: Outage that 95 of 100 hosts did not exceed.
  returned: unless ways are compared
  type: float
outage_longest_ms:
  description: Longest outage.
  returned: unless ways are compared
  type: float
budget_held:
  description: Whether all limits of unavailable hosts were kept; null if the journal does not have them all.
  returned: unless ways are compared
  type: bool
ended:
  description: Whether the run came to an end of its own.
  returned: unless ways are compared
  type: bool
code:
  description: Why there is no report. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: RUN_NOT_FOUND
hint:
  description: What to do about it.
  returned: failure
  type: str
"""
