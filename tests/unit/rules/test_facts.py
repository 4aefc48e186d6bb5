"""One place per fact: what may be read, written and named in one place alone, and what two places must say alike."""

from __future__ import annotations

import ast
import json
import re
from importlib.metadata import version

import pytest

from plugin import errors, inputs, services
from tests.unit.rules.tree import MODULES, PLUGIN, ROOT, parsed, shell_files


@pytest.mark.parametrize("name", inputs.services())
def test_a_service_has_exactly_the_operations_of_the_schema(name: str) -> None:
    assert services.named(name).name == name
    assert set(services.named(name).operations) == set(inputs.services()[name])


def test_every_service_in_the_folder_is_in_the_schema() -> None:
    rooms = {name.split("/")[1] for name in MODULES if name.startswith("services/")}
    found = {name.replace("_", "-") for name in rooms - {"__init__", "service", "delivery", "creation"}}
    assert found == set(inputs.services())


def test_every_exit_code_has_one_class() -> None:
    kinds: list[type[errors.PluginError]] = [errors.PluginError, *errors.PluginError.__subclasses__()]
    assert len({kind.exit_code for kind in kinds}) == len(kinds)
    assert all(" | " in (kind.__doc__ or "") for kind in kinds)


def test_only_the_entry_reads_the_environment_and_the_arguments() -> None:
    outside = {("os", "environ"), ("os", "environb"), ("os", "getenv"), ("sys", "argv")}
    for module, path in MODULES.items():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                allowed = module in ("__main__", "prepare", "load")  # each is a process
                assert (node.value.id, node.attr) not in outside or allowed, f"{module}: {node.attr}"


def test_the_launchers_variables_are_not_inputs() -> None:
    """On Bitrise an input is a variable of its own name: a shell that sets one of that name would change the input."""
    text = (PLUGIN / "launch.sh").read_text(encoding="utf-8")
    shell = re.sub(r"'[^'\n]*'", "", text)
    assigned = set(re.findall(r"(?:^|[\s;({])([A-Za-z_][A-Za-z0-9_]*)=", shell))
    assigned |= {name for names in re.findall(r"\b(?:read -r|for) ([a-z_]+)", shell) for name in names.split()}
    assert assigned & {field.attribute for field in inputs.inputs().values()} == set()


def test_make_check_has_every_shell_file_read_by_shellcheck() -> None:
    named = re.search(r"^SHELL_FILES := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert named
    patterns = re.sub(r"\$\(wildcard (.*?)\)", r"\1", named[1]).split()
    assert sorted(path.relative_to(ROOT).as_posix() for name in patterns for path in ROOT.glob(name)) == shell_files()
    assert len(shell_files()) > 7


def test_the_version_is_the_same_everywhere() -> None:
    from plugin import __version__

    assert version("buildferry") == __version__
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert json.loads((PLUGIN / "schema.json").read_text(encoding="utf-8"))["title"] == "buildferry"
