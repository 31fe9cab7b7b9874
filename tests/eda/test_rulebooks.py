# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""The rulebooks by a real ansible-rulebook, whose playbooks really run."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import ansible_rulebook
import jsonschema
import pytest
import yaml

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import Journal
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.tests.unit.plugins.plugin_utils import stories

from .rulebooks import RULEBOOKS, TIMEOUT_S, Controller, make_controller, running

TOKEN = "a-secret"
SCHEMA = json.loads((Path(ansible_rulebook.__file__).parent / "schema/ruleset_schema.json").read_text())


def alert(**changes: Any) -> dict[str, Any]:
    """What Alertmanager sends (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config)."""
    labels = {"alertname": "FleetKexecRebootPending", "severity": "warning", "job": "node"}
    of_host = {"status": "firing", "labels": {**labels, "host": "{{ lookup('pipe', 'touch harm') }}"}, "annotations": {}}
    return {
        "version": "4",
        "receiver": "fleet-kexec",
        "status": "firing",
        "groupKey": "{}:{alertname=FleetKexecRebootPending}",
        "groupLabels": {"alertname": "FleetKexecRebootPending"},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "truncatedAlerts": 0,
        "alerts": [of_host, of_host],
        **changes,
    }


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def post(port: int, body: dict[str, Any], token: str = TOKEN) -> int:
    """Status of a call of the webhook; 0 if nothing listens."""
    headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
    request = urllib.request.Request("http://127.0.0.1:%d/endpoint" % port, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError:
        return 0


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    """web1 and web2 may be rebooted, and only web1 needs it; db1 needs it, and may not."""
    return make_controller(tmp_path, {"web1": {}, "web2": {"pretended_current": True}, "db1": {}})


@pytest.mark.parametrize("path", RULEBOOKS, ids=lambda path: path.stem)
def test_rulebooks_fit_the_schema(path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text()), SCHEMA)


def test_an_alert_reboots_the_hosts_that_need_it(controller: Controller) -> None:
    port = free_port()
    variables = {
        "fleet_kexec_hosts": "web*",
        "webhook_host": "127.0.0.1",
        "webhook_port": port,
        "webhook_token": TOKEN,
    }
    with running(controller, "fleet.kexec.pending_reboots", variables) as rulebook:
        statuses: list[int] = []

        def called() -> bool:
            # Not authorized: it is up, and nothing happens.
            statuses.append(post(port, alert(), "wrong"))
            return statuses[-1] != 0

        rulebook.wait(called, "the webhook is not up")
        assert statuses[-1] == 401
        assert post(port, alert(status="resolved")) == post(port, alert(commonLabels={"alertname": "DiskFull"})) == 200
        # Alertmanager sends it again; one rolling reboot is enough.
        assert post(port, alert()) == post(port, alert()) == 200
        rulebook.wait(lambda: "PLAY RECAP" in rulebook.output, "no playbook has ended")
        assert controller.reboots() == {"web1": 1, "web2": 0, "db1": 0}, rulebook.output
        assert len(controller.journals()) == 1
    assert not list(controller.directory.rglob("harm"))


def test_a_run_has_its_metrics_written(controller: Controller) -> None:
    metrics = controller.directory / "kexec.prom"
    variables = {"run_directory": str(controller.runs), "metrics": str(metrics)}
    with running(controller, "fleet.kexec.run_metrics", variables) as rulebook:
        rulebook.wait(lambda: "Waiting for events" in rulebook.output, "it does not begin")
        run = RunStore(str(controller.runs)).new("night", 0.0, lambda count: "0" * 2 * count)
        with Journal(run.journal) as journal:
            journal.append(stories.night())
        rulebook.wait(metrics.exists, "no metrics are written")
    assert "fleet_kexec_run_hosts_down 1" in metrics.read_text().splitlines()
