# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the get-pip.py that ansible-test would download.

Takes the same arguments: the pip to install, and options for it. Python's own
ensurepip does the first step, so that only the package index is needed.
"""

from __future__ import annotations

import subprocess
import sys

# Options of get-pip.py that pip does not know: what it would install besides.
GET_PIP_OPTIONS = ("--no-setuptools", "--no-wheel")

# In a process of its own, because it hides pip's configuration from its process.
subprocess.run([sys.executable, "-m", "ensurepip"], check=True)
arguments = [argument for argument in sys.argv[1:] if argument not in GET_PIP_OPTIONS]
subprocess.run([sys.executable, "-m", "pip", "install", *arguments], check=True)
