# SPDX-License-Identifier: GPL-3.0-or-later
"""Options are the same in documentation, argument specifications, roles, playbooks and examples.

Where they may differ, a table says so and why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.parse import parse_hooks
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.probe_options import parse_probe
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.host_options import PER_HOST
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.run_hooks import RUN_HOOKS

from .documentation import (
    ACTIONS,
    MODULES,
    ROOT,
    Call,
    Passed,
    as_argument_spec,
    calls,
    documented_options,
    examples,
    flat,
    passed,
    specified_options,
    strings,
    suboptions,
    warnings_about,
    yaml_of,
)

# --- documentation and argument specification --------------------------------------------

# Options that the argument specification passes through as they are: they are templated later, or may hold secrets that
# Ansible's messages would show. Their readers are compared with the documentation below.
READ_LATER: Mapping[str, Sequence[str]] = {"reboot": ["probe"], "rolling_reboot": [*PER_HOST, *RUN_HOOKS]}


def test_every_action_plugin_has_a_module_that_documents_it() -> None:
    assert set(ACTIONS) <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_ansible_doc_warns_of_nothing(module: str) -> None:
    assert warnings_about(module) == []


@pytest.mark.parametrize("module", MODULES)
def test_documentation_and_argument_specification_are_the_same(module: str) -> None:
    documented, specified = documented_options(module), specified_options(module)
    for option in READ_LATER.get(module, ()):
        del documented[option]
        assert specified.pop(option, {"type": "raw"})["type"] == "raw"
    assert flat(documented) == flat(specified)


# --- documentation and readers of options ------------------------------------------------

Reader = Callable[[Any], object]


def hooks_reader(option: str) -> Reader:
    """Reader of a list of hooks."""
    return lambda value: parse_hooks(value, option, of_run=option in RUN_HOOKS)


# Together they have every key.
HOOKS: list[Any] = [
    [{"name": "drain", "command": ["lbctl", "drain"], "timeout": 2.5, "retries": 3, "delay": 0.5}],
    [{"controller_command": ["lbctl", "drain"]}],
    [
        {
            "http": {
                "url": "https://lb.example/",
                "method": "POST",
                "status": [200, 204],
                "headers": {"X-Scope": "a"},
                "body": "x",
                "validate_certs": False,
                "ca_path": "/etc/ca.pem",
                "username": "ops",
                "password": "p",
                "contains": "ready",
            }
        }
    ],
    [{"module": {"name": "ansible.builtin.service", "args": {"name": "x"}}, "run_on": "controller"}],
]
HOOKS_OF_RUNS: list[Any] = [[{**HOOKS[0][0], "run_on": "lb1"}], *HOOKS[1:]]
PROBES: list[Any] = [
    {"port": 443, "address": "192.0.2.1"},
    {"url": "https://web.example/", "status": [200, 204], "validate_certs": False, "timeout": 0.5},
]
READERS: Mapping[str, tuple[Reader, list[Any]]] = {
    "before": (hooks_reader("before"), HOOKS),
    "after": (hooks_reader("after"), HOOKS),
    "on_failure": (hooks_reader("on_failure"), HOOKS),
    "run_before": (hooks_reader("run_before"), HOOKS_OF_RUNS),
    "run_after": (hooks_reader("run_after"), HOOKS_OF_RUNS),
    "probe": (parse_probe, PROBES),
}

Place = tuple[str, dict[str, Any], Mapping[str, Any]]


def dictionaries(value: Any, documented: Mapping[str, Any], path: str) -> Iterator[Place]:
    """Dictionaries in a value whose keys are documented: path, dictionary, and documentation of its keys."""
    options = suboptions(documented)
    if not options:
        return
    for each in value if isinstance(value, list) else [value]:
        yield path, each, options
        for key, option in options.items():
            if key in each:
                yield from dictionaries(each[key], option, "%s.%s" % (path, key))


def documented_keys(documented: Mapping[str, Any], path: str) -> dict[str, set[str]]:
    """Documented keys of each dictionary, by its path."""
    options = suboptions(documented)
    found = {path: set(options)} if options else {}
    for key, option in options.items():
        found.update(documented_keys(option, "%s.%s" % (path, key)))
    return found


def changed(value: Any, documented: Mapping[str, Any], option: str) -> Iterator[tuple[Any, Place]]:
    """Copies of a value, one for each documented dictionary in it, and that dictionary in the copy, to be changed."""
    for index, _place in enumerate(dictionaries(value, documented, option)):
        copy = deepcopy(value)
        yield copy, list(dictionaries(copy, documented, option))[index]


def refusal(reader: Reader, value: Any) -> str:
    """Message with which a value is refused."""
    with pytest.raises(CodedError) as caught:
        reader(value)
    return caught.value.reason.message


read_later = pytest.mark.parametrize(
    ("module", "option"),
    [(module, option) for module, options in READ_LATER.items() for option in options if option in READERS],
)


def test_every_option_with_suboptions_that_is_read_later_has_its_reader_compared() -> None:
    for module, options in READ_LATER.items():
        documented = documented_options(module)
        assert {option for option in options if suboptions(documented[option])} == set(READERS) & set(options)


@read_later
def test_a_reader_takes_the_documented_keys_and_no_others(module: str, option: str) -> None:
    documented = documented_options(module)[option]
    reader, samples = READERS[option]
    taken: dict[str, set[str]] = {}
    for sample in samples:
        reader(sample)
        for copy, (path, dictionary, options) in changed(sample, documented, option):
            taken.setdefault(path, set()).update(dictionary)
            dictionary["surplus"] = 1
            listed = refusal(reader, copy).partition(" has no 'surplus'; it takes ")[2].split(", ")
            assert set(listed) == set(options), path
    assert taken == documented_keys(documented, option)


@read_later
def test_a_reader_takes_the_documented_types(module: str, option: str) -> None:
    documented = documented_options(module)[option]
    for sample in READERS[option][1]:
        checked = ArgumentSpecValidator(as_argument_spec({option: documented})).validate({option: deepcopy(sample)})
        assert checked.error_messages == []
        found = without_none(checked.validated_parameters[option])
        assert found == sample, "the documented type converts it"


def without_none(value: Any) -> Any:
    """Value without the keys that validation adds."""
    if isinstance(value, dict):
        return {key: without_none(each) for key, each in value.items() if each is not None}
    return [without_none(each) for each in value] if isinstance(value, list) else value


@read_later
def test_a_reader_takes_the_documented_choices_and_no_others(module: str, option: str) -> None:
    documented = documented_options(module)[option]
    reader, samples = READERS[option]
    for sample in samples:
        for copy, (path, dictionary, options) in changed(sample, documented, option):
            for key in [key for key in dictionary if "choices" in options[key]]:
                value, dictionary[key] = dictionary[key], "surplus"
                listed = refusal(reader, copy).partition(" has to be one of ")[2].split(", ")
                assert listed == options[key]["choices"], "%s.%s" % (path, key)
                dictionary[key] = value


@read_later
def test_a_reader_has_the_documented_defaults(module: str, option: str) -> None:
    documented = documented_options(module)[option]
    reader, samples = READERS[option]
    assert reader(None) == reader(documented.get("default"))
    for sample in samples:
        for left_out, (path, dictionary, options) in changed(sample, documented, option):
            for key in list(dictionary):
                value = dictionary.pop(key)
                if options[key].get("required"):
                    refusal(reader, left_out)
                elif "default" in options[key]:
                    without = reader(left_out)
                    dictionary[key] = options[key]["default"]
                    assert without == reader(left_out), "%s.%s" % (path, key)
                dictionary[key] = value


# --- roles and playbooks -----------------------------------------------------------------

ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
PLACES = [*("roles/" + role for role in ROLES), *("playbooks/" + playbook for playbook in PLAYBOOKS)]

# Pages for users that show YAML.
PAGES = [
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("roles/*/README.md")))
    if "```yaml" in path.read_text()
]

# Role variables whose names are not those of the options with the role's in front.
NAMED_OTHERWISE = {
    "fleet_kexec_policy": "policy",
    "prepare_fast_image_required": "required",
    "rolling_reboot_timeout": "reboot_timeout",
}

# Role variables whose defaults are not those of the options.
DEFAULTS_OF_ROLES = {
    "prepare_fast_image_required": "a fleet may have hosts that can't have one",
    "prepare_packages": "the role knows which packages kexec needs; the module does not",
}

BENCHMARKED = {"method", "image", "loader", "integrity", "policy", "window", "reboot_timeout", "run_id"}

# Options that users of a role or a playbook can't set, by place and module, and the reason.
LEFT_OUT: Mapping[tuple[str, str], tuple[set[str], str]] = {
    ("roles/prepare", "fast_image"): (
        {"state", "kernel", "host_command", "initrd"},
        "the role installs everything, for the default entry's kernel, with the initrd that prepare_boot sets",
    ),
    ("roles/prepare", "preparation"): ({"parts"}, "each task names its part"),
    ("roles/prepare", "prepare_boot"): ({"parts"}, "a part that is off is undone"),
    ("roles/prepare", "reservation"): (
        {"kernels", "override", "shrink"},
        "replacing a foreign reservation is a decision for one host",
    ),
    ("roles/prepare", "stage"): (set(documented_options("stage")), "the role only unloads"),
    ("roles/rolling_reboot", "rolling_reboot"): ({"failures"}, "the role's next task fails the hosts"),
    ("playbooks/benchmark", "report"): (
        set(documented_options("report")) - {"ways", "html", "json"},
        "the playbook compares ways",
    ),
    ("playbooks/benchmark", "rolling_reboot"): (
        set(documented_options("rolling_reboot")) - BENCHMARKED,
        "all ways run under the same limits",
    ),
    ("playbooks/patch", "boot_facts"): ({"gather_subset", "policy"}, "whether a host needs a reboot is no matter of policy"),
    ("playbooks/patch", "report"): ({"ways"}, "the playbook benchmark makes and compares such runs"),
    ("playbooks/ledger", "ledger"): ({"histories"}, "the playbook connects to no host, so there are no facts"),
    ("playbooks/preflight", "boot_facts"): ({"gather_subset"}, "the playbook shows a fixed set of facts"),
    ("playbooks/report", "report"): ({"ways"}, "the playbook benchmark makes and compares such runs"),
}

EXPRESSION = re.compile(r"\{[{%].*?[}%]\}", re.DOTALL)
LINK = re.compile(r"O\(fleet\.kexec\.(\w+)#module:(\w+)\)")


def files_of(place: str) -> list[Path]:
    """Files with the tasks of a role or a playbook, and with the variables that it sets."""
    if place.startswith("roles/"):
        return [path for part in ("tasks", "vars") for path in sorted((ROOT / place / part).glob("*.yml"))]
    playbook = ROOT / (place + ".yml")
    text = playbook.read_text()
    return [playbook, *(path for path in sorted(playbook.parent.glob("*/*")) if str(path.relative_to(playbook.parent)) in text)]


def calls_of(place: str) -> list[Call]:
    """Uses of the collection's modules in a role or a playbook."""
    paths = [path for path in files_of(place) if path.suffix == ".yml"]
    return [call for path in paths for call in calls(yaml_of(path), str(path.relative_to(ROOT)))]


def role_options(role: str) -> dict[str, dict[str, Any]]:
    """Variables in a role's argument specification."""
    specs = yaml_of(ROOT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]
    return dict(specs["main"]["options"])


def variables_from_outside(place: str) -> set[str]:
    """Variables that a role or a playbook uses and does not set."""
    prefix = place.partition("/")[2]
    # Modules of such names are no variables.
    name = re.compile(r"(?<!fleet\.kexec\.)\b(?:%s|fleet_kexec)_\w+" % prefix)
    used: set[str] = set()
    own: set[str] = set()
    for path in files_of(place):
        # The rest of a template is text.
        content = yaml_of(path) if path.suffix == ".yml" else EXPRESSION.findall(path.read_text())
        for text in strings(content):
            used.update(name.findall(text))
        own.update(content if path.parent.name == "vars" else variables_set(content))
    return used - own


def variables_set(content: Any) -> Iterator[str]:
    """Variables that plays and tasks set."""
    if isinstance(content, list):
        for each in content:
            yield from variables_set(each)
    elif isinstance(content, dict):
        if isinstance(content.get("register"), str):
            yield content["register"]
        for key in ("vars", "ansible.builtin.set_fact"):
            yield from content.get(key, ())
        for each in content.values():
            yield from variables_set(each)


def doc_blocks(path: Path) -> list[Any]:
    """YAML in a page of documentation."""
    return [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)]


def literal(value: Any) -> Any:
    """Value without its templated parts."""
    if isinstance(value, dict):
        return {key: literal(each) for key, each in value.items() if not is_template(each)}
    return [literal(each) for each in value] if isinstance(value, list) else value


def is_template(value: Any) -> bool:
    """Whether a value is known only once it is templated."""
    return isinstance(value, str) and "{{" in value


def by_all_names(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options by their names and their earlier names."""
    return {name: option for key, option in options.items() for name in (key, *option.get("aliases", ()))}


def complaints(options: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Errors in values of options, as far as they show before templating."""
    unknown = sorted(set(given) - set(by_all_names(options)))
    checked = ArgumentSpecValidator(as_argument_spec(options)).validate(literal(given))
    found: list[str] = checked.error_messages
    return ["there is no %s" % name for name in unknown] + found


@pytest.mark.parametrize("place", PLACES)
def test_what_is_passed_to_a_module_is_documented(place: str) -> None:
    for call in calls_of(place):
        assert not complaints(documented_options(call.module), call.args), call.where


@pytest.mark.parametrize("module", MODULES)
def test_what_examples_pass_is_documented(module: str) -> None:
    found = list(calls(examples(module), "examples"))
    assert module in {call.module for call in found}
    for call in found:
        assert not complaints(documented_options(call.module), call.args), call.where


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_is_documented(page: str) -> None:
    blocks = doc_blocks(ROOT / page)
    for call in calls(blocks, page):
        assert not complaints(documented_options(call.module), call.args), call.where
    for role in ROLES:
        for given in settings_of(blocks, role + "_"):
            assert not complaints(role_options(role), given)


def settings_of(value: Any, prefix: str) -> Iterator[Mapping[str, Any]]:
    """Variables with a prefix, and their values, wherever they are set."""
    if isinstance(value, Mapping):
        found = {key: each for key, each in value.items() if str(key).startswith(prefix)}
        if found:
            yield found
        for each in value.values():
            yield from settings_of(each, prefix)
    elif isinstance(value, list):
        for each in value:
            yield from settings_of(each, prefix)


@pytest.mark.parametrize("place", PLACES)
def test_every_option_can_be_set_from_outside_or_is_left_out_for_a_reason(place: str) -> None:
    found = calls_of(place)
    for module in {call.module for call in found} - {"check_variables"}:
        settable = {
            option for call in found if call.module == module for option, value in call.args.items() if is_template(value)
        }
        left_out, _why = LEFT_OUT.get((place, module), (set(), ""))
        assert set(documented_options(module)) - settable == left_out, module


def test_what_is_left_out_is_of_modules_that_are_used() -> None:
    assert set(LEFT_OUT) <= {(place, call.module) for place in PLACES for call in calls_of(place)}


@pytest.mark.parametrize("role", ROLES)
def test_the_variables_of_a_role_are_those_that_its_tasks_use(role: str) -> None:
    assert variables_from_outside("roles/" + role) == set(role_options(role))


@pytest.mark.parametrize("role", ROLES)
def test_the_defaults_of_a_role_are_those_that_it_documents(role: str) -> None:
    documented = {name: option["default"] for name, option in role_options(role).items() if "default" in option}
    assert yaml_of(ROOT / "roles" / role / "defaults/main.yml") == documented


def test_the_table_in_the_readme_of_prepare_has_its_variables_with_their_defaults() -> None:
    rows = re.findall(
        r"^\| `((?:prepare|fleet_kexec)_\w+)` \| (.*?) \|", (ROOT / "roles/prepare/README.md").read_text(), re.MULTILINE
    )
    assert {name: yaml.safe_load(default.strip("`").replace("empty", '""')) for name, default in rows} == {
        name: option.get("default", "not defined") for name, option in role_options("prepare").items()
    }


@pytest.mark.parametrize("role", ROLES)
def test_a_variable_of_a_role_is_specified_as_the_option_that_it_sets(role: str) -> None:
    options = role_options(role)
    found = [each for each in passed(calls_of("roles/" + role)) if each.variable in options]
    assert {each.variable for each in found} == set(options)
    for each in found:
        assert NAMED_OTHERWISE.get(each.variable, each.variable.removeprefix(role + "_")) == each.option
        compare(each, options[each.variable], by_all_names(documented_options(each.module))[each.option])
    for variable, option in options.items():
        assert links(option) <= {(each.module, each.option) for each in found if each.variable == variable}, variable


def compare(each: Passed, of_role: Mapping[str, Any], of_module: Mapping[str, Any]) -> None:
    """Compare a role's variable with the option that is set to it."""
    variable, *below = flat({each.variable: of_role}).items()
    option, *below_option = flat({each.variable: of_module}).items()
    # A variable without a default leaves the option to the module.
    assert each.if_undefined == ("default" not in of_role) or each.if_empty, each
    no_default = "default" not in of_role or (each.if_empty and not of_role["default"])
    default = option[1].default if no_default or each.variable in DEFAULTS_OF_ROLES else variable[1].default
    # The earlier name of an option is a variable of its own in a role.
    assert replace(variable[1], default=default, aliases=frozenset()) == replace(option[1], aliases=frozenset()), each
    # The module documents suboptions, and checks them; a role may leave both to it.
    assert below == below_option or (not below and (each.module, each.option) in links(of_role)), each


def links(option: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Options of modules that a description refers to."""
    return set(LINK.findall(" ".join(strings(option["description"]))))


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_knows_the_variables_that_it_uses(playbook: str) -> None:
    checks = [call.args for call in calls_of("playbooks/" + playbook) if call.module == "check_variables"]
    own = [check for check in checks if check["prefix"] == playbook + "_"]
    used = {name for name in variables_from_outside("playbooks/" + playbook) if name.startswith(playbook + "_")}
    if playbook in ROLES:
        assert not checks and not used, "its role checks them"
    else:
        (check,) = own
        assert set(check["known"]) == used


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_the_variables_of_a_playbook_are_those_at_its_head(playbook: str) -> None:
    head = re.findall(r"^#   (\w+)  ", (ROOT / "playbooks" / (playbook + ".yml")).read_text(), re.MULTILINE)
    assert variables_from_outside("playbooks/" + playbook) == set(head)
