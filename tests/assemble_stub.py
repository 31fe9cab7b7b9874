# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Assembles the stub of fast images into the Python module that carries it: `make stub`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "plugins" / "module_utils" / "_arch" / "x86"
SOURCE = FOLDER / "stub.S"
MODULE = FOLDER / "stub_code.py"

#: What the module names, by symbol of the source.
SYMBOLS = {"config": "CONFIG_OFFSET", "crash_entry": "CRASH_ENTRY_OFFSET", "move": "MOVE_OFFSET", "sums": "SUMS_OFFSET"}
LINE_BYTES = 32

TEMPLATE = '''\
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stub of a fast image, assembled from C(stub.S) by C(make stub). Not to be edited."""

from __future__ import annotations

{offsets}

CODE = bytes.fromhex(
    """
{code}
    """
)
'''


def module_text(source: Path = SOURCE) -> str:
    """The module's text, from the assembly source. Needs GNU binutils."""
    with tempfile.TemporaryDirectory() as directory:
        assembled, linked, raw = (f"{directory}/stub.{suffix}" for suffix in ("o", "elf", "bin"))
        subprocess.run(["as", "--64", "-o", assembled, source], check=True)
        # Without linking, calls of global symbols would stay open.
        subprocess.run(
            ["ld", "--omagic", "--no-warn-rwx-segments", "-Ttext=0", "-e", "entry", "-o", linked, assembled], check=True
        )
        subprocess.run(["objcopy", "-O", "binary", "-j", ".text", linked, raw], check=True)
        names = subprocess.check_output(["nm", linked], text=True)
        code = Path(raw).read_bytes()
    offsets = {name: int(offset, 16) for offset, _kind, name in map(str.split, names.splitlines())}
    return TEMPLATE.format(
        offsets="\n".join(f"{SYMBOLS[name]} = 0x{offsets[name]:X}" for name in sorted(SYMBOLS)),
        code=textwrap.indent("\n".join(code[at : at + LINE_BYTES].hex() for at in range(0, len(code), LINE_BYTES)), "    "),
    )


if __name__ == "__main__":
    MODULE.write_text(module_text(), encoding="utf-8")
    print(f"{MODULE.name}: {len(module_text())} characters", file=sys.stderr)
