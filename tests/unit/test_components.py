"""templates/: GitLab's CI/CD components, held against the rules of GitLab's own pages and its published schema."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugin import inputs
from plugin.hosts import gitlab
from tests.unit.rules.tree import ROOT

FILES = sorted((ROOT / "templates").glob("*.yml"))
LOADED = {path.stem: list(yaml.safe_load_all(path.read_text(encoding="utf-8"))) for path in FILES}
SPECS: dict[str, dict[str, Any]] = {name: spec["spec"]["inputs"] for name, (spec, _) in LOADED.items()}
JOBS: dict[str, dict[str, Any]] = {name: job["$[[ inputs.job-name ]]"] for name, (_, job) in LOADED.items()}
TYPES = {"string": str, "number": int, "boolean": bool, "array": list}


def test_there_is_a_component_for_deliveries_and_for_each_service() -> None:
    assert {*LOADED} == {"deliver", *inputs.services()}
    delivering = [service for service, can in inputs.services().items() if "deliver" in can]
    assert SPECS["deliver"]["service"]["options"] == delivering
    assert SPECS["deliver"]["operation"]["options"] == ["deliver", *inputs.for_every_service()]
    assert SPECS["deliver"]["operation"]["default"] == "deliver"
    for service, operations in inputs.services().items():
        assert SPECS[service]["operation"]["options"] == [*operations, *inputs.for_every_service()]


def test_gitlabs_published_schema_accepts_both_parts_and_the_examples(tmp_path: Path) -> None:
    examples = [str(path) for path in (ROOT / "examples" / "gitlab").glob("*.yml")]
    for name, documents in LOADED.items():
        for part, document in zip(("spec", "job"), documents, strict=True):
            path = tmp_path / f"{name}-{part}.json"
            path.write_text(json.dumps(document), encoding="utf-8")
            examples.append(str(path))
    tool = Path(sys.executable).with_name("check-jsonschema")
    command = [str(tool), "--builtin-schema", "vendor.gitlab-ci", *examples]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[:2000]


@pytest.mark.parametrize("name", LOADED)
def test_every_input_is_used_once_and_no_other(name: str) -> None:
    used = re.findall(r"\$\[\[ inputs\.([\w-]+) \]\]", json.dumps(LOADED[name][1]))
    twice = {"output-directory"} & {*SPECS[name]}  # as a variable, and as what the job keeps
    assert sorted(used) == sorted([*SPECS[name], *twice])


@pytest.mark.parametrize("name", LOADED)
def test_a_default_is_of_its_type_and_among_the_options(name: str) -> None:
    for declared in SPECS[name].values():
        default = declared.get("default")
        if "default" in declared:
            assert type(default) is TYPES[declared["type"]], declared
            assert default in declared.get("options", [default]), declared
            assert re.search(declared.get("regex", ""), str(default)), declared


@pytest.mark.parametrize("name", LOADED)
def test_all_inputs_reach_the_program_and_defaults_say_nothing(name: str) -> None:
    variables = {key: value for key, value in JOBS[name]["variables"].items() if key.startswith("PLUGIN_")}
    env = {}
    for key, value in variables.items():
        text = value["value"] if isinstance(value, dict) else value
        inserted = re.fullmatch(r"( ?)\$\[\[ inputs\.([\w-]+) \]\]", text)
        default = SPECS[name][inserted[2]].get("default", "") if inserted else None
        env[key] = (
            text if not inserted else inserted[1] + (default if isinstance(default, str) else json.dumps(default))
        )
    fixed = {"service": name} if name in inputs.services() else {}
    if name != "deliver" and "deliver" not in inputs.services()[name]:
        env.pop("PLUGIN_OPERATION")  # has no default there
    assert gitlab.HOST.read(env) == fixed


@pytest.mark.parametrize("name", LOADED)
def test_a_secret_is_never_a_part_of_the_configuration(name: str) -> None:
    secrets = {field.name for field in inputs.inputs().values() if field.secret}
    assert not secrets & {*SPECS[name]}
    for secret in secrets:
        field = inputs.inputs()[secret]
        passed = JOBS[name]["variables"].get(gitlab.naming_variable(field))
        assert passed is None or passed["expand"] is False
        assert gitlab.HOST.variable(secret) not in JOBS[name]["variables"]
        declared = SPECS[name].get(gitlab.spell(secret), {})
        assert field.is_list or not declared or not re.search(declared["regex"], "$DIST_TOKEN")


@pytest.mark.parametrize("name", LOADED)
def test_no_input_is_glued_into_the_script(name: str) -> None:
    job = JOBS[name]
    script = json.dumps([job["script"], job.get("after_script")])
    assert "$[[" not in script
    assert "pip install" not in script


@pytest.mark.parametrize("name", LOADED)
def test_a_list_is_described_as_a_yaml_list_only(name: str) -> None:
    for declared in SPECS[name].values():
        if declared["type"] == "array":
            assert "YAML list" in declared["description"]
            assert not re.search(r"\ba line\b|JSON list|Jenkins", declared["description"]), declared


@pytest.mark.parametrize(
    ("prefix", "shown"), [("", "BUILDFERRY"), ("IOS", "IOS"), ("A=1\nB", "BUILDFERRY"), ("é", "BUILDFERRY")]
)
def test_a_program_that_is_not_fetched_is_an_unknown_end(tmp_path: Path, prefix: str, shown: str) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "CI_PROJECT_DIR": str(tmp_path / "app"),
        "BUILDFERRY_SOURCE": str(tmp_path / "absent"),
        "BUILDFERRY_VERSION": "v1",
        "PLUGIN_OUTPUT_PREFIX": prefix,
        "PLUGIN_OUTPUT_FILE": "all.json",
        gitlab.DOTENV_FILE: "job.env",
    }
    (script,) = JOBS["deliver"]["script"]
    done = subprocess.run(["sh", "-ec", script], cwd=tmp_path, env=env, capture_output=True, timeout=60, check=False)
    assert done.returncode == 5
    assert (tmp_path / "job.env").read_text(encoding="utf-8") == f"{shown}_STATUS=unknown\n"
    outputs = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert outputs["status"] == "unknown"
    assert outputs["error"] in done.stdout.decode()


@pytest.mark.parametrize("name", LOADED)
def test_what_all_operations_need_has_no_default(name: str) -> None:
    required = {each for each, declared in SPECS[name].items() if "default" not in declared}
    expected = {
        "app-distribution": {"service-url", "api-token-variable"},
        "bitrise": {"operation"},
        "bitrise-release-management": {"api-token-variable"},
        "deliver": {"service"},
        "phonegap-build": {"username", "password-variable"},
        "product-science": {"api-token-variable", "project"},
    }
    assert required == expected[name]
