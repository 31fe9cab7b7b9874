# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts C(fleet_kexec) as users see them; documented in C(modules/boot_facts.py)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Optional

from .._command import Runner
from .._host.facts import HostFacts, gather
from .._host.fast_images import FastImage, list_fast_images
from .._host.files import HostFiles
from .._host.installed import newest
from .._image.stub_stamps import StubStamps, read_stub_stamps
from .candidate import Candidate
from .cmdline import token_of
from .preferences import LOADERS, Preferences, read_preferences
from .proof import Evidence
from .record import Record
from .staging import current_record, newest_candidate
from .verdict import Choice, decide, loader_obstacle


def present_choice(choice: Choice) -> Dict[str, Any]:
    """A way to kexec, as modules return it."""
    return dict(
        choice.way._asdict(),
        predicted_ms=dict(choice.predicted_ms, total=round(choice.total_ms, 1)),
        notes=[note.as_dict() for note in choice.notes],
    )


def present_fast_image(fast: FastImage) -> Dict[str, Any]:
    """A fast image, as modules return it."""
    return {
        "release": fast.release,
        "path": fast.image.path,
        "size_bytes": fast.image.size_bytes,
        "sha256": fast.image.sha256,
        "source": fast.source.path,
        "source_sha256": fast.source.sha256,
        "payload_format": fast.payload_format,
        "initrd": fast.initrd.path if fast.initrd else None,
        "initrd_bytes": fast.initrd.size_bytes if fast.initrd else None,
        "built_at": fast.built_at,
        "build_ms": fast.build_ms,
    }


@dataclass(frozen=True)
class Reading:
    """A host with all that the collection knows of it.

    :ivar record: what the collection has staged, if it has.
    :ivar candidate: the newest kernel, if there is one.
    :ivar preferences: the host's own.
    :ivar fast_images: all that are installed.
    :ivar stub: what the stub of a fast image left, if this boot went through one.
    """

    facts: HostFacts
    record: Optional[Record]
    candidate: Optional[Candidate]
    preferences: Preferences
    fast_images: List[FastImage]
    stub: Optional[StubStamps]


def read(files: HostFiles, run: Runner) -> Reading:
    """Read the host.

    :raises KexecError: C(CONFIG_INVALID).
    """
    facts = gather(files, run)
    return Reading(
        facts=facts,
        record=current_record(files),
        candidate=newest_candidate(facts.installed, facts.kernel, files),
        preferences=read_preferences(files),
        fast_images=list_fast_images(files),
        stub=read_stub_stamps(files),
    )


def present(reading: Reading) -> Dict[str, Any]:
    """The facts as plain values."""
    facts, record = reading.facts, reading.record
    kernel = facts.kernel
    evidence = Evidence(kernel.boot_id, kernel.release, kernel.cmdline, kernel.bootloader_type)
    latest = newest(facts.installed, kernel.release)
    verdict = decide(facts, reading.candidate, reading.preferences)
    return {
        "boot": {
            "boot_id": kernel.boot_id,
            "path": evidence.path,
            "bootloader_type": kernel.bootloader_type,
            "token": token_of(kernel.cmdline),
            "stub": asdict(reading.stub) if reading.stub else None,
        },
        "kernel": {
            "release": kernel.release,
            "machine": kernel.machine,
            "cmdline": kernel.cmdline,
            "lockdown": kernel.lockdown,
            "panic_s": kernel.panic_s,
            "panic_on_oops": kernel.panic_on_oops,
        },
        "kernels": [asdict(installed) for installed in facts.installed],
        "newest_release": latest.release if latest else None,
        "memory": asdict(facts.memory),
        "cpu": asdict(facts.cpu),
        "virtio_reset": facts.virtio_reset,
        "throughput": dict(asdict(facts.throughput), measured=facts.throughput.measured),
        "container": facts.container,
        "kexec_tools": asdict(facts.tools) if facts.tools else None,
        "loaders": [
            loader for loader in reversed(LOADERS) if kernel.loaded is not None and loader_obstacle(facts, loader) is None
        ],
        "loaded": kernel.loaded,
        "fast_images": [present_fast_image(fast) for fast in reading.fast_images],
        "defaults": asdict(reading.preferences),
        "staged": dict(record.image.summary(), token=record.token) if record else None,
        "verdict": dict(
            present_choice(verdict.choice)
            if verdict.choice
            else {"image": None, "loader": None, "integrity": None, "predicted_ms": None, "notes": []},
            method=verdict.method,
        ),
        "blockers": [obstacle.as_dict() for obstacle in verdict.reasons],
    }
