# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Keeps what Python compiles out of zip files, which it does not do by itself.

Ansible sends each module as a zip of sources. To compile those takes emulated guests half of the time that a module takes.
Root's alone, since nobody else may say what root runs; a file that was not written whole is compiled again.
"""

import marshal
import os
import sys
import zipimport
from _imp import source_hash

KEPT = "/var/cache/lab-zipimport"
_compile = zipimport._compile_source


def _compile_once(pathname, source):
    path = "%s/%s-%s" % (KEPT, sys.implementation.cache_tag, source_hash(len(source), source).hex())
    try:
        with open(path, "rb") as file:
            return marshal.loads(file.read())
    except (OSError, EOFError, ValueError, TypeError):
        pass
    code = _compile(pathname, source)
    new = "%s.%d" % (path, os.getpid())
    try:
        with open(new, "wb") as file:
            file.write(marshal.dumps(code))
        os.rename(new, path)
    except OSError:
        pass
    return code


if os.geteuid() == 0:
    zipimport._compile_source = _compile_once
