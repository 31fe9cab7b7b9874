# SPDX-License-Identifier: GPL-3.0-or-later
"""A hook that notes when it ran. Arguments: file, what, host; and a file that it waits for as long as there is one."""

import os
import sys
import time

# More than any test takes: a hook must not outlive the lab.
WAIT_S = 900

with open(sys.argv[1], "a", encoding="utf-8") as stream:
    stream.write("%.3f %s %s\n" % (time.time(), *sys.argv[2:4]))
until = time.monotonic() + WAIT_S
while len(sys.argv) > 4 and os.path.exists(sys.argv[4]) and time.monotonic() < until:
    time.sleep(0.1)
