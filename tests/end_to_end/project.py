"""What the examples work on: an app's checkout, this project as users get it, and one cache for its Python.

The launcher fills the cache once per test session, from the package index; after that nothing needs a network.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.end_to_end.program import ROOT, clean_environment

GRADLEW = """#!/bin/sh
# Stands for a build: makes the packages that the examples deliver.
for variant in release instrumented; do
    mkdir -p "app/build/outputs/apk/$variant"
    printf 'the %s app' "$variant" >"app/build/outputs/apk/$variant/app-$variant.apk"
done
"""
CHECKOUT = {
    "gradlew": GRADLEW,
    "www/index.html": "<!DOCTYPE html><title>An app</title>",
    "config.xml": '<widget xmlns="http://www.w3.org/ns/widgets" id="com.example.app" version="1.0.0"/>',
}
PREPARED = 180  # seconds that the first start may take


def lay_out(folder: Path, more: Mapping[str, str] | None = None) -> Path:
    """Make `folder` the checkout of an app, under git, with `more` files; return it."""
    for name, text in {**CHECKOUT, **(more or {})}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "gradlew").chmod(0o755)
    commit_all(folder)
    return folder


def commit_all(folder: Path) -> None:
    """Commit all that is in a folder, which becomes a repository if it is none."""
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "An app"]):
        git(*command, folder=folder)


def published(factory: pytest.TempPathFactory) -> Path:
    """This project as a user's CI gets it, without what git ignores; made once a session."""
    copy = factory.getbasetemp() / "published"
    if not copy.exists():
        listed = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True,
            capture_output=True,
            text=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, copy / name)
    return copy


def tagged(factory: pytest.TempPathFactory, folder: Path, tag: str, date: str = "2026-01-31") -> Path:
    """A clone of this project at `folder`/clone, its changelog dated, with a pushed tag; its origin is beside it."""
    clone, origin = shutil.copytree(published(factory), folder / "clone"), folder / "origin"
    changelog = clone / "CHANGELOG.md"
    dated = re.sub(r"(?m)^(## \d+\.\d+\.\d+) \(.*\)$", rf"\1 ({date})", changelog.read_text(encoding="utf-8"))
    changelog.write_text(dated, encoding="utf-8")
    git("init", "--quiet", "--bare", str(origin), folder=folder)
    for command in (
        ["init", "--quiet"],
        ["add", "."],
        ["commit", "--quiet", "--message", "Release"],
        ["tag", tag],
        ["remote", "add", "origin", str(origin)],
        ["push", "--quiet", "origin", tag],
    ):
        git(*command, folder=clone)
    return clone


def git(*arguments: str, folder: Path) -> str:
    """Run git in a folder; return what it printed."""
    command = ["git", "-C", str(folder), "-c", "user.name=Test", "-c", "user.email=test@example.com", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=clean_environment())
    return done.stdout


def tool_cache(factory: pytest.TempPathFactory) -> Path:
    """A tool cache that holds our Python environment; made once for all workers of a session."""
    session = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        session = session.parent  # each worker has a folder of its own in it
    return _filled(session / "act" / "tool_cache", published(factory) / "plugin" / "launch.sh")  # where act looks


@cache
def _filled(folder: Path, launcher: Path) -> Path:
    """The folder, with our environment in it: launchers that start simultaneously make one."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**clean_environment(), "RUNNER_TOOL_CACHE": str(folder), "HOME": str(folder)}
    command = ["sh", str(launcher), "--version"]
    subprocess.run(command, check=True, env=environment, timeout=PREPARED, capture_output=True)
    return folder


def offline(cache: Path) -> dict[str, str]:
    """An environment in which everything but this machine is out of reach, and our environment is in `cache`."""
    nowhere = "http://127.0.0.1:9"
    return {
        **clean_environment(),
        "XDG_CACHE_HOME": str(cache),
        "HOME": str(cache),
        "HTTPS_PROXY": nowhere,
        "HTTP_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1,localhost",
    }
