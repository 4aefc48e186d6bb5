"""Finding files in strange places, as a process: the file goes up, or one line says why not; never a traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.program import LIMIT, Done, SandboxProcess, clean_environment, command, variables

NOBODY = 65534
Run = Callable[..., Done]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A job's folder of a strange name that every user may enter."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    folder = root / "My Job [dev]@2"
    (folder / "out").mkdir(parents=True)
    (folder / "out" / "app.apk").write_text("an app")
    yield folder
    subprocess.run(["chmod", "-R", "u+rwX", str(root)], check=True)
    shutil.rmtree(root)


@pytest.fixture
def deliver(sandbox: SandboxProcess, folder: Path) -> Run:
    """Deliver `artifacts`; as somebody who may not read what is closed, who is never root."""

    def run(artifacts: str, env: dict[str, str | None] | None = None, user: int = NOBODY, **more: Any) -> Done:
        inputs = {"service": "app-distribution", "service-url": sandbox.url, "phase-id": 7, "artifacts": artifacts}
        inputs |= {"api-token": "sandbox-token-app-distribution", **more}
        changed = {**clean_environment(), **variables("plain", inputs), **(env or {})}
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if IS_ROOT else []
        done = subprocess.run(
            [*as_user, *command("run")],
            cwd=folder,
            env={name: value for name, value in changed.items() if value is not None},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return Done(done.returncode, done.stdout, done.stderr, folder)

    return run


IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def sent(sandbox: SandboxProcess) -> list[str]:
    return [file["name"] for file in sandbox.state()["app-distribution"]["files"]]


@pytest.mark.parametrize("artifacts", ["out/*.apk", "FOLDER/out/*.apk", "out/app.{apk,aab}", "**/*.apk\n!debug*"])
def test_no_name_of_the_folder_is_read_as_a_pattern(
    sandbox: SandboxProcess, deliver: Run, folder: Path, artifacts: str
) -> None:
    done = deliver(artifacts.replace("FOLDER", str(folder)))
    assert done.code == 0, done.log
    assert sent(sandbox) == ["app.apk"]


def test_links_that_loop_do_not_make_the_search_endless(sandbox: SandboxProcess, deliver: Run, folder: Path) -> None:
    for name in ("one", "two", "three"):
        (folder / name).symlink_to(".", target_is_directory=True)
    done = deliver("**/*.apk")
    assert done.code == 0, done.log
    assert sent(sandbox) == ["app.apk"]


def close(path: Path) -> None:
    if IS_ROOT:
        os.chown(path, 0, 0)
    path.chmod(0o700 if IS_ROOT else 0)


def in_a_closed_folder(folder: Path) -> tuple[str, str]:
    (folder / "closed").mkdir()
    (folder / "closed" / "app.apk").write_text("x")
    close(folder / "closed")
    return "closed/app.apk", f"cannot be read: Permission denied (the folder {folder}/closed is closed to this user)"


def below_a_closed_folder(folder: Path) -> tuple[str, str]:
    in_a_closed_folder(folder)
    return "closed/*.apk", "matches no file in {folder}; closed cannot be searched: Permission denied"


def a_link_to_a_closed_file_beside_a_good_one(folder: Path) -> tuple[str, str]:
    (folder / "secret").write_text("x")
    close(folder / "secret")
    (folder / "out" / "latest.apk").symlink_to("../secret")
    return "out/*.apk", "'out/latest.apk' cannot be read: Permission denied"


def a_typo_while_another_link_is_closed(folder: Path) -> tuple[str, str]:
    in_a_closed_folder(folder)
    (folder / "out" / "other").symlink_to("../closed/app.apk")
    return "out/ap.apk", "'out/ap.apk' does not exist in"


def a_link_into_a_closed_folder(folder: Path) -> tuple[str, str]:
    in_a_closed_folder(folder)
    (folder / "latest.apk").symlink_to("closed/app.apk")
    return "latest.apk", f"(the folder {folder}/closed is closed to this user)"


@pytest.mark.parametrize(
    "lay_out",
    [
        in_a_closed_folder,
        below_a_closed_folder,
        a_link_to_a_closed_file_beside_a_good_one,
        a_typo_while_another_link_is_closed,
        a_link_into_a_closed_folder,
    ],
)
def test_an_unreadable_path_is_reported_with_its_reason(
    sandbox: SandboxProcess, deliver: Run, folder: Path, lay_out: Callable[[Path], tuple[str, str]]
) -> None:
    artifacts, reason = lay_out(folder)
    done = deliver(artifacts)
    assert done.code == 2
    assert reason.format(folder=folder) in done.stderr
    assert "out/app.apk" in done.stderr or lay_out is a_link_to_a_closed_file_beside_a_good_one
    assert sent(sandbox) == []


def test_a_closed_folder_that_is_not_needed_gets_a_notice(sandbox: SandboxProcess, deliver: Run, folder: Path) -> None:
    in_a_closed_folder(folder)
    done = deliver("**/*.apk")
    assert done.code == 0, done.log
    assert "'**/*.apk': closed cannot be searched: Permission denied" in done.stderr
    assert sent(sandbox) == ["app.apk"]


@pytest.mark.parametrize(
    ("artifacts", "reason"),
    [
        ("a" * 300 + ".apk", "File name too long"),
        ("~nobody/x.apk", "only ~/ at the beginning is the home folder"),
        ("out/*.ipa", "the nearest files there: out/app.apk"),
        ("OUT/*.APK", "the nearest files there: out/app.apk"),
        ("ou*", "matches only folders (out): zip them first"),
    ],
)
def test_a_path_that_matches_no_file_is_an_input_error(
    sandbox: SandboxProcess, deliver: Run, artifacts: str, reason: str
) -> None:
    done = deliver(artifacts)
    assert done.code == 2
    assert reason in done.stderr
    assert sent(sandbox) == []


@pytest.mark.parametrize(
    "place",
    [
        {"receipt": "theirs/receipt.json"},
        {"receipt": "theirs/more/receipt.json"},
        {"receipt": "latest.json"},
        {"output_directory": "theirs"},
        {"output_directory": "theirs/got"},
        {"output_directory": "out/theirs"},
        {"log_file": "theirs/build.log"},
        {"log_file": "out/latest.log"},
    ],
)
def test_a_place_behind_a_link_to_a_closed_folder_is_refused(
    sandbox: SandboxProcess, deliver: Run, folder: Path, place: dict[str, str]
) -> None:
    """A folder of somebody else, which one may not enter: found before anything is sent."""
    in_a_closed_folder(folder)
    if IS_ROOT:
        os.chown(folder, NOBODY, NOBODY)
        os.chown(folder / "out", NOBODY, NOBODY)
    for link, target in LINKS.items():
        (folder / link).symlink_to(target)
    (name, path), *_ = place.items()
    more: dict[str, Any] = {}
    if name != "receipt":
        operation = "download" if name == "output_directory" else "log"
        more = {"service": "bitrise", "app-id": "app1", "build-id": "b", "operation": operation}
        more["api-token"] = "sandbox-token-bitrise"
    done = deliver("out/*.apk", **more, **{name.replace("_", "-"): path})
    assert done.code == 2, done.log
    assert f"PLUGIN_{name.upper()}: cannot write {folder}/{path}: Permission denied" in done.stderr
    assert sandbox.state()["requests"] == []
    assert sorted(path.name for path in (folder / "closed").iterdir()) == ["app.apk"]


LINKS = {
    "theirs": "closed",
    "latest.json": "closed/receipt.json",
    "out/theirs": "../closed",
    "out/latest.log": "../closed/build.log",
}


def test_a_link_in_the_way_of_a_download_is_never_followed(deliver: Run, folder: Path) -> None:
    """It is replaced if one asks for that, and never followed."""
    in_a_closed_folder(folder)
    if IS_ROOT:
        os.chown(folder / "out", NOBODY, NOBODY)
    bitrise = {"service": "bitrise", "app-id": "app1", "api-token": "sandbox-token-bitrise"}
    started = deliver("", **bitrise, operation="create-build", workflow="primary", wait="true")
    wanted = {**bitrise, "operation": "download", "output-directory": "out", "build-id": started.result["build-id"]}
    listed = deliver("", **{**wanted, "operation": "list-artifacts"}).result["result"]["listed-artifacts"]
    title = listed[0]["title"]
    (folder / "out" / title).symlink_to("../closed/app.apk")
    done = deliver("", **wanted)
    assert done.code == 2, done.log
    assert f"PLUGIN_OUTPUT_DIRECTORY: out/{title} exists, and no earlier download wrote it" in done.stderr
    assert deliver("", overwrite="true", **wanted).code == 0
    assert not (folder / "out" / title).is_symlink()
    assert (folder / "closed" / "app.apk").read_text() == "x"


@pytest.mark.skipif(not IS_ROOT, reason="a user that no list of users has is needed")
def test_a_tilde_without_a_home_is_an_input_error(deliver: Run) -> None:
    done = deliver("~/x.apk", {"HOME": None}, user=54321, receipt="~/receipt.json")
    assert done.code == 2
    assert "PLUGIN_ARTIFACTS: '~/x.apk': ~ is the home folder, but HOME is not set" in done.stderr
    assert "PLUGIN_RECEIPT: ~ is the home folder, but HOME is not set" in done.stderr


def test_the_receipt_of_three_runs_never_becomes_an_artifact(
    sandbox: SandboxProcess, deliver: Run, folder: Path
) -> None:
    if IS_ROOT:
        os.chown(folder / "out", NOBODY, NOBODY)
    env = {"PLUGIN_OUTPUT_FILE": str(folder / "out" / "outputs.json")}
    sandbox.faults("POST /api/v2/resource_files 400")
    assert deliver("out/*", env, receipt="out/receipt.json").code == 4
    sandbox.faults()
    for _ in range(2):
        done = deliver("out/*", env, receipt="out/receipt.json")
        assert done.code == 0, done.log
    assert {path.name for path in (folder / "out").iterdir()} >= {"app.apk", "receipt.json", "outputs.json"}
    assert sent(sandbox) == ["app.apk"]


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
@pytest.mark.parametrize("service", ["app-distribution", "product-science", "phonegap-build"])
def test_file_names_that_are_not_utf_8_are_refused_before_sending(
    sandbox: SandboxProcess, deliver: Run, folder: Path, service: str
) -> None:
    with open(os.fsencode(folder / "out") + b"/\xff.apk", "w") as file:  # noqa: PTH123 - a Path is text
        file.write("x")
    done = deliver("out/*.apk", **{"service": service, "api-token": f"sandbox-token-{service}", "project": "demo"})
    assert done.code == 2
    assert "has a name that is not valid UTF-8: rename the file" in done.stderr
    assert not any(map(sandbox.state()[service].get, ("builds", "contexts", "apps")))
