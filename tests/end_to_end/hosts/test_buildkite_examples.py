"""The examples for Buildkite, each run against the sandbox; plugin.yml by the rules of Buildkite's plugin linter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from plugin import inputs
from plugin.sandbox import SERVICES as SANDBOXES
from tests.end_to_end import project
from tests.end_to_end.hosts.buildkite import OURS, Build, Loader
from tests.end_to_end.program import ROOT, SandboxProcess

FOLDER = ROOT / "examples" / "buildkite"
ADDRESS = "https://dist.example.com"
PLUGIN = yaml.safe_load((ROOT / "plugin.yml").read_text(encoding="utf-8"))
# Source: lib/plugin-yaml-schema.yml of github.com/buildkite-plugins/buildkite-plugin-linter
LINTER: dict[str, Any] = {
    "properties": {
        **{key: {"type": "string"} for key in ("name", "description", "author")},
        "requirements": {"type": "array"},
        "configuration": {
            "type": "object",
            "properties": {
                "properties": {"type": "object"},
                "required": {"type": "array"},
                "additionalProperties": {"type": "boolean"},
            },
            "required": ["properties"],
        },
    },
    "required": ["name", "description", "author", "requirements", "configuration"],
}
KEYWORDS = {"type", "description", "enum", "properties", "required", "additionalProperties"}  # of Ajv, without formats


def _configurations(path: Path) -> Iterator[dict[str, Any]]:
    for step in yaml.load(path.read_text(encoding="utf-8"), Loader)["steps"]:  # noqa: S506 - a SafeLoader
        for plugin in step.get("plugins", ()):
            ((location, configuration),) = plugin.items()
            if location in (OURS, "./"):
                yield configuration


def _secrets() -> dict[str, str]:
    """What signs in to the sandbox, by the variables' names in the examples."""
    found = {"KEYSTORE_PASSWORD": "keystore-s3cret"}
    for path in FOLDER.iterdir():
        for configuration in _configurations(path):
            signs_in = SANDBOXES[configuration["service"]].inputs
            found |= {
                configuration[f"{name}-env"]: value
                for name, value in signs_in.items()
                if f"{name}-env" in configuration
            }
    return found


def test_there_is_an_example_for_every_service() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.yml" for name in (*inputs.services(), "sandbox")}


@pytest.mark.parametrize("service", inputs.services())
def test_a_buildkite_pipeline(
    service: str, sandbox: SandboxProcess, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sandbox.control("PUT", "clock", {"speed": 20})
    checkout = project.lay_out(tmp_path / "source")
    build = Build(tmp_path, checkout, project.offline(project.tool_cache(tmp_path_factory)), _secrets())
    text = (FOLDER / f"{service}.yml").read_text(encoding="utf-8").replace(ADDRESS, sandbox.url)
    if inputs.default_url(service):
        aimed = rf"\1service: {service}\n\1service-url: {sandbox.url}\n\1poll-interval: 0.2\n"
        text = re.sub(rf"^( +)service: {service}\n", aimed, text, flags=re.MULTILINE)

    assert build.run(text) == 0, build.log

    assert [value for value in _secrets().values() if value in build.log] == []
    state = sandbox.state()[service]
    assert SANDBOXES[service].held(state) or state["downloads"], state
    assert "warning" not in build.log


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_the_plugins_own_schema_accepts_the_examples(path: Path) -> None:
    configurations = list(_configurations(path))
    assert configurations
    for configuration in configurations:
        Draft7Validator(PLUGIN["configuration"]).validate(configuration)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("artefacts", "a"),
        ("phase-id", 7.5),
        ("wait", 1),
        ("artifacts", 7),
        ("log", "all"),
        ("app-version", 5.2),
        ("name", True),
        ("from-meta-data", {"build-id": 7}),
        ("phase-id-env", "PHASE"),
    ],
)
def test_the_plugins_own_schema_refuses_what_the_run_would(key: str, value: Any) -> None:
    validator = Draft7Validator(PLUGIN["configuration"])
    assert validator.is_valid({"service": "bitrise"})
    assert not validator.is_valid({"service": "bitrise", key: value})


def test_the_plugin_passes_the_linters_rules() -> None:
    Draft7Validator(LINTER).validate(PLUGIN)
    Draft7Validator.check_schema(PLUGIN["configuration"])
    assert set(PLUGIN["configuration"]) <= KEYWORDS
    for spec in PLUGIN["configuration"]["properties"].values():
        assert set(spec) <= KEYWORDS  # Ajv's strict mode refuses others


def test_the_hook_can_be_run_and_ends_in_exec() -> None:
    hook = ROOT / "hooks" / "command"
    assert hook.stat().st_mode & 0o111
    assert " exec sh " in hook.read_text(encoding="utf-8").splitlines()[-1]
