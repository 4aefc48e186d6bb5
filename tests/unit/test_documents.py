"""What the documents say can be followed: their links, their commands, their fragments."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from plugin import inputs
from tests.documents import PAGES, ROOT, Block, blocks, read

# Where the blocks of a page are run as they are.
RUN_ELSEWHERE = {
    "docs/releasing.md": "tests/end_to_end/test_release.py rehearses a release in a copy; the rest needs an account",
}
INSTALLS = "pip install ."  # run by tests/end_to_end/test_first_green.py
WRITTEN = [block for page in PAGES for block in blocks(page) if page not in RUN_ELSEWHERE]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_has_an_existing_target(page: str) -> None:
    here = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)\s]+)\)|\b(?:src|srcset)=\"([^\"]+)\"", read(page)):
        path, _, anchor = "".join(target).partition("#")
        if path.startswith("https://"):
            continue
        linked = here / path if path else ROOT / page
        assert linked.exists(), f"{page}: {path}"
        assert not anchor or anchor in _anchors(linked.read_text(encoding="utf-8")), f"{page}: {path}#{anchor}"


def _anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in headings}


def test_a_missing_anchor_is_found() -> None:
    assert _anchors("# The `log`, in short\n```sh\n# no heading\n```\n") == {"the-log-in-short"}


def test_every_page_is_linked_from_the_readme() -> None:
    of_services = {f"docs/{service}.md" for service in inputs.services()}
    linked = set(re.findall(r"\]\(([\w/.-]+\.md)", read("README.md")))
    assert set(PAGES) - {"README.md"} == linked
    assert of_services < linked


@pytest.mark.parametrize("block", WRITTEN, ids=lambda block: f"{block.page}: {block.text.splitlines()[0][:40]}")
def test_every_block_of_code_is_run_or_checked(block: Block) -> None:
    checks = {"sh": _check_shell, "yaml": _check_inputs}
    checks[block.language](block)


def _check_shell(block: Block) -> None:
    """Each command is a target of make that is there, or among those that an end-to-end test runs."""
    if INSTALLS in block.text:
        return
    for line in block.text.splitlines():
        command = line.partition("#")[0].split()
        assert command[0] == "make", f"{block.page}: nothing runs {line!r}"
        dry = ["make", "--dry-run", *command[1:]]
        done = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def _check_inputs(block: Block) -> None:
    """A fragment of a bitrise.yml: inputs of ours, with their opts."""
    for entry in yaml.safe_load(block.text):
        (name,) = set(entry) - {"opts"}
        assert name.replace("_", "-") in inputs.inputs()
        assert set(entry.get("opts", {})) <= {"is_expand"}


def test_every_operation_input_and_output_is_described() -> None:
    text = "".join(map(read, PAGES))
    for service, operations in inputs.services().items():
        assert f"made: {service} -->" in read(f"docs/{service}.md")
        assert [name for name in operations if f"| `{name}` |" not in read(f"docs/{service}.md")] == []
    assert [name for name in (*inputs.inputs(), *inputs.outputs()) if f"| `{name}` |" not in text] == []


def test_the_messages_in_troubleshooting_are_those_of_the_program() -> None:
    said = re.findall(r"^\| `(.+?)` \|", read("docs/troubleshooting.md"), flags=re.MULTILINE)
    files = [path for folder in ("plugin", "templates") for path in (ROOT / folder).rglob("*.*")]
    source = "".join(path.read_text(encoding="utf-8") for path in files if path.suffix in (".py", ".sh", ".yml"))
    joined = re.sub(r'"\s*\n\s*f?"|\\\n', "", source)  # texts that continue on the next line
    assert len(said) > 10
    assert [message for message in said if message not in joined] == []


@pytest.mark.parametrize("page", PAGES)
def test_each_file_that_is_named_exists(page: str) -> None:
    named = re.findall(r"`((?:plugin|scripts|tests|docs|examples|vars|resources)/[\w./-]*)`", read(page))
    missing = {path for path in named if not (ROOT / path).exists() and not re.search("my[_-]", path)}
    assert missing == set()
