"""The rules of the house as tests: who imports whom, one place per fact, what never appears, what is shipped."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from plugin import errors, inputs
from plugin.services import SERVICES
from tests.end_to_end import project

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "plugin"
MODULES = {path.relative_to(PLUGIN).with_suffix("").as_posix(): path for path in PLUGIN.rglob("*.py")}
SERVICE_FILES = [name for name in MODULES if name.startswith("services/") and name != "services/__init__"]
SHARED = {"services/service", "services/delivery"}  # by all services
TOOLS = Path(sys.executable).parent

GROUND = {
    *("__init__", "address", "clock", "encodings", "errors", "foreign", "log", "paths", "redact", "source", "units"),
    "wait",
}
# Which rooms each room may import, besides itself and the ground. A room is a folder, or a module beside the folders.
MAY_IMPORT = {
    "the ground": set(),
    "inputs": set(),
    "rest": set(),
    "files": {"inputs", "rest"},
    "hosts": {"files", "inputs"},
    "services": {"files", "inputs", "rest"},
    "run": {"files", "hosts", "inputs", "rest", "services"},
    "sandbox": set(),
    "prepare": {"packages"},
    "packages": set(),
    "load": set(),
    "demo": {"files", "run", "sandbox"},
    "cli": {"demo", "inputs", "sandbox"},
    "__main__": {"cli", "hosts", "run"},
}
# Where each package of others may be imported; urllib3, which also makes forms, is the lower half of requests, werkzeug
# that of flask.
THIRD_PARTIES = {
    "click": {"__main__", "cli"},
    "jsonschema": {"inputs"},
    "requests": {"rest"},
    "urllib3": {"files/multipart", "rest"},
    "flask": {"sandbox"},
    "werkzeug": {"sandbox"},
}
BANNED_NAMES = {"util", "utils", "helper", "helpers", "base", "core", "common", "manager", "adapter", "handler"}
SHELL_FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (".", ".ci", "examples/shell", "plugin", "tests/bitrise/script")
    for path in (ROOT / folder).iterdir()
    if path.is_file() and re.match(rb"#!.*sh\n", path.read_bytes())
)


def _imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
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
def test_modules_import_only_what_lies_below_them(module: str) -> None:
    ours = {_room(name) for name in map(_our_module, _imports(MODULES[module])) if name}
    alone = {"sandbox", "prepare", "packages", "load"}  # a server of its own; and what runs before there are packages
    outside = {"the ground"} if _room(module) not in alone else set()
    assert ours - MAY_IMPORT[_room(module)] - {_room(module)} - outside == set()


@pytest.mark.parametrize("module", SERVICE_FILES)
def test_a_service_knows_no_other_service(module: str) -> None:
    family = "/".join(module.split("/")[:2])
    ours = {name for name in map(_our_module, _imports(MODULES[module])) if name and name.startswith("services/")}
    assert {name for name in ours if name not in SHARED and not name.startswith(family)} == set()


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


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_can_do_what_the_schema_says_and_nothing_else(name: str) -> None:
    assert SERVICES[name].name == name
    assert set(SERVICES[name].operations) == set(inputs.services()[name])


def test_an_input_errors_text_leaves_the_name_to_one_place() -> None:
    """A Problem carries the input's name, and its user's spelling is put in front of it in run.py alone."""
    raised = 0
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "InputError":
                raised += 1
                texts = [ast.unparse(each) for each in node.args if isinstance(each, ast.Constant | ast.JoinedStr)]
                assert [text for text in texts if _names_an_input(text)] == [], f"{module}:{node.lineno}"
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem":
                assert not _names_an_input(ast.unparse(node.args[1])), f"{module}:{node.lineno}"
    assert raised > 10
    spellers = {name for name, path in MODULES.items() if ".spelled(" in path.read_text(encoding="utf-8")}
    assert spellers == {"errors", "run", "services/service"}


def _names_an_input(source: str) -> bool:
    names = "|".join(map(re.escape, inputs.inputs()))
    return bool(re.match(rf"""f?['"]({names}|\{{name\}}|\{{field\.name\}})(:| is )""", source))


def test_every_exit_code_has_one_class() -> None:
    kinds: list[type[errors.PluginError]] = [errors.PluginError, *errors.PluginError.__subclasses__()]
    assert len({kind.exit_code for kind in kinds}) == len(kinds)
    assert all(" | " in (kind.__doc__ or "") for kind in kinds)


@pytest.mark.parametrize("secret", [field.name for field in inputs.inputs().values() if field.secret])
@pytest.mark.parametrize("service", inputs.services())
def test_no_message_about_inputs_holds_a_secret(secret: str, service: str) -> None:
    value = "s3cr3t wïth spaces\nand a second line"
    for operation in (*inputs.services()[service], "no-such-operation"):
        raw = dict.fromkeys(inputs.inputs(), "x y")
        raw |= {"service": service, "operation": operation, secret: value, f"{secret}x": value}
        _, problems, ignored = inputs.check(raw)
        assert problems
        assert "s3cr3t" not in "\n".join((*(problem.spelled(str) for problem in problems), *ignored))


def test_nothing_has_a_name_that_says_nothing() -> None:
    for module, path in MODULES.items():
        names = {Path(module).name, *Path(module).parts}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                names.add(node.name)
        assert {name for name in names if name.strip("_").lower() in BANNED_NAMES} == set(), module


def test_no_file_of_the_product_is_long() -> None:
    files = [path for kind in ("py", "sh", "json") for path in PLUGIN.rglob(f"*.{kind}")]
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {name: count for name, count in lines.items() if count > 300} == {}


def test_only_the_entry_reads_the_environment_and_the_arguments() -> None:
    outside = {("os", "environ"), ("os", "environb"), ("os", "getenv"), ("sys", "argv")}
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                allowed = module in ("__main__", "prepare", "load")  # each is a process
                assert (node.value.id, node.attr) not in outside or allowed, f"{module}: {node.attr}"


def test_the_launchers_variables_are_no_inputs() -> None:
    """On Bitrise an input is a variable of its own name: a shell that sets one of that name would change the input."""
    text = (PLUGIN / "launch.sh").read_text(encoding="utf-8")
    shell = re.sub(r"'[^'\n]*'", "", text)
    assigned = set(re.findall(r"(?:^|[\s;({])([A-Za-z_][A-Za-z0-9_]*)=", shell))
    assigned |= {name for names in re.findall(r"\b(?:read -r|for) ([a-z_]+)", shell) for name in names.split()}
    assert assigned & {field.attribute for field in inputs.inputs().values()} == set()


def test_the_wheel_holds_what_the_program_reads(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    tree = shutil.copytree(project.published(tmp_path_factory), tmp_path / "tree")  # a build writes into its source
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(tree)]
    build += ["--no-build-isolation"] if int(version("setuptools").partition(".")[0]) >= 77 else []
    subprocess.run(build, check=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"plugin/schema.json", "plugin/launch.sh", "plugin/prepare.py", "plugin/requirements.txt"} <= names
    assert {f"plugin/{name}.py" for name in MODULES} <= names
    assert {name.partition("/")[0] for name in names} == {"plugin", f"buildferry-{version('buildferry')}.dist-info"}


def test_zizmor_finds_nothing_in_the_action_and_the_examples() -> None:
    files = ["action.yml", *(str(path.relative_to(ROOT)) for path in (ROOT / "examples" / "github").glob("*.yml"))]
    _passes(str(TOOLS / "zizmor"), "--offline", "--quiet", "--config", ".github/zizmor.yml", *files)


@pytest.mark.parametrize(
    ("schema", "files"),
    [("vendor.github-actions", "action.yml"), ("vendor.github-workflows", "examples/github/*.yml")],
)
def test_the_published_schemas_accept_what_we_write(schema: str, files: str) -> None:
    _passes(str(TOOLS / "check-jsonschema"), "--builtin-schema", schema, *map(str, ROOT.glob(files)))


@pytest.mark.parametrize("file", SHELL_FILES)
def test_shell_files_are_read_without_an_error(file: str) -> None:
    first = (ROOT / file).read_text(encoding="utf-8").partition("\n")[0]
    shells = ["bash"] if "bash" in first else [shell for shell in ("sh", "dash", "bash") if shutil.which(shell)]
    for shell in shells:
        _passes(shell, "-n", file)


def test_make_check_has_every_shell_file_read_by_shellcheck() -> None:
    named = re.search(r"^SHELL_FILES := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert named
    patterns = re.sub(r"\$\(wildcard (.*?)\)", r"\1", named[1]).split()
    assert sorted(path.relative_to(ROOT).as_posix() for name in patterns for path in ROOT.glob(name)) == SHELL_FILES
    assert len(SHELL_FILES) > 7


def _passes(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_documents_link_to_what_is_there() -> None:
    for document in ROOT.glob("*.md"):
        text = document.read_text(encoding="utf-8")
        anchors = {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in _headings(text)}
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, anchor = target.partition("#")
            if not path.startswith(("https://", "mailto:")):
                assert not path or (document.parent / path).exists(), f"{document.name}: {target}"
                assert path or anchor in anchors, f"{document.name}: {target}"


def _headings(text: str) -> list[str]:
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#+ (.+)$", prose, flags=re.MULTILINE)


MUTATIONS = {
    "an edited description in action.yml": (
        "action.yml",
        "The service that keeps the builds",
        "A service that keeps builds",
        "tests/unit/test_manifests.py::test_nothing_made_is_stale",
    ),
    "an undeclared operation": (
        "plugin/services/app_distribution.py",
        '"deliver": deliver}',
        '"deliver": deliver, "abort": deliver}',
        "tests/unit/test_rules.py::test_a_service_can_do_what_the_schema_says_and_nothing_else",
    ),
    "click in rest/": (
        "plugin/rest/client.py",
        "from requests import Response\n",
        "import click\nfrom requests import Response\n",
        "tests/unit/test_rules.py::test_each_package_of_others_has_one_place",
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_mutation_is_caught(mutation: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    file, before, after, test = MUTATIONS[mutation]
    copy = shutil.copytree(project.published(tmp_path_factory), tmp_path / "copy")
    run = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", test]
    assert subprocess.run(run, cwd=copy, capture_output=True, timeout=60, check=False).returncode == 0
    text = (copy / file).read_text(encoding="utf-8")
    assert text.count(before) == 1

    (copy / file).write_text(text.replace(before, after), encoding="utf-8")

    done = subprocess.run(run, cwd=copy, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"FAILED {test}" in done.stdout


def test_the_version_is_the_same_everywhere() -> None:
    from plugin import __version__

    assert version("buildferry") == __version__
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert json.loads((PLUGIN / "schema.json").read_text(encoding="utf-8"))["title"] == "buildferry"
