"""The summary that people get, of real runs: every link in it leads to the page that it names."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.end_to_end.program import SandboxProcess
from tests.end_to_end.services.bitrise_app import RUN, runner
from tests.rendered import rendered

SITE = "https://app.bitrise.io"
BUILD = {"workflow": "primary", "SANDBOX_SECONDS": 1}


def title(url: str, sandbox: SandboxProcess) -> str:
    """The title of the page at `url`, which the sandbox has in place of Bitrise's site."""
    assert url.startswith(f"{SITE}/")
    with urllib.request.urlopen(sandbox.url + url.removeprefix(SITE), timeout=10) as answer:
        return str(answer.read().decode().partition("<title>")[2])


def test_every_link_of_githubs_summary_leads_somewhere(sandbox: SandboxProcess, tmp_path: Path) -> None:
    go = runner(sandbox, tmp_path)
    env = {name: str(tmp_path / name) for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    done = go("create-build", **BUILD, wait=True)
    build_id = done.result["build-id"]
    Path(env["GITHUB_STEP_SUMMARY"]).touch()
    got = go("download", "github", env, build_id=build_id)

    assert got.code == 0, got.log
    page = rendered((tmp_path / "GITHUB_STEP_SUMMARY").read_text(encoding="utf-8"))
    links = dict(page.links)
    assert links.pop("CI run") == RUN["run-url"]
    assert set(links) == {"Install the app", "Build"}
    assert title(links["Install the app"], sandbox).startswith("install artifact-1.apk")
    assert title(links["Build"], sandbox).startswith(f"build {build_id}")
    assert page.headings == ["✅ Bitrise: download succeeded"]
    with pytest.raises(urllib.error.HTTPError):
        title(links["Install the app"] + "x", sandbox)


def test_an_annotation_of_1300_artifacts_goes_by_standard_input(sandbox: SandboxProcess, tmp_path: Path) -> None:
    go = runner(sandbox, tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "bitrise").write_text('#!/bin/sh\nprintf "%s\\n" "$@" >"$0-arguments"\ncat >"$0-markdown"\n')
    (tools / "bitrise").chmod(0o755)
    env = {"BITRISE_BUILD_SLUG": "b", "PATH": f"{tools}:/usr/bin:/bin"}
    made = go("create-build", **BUILD, wait=True, SANDBOX_ARTIFACTS=1300)
    listed = go("download", "bitrise", env, build_id=made.result["build-id"], match="artifact-*", parallel=20)

    assert listed.code == 0, listed.log[-2000:]
    arguments = (tools / "bitrise-arguments").read_text().split()
    assert arguments == [":annotations", "annotate", "--style", "default", "--context", "buildferry-download"]
    page = rendered((tools / "bitrise-markdown").read_text(encoding="utf-8"))
    assert page.rows[-1][0] == "and 1,250 more"
