"""Who may import whom, by room, and where each package of others may be used."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.rules.tree import MODULES, parsed

SERVICE_FILES = [name for name in MODULES if name.startswith("services/") and name != "services/__init__"]
SHARED = {"services/service", "services/delivery", "services/creation"}  # by all services

GROUND = {
    *("__init__", "address", "clock", "commands", "encodings", "errors", "foreign", "log", "paths", "redact", "source"),
    *("scan", "units", "wait"),
}
# Which rooms each room may import, besides itself and the ground. A room is a folder, or a module beside the folders.
MAY_IMPORT = {
    "the ground": set(),
    "inputs": set(),
    "rest": set(),
    "files": {"inputs", "rest"},
    "hosts": {"files", "inputs", "packages"},
    "services": {"files", "inputs", "rest"},
    "announce": {"files", "hosts", "inputs", "rest"},
    "preflight": {"files", "hosts", "inputs"},
    "run": {"announce", "files", "hosts", "inputs", "preflight", "rest", "services"},
    "doctor": {"files", "hosts", "inputs", "preflight", "rest", "run", "services"},
    "sandbox": {"files"},  # files/apps and files/qr alone: what an uploaded app says of itself, and QR codes
    "prepare": {"packages"},
    "packages": set(),
    "load": set(),
    "demo": {"files", "run", "sandbox"},
    "cli": {"demo", "inputs", "sandbox"},
    "__main__": {"cli", "doctor", "hosts", "inputs", "run"},
}
IN_SANDBOX = ("plugin.files.apps", "plugin.files.qr")
# Where each package of others may be imported; urllib3, which also makes forms, is the lower half of requests, werkzeug
# that of flask.
THIRD_PARTIES = {
    "click": {"__main__", "cli"},
    "jsonschema": {"inputs"},
    "requests": {"rest"},
    "segno": {"files/qr"},
    "urllib3": {"files/multipart", "rest"},
    "flask": {"sandbox"},
    "werkzeug": {"sandbox"},
}


def _imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {name for name in inside if _our_module(name) not in (None, "__init__")}
            yield from modules or {str(node.module)}


def _our_module(name: str) -> str | None:
    """A dotted name as a key of MODULES, or None for what is not ours."""
    first, _, rest = name.partition(".")
    path = rest.replace(".", "/")
    known = (key for key in (path, f"{path}/__init__".lstrip("/")) if key in MODULES)
    return next(known, None) if first == "plugin" else None


def _room(module: str) -> str:
    """The room that a module is in: its folder's name, or its own; modules of the ground share one."""
    name = module.partition("/")[0]
    return "the ground" if name in GROUND else name


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_import_only_from_layers_below(module: str) -> None:
    ours = {_room(name) for name in map(_our_module, _imports(MODULES[module])) if name}
    alone = {"sandbox", "prepare", "packages", "load"}  # a server of its own; and what runs before there are packages
    outside = {"the ground"} if _room(module) not in alone else set()
    assert ours - MAY_IMPORT[_room(module)] - {_room(module)} - outside == set()


@pytest.mark.parametrize("module", SERVICE_FILES)
def test_a_service_knows_no_other_service(module: str) -> None:
    family = "/".join(module.split("/")[:2])
    ours = {name for name in map(_our_module, _imports(MODULES[module])) if name and name.startswith("services/")}
    assert {name for name in ours if name not in SHARED and not name.startswith(family)} == set()


def test_of_the_rest_the_sandbox_reads_apps_and_draws_codes_alone() -> None:
    inside = [path for name, path in MODULES.items() if _room(name) == "sandbox"]
    used = {name for path in inside for name in _imports(path) if name.startswith("plugin.")}
    assert {name for name in used if not name.startswith(("plugin.sandbox", *IN_SANDBOX))} == set()


def test_the_layers_have_no_cycle() -> None:
    settled: set[str] = set()
    waiting = dict(MAY_IMPORT)
    while waiting:
        free = {name for name, below in waiting.items() if not below & set(waiting)}
        assert free, f"a cycle among {sorted(waiting)}"
        settled |= free
        waiting = {name: below for name, below in waiting.items() if name not in settled}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_each_package_of_others_has_one_place(module: str) -> None:
    foreign = {name.partition(".")[0] for name in _imports(MODULES[module])} - {"plugin", "_typeshed"}
    places = {name: THIRD_PARTIES.get(name, set()) for name in foreign - sys.stdlib_module_names}
    assert {name for name, allowed in places.items() if not {module, module.partition("/")[0]} & allowed} == set()
