# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the parts of a GRUB script that decide on the menu, its default, and what its entries boot.

Commands without influence on these are ignored.
"""

from __future__ import annotations

import copy
import re
from collections import deque
from dataclasses import dataclass, replace
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from .._host.files import HostFiles
from .boot_paths import CONFIG, FS_UUID, HOST, LABEL, BootPaths, PathUnknown
from .grub_bls import BlsFile, entry_script, read_bls_files, unknown_variable
from .grub_condition import evaluate_test
from .grub_interpreter import CHARACTERS_PER_STATEMENT, GrubInterpreter
from .grub_menu import DevicePath, Unknown, Value
from .grub_search import parse_search
from .grub_syntax import Command, GrubSyntaxError, Script, parse_grub_script
from .grubenv import parse_grubenv

_MAX_SOURCES = 10
# To find and open a file takes as long as these.
_STATEMENTS_PER_FILE = 50

_DEVICE_PATH = re.compile(r"\((?P<device>[^)]*)\)(?P<path>.*)", re.DOTALL)
_SET_OPTION = re.compile(r"--set=(?:\d+:)?(\w+)")
_HEX_ESCAPE = re.compile(r"(\\x[0-9a-fA-F]{2})")

# Variables that GRUB sets itself, to values that are the same on every host, or that only GRUB knows.
_FEATURES = (
    "chainloader_bpb ntldr platform_search_hint default_font_path all_video_module menuentry_id menuentry_options"
    " 200_final nativedisk_cmd timeout_style"
)
_OWN = ("cmdpath", "grub_cpu", "shim_lock", "lockdown", "check_signatures")
# Variables that a block of the environment may hold which this host can't read.
_KEPT = ("saved_entry", "next_entry", "prev_saved_entry", "kernelopts", "blsdir", "early_initrd", "tuned_initrd", "tuned_params")

# Commands that make items of the menu, each with the doubt about them.
_ITEMS = {"menuentry": "", "submenu": "", "hiddenentry": "it is unknown whether hidden entries count as items of the menu"}
_LINUX = ("linux", "linux16", "linuxefi")
_INITRD = ("initrd", "initrd16", "initrdefi")
# They boot another kernel than Linux.
_OTHER_KERNELS = (
    *("chainloader", "multiboot", "multiboot2", "xen_hypervisor", "ntldr", "freedos", "kfreebsd", "kopenbsd", "knetbsd"),
)
# They may change anything: the menu, or which of the following commands run.
_OPAQUE = (
    *("eval", "normal", "legacy_source", "legacy_configfile", "extract_legacy_entries_source", "bls_import"),
    *("extract_legacy_entries_configfile", "extract_entries_source", "extract_entries_configfile", "syslinux_source", "uki"),
    *("extract_syslinux_entries_source", "syslinux_configfile", "return", "break", "continue", "shift", "setparams", "exit"),
)
# Each with the kind of what it searches for; only GRUB can search for a file.
_SEARCHES = {
    "search.fs_uuid": FS_UUID,
    "search_fs_uuid": FS_UUID,
    "search.fs_label": LABEL,
    "search_label": LABEL,
    "search.file": "",
    "search.fs_file": "",
    "search_fs_file": "",
}
# Variables that a command sets without being told their names.
_RESULTS = {"hwmatch": "match"}
# In front of the name of a variable to set.
_SET_WORDS = ("--set", "-s", "-v")


@dataclass
class Item:
    """Entry or submenu as the script defines it; its body runs once it is chosen."""

    title: Value
    identity: Value
    body: Script
    arguments: Tuple[Value, ...]
    file: str
    line: int
    is_submenu: bool = False
    doubt: str = ""
    unknown: str = ""


@dataclass
class Loaded:
    """What an entry has loaded."""

    kernel: Optional[DevicePath] = None
    cmdline: str = ""
    initrds: Tuple[DevicePath, ...] = ()


class GrubScript(GrubInterpreter):
    """Runs scripts; variables, menu items and what was loaded are what they left.

    :ivar one_shots: wishes for the next boot only that environment blocks hold. The scripts run as if there were none.
    """

    def __init__(self, files: HostFiles, grub_cfg: str) -> None:
        super().__init__(grub_cfg)
        self._files = files
        self._paths = BootPaths(files, grub_cfg)
        prefix = "(%s)%s" % (HOST, grub_cfg.rpartition("/")[0])
        self.variables = {"prefix": prefix, "config_directory": prefix, "root": CONFIG}
        self.variables.update(("feature_" + name, "y") for name in _FEATURES.split())
        self.variables.update((name, Unknown("only GRUB knows $%s" % name)) for name in _OWN)
        self.variables["grub_platform"] = "efi" if files.exists("/sys/firmware/efi") else Unknown("the platform is unknown")
        self.items: List[Item] = []
        self.loaded = Loaded()
        self.one_shots: List[str] = []
        self.uses_bls = False
        self._bls_directories: List[str] = []

    def child(self, item: Item) -> GrubScript:
        """Copy with the variables as they are, which has run the body of a menu item."""
        child = copy.copy(self)
        child.variables = self.copied()
        child.variables.update((str(number), value) for number, value in enumerate(item.arguments, 1))
        child.items, child.loaded, child.lost = [], Loaded(), item.unknown
        child._file = item.file
        child._ended = not child._budget.spend(0)
        child.run(item.body)
        return child

    def path_of(self, value: Value) -> Union[DevicePath, Unknown]:
        """File system and path that a word names."""
        if isinstance(value, Unknown):
            return value
        found = _DEVICE_PATH.match(value)
        device: Value = found.group("device") if found else self.variables.get("root", "")
        if isinstance(device, Unknown):
            return device
        path = found.group("path") if found else value
        if not path.startswith("/") or re.search(r"[*?\[]", path):
            return Unknown("%s is no plain path" % value)
        return device.strip("()"), path

    def locate(self, value: Value) -> Value:
        """Find the file on the host that a word names."""
        path = self.path_of(value)
        if isinstance(path, Unknown):
            return path
        try:
            return self._paths.locate(path[0], path[1], self.is_relative)
        except PathUnknown as error:
            return Unknown(str(error))

    def _in_prefix(self, name: str) -> Value:
        """Find a file on the host that GRUB looks for in its own directory."""
        prefix = self.variables.get("prefix", "")
        return prefix if isinstance(prefix, Unknown) else self.locate("%s/%s" % (prefix, name))

    @property
    def is_relative(self) -> bool:
        """Whether paths on btrfs begin at the default subvolume, see SUSE's GRUB."""
        return self.variables.get("btrfs_relative_path", "") != ""

    def _test_file(self, option: str, value: str) -> Optional[bool]:
        path = self.locate(value)
        if isinstance(path, Unknown):
            return None
        is_directory = self._files.exists(path + "/.")
        if option == "-d":
            return is_directory
        if option == "-s":
            return bool(self._files.size_bytes(path))
        return self._files.exists(path) and not (option == "-f" and is_directory)

    # Commands

    def _command(self, name: str, arguments: Sequence[Value], command: Command) -> Optional[bool]:
        if name in _ITEMS:
            self._add_item(command, name == "submenu", arguments, _ITEMS[name])
            return True
        if name in _LINUX:
            return self._linux(arguments)
        handler = _HANDLERS.get(name)
        if handler is not None:
            return handler(self, arguments)
        if name in _SEARCHES:
            return self._search(_SEARCHES[name], arguments[1] if len(arguments) > 1 else "", arguments[0] if arguments else "")
        if "=" in name and not arguments:
            return self._set([name])
        return self._other(name, arguments, command)

    def _loop_ended(self, line: int) -> None:
        if any(item.doubt == self._doubt for item in self.items):
            self._lose("%s:%d: a loop makes menu entries" % (self._file, line))

    def _other(self, name: str, arguments: Sequence[Value], command: Command) -> Optional[bool]:
        if name in _OPAQUE:
            self._lose("%s:%d: the effect of %s is unknown" % (self._file, command.line, name))
        words = [argument if isinstance(argument, str) else argument.before for argument in arguments]
        for word, after in zip(words, (*words[1:], "")):
            found = _SET_OPTION.match(word)
            variable = found.group(1) if found else after.rpartition(":")[2] if word in _SET_WORDS else ""
            if variable:
                self.variables[variable] = Unknown("only GRUB knows what %s sets" % name)
        if name in _RESULTS:
            self.variables[_RESULTS[name]] = Unknown("only GRUB knows what %s finds" % name)
        return None

    def _add_item(self, command: Command, is_submenu: bool, arguments: Sequence[Value], doubt: str) -> None:
        title: Value = ""
        identity: Value = ""
        plain: List[Value] = []
        rest = deque(arguments)
        while rest:
            word = rest.popleft()
            if isinstance(word, str) and word.startswith("--") and len(word) > 2:
                option, equals, value = word.partition("=")
                taken: Value = value
                if not equals and option in ("--class", "--users", "--hotkey", "--id", "--source"):
                    taken = rest.popleft() if rest else ""
                if option == "--id":
                    identity = taken
            else:
                plain.append(word)
        title = plain[0] if plain else ""
        unknown = next((each.reason for each in (title, identity) if isinstance(each, Unknown)), "")
        item = Item(title, identity, command.block or (), tuple(plain), self._file, command.line, is_submenu)
        item.doubt = self._doubt or unknown or doubt
        self.items.append(item)

    def _set(self, arguments: Sequence[Value]) -> Optional[bool]:
        for argument in arguments[:1]:
            if isinstance(argument, Unknown):
                if not self.assign_unknown(argument):
                    self._lose(argument.reason)
                continue
            name, equals, value = argument.partition("=")
            if equals:
                self.variables[name] = value
        return True

    def _unset(self, arguments: Sequence[Value]) -> Optional[bool]:
        for argument in arguments:
            if isinstance(argument, str):
                self.variables.pop(argument, None)
        return True

    def _test(self, arguments: Sequence[Value]) -> Optional[bool]:
        return evaluate_test(arguments[:-1] if arguments and arguments[-1] == "]" else arguments, self._test_file)

    def _count(self, step: int, arguments: Sequence[Value]) -> Optional[bool]:
        """Run C(increment) or C(decrement)."""
        for name in arguments[:1]:
            value = self.variables.get(str(name), "")
            if isinstance(name, str) and isinstance(value, str):
                known = re.fullmatch(r"-?\d{1,9}", value)
                self.variables[name] = str(int(value) + step) if known else Unknown("$%s is no number" % name)
        return True

    def _read(self, arguments: Sequence[Value]) -> Optional[bool]:
        for name in arguments:
            if isinstance(name, str):
                self.variables[name] = Unknown("$%s is typed at GRUB's prompt" % name)
        return True

    def _search_command(self, arguments: Sequence[Value]) -> Optional[bool]:
        found = parse_search(arguments)
        return self._search(found.kind, found.variable, found.wanted) if found.variable else None

    def _search(self, kind: str, variable: Value, wanted: Value) -> Optional[bool]:
        if isinstance(variable, Unknown):
            self._lose(variable.reason)
        elif isinstance(wanted, Unknown) or not kind:
            self.variables[variable] = Unknown("only GRUB knows what its search finds")
        else:
            self.variables[variable or "root"] = kind + wanted
        return True

    def _source(self, arguments: Sequence[Value]) -> Optional[bool]:
        path = self.locate(arguments[0]) if arguments else Unknown("no file is named")
        if isinstance(path, Unknown):
            self._lose("%s: a script can't be read: %s" % (self._file, path.reason))
            return None
        if not self._spend(_STATEMENTS_PER_FILE):
            return None
        content = self._files.read_bytes(path)
        if content is None or self._depth >= _MAX_SOURCES:
            # GRUB goes on, too, if there is no such file.
            return False if content is None else self._lose("%s reads itself" % path)
        including, directory = self._file, self.variables.get("config_directory", "")
        device_path = self.path_of(arguments[0])
        if not isinstance(device_path, Unknown):
            self.variables["config_directory"] = "(%s)%s" % (device_path[0], device_path[1].rpartition("/")[0])
        self._file = path
        self._depth += 1
        self.run_text(content.decode("utf-8", "surrogateescape"))
        self._depth -= 1
        self._file, self.variables["config_directory"] = including, directory
        return True

    def _configfile(self, arguments: Sequence[Value]) -> Optional[bool]:
        """Go on with another script, whose menu takes the place of this one."""
        if self._doubt:
            return self._lose(self._doubt)
        before, self.items = self.items, []
        found = self._source(arguments)
        if found is False:
            # There is no such file, and GRUB goes on with this one.
            self.items = before
        self._ended = self._ended or bool(found)
        return found

    def _load_env(self, arguments: Sequence[Value]) -> Optional[bool]:
        plain: List[Value] = [word for word in arguments if word != "--skip-sig"]
        path = self._in_prefix("grubenv")
        for index, word in enumerate(plain):
            if word in ("-f", "--file") and index + 1 < len(plain):
                path = self.locate(plain[index + 1])
                del plain[index : index + 2]
                break
            if isinstance(word, str) and word.startswith("--file="):
                path = self.locate(plain.pop(index).partition("=")[2])  # type: ignore[union-attr]
                break
        if isinstance(path, Unknown):
            self.variables.update((name, path) for name in _KEPT)
            return True
        content = self._files.read_bytes(path) or b""
        if not self._spend(len(content) // CHARACTERS_PER_STATEMENT):
            return None
        found = parse_grubenv(content.decode("utf-8", "surrogateescape"))
        self.variables.update((name, value) for name, value in self._lasting(found, path) if not plain or name in plain)
        return True

    def _lasting(self, found: Dict[str, str], path: str) -> Iterator[Tuple[str, str]]:
        """Variables of an environment block without the wishes for the next boot only."""
        before = found.get("prev_saved_entry")
        for name, wished in (("next_entry", found.get("next_entry")), ("saved_entry", before)):
            wish = "%s=%s in %s" % (name, found.get(name, ""), path)
            if wished and wish not in self.one_shots:
                self.one_shots.append(wish)
        for name, value in found.items():
            if name == "saved_entry" and before:
                yield name, before
            elif name not in ("next_entry", "prev_saved_entry"):
                yield name, value

    def _blscfg(self, arguments: Sequence[Value]) -> Optional[bool]:
        self.uses_bls = True
        wanted = arguments[0] if arguments else ""
        places: List[Value] = [self.variables.get("blsdir", "/loader/entries"), "/boot/loader/entries"]
        if isinstance(wanted, str) and wanted.startswith("("):
            places = [wanted]
        elif wanted:
            return self._lose("%s: blscfg for some entries only" % self._file)
        for place in places:
            path = self.locate(place)
            if isinstance(path, Unknown):
                return self._lose("%s: the entries of blscfg can't be read: %s" % (self._file, path.reason))
            if self._files.exists(path):
                # GRUB keeps one of each entry.
                if path not in self._bls_directories:
                    self._bls_directories.append(path)
                    self._add_bls_items(read_bls_files(self._files, path))
                return True
        return True

    def _add_bls_items(self, entries: Sequence[BlsFile]) -> None:
        for entry in entries:
            unknown = unknown_variable(entry, self.variables)
            text = entry_script(entry, self.variables)
            if not self._spend(1 + len(text) // CHARACTERS_PER_STATEMENT):
                return
            try:
                body = parse_grub_script(text)
            except GrubSyntaxError as error:
                unknown, body = Unknown("%s: %s" % (entry.path, error)), ()
            title = entry.value("title") or entry.value("linux")
            item = Item(title, entry.identity, body, (title,), entry.path, 0, doubt=self._doubt)
            item.unknown = unknown.reason if unknown else ""
            self.items.append(item)

    def _linux(self, arguments: Sequence[Value]) -> Optional[bool]:
        unknown = next((word for word in arguments if isinstance(word, Unknown)), None)
        path = self.path_of(arguments[0]) if arguments else Unknown("no kernel is named")
        if self._doubt or unknown or isinstance(path, Unknown):
            reason = self._doubt or (unknown.reason if unknown else path.reason if isinstance(path, Unknown) else "")
            return self._lose(reason)
        self.loaded = Loaded(path, " ".join(_loader_argument(str(word)) for word in arguments[1:]))
        return True

    def _initrd(self, arguments: Sequence[Value]) -> Optional[bool]:
        """Load initrds in place of those loaded before."""
        paths: List[DevicePath] = []
        for word in arguments:
            path = self.path_of(word)
            if self._doubt or isinstance(path, Unknown):
                return self._lose(self._doubt or (path.reason if isinstance(path, Unknown) else ""))
            paths.append(path)
        self.loaded = replace(self.loaded, initrds=tuple(paths))
        return True

    def _boot(self, _arguments: Sequence[Value]) -> Optional[bool]:
        if self._doubt:
            return self._lose(self._doubt)
        self._ended = True
        return True

    def _other_kernel(self, arguments: Sequence[Value]) -> Optional[bool]:
        if self._doubt:
            self._lose(self._doubt)
        self.loaded = Loaded()
        return True


def _loader_argument(argument: str) -> str:
    """Argument as GRUB passes it to a kernel, see its grub-core/lib/cmdline.c."""
    escaped = "".join(
        part if index % 2 else re.sub(r"([\\'\"])", r"\\\1", part) for index, part in enumerate(_HEX_ESCAPE.split(argument))
    )
    return '"%s"' % escaped if " " in argument else escaped


_HANDLERS: Dict[str, Callable[[GrubScript, Sequence[Value]], Optional[bool]]] = {
    "set": GrubScript._set,
    "unset": GrubScript._unset,
    "[": GrubScript._test,
    "test": GrubScript._test,
    "true": lambda _script, _arguments: True,
    "false": lambda _script, _arguments: False,
    "increment": lambda script, arguments: script._count(1, arguments),
    "decrement": lambda script, arguments: script._count(-1, arguments),
    "read": GrubScript._read,
    "search": GrubScript._search_command,
    "source": GrubScript._source,
    ".": GrubScript._source,
    "configfile": GrubScript._configfile,
    "load_env": GrubScript._load_env,
    "blscfg": GrubScript._blscfg,
    "boot": GrubScript._boot,
    **dict.fromkeys(_INITRD, GrubScript._initrd),
    **dict.fromkeys(_OTHER_KERNELS, GrubScript._other_kernel),
    **{
        name: lambda _script, _arguments: True
        for name in ("export", "insmod", "save_env", "echo", "terminal_input", "terminal_output")
    },
}
