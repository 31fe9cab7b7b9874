#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Report on a rolling reboot, as a page, JSON and metrics
version_added: 0.1.0
author: [fleet.kexec contributors (@fleet-kexec)]
description:
  - Makes a report from the journal of a run of M(fleet.kexec.rolling_reboot), during or after the run. It shows which hosts were
    rebooted and by which path, how long the outages lasted, where the time went, whether all limits of capacity were kept, how
    accurate the forecast was, and what failed and why.
  - The page is a single file without scripts or external resources. It can be mailed, archived and printed.
  - Runs once, on the controller, for all hosts. Connects to no host; everything is in the journal.
  - Files are replaced atomically, and only if their content changes.
extends_documentation_fragment: [fleet.kexec.attributes, fleet.kexec.attributes.action, fleet.kexec.attributes.action_group]
attributes:
  action_group:
    membership: [fleet.kexec.journal]
  bypass_host_loop:
    support: full
  check_mode:
    support: full
  diff_mode:
    support: full
    details: As elsewhere in Ansible, files larger than 100 KiB are not shown, such as the page of more than a few hosts.
options:
  run_id:
    description: Name of the run, or V(latest).
    type: str
    default: latest
  compare:
    description: Name of another run to compare with.
    type: str
  ways:
    description:
      - Ways to reboot that are compared, instead of reporting on one run. A dictionary of ways, each with the names of its runs.
        The playbook C(fleet.kexec.benchmark) makes such runs and reports on them.
      - Takes O(html) or O(json), and neither O(compare) nor O(metrics).
    type: dict
  runs:
    description:
      - Runs to report on instead of one, with the trend of their outages and failures. The number of the newest ones, V(all),
        or a list of names.
      - Takes O(html) or O(json), and none of O(compare), O(metrics), O(reason) and O(ticket). If neither is given, the page is
        C(index.html) in the directory of the journals. It links to the pages that are beside their journals.
    type: raw
  title:
    description: Title of the page. If omitted, the name of the run.
    type: str
  reason:
    description: Purpose of the run, for the page. If omitted, O(fleet.kexec.rolling_reboot#module:reason) as the journal has it.
    type: str
  ticket:
    description: Number of the change or ticket that the run belongs to, likewise.
    type: str
  redact:
    description:
      - Whether names of hosts, users, runs and hooks, addresses, paths and boot IDs are replaced, so that the report can be
        mailed to people who need not know them. A name stands for the same thing in page, JSON and metrics, and in both runs
        that are compared. The output of hooks is left out.
      - Messages of hosts are searched for such names. O(title), O(reason) and O(ticket) stay as they are given here, and so do
        host classes, kernel releases and units, apart from names in them. Read the page before you mail it.
      - The page is written as C(report-redacted.html) if no path is given.
    type: bool
    default: false
  run_directory:
    description: Directory of the journals, as O(fleet.kexec.rolling_reboot#module:run_directory).
    type: path
  ledger:
    description: Path of the ledger (M(fleet.kexec.ledger)), which says what is proven on which machines. If omitted,
      C(ledger.json) in O(run_directory). One that is missing or damaged is no error.
    type: path
  proven_after:
    description: Number of reboots by kexec that went well after which a class of the ledger is proven.
    type: int
    default: 1
  html:
    description: Path of the page. If O(html), O(json) and O(metrics) are all omitted, the page is written next to the journal, as
      C(report.html).
    type: path
  json:
    description: Path of the report as JSON. The collection's documentation describes the format.
    type: path
  metrics:
    description: Path of the Prometheus metrics, a file that ends in C(.prom) in the directory of the node exporter's textfile
      collector.
    type: path
  mode:
    description:
      - Permissions of the written files, in octal, such as V('0644').
      - If omitted, existing files keep theirs. New metrics are readable by everyone, other new files only by their owner, because
        they contain output of hosts and hooks.
    type: raw
seealso:
  - module: fleet.kexec.rolling_reboot
  - plugin: fleet.kexec.query
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Write a page about the newest run next to its journal
  fleet.kexec.report:

- name: Compare two runs, and write metrics for monitoring
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

- name: Show the trend of all runs
  fleet.kexec.report:
    runs: all
    title: Reboots of the web fleet
"""

RETURN = r"""
run_id:
  description: Name of the run.
  returned: unless ways are compared or O(runs) is given
  type: str
  sample: 20261124T015830Z-5f0c
journal:
  description: Path of its journal.
  returned: unless ways are compared or O(runs) is given
  type: str
headline:
  description: Summary of the run in one line.
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
  description: Number of hosts by status, as in RV(fleet.kexec.rolling_reboot#module:hosts), or C(unfinished).
  returned: unless ways are compared or O(runs) is given
  type: dict
  sample: {done: 38, failed: 2}
paths:
  description: Number of rebooted hosts by path.
  returned: unless ways are compared or O(runs) is given
  type: dict
  sample: {kexec: 38}
outage_p50_ms:
  description: Median outage in milliseconds. Null if no outage was observed.
  returned: unless ways are compared or O(runs) is given
  type: float
outage_p95_ms:
  description: 95th percentile of the outages in milliseconds.
  returned: unless ways are compared or O(runs) is given
  type: float
outage_longest_ms:
  description: Longest outage in milliseconds.
  returned: unless ways are compared or O(runs) is given
  type: float
budget_held:
  description: Whether all limits of unavailable hosts were kept. Null if the journal does not contain them all.
  returned: unless ways are compared or O(runs) is given
  type: bool
ended:
  description: Whether the run ended by itself.
  returned: unless ways are compared or O(runs) is given
  type: bool
code:
  description: Code of the failure. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: RUN_NOT_FOUND
hint:
  description: How to resolve the failure.
  returned: failure
  type: str
"""
