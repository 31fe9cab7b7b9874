# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.command import CommandOnHost
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.interrupt import Interrupt
from ansible_collections.fleet.kexec.plugins.plugin_utils._host_class import hardware_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._host_facts import PreparedBoot
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import HostDraining, HostFailed, HostOwes
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.errors import RebootError
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.request import RebootRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.fleet import PlayFleet
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.host_options import take_per_host
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.planning import Planner
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.resuming import Rest, Selection
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.history import History
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Phases
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.settings import settings_from

from ..stories import DRAINED, LOST, started
from .inventory import Inventory, trusted


def fleet(hosts: Mapping[str, Mapping[str, Any]], fallback: Any = "none", **raw: Any) -> PlayFleet:
    return PlayFleet(
        Inventory(hosts),  # type: ignore[arg-type]  # as much of it as is asked
        trusted(raw),
        prober=None,  # type: ignore[arg-type]  # nobody connects
        service_prober=None,  # type: ignore[arg-type]
        request=RebootRequest("auto", 60.0, "", ""),
        fallback=fallback,
        connect_timeout_s=None,
        connections=1,
        own_boot_id="mine",
        random=lambda count: "ab" * count,
        progress=lambda host, text: None,
        interrupt=Interrupt(),
    )


def test_a_probe_is_each_hosts_own() -> None:
    url = "https://{{ inventory_hostname }}/health?key={{ key }}"
    found = fleet({"web1": {"key": "geheim"}, "web2": {"key": "x"}}, probe={"url": url, "status": 204})
    found.read(["web1", "web2"])
    services = [found.options(name).service for name in ("web1", "web2")]
    assert [service.seen_by for service in services if service] == ["http https://web1/health", "http https://web2/health"]
    found.read(["web1"], rebooted=False)
    assert found.options("web1").service is None


def test_whether_an_sshd_may_be_probed_is_each_hosts_own() -> None:
    found = fleet({"web1": {"quiet": "yes"}, "web2": {"quiet": False}}, probe_ssh="{{ not quiet | bool }}")
    found.read(["web1", "web2"])
    assert [found.options(name).probe_ssh for name in ("web1", "web2")] == [False, True]
    found = fleet({"web1": {}})
    found.read(["web1"])
    assert found.options("web1").probe_ssh
    assert "probe_ssh" in refusal(fleet({"web1": {}}, probe_ssh="perhaps"), "web1")


def test_whether_a_machine_is_compared_and_how_long_it_may_settle_is_each_hosts_own() -> None:
    variables: dict[str, dict[str, Any]] = {"web1": {"slow": "yes"}, "web2": {"slow": False}}
    found = fleet(variables, compare="{{ not slow | bool }}", settle="{{ 300 if slow | bool else omit }}")
    found.read(["web1", "web2"])
    requests = [found.request_of(name) for name in ("web1", "web2")]
    assert [(each.compare, each.settle_s) for each in requests] == [(False, 300), (True, 30)]
    found = fleet({"web1": {}})
    found.read(["web1"])
    assert (found.request_of("web1").compare, found.request_of("web1").settle_s) == (True, 30)
    assert "compare" in refusal(fleet({"web1": {}}, compare="perhaps"), "web1")
    for wrong in (-1, 3601, "soon", [30]):
        assert "settle" in refusal(fleet({"web1": {}}, settle=wrong), "web1")


@pytest.mark.parametrize("probe", [{"port": 0}, {"port": 1, "url": "http://geheim/"}, {}, "{{ geheim }}", {"url": "geheim://a"}])
def test_a_probe_that_makes_no_sense_is_refused_for_its_host(probe: Any) -> None:
    found = fleet({"web1": {"geheim": "geheim"}}, probe=probe)
    with pytest.raises(RebootError) as caught:
        found.read(["web1"])
    assert caught.value.reason.code == "PROBE_INVALID"
    assert caught.value.reason.message.endswith("(for web1)")
    assert "geheim" not in caught.value.reason.message


def refusal(found: PlayFleet, *names: str) -> str:
    with pytest.raises(RolloutError) as caught:
        found.read(names)
    assert caught.value.reason.code == "SETTINGS_INVALID"
    return caught.value.reason.message


@pytest.mark.parametrize(
    "arguments",
    [
        "-J jump",
        "-Jjump",
        "-v -J admin@jump:2222",
        "-J first,ssh://admin@jump:22",
        "-o ProxyJump=jump",
        "-oProxyJump=jump",
        "-o 'ProxyJump jump'",
        '-o "ProxyJump=jump"',
        "-o proxyjump=admin@jump -o ControlMaster=no",
        '-o ProxyCommand="ssh -W %h:%p -q admin@jump"',
        "-o 'ProxyCommand ssh -W %h:%p jump'",
        "-o ProxyCommand='nc -X connect -x jump:3128 %h %p'",
        "-J {{ bastion }}",
    ],
)
@pytest.mark.parametrize("variable", ["ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args"])
def test_a_host_that_others_are_reached_through_goes_last(variable: str, arguments: str) -> None:
    found = fleet({"web": {variable: arguments, "bastion": "jump"}, "jump": {}, "other": {}})
    found.read(["jump", "other", "web"])
    assert [name for name in ("web", "jump", "other") if found.goes_last(name, ())] == ["jump"]


@pytest.mark.parametrize(
    "arguments", ["", "-o ForwardAgent=yes", "-i jump", "-o User=jump", "-o 'SetEnv proxyjump=jump'", "-o ProxyJump=none -l jump"]
)
def test_what_only_looks_like_a_jump_host(arguments: str) -> None:
    found = fleet({"web": {"ansible_ssh_common_args": arguments}, "jump": {}})
    found.read(["web", "jump"])
    assert not found.goes_last("jump", ())


def test_jump_hosts_and_machines_of_the_lock_are_known_by_address_too() -> None:
    hosts = {
        "web": {"ansible_ssh_common_args": "-J admin@[2001:db8::1]:22"},
        "jump": {"ansible_host": "{{ address }}", "address": "2001:db8::1"},
        "etcd": {"ansible_host": "192.0.2.7"},
    }
    found = fleet(hosts)
    found.read(list(hosts))
    assert [name for name in hosts if found.goes_last(name, ["192.0.2.7"])] == ["jump", "etcd"]


def test_arguments_that_no_shell_would_take_are_read_as_far_as_they_go() -> None:
    found = fleet({"web": {"ansible_ssh_common_args": "-J jump -o 'User=me"}, "jump": {}})
    found.read(["web", "jump"])
    assert found.goes_last("jump", ())


def test_options_are_each_host_s_own() -> None:
    found = fleet(
        {"a": {"rack": "r1", "row": "x"}, "b": {"rack": "r2", "row": ""}},
        domains={"rack": "{{ rack }}", "row": "{{ row }}"},
        host_class="{{ rack }}-model",
        before={"command": ["drain", "{{ inventory_hostname }}"]},
        after=[{"command": ["undrain", "{{ inventory_hostname }}"]}],
    )
    found.read(["a", "b"])
    assert found.options("a").domains == {"rack": "r1", "row": "x"}
    assert found.options("b").domains == {"rack": "r2"}, "an empty domain is none"
    assert [found.options(name).host_class for name in "ab"] == ["r1-model", "r2-model"]
    (drain,) = found.options("b").hooks.before
    assert drain.action == CommandOnHost(("drain", "b")), "one hook stands for itself"
    assert len(found.options("a").hooks.after) == 1


def test_the_class_of_a_host_is_the_user_s_or_that_of_its_hardware_or_as_near_as_is_known() -> None:
    setup = {"system_vendor": "Dell Inc.", "product_name": "R640", "bios_version": "2.1", "kernel": "6.12"}
    drivers = {"network": ["ixgbe"], "storage": ["nvme"], "display": []}
    hardware = {"vendor": "Dell Inc.", "product": "R640", "board": "", "firmware_version": "2.1", "drivers": drivers}
    gathered = {**setup, "fleet_kexec": {"hardware": hardware}}
    broken = {"fleet_kexec": {"hardware": {"vendor": 7}}}
    variables: dict[str, Any] = {
        "a": {"ansible_facts": setup},
        "b": {},
        "c": {"ansible_facts": gathered},
        "d": {"ansible_facts": broken},
    }
    found = fleet(variables, host_class="{{ model | default(omit) }}")
    found.host_classes = {"a": "seen before", "c": "seen before"}
    found.read(list("abcd"))
    of_hardware = "Dell Inc. R640, firmware 2.1, drivers ixgbe nvme"
    assert [found.host_class(name) for name in "abcd"] == ["seen before", "", of_hardware, ""]
    assert found.host_class("b", hardware_of(hardware)) == of_hardware, "once the host is prepared"
    found.host_classes = {}
    assert found.host_class("a") == "Dell Inc. R640, firmware 2.1"
    told = fleet({"a": {"model": "mine", "ansible_facts": gathered}}, host_class="{{ model }}")
    told.read(["a"])
    assert told.host_class("a", hardware_of(hardware)) == "mine"


@pytest.mark.parametrize("option", ["domains", "host_class", "before", "after", "on_failure", "power_hook"])
def test_what_can_t_be_templated_is_named_with_its_host(option: str) -> None:
    told = refusal(fleet({"a": {"rack": "r1"}, "b": {}}, **{option: {"command": ["{{ rack }}"]}}), "a", "b")
    assert told.startswith("%s of b: " % option) and "'rack' is undefined" in told


@pytest.mark.parametrize("variable", ["ansible_connection", "ansible_host", "ansible_ssh_common_args"])
def test_a_connection_that_can_t_be_templated_is_named_with_its_host(variable: str) -> None:
    told = refusal(fleet({"a": {}, "b": {variable: "{{ nowhere }}"}}), "a", "b")
    assert told.startswith("%s of b: " % variable)


def test_what_makes_no_sense_is_named_with_its_host() -> None:
    told = refusal(fleet({"b": {}}, domains="r1"), "b")
    assert told.startswith("domains is 'r1', but has to be a dictionary") and told.endswith("(for b)")
    assert "(for b)" in refusal(fleet({"b": {}}, before=[{"comand": ["x"]}]), "b")


def test_an_option_that_is_omitted_is_not_given() -> None:
    found = fleet({"a": {}}, domains="{{ rack | default(omit) }}", before="{{ omit }}")
    found.read(["a"])
    assert not found.options("a").domains and not found.options("a").hooks.before


def test_the_machine_that_runs_the_playbook_is_refused() -> None:
    found = fleet({"a": {"ansible_connection": "{{ how }}", "how": "local"}})
    found.read(["a"])
    with pytest.raises(RebootError) as caught:
        found.session("a")
    assert caught.value.reason.code == "CONTROL_NODE"


def test_options_for_each_host_are_taken_under_either_name() -> None:
    arguments = {"combination": "{{ model }}", "domains": {"rack": "a"}, "window": 3}
    assert take_per_host(arguments) == {"combination": "{{ model }}", "domains": {"rack": "a"}}
    assert arguments == {"window": 3}


@pytest.mark.parametrize("option", ["host_class", "combination"])
def test_an_option_may_be_given_by_its_alias_while_the_other_name_is_omitted(option: str) -> None:
    given = {"host_class": "{{ omit }}", "combination": "{{ omit }}", option: "model 9"}
    found = fleet({"a": {}}, **given)
    found.read(["a"])
    assert found.options("a").host_class == "model 9"


def test_an_option_is_not_given_by_both_names() -> None:
    told = refusal(fleet({"a": {}}, host_class="x", combination="x"), "a")
    assert told == "host_class and combination mean the same; leave one of them out (for a)"


def test_a_hook_runs_on_any_host_of_the_inventory_and_that_one_goes_last() -> None:
    hosts = {"web1": {"lb": "lb1"}, "web2": {"lb": "lb2"}, "lb1": {"lb": "lb1"}}
    found = fleet(hosts, before=[{"command": ["lbctl", "drain"], "run_on": "{{ lb }}"}])
    found.read(["web1", "lb1"])
    (hook,) = found.options("web1").hooks.before
    assert hook.other_host == "lb1"
    assert [found.goes_last(name, ()) for name in ("web1", "lb1")] == [False, True]
    assert refusal(found, "web2") == ("before hook command lbctl: run_on is lb2, which is not in the inventory (for web2)")
    alone = fleet(hosts, before=[{"command": ["lbctl", "drain"], "run_on": "{{ inventory_hostname }}"}])
    alone.read(["web1"])
    assert not alone.goes_last("web1", ())


@pytest.mark.parametrize(
    "power_hook",
    [
        None,
        [],
        {"command": ["ipmitool"]},
        {"module": {"name": "command"}},
        [{"http": {"url": "http://bmc/"}}] * 2,
        {"command": ["ipmitool"], "run_on": "a"},
        [{"command": ["ipmitool"], "run_on": "b"}],
    ],
)
def test_a_power_hook_has_to_work_while_its_host_is_down(power_hook: Any) -> None:
    found = fleet({"a": {}, "b": {}}, fallback="power_hook", power_hook=power_hook)
    if isinstance(power_hook, list) and power_hook:
        found.read(["a"])
    else:
        told = refusal(found, "a")
        assert "power_hook" in told and told.endswith("(for a)")
    found.read(["a"], rebooted=False)


def test_without_that_fallback_any_power_hook_will_do() -> None:
    fleet({"a": {}}, power_hook={"command": ["ipmitool"]}).read(["a"])


def test_a_policy_is_each_hosts_own() -> None:
    found = fleet(
        {"a": {"fleet_kexec_policy": {"DRIVER_RISK": "allow"}}, "b": {}, "c": {"fleet_kexec_policy": '{"NO_WATCHDOG": "block"}'}},
        policy="{{ fleet_kexec_policy | default(omit) }}",
    )
    found.read(["a", "b", "c"])
    policies = [found.request_of(name).policy for name in ("a", "b", "c")]
    assert policies == [{"DRIVER_RISK": "allow"}, {}, {"NO_WATCHDOG": "block"}]


@pytest.mark.parametrize("policy", [{"DRIVERS": "allow"}, {"DRIVER_RISK": "ignore"}])
def test_a_policy_that_no_host_would_take_is_refused_before_any_is_asked(policy: Any) -> None:
    with pytest.raises(RolloutError) as caught:
        fleet({"a": {}}, policy=policy).read(["a"])
    assert caught.value.reason.code == "POLICY_INVALID"
    assert "a dictionary" in refusal(fleet({"a": {}}, policy=["DRIVER_RISK"]), "a")


def test_a_host_that_has_failed_and_is_still_drained_keeps_its_hooks_on_a_resume() -> None:
    hosts: dict[str, dict[str, str]] = {"web1": {}, "web2": {}, "web3": {}}
    found = fleet(hosts, before=[{"command": ["lb", "drain"]}], after=[{"command": ["lb", "undrain"]}])
    records = [
        started(list(hosts)),
        HostDraining(host="web1").as_record(),
        HostOwes(host="web1", debt="drain", reason=DRAINED, unavailable=True).as_record(),
        *(HostFailed(host=name, reason=LOST, down=False, phase="draining").as_record() for name in ("web1", "web2")),
    ]
    inventory: Any = Inventory(hosts)
    selection = Selection(names=list(hosts), failed=(), left_out={}, exists=inventory.exists)
    rest = Rest(RunState.from_records(records), selection)
    planner = Planner(inventory, list(hosts), left_out=(), unavailable=(), machines=(), seed=1)
    planner.again(found, History({}), settings_from({}), rest)
    assert [bool(found.options(name).hooks.after) for name in hosts] == [True, False, True]


def test_what_shortens_an_outage_is_known_from_the_host_from_facts_or_from_earlier_runs() -> None:
    boot = {"boot_id": "b", "soft_reboots": 0, "path": "kexec", "prepared": {"parts": ["quiet", "initrd"], "untried_ms": 1840.5}}
    facts = {"boot": boot, "kernel": {"release": "6.1", "panic_s": 0, "panic_on_oops": 0}}
    garbage = {**facts, "boot": {**boot, "prepared": {"parts": "quiet", "untried_ms": "a lot"}}}
    found = fleet(
        {
            "web1": {"ansible_facts": {"fleet_kexec": facts}},
            "web2": {"ansible_facts": {"fleet_kexec": garbage}},
            "web3": {"ansible_facts": {"fleet_kexec": {"hardware": None}}},
            "web4": {},
        }
    )
    found.read(["web1", "web2", "web3", "web4"])
    found.prepared_before = {name: PreparedBoot(("ssh_early",)) for name in ("web1", "web2", "web3")}
    before = PreparedBoot(("ssh_early",))
    gathered = PreparedBoot(("initrd", "quiet"), 1.8)
    names = ("web1", "web2", "web3", "web4")
    assert [found.prepared_of(name) for name in names] == [gathered, before, before, None]
    found.prepared = {"web1": PreparedBoot()}
    assert found.prepared_of("web1") == PreparedBoot(), "it says that there is nothing any more"
    history = History({("kexec", ""): [Phases(1, 0, 20, 1)]}, prepared={("kexec", "", ("ssh_early",)): [Phases(1, 0, 12, 1)]})
    found.prepared = {"web1": gathered}
    hosts = {each.name: each for each in found.hosts(names, history, [])}
    assert [hosts[name].predicted.p50.outage_s for name in names] == [18.2, 12, 12, 20]
    assert [hosts[name].spared_s for name in names] == [1.8, 0.0, 0.0, 0.0]
