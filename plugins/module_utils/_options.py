# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options shared by several plugins; documented in C(doc_fragments/image.py)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Dict, Mapping

from ._kexec.cmdline import Edits
from ._kexec.preferences import CHOICES, Preferences
from ._kexec.requests import BASES, DEFAULT, ENTRY, StagingRequest


def image_argument_spec() -> Dict[str, Any]:
    return {
        "kernel": {"type": "str", "default": DEFAULT},
        "initrd": {"type": "str"},
        "cmdline": {
            "type": "dict",
            "options": {
                "base": {"type": "str", "choices": list(BASES), "default": ENTRY},
                "replace": {"type": "str"},
                "remove": {"type": "list", "elements": "str", "default": []},
                "append": {"type": "list", "elements": "str", "default": []},
            },
        },
        **preferences_argument_spec(),
        "profile": {"type": "bool"},
    }


def preferences_argument_spec() -> Dict[str, Any]:
    """Argument specification of the staging preferences; the host decides about those omitted."""
    spec: Dict[str, Any] = {name: {"type": "str", "choices": list(choices)} for name, choices in CHOICES.items()}
    return dict(spec, kaslr={"type": "bool"})


def defaults_argument_spec() -> Dict[str, Any]:
    """Argument specification of the host's default preferences, each with a default."""
    defaults = asdict(Preferences())
    return {name: dict(option, default=defaults[name]) for name, option in preferences_argument_spec().items()}


def policy_argument_spec() -> Dict[str, Any]:
    """Argument specification of the risk policy; documented in C(doc_fragments/policy.py)."""
    return {"policy": {"type": "dict"}}


def image_request(params: Mapping[str, Any]) -> StagingRequest:
    edits = params.get("cmdline") or {}
    return StagingRequest(
        kernel=params["kernel"],
        initrd=params.get("initrd"),
        edits=Edits(edits.get("replace"), tuple(edits.get("remove") or ()), tuple(edits.get("append") or ())),
        base=edits.get("base") or ENTRY,
        profile=bool(params.get("profile")),
        preferences={name: params.get(name) for name in preferences_argument_spec()},
    )
