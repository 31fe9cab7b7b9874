# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
#
# What `make demo` has proven, in five lines, from the report's JSON. Fails if a host was not proven rebooted by kexec.

def seconds: . / 100 | round / 10 | tostring + " s";
def joined: unique | join(", ");

[.hosts[].outcome] as $hosts
| [$hosts[] | select(.status == "done" and .path == "kexec" and .proof != null)] as $proven
| if ($proven | length) < ($hosts | length)
  then "not proven: " + ([.hosts[] | select(.outcome.proof == null or .outcome.path != "kexec") | .host] | join(", ")) + "\n" | halt_error(1)
  else
    "\($proven | length) of \($hosts | length) hosts rebooted by kexec, each proven by its boot_id, its release and the token on its command line",
    "No more than \(.figures.budget.most_unavailable) were unavailable at once; all limits were \(if .figures.budget.held then "kept" else "not kept" end)",
    "sshd was gone for \([$proven[].outage.duration_ms] | sort | map(seconds) | join(", "))",
    "Images: \([$proven[].staged.image] | joined), checked by \([$proven[].staged.integrity] | joined), placed \([$proven[].staged.placement] | joined)",
    "Every step is in the journal of the run \(.run.run_id)"
  end
