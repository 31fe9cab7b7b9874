# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
#
# What `make demo` has proven, in five lines, from the report's JSON. Fails if a host was not proven rebooted by kexec.

def seconds: if . then . / 100 | round / 10 | "\(.) s" else "a time that was not seen" end;
def all_of(part): map(part) | unique | join(", ");

.hosts as $hosts
| [$hosts[] | select(.status == "done" and .path == "kexec" and .proof.proven)] as $proven
| if $hosts == [] or $proven != $hosts then
    "not proven: \($hosts - $proven | map(.host) | join(", "))\n" | halt_error(1)
  else
    "\($proven | length) hosts rebooted by kexec, each proven by its boot_id, its release and the token on its command line",
    "At most \(.figures.budget.most_unavailable) were unavailable at once; all limits were \(if .figures.budget.held then "kept" else "not kept" end)",
    "sshd was gone for \($proven | map(.outage_ms) | sort | map(seconds) | join(", "))",
    "Images: \($proven | all_of(.staged.image)), checked by \($proven | all_of(.staged.integrity)), placement \($proven | all_of(.staged.placement))",
    "Every step is in the journal of the run \(.run.run_id)"
  end
