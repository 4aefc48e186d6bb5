"""The summary that people get, of real runs: the app in its first line, and links that lead to the pages they name."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from plugin.sandbox.apps import apk
from tests.end_to_end.program import SandboxProcess, run
from tests.end_to_end.services.bitrise_app import RUN, runner
from tests.end_to_end.services.release_management import ANDROID
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


def test_every_link_of_a_delivery_to_testers_leads_to_its_page(sandbox: SandboxProcess, tmp_path: Path) -> None:
    (tmp_path / "app.apk").write_bytes(apk())
    inputs = {"service": "bitrise-release-management", "service-url": sandbox.url, "operation": "deliver"}
    inputs |= {"api-token": "sandbox-token-bitrise-release-management", "artifacts": "app.apk", "access-link": "beta"}
    inputs |= DELIVERIES["bitrise-release-management"] | RUN
    done = run(inputs, tmp_path, "bitrise", annotating(tmp_path))

    assert done.code == 0, done.log
    links = dict(rendered((tmp_path / "bitrise-markdown").read_text(encoding="utf-8")).links)
    assert links.pop("CI run") == RUN["run-url"]
    assert set(links) == {"Install the app", "Access link"}
    for url in links.values():
        assert title(url, sandbox).startswith("install app.apk")
        with pytest.raises(urllib.error.HTTPError):
            title(url + "x", sandbox)


def annotating(folder: Path) -> dict[str, str]:
    """Lay out a `bitrise` that keeps its arguments and its standard input; return the variables of such a build."""
    (folder / "bitrise").write_text('#!/bin/sh\nprintf "%s\\n" "$@" >"$0-arguments"\ncat >"$0-markdown"\n')
    (folder / "bitrise").chmod(0o755)
    return {"BITRISE_BUILD_SLUG": "b", "PATH": f"{folder}:/usr/bin:/bin"}


DELIVERIES: dict[str, dict[str, Any]] = {
    "app-distribution": {"phase-id": 7},
    "product-science": {"project": "demo"},
    "bitrise-release-management": {"app-id": ANDROID, "poll-interval": 0.1, "public-page": True},
}
TITLES = dict(zip(DELIVERIES, ("App Distribution", "Product Science", "Bitrise Release Management"), strict=True))


@pytest.mark.parametrize("host", ["github", "bitrise"])
@pytest.mark.parametrize("service", DELIVERIES)
def test_a_summary_begins_with_the_app(service: str, host: str, sandbox: SandboxProcess, tmp_path: Path) -> None:
    (tmp_path / "app.apk").write_bytes(apk("Exämple"))
    env = {"GITHUB_STEP_SUMMARY": str(tmp_path / "bitrise-markdown"), "GITHUB_OUTPUT": str(tmp_path / "output")}
    env = annotating(tmp_path) if host == "bitrise" else env
    inputs = {"service": service, "service-url": sandbox.url, "operation": "deliver", "artifacts": "app.apk"}
    inputs |= {"api-token": f"sandbox-token-{service}", **DELIVERIES[service]}
    done = run(inputs, tmp_path, host, env)

    assert done.code == 0, done.log
    text = (tmp_path / "bitrise-markdown").read_text(encoding="utf-8")
    assert text.startswith("### ✅ Exämple 1.0 (1): deliver succeeded\n")
    page = rendered(text)
    assert page.plain.strip().startswith(f"{TITLES[service]} · com.example.app")
    assert ("Install the app" in dict(page.links)) is ("public-page" in inputs)


def test_a_failed_summary_begins_with_the_app_too(sandbox: SandboxProcess, tmp_path: Path) -> None:
    (tmp_path / "app.apk").write_bytes(apk("Exämple"))
    inputs = {"service": "app-distribution", "service-url": sandbox.url, "operation": "deliver", "artifacts": "app.apk"}
    done = run(inputs | {"api-token": "wrong", "phase-id": 7}, tmp_path, "bitrise", annotating(tmp_path))

    assert done.code == 3, done.log
    page = rendered((tmp_path / "bitrise-markdown").read_text(encoding="utf-8"))
    assert page.headings == ["❌ Exämple 1.0 (1): deliver failed"]


@pytest.mark.parametrize("more", [{}, {"app-check": "off"}])
def test_without_a_readable_app_a_summary_begins_with_the_service(
    more: dict[str, str], sandbox: SandboxProcess, tmp_path: Path
) -> None:
    (tmp_path / "app.apk").write_bytes(apk() if more else b"an app")
    inputs = {"service": "app-distribution", "service-url": sandbox.url, "operation": "deliver", "artifacts": "app.apk"}
    inputs |= {"api-token": "sandbox-token-app-distribution", "phase-id": "7"} | more
    done = run(inputs, tmp_path, "bitrise", annotating(tmp_path))

    assert done.code == 0, done.log
    text = (tmp_path / "bitrise-markdown").read_text(encoding="utf-8")
    assert text.startswith("### ✅ App Distribution: deliver succeeded\n\n| Artifact |")


def test_an_annotation_of_1300_artifacts_goes_by_standard_input(sandbox: SandboxProcess, tmp_path: Path) -> None:
    go = runner(sandbox, tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()
    env = annotating(tools)
    made = go("create-build", **BUILD, wait=True, SANDBOX_ARTIFACTS=1300)
    listed = go("download", "bitrise", env, build_id=made.result["build-id"], match="artifact-*", parallel=20)

    assert listed.code == 0, listed.log[-2000:]
    arguments = (tools / "bitrise-arguments").read_text().split()
    assert arguments == [":annotations", "annotate", "--style", "default", "--context", "buildferry-download"]
    page = rendered((tools / "bitrise-markdown").read_text(encoding="utf-8"))
    assert page.rows[-1][0] == "and 1,250 more"
