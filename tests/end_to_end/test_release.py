"""A dry release: a copy of this project is tagged, built, checked and installed, and its major tag moves.

It runs the lines of `make dist` and of release.yml's script, against an origin in a folder.
"""

from __future__ import annotations

import re
import sys
import textwrap
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from plugin import __version__
from scripts.hosts import jenkins
from tests.end_to_end import project
from tests.end_to_end.program import ROOT, clean_environment, logged

TAG = f"v{__version__}"
SCRIPTS = Path(sys.executable).parent.name  # of an environment: bin, or Scripts on Windows
DATE = "2026-01-31"
LIMIT = 120  # seconds


def _run(*command: str | Path, folder: Path) -> str:
    done = logged(list(map(str, command)), folder, clean_environment(), LIMIT)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project with a dated section in its changelog, committed and tagged in a clone of a folder."""
    return project.tagged(tmp_path_factory, tmp_path_factory.mktemp("release"), TAG, DATE)


@pytest.fixture(scope="module")
def files(released: Path) -> dict[str, Path]:
    """The sdist and the wheel, by their suffix, as `make dist` makes them."""
    recipe = re.search(r"^dist:.*\n((?:\t@.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe
    lines = recipe[1].replace("\t@", "").replace("$(BIN)/python", f"'{sys.executable}'")
    said = _run("sh", "-ec", lines, folder=released)
    assert said.count("PASSED") == 2, said
    return {path.suffix: path for path in (released / "dist").iterdir()}


def test_the_tag_has_its_section_of_the_changelog(released: Path) -> None:
    notes = _run(sys.executable, "scripts/release.py", "notes", TAG, folder=released)
    assert notes.strip()
    assert f"({DATE})\n\n{notes}" in (released / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "\n## " not in notes


def test_the_major_tag_moves_to_the_release(released: Path) -> None:
    said = _run(sys.executable, "scripts/release.py", "move-major", TAG, folder=released)
    assert said.endswith(f"v1 is {TAG} now\n")
    tags = _run("git", "ls-remote", "--tags", "origin", folder=released).split()
    assert tags[1::2] == ["refs/tags/v1", f"refs/tags/{TAG}"]
    assert tags[0] == tags[2]


def test_the_wheel_is_the_one_that_the_jenkins_step_installs(files: dict[str, Path]) -> None:
    assert jenkins.PACKAGE.endswith(f"/releases/download/{TAG}/{files['.whl'].name}")


def test_the_demo_runs_from_the_wheel_and_from_the_sdist(files: dict[str, Path], tmp_path: Path) -> None:
    def demo(suffix: str) -> str:
        environment, elsewhere = tmp_path / f"environment{suffix}", tmp_path / f"elsewhere{suffix}"
        elsewhere.mkdir()
        venv.create(environment, with_pip=True)
        programs = environment / SCRIPTS
        install = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run(*install, f"{files[suffix]}[sandbox]", folder=elsewhere)
        assert _run(programs / "buildferry", "--version", folder=elsewhere).split()[-1] == __version__
        return _run(programs / "buildferry", "demo", folder=elsewhere)

    with ThreadPoolExecutor() as pool:
        for said in pool.map(demo, (".whl", ".gz")):
            assert said.endswith("The sandbox received everything that was sent.\n")


def test_the_page_on_releasing_gives_the_project_an_owner(tmp_path_factory: pytest.TempPathFactory) -> None:
    copy = project.tagged(tmp_path_factory, tmp_path_factory.mktemp("owned"), TAG)
    page = (copy / "docs" / "releasing.md").read_text(encoding="utf-8")
    lines = textwrap.dedent(page.partition("```sh\n")[2].partition("```")[0])
    assert lines.count("make manifests") == 1
    _run("sh", "-ec", lines.replace("make manifests", f"'{sys.executable}' scripts/manifests.py"), folder=copy)

    assert not project.git("status", "--porcelain", "--untracked-files", folder=copy).count("??")
    assert project.git("grep", "-l", "your-name/buildferry", folder=copy).count("\n") > 20
    _run(sys.executable, "scripts/manifests.py", "--check", folder=copy)
    zizmor = Path(sys.executable).with_name("zizmor")
    _run(
        zizmor,
        "--offline",
        "--quiet",
        "--config",
        ".github/zizmor.yml",
        *(copy / "examples/github").iterdir(),
        folder=copy,
    )
