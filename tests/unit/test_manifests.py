"""What is made is what it must be, byte for byte; and what the manifests promise holds."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks import results
from plugin import inputs
from scripts import documents, manifests, parts, tables
from scripts.hosts import github

ROOT = manifests.ROOT
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The made files, and what they are made from, in a folder of their own."""
    shutil.copytree(ROOT / "plugin", tmp_path / "plugin", ignore=shutil.ignore_patterns("__pycache__"))
    for path in manifests.contents(ROOT):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    shutil.copytree(ROOT / "examples", tmp_path / "examples", dirs_exist_ok=True)
    shutil.copy(ROOT / results.FILE, tmp_path / results.FILE)
    return tmp_path


def test_no_generated_file_is_stale() -> None:
    assert manifests.stale(ROOT) == [], "run `make manifests`"


@pytest.mark.parametrize("path", manifests.contents(ROOT))
def test_a_changed_byte_in_a_generated_file_is_found(copy: Path, path: str) -> None:
    text = (copy / path).read_bytes()
    made = re.search(rb"(made: .*\n)([^\0]*?)(\n.*end of made)", text)
    at = made.start(3) if made else len(text) - 1
    (copy / path).write_bytes(text[:at] + b" " + text[at:])
    assert path in manifests.stale(copy)


def test_a_missing_file_is_stale(copy: Path) -> None:
    (copy / "step.yml").unlink()
    assert manifests.stale(copy) == ["step.yml"]


def test_a_changed_example_makes_its_pages_stale(copy: Path) -> None:
    example = copy / "examples" / "github" / "app-distribution.yml"
    example.write_text(example.read_text(encoding="utf-8").replace("phase-id: 7", "phase-id: 8"), encoding="utf-8")
    of_gitea = "examples/gitea/app-distribution.yml"
    assert manifests.stale(copy) == [of_gitea, "docs/app-distribution.md", "docs/hosts/github.md"]


def test_a_service_that_no_document_describes_gets_a_page(copy: Path) -> None:
    (copy / "docs" / "bitrise.md").unlink()
    made = documents.made(copy)
    assert "[Bitrise](docs/bitrise.md)" in made["README.md"]
    page = made["docs/bitrise.md"]
    assert page.startswith(f"# Bitrise\n\n{inputs.about_service('bitrise')[1]}\n\n<!-- made: bitrise -->\n")
    assert "| `list-builds` | " in page
    assert "\n<!-- made: examples/github/bitrise.yml -->\n\n```yaml\n" in page
    (copy / "docs" / "bitrise.md").write_text(page + "\nWritten by a person.\n", encoding="utf-8")
    assert documents.made(copy)["docs/bitrise.md"] == page + "\nWritten by a person.\n"


def test_missing_markers_are_an_error() -> None:
    with pytest.raises(SystemExit, match=r"README.md: the lines .* are missing"):
        parts.filled("no marker", lambda _name: "", "README.md")


def test_check_names_each_stale_file_and_the_remedy(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(manifests, "ROOT", copy)
    assert manifests.main(["--check"]) == 0
    (copy / "step.yml").write_text("", encoding="utf-8")
    assert manifests.main(["--check"]) == 1
    assert capsys.readouterr().out == "step.yml is stale: run `make manifests`, and commit what it changes.\n"
    assert manifests.main([]) == 0
    assert manifests.main(["--check"]) == 0


def test_the_action_declares_every_input_and_maps_each_once() -> None:
    (step,) = ACTION["runs"]["steps"]
    assert list(ACTION["inputs"]) == [*inputs.inputs(), *github.STEP_IDENTITY]
    mapped = {name: value for name, value in step["env"].items() if name.startswith("INPUT_")}
    assert mapped == {
        f"INPUT_{name.replace('-', '_').upper()}": f"${{{{ inputs.{name} }}}}" for name in ACTION["inputs"]
    }
    assert step["env"]["PLUGIN_HOST"] == "github"


def test_the_action_declares_every_output_and_maps_each_once() -> None:
    outputs = {name: output["value"] for name, output in ACTION["outputs"].items()}
    assert outputs == {name: f"${{{{ steps.run.outputs.{name} }}}}" for name in inputs.outputs()}


def test_the_actions_run_line_holds_no_expression_and_ends_in_exec() -> None:
    (step,) = ACTION["runs"]["steps"]
    assert "${{" not in step["run"]
    assert step["run"].splitlines()[-1].startswith("exec ")
    assert step["shell"] == "sh"


def test_the_action_has_a_branding_of_the_marketplace() -> None:
    assert ACTION["branding"]["icon"] in ("package", "upload-cloud", "smartphone", "play-circle")
    assert ACTION["branding"]["color"] in ("white", "black", "yellow", "blue", "green", "orange", "red", "purple")


def test_every_generated_scalar_is_json() -> None:
    odd = {
        "a": 'say "no": yes',
        "b": ["on", "off"],
        "c": None,
        "d": {"e": "- x\n#"},
        "f": [{"g": "1", "h": {"i": "~"}}],
    }
    assert yaml.safe_load(parts.yaml(odd)) == odd


def test_an_input_that_is_deprecated_warns_on_github(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = json.loads(json.dumps(inputs.schema()))
    changed["properties"]["reason"]["deprecated"] = True
    monkeypatch.setattr(inputs, "schema", lambda: changed)
    declared = yaml.safe_load(github.action())["inputs"]
    assert [name for name, field in declared.items() if "deprecationMessage" in field] == ["reason"]


def test_a_tables_cells_keep_their_bars() -> None:
    made = tables.table(("a", "b"), [("one | two", "`x|y`")])
    assert made.rstrip().splitlines()[-1] == r"| one \| two | `x\|y` |"


def _columns(table: str) -> set[int]:
    return {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines() if line}


@pytest.mark.parametrize(
    "name", ["services", "inputs of all services", "outputs", "exit codes", "receipt", *inputs.services()]
)
def test_the_documents_tables_are_whole(name: str) -> None:
    made = tables.part(name, ROOT)
    found: list[Any] = [block for block in made.split("\n\n") if block.lstrip().startswith("|")]
    assert found
    assert all(len(_columns(table)) == 1 for table in found)


MANIFESTS = [path for path in manifests.contents(ROOT) if path.endswith((".yml", ".yaml")) and "examples" not in path]


@pytest.mark.parametrize("path", MANIFESTS)
def test_every_manifest_accepts_the_doctor(path: str) -> None:
    choices: list[list[str]] = []

    def walk(node: Any, name: object = "") -> None:
        if isinstance(node, dict):
            is_operation = "operation" in (name, node.get("name"))
            choices.extend(node[key] for key in ("options", "enum", "values") if is_operation and key in node)
            for key, value in node.items():
                walk(value, key)
        elif isinstance(node, list):
            for each in node:
                walk(each, name)

    text = (ROOT / path).read_text(encoding="utf-8")
    for document in yaml.safe_load_all(text):
        walk(document)
    assert "operation" in text
    assert [each for each in choices if inputs.DOCTOR not in each] == []
    assert choices or not path.startswith("templates/") or "azure" in path
