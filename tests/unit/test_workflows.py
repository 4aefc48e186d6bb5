"""What carries the project on: the workflows' rules, updates, bug reports, links, and where no text sends people."""

from __future__ import annotations

import configparser
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from scripts import parts

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
FILES = sorted((GITHUB / "workflows").glob("*.yml"))
WORKFLOWS = {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FILES}
JOBS = {f"{name}: {job}": details for name, flow in WORKFLOWS.items() for job, details in flow["jobs"].items()}
PIN = re.compile(r"uses: (?P<action>[\w./-]+)@(?P<commit>[0-9a-f]{40}) # v\d+\.\d+\.\d+$")
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")
# Whoever owns a name on the index decides what these install; a link, a path or `name @ link` is not its matter.
FROM_INDEX = re.compile(
    r"""\b(?: (?:pip[3x]?|uv) (?:\ [\w-]+)*? \ (?:install|download|run|add) | uvx )
        (?:\ [\w@'"\[\],:/=>.-]+)* \ ['"]?buildferry(?![\w/-]|\ @) | \bbuildferry[=~>]=\s*\d""",
    re.VERBOSE,
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_workflow_uses_actions_by_commit_alone(path: Path) -> None:
    used = re.findall(r"uses: .*", path.read_text(encoding="utf-8"))
    theirs = [line for line in used if not line.startswith("uses: ./")]
    assert theirs
    assert [line for line in theirs if not PIN.fullmatch(line)] == []


def test_every_action_has_one_commit() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in FILES)
    pins = {(match["action"], match["commit"]) for match in re.finditer(PIN.pattern, text, re.MULTILINE)}
    assert len({action for action, _ in pins}) == len(pins) > 3


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_grants_nothing_at_its_top(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}


def test_a_job_may_do_only_what_it_is_for() -> None:
    granted = {name: job["permissions"] for name, job in JOBS.items()}
    more = {name: grants for name, grants in granted.items() if grants != {"contents": "read"}}
    assert more == {"release.yml: publish": {"id-token": "write"}, "release.yml: release": {"contents": "write"}}
    assert JOBS["release.yml: publish"]["environment"]["name"] == "index"


@pytest.mark.parametrize("name", JOBS)
def test_no_script_of_a_workflow_holds_an_expression(name: str) -> None:
    assert [step["run"] for step in JOBS[name].get("steps", ()) if "${{" in step.get("run", "")] == []


def test_ci_tests_each_python_that_is_promised_on_each_system() -> None:
    matrix = JOBS["ci.yml: test"]["strategy"]["matrix"]
    promised = re.findall(r"Python :: (3\.\d+)$", SETUP["metadata"]["classifiers"], re.MULTILINE)
    assert matrix["python"] == promised
    assert SETUP["options"]["python_requires"] == f">={promised[0]}"
    assert [system.partition("-")[0] for system in matrix["system"]] == ["ubuntu", "macos", "windows"]


def test_a_release_is_published_only_after_all_tests() -> None:
    assert JOBS["release.yml: test"]["uses"] == "./.github/workflows/ci.yml"
    assert JOBS["release.yml: build"]["needs"] == "test"
    assert JOBS["release.yml: publish"]["needs"] == "build"


def test_updates_wait_a_week_at_least() -> None:
    updates = yaml.safe_load((GITHUB / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"github-actions", "pip", "docker"}
    assert all(update["cooldown"]["default-days"] >= 7 for update in updates)


def test_a_bug_report_names_version_and_host_and_has_the_log() -> None:
    form = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "bug.yml").read_text(encoding="utf-8"))
    required = {field["id"] for field in form["body"] if field.get("validations", {}).get("required")}
    assert {"version", "host", "log"} <= required


def test_the_packages_links_lead_to_the_repository() -> None:
    links = re.findall(r"https://\S+", f"{SETUP['metadata']['project_urls']} {SETUP['metadata']['url']}")
    assert len(links) == 5
    assert all(link.startswith(parts.HOME) for link in links)


def _texts() -> Iterator[Path]:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True, text=True)
    skipped = ("tests/", "attacks/", "benchmarks/")
    return (ROOT / name for name in listed.stdout.split("\0") if name and not name.startswith(skipped))


def test_no_text_installs_a_name_from_the_index_that_is_not_ours() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): match[0]
        for path in _texts()
        for match in FROM_INDEX.finditer(path.read_text(encoding="utf-8", errors="replace"))
    }
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        *("pip install buildferry", "Needs `pip install buildferry`, and", "pip install 'buildferry[sandbox]'"),
        *("python -m pip install --user buildferry", "pipx run buildferry", "uv tool install buildferry\n"),
        *("PACKAGE = 'buildferry==1.0.0'", "uv add 'buildferry>=1'", "pip install -U requests buildferry."),
    ],
)
def test_a_text_that_installs_from_the_index_is_found(text: str) -> None:
    assert FROM_INDEX.search(text)


@pytest.mark.parametrize(
    "text",
    [
        *("pip install .", "pip install git+https://github.com/OWNER/buildferry@v1", "run `buildferry demo`"),
        *("pip install 'buildferry @ https://example.com/v1.tar.gz'", "pip --project buildferry-mirror"),
    ],
)
def test_a_text_that_installs_from_the_source_is_not_found(text: str) -> None:
    assert not FROM_INDEX.search(text)
