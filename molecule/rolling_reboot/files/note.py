# SPDX-License-Identifier: GPL-3.0-or-later
"""A hook that notes when it ran. Arguments: file, what, host."""

import sys
import time

with open(sys.argv[1], "a", encoding="utf-8") as stream:
    stream.write("%.3f %s %s\n" % (time.time(), *sys.argv[2:]))
