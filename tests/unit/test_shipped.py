"""What is handed out: the wheel, the manifests and examples, the scripts."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.end_to_end import project
from tests.unit.rules.tree import MODULES, PLUGIN, ROOT, shell_files

PAGE_FILES = [path for name in ("static", "templates") for path in (PLUGIN / "sandbox" / "page" / name).iterdir()]
TOOLS = Path(sys.executable).parent


def test_the_wheel_holds_what_the_program_reads(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    tree = shutil.copytree(project.published(tmp_path_factory), tmp_path / "tree")  # a build writes into its source
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(tree)]
    build += ["--no-build-isolation"] if int(version("setuptools").partition(".")[0]) >= 77 else []
    subprocess.run(build, check=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"plugin/schema.json", "plugin/launch.sh", "plugin/prepare.py", "plugin/requirements.txt"} <= names
    assert {f"plugin/{name}.py" for name in MODULES} <= names
    assert {path.relative_to(ROOT).as_posix() for path in PAGE_FILES} <= names
    assert {name.partition("/")[0] for name in names} == {"plugin", f"buildferry-{version('buildferry')}.dist-info"}


def test_zizmor_finds_nothing_in_the_action_and_the_examples() -> None:
    files = ["action.yml", *(str(path.relative_to(ROOT)) for path in (ROOT / "examples" / "github").glob("*.yml"))]
    _passes(str(TOOLS / "zizmor"), "--offline", "--quiet", "--config", ".github/zizmor.yml", *files)


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-actions", "action.yml"),
        ("vendor.github-workflows", "examples/github/*.yml"),
        ("vendor.buildkite", "examples/buildkite/*.yml"),
        ("vendor.circle-ci", "examples/circleci/*.yml"),
        ("vendor.bitbucket-pipelines", "examples/bitbucket/*.yml"),
    ],
)
def test_the_published_schemas_accept_what_we_write(schema: str, files: str) -> None:
    _passes(str(TOOLS / "check-jsonschema"), "--builtin-schema", schema, *map(str, ROOT.glob(files)))


@pytest.mark.parametrize("file", shell_files())
def test_shell_files_are_read_without_an_error(file: str) -> None:
    first = (ROOT / file).read_text(encoding="utf-8").partition("\n")[0]
    shells = ["bash"] if "bash" in first else [shell for shell in ("sh", "dash", "bash") if shutil.which(shell)]
    for shell in shells:
        _passes(shell, "-n", file)


def _passes(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
