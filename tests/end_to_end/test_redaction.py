"""No secret is told, however the service repeats it, and outputs for machines stay whole. The real program."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugin.files.output_directory import RECORD
from plugin.hosts import HOSTS
from tests.end_to_end.hostile import Asked, answered, hostile
from tests.end_to_end.program import MASKS, Done, clean_environment, command, run, variables

TOKEN = "t0ken-S3cr3t/with+signs~and?more-of-1234567"
PARTS = [TOKEN[at : at + 6] for at in range(len(TOKEN) - 6)]


def bitrise(answer: Callable[[Asked], bytes], folder: Path, host: str = "plain", **inputs: Any) -> Done:
    given = {"service": "bitrise", "api-token": TOKEN, "app-id": "a", "build-id": "b", "poll-interval": "0.01"}
    env = {f"GITHUB_{name}": str(folder / name) for name in ("OUTPUT", "STEP_SUMMARY")}
    env |= {"PLUGIN_OUTPUT_FILE": str(folder / "outputs.json")} if not HOSTS[host].logs_to_stdout else {}
    more = {name.replace("_", "-"): value for name, value in inputs.items()}
    own = more.pop("env", {})
    with hostile(answer) as server:
        return run({**given, "service-url": server.url, **more}, folder, host, env | own)


def told(done: Done) -> str:
    """All that anybody gets to see or to keep, names of files too; GitHub's own masks apart."""
    files = [path for path in done.folder.rglob("*") if path.is_file()]
    log = [line for line in done.log.split("\n") if not line.startswith(MASKS)]
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in files]
    return "\n".join([*log, *map(str, files), *texts])


SAID = {
    "at the cut": lambda: {"message": "x" * 457 + TOKEN + " more"},
    "base64 of it": lambda: {"message": base64.b64encode(f"ab{TOKEN}".encode()).decode()},
    "a list": lambda: {"errors": ["x" * 480, TOKEN]},
    "what is no known key": lambda: {"x" * 480: TOKEN},
    "a title": lambda: f"<title>{TOKEN} {'x' * 400}</title>".encode(),
    "far behind blanks": lambda: b" " * (65_536 - 20) + TOKEN.encode() + b" " * 100,
    "escaped": lambda: json.dumps({"message": TOKEN}).replace("/", "\\/").replace("t", "\\u0074").encode(),
}


@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
def test_no_part_of_a_token_in_an_error_is_shown(said: Callable[[], Any], tmp_path: Path) -> None:
    done = bitrise(lambda _: answered(said(), "400 Bad Request"), tmp_path, operation="status")

    assert done.code == 4, done.log
    assert "***" in done.log or "x" * 480 in done.log
    assert not [part for part in PARTS if part in told(done)]


@pytest.mark.parametrize(
    ("status", "headers"),
    [(f"400 {'x' * 457}{TOKEN}", {}), ("302 Found", {"Location": f"https://e.example.com/{'x' * 455}{TOKEN}/more"})],
    ids=["reason", "location"],
)
def test_no_part_of_a_token_in_a_response_header_is_shown(status: str, headers: dict[str, str], tmp_path: Path) -> None:
    done = bitrise(lambda _: answered(b"", status, **headers), tmp_path, operation="status")

    assert done.code == 4, done.log
    assert not [part for part in PARTS if part in told(done)]


def test_no_part_of_a_token_in_an_abort_reason_is_shown(tmp_path: Path) -> None:
    build = {"slug": "b", "status": 3, "build_number": 1, "abort_reason": "x" * 457 + TOKEN}
    done = bitrise(lambda _: answered({"data": build}), tmp_path, operation="wait")

    assert done.code == 6, done.log
    assert not [part for part in PARTS if part in told(done)]


def artifacts(asked: Asked) -> bytes:
    if "/artifacts?" in asked.path:
        titles = [TOKEN, f"{TOKEN}.apk", "x" * 180 + TOKEN, "whole.txt"]
        return answered({"data": [{"slug": f"s{at}", "title": title} for at, title in enumerate(titles)]})
    if "/artifacts/" in asked.path:
        return answered({"data": {"expiring_download_url": f"http://{asked.headers['host']}/storage"}})
    return answered(b"bytes" if asked.path == "/storage" else {"data": {"slug": "b", "status": 1}})


@pytest.mark.parametrize("host", HOSTS)
def test_a_title_that_is_the_token_is_never_shown(host: str, tmp_path: Path) -> None:
    done = bitrise(artifacts, tmp_path, host, operation="download", output_directory="got", receipt="receipt.json")

    assert done.code == 0, done.log
    names = sorted(path.name for path in (tmp_path / "got").iterdir() if path.name != RECORD)
    assert names == ["artifact-s0", "artifact-s1.apk", "artifact-s2", "whole.txt"]
    assert not [part for part in PARTS if part in told(done)]


@pytest.mark.parametrize("host", HOSTS)
def test_a_branch_or_link_that_holds_the_token_is_never_shown(host: str, tmp_path: Path) -> None:
    source = {"branch": f"feature/{TOKEN}", "tag": f"v-{TOKEN}", "run_url": f"https://ci.example.com/{TOKEN}/1"}
    more = {"commit": f"x{TOKEN}", "workflow": "w", "build_id": "", "reattach": "never"}
    started = {"build_slug": "b", "build_number": 7, "status": "ok"}
    done = bitrise(lambda _: answered(started, "201 x"), tmp_path, host, operation="create-build", **source, **more)

    assert done.code == 0, done.log
    assert not [part for part in PARTS if part in told(done)]


def test_a_run_resumes_from_a_receipt_with_a_redacted_token(tmp_path: Path) -> None:
    """The service's address holds it, and so does the link to the run."""
    asked_for = []

    def answer(asked: Asked) -> bytes:
        asked_for.append(asked.path)
        return answered({"id": len(asked_for)}, "201 x")

    token = "t0ken-S3cr3t"
    given = {"service": "app-distribution", "operation": "create-build", "api-token": token, "phase-id": 7}
    given |= {"receipt": "receipt.json", "run-url": f"https://ci.example.com/{token}"}
    with hostile(answer) as server:
        runs = [run({**given, "service-url": f"{server.url}/{token}"}, tmp_path) for _ in range(2)]

    assert [done.result["build-id"] for done in runs] == ["1", "1"]
    assert not any(token in told(done) for done in runs)


def test_logs_and_packages_are_not_named_after_a_token(tmp_path: Path) -> None:
    token = "t0kenS3cr3t"

    def logs(asked: Asked) -> bytes:
        if asked.path.split("?")[0].endswith("/log"):
            return answered({"log_chunks": [{"position": 0, "chunk": "x"}]})
        slug = asked.path.split("?")[0].rpartition("/")[2]
        build = {"slug": slug, "status": 1, "build_number": 1}
        return answered({"data": [] if slug == "builds" else build})

    given = {"api_token": token, "operation": "wait", "build_id": f"b\n{token}\nx{token}", "log_file": "out/build.log"}
    done = bitrise(logs, tmp_path, **given)
    assert done.code == 0, done.log
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "build-artifact-2.log",
        "build-artifact-3.log",
        "build.log",
    ]
    assert token not in told(done)

    def packages(asked: Asked) -> bytes:
        zipped = b"PK\x03\x04 and more"
        is_package = asked.path.rpartition("/")[2] in ("android", token)
        return answered(
            zipped if is_package else {"id": 1, "android_status": "complete", f"{token}_status": "complete"}
        )

    own = {"service": "phonegap-build", "username": "u", "password": token, "app-id": "1", "operation": "download"}
    with hostile(packages) as server:
        done = run({**own, "service-url": server.url, "output-directory": "got"}, tmp_path)
    assert done.code == 0, done.log
    files = {path.name for path in (tmp_path / "got").iterdir()}
    assert files == {"app_1_android.apk", "artifact-hidden.zip", RECORD}
    assert token not in told(done)
    assert sorted(done.result["downloaded-files"]) == ["got/app_1_android.apk", "got/artifact-hidden.zip"]


def test_a_folder_that_a_user_named_after_a_secret_stays_whole(tmp_path: Path) -> None:
    """Later steps must find it; the page for people does not show it."""
    token = "t0ken-S3cr3t"
    done = bitrise(
        artifacts, tmp_path, "github", operation="download", output_directory=f"got-{token}", api_token=token
    )

    assert done.code == 0, done.log
    assert f"got-{token}/whole.txt" in (tmp_path / "OUTPUT").read_text()
    assert token not in (tmp_path / "STEP_SUMMARY").read_text()


def test_a_token_split_and_coloured_by_a_remote_log_is_hidden(tmp_path: Path) -> None:
    chunks = [f"a\n{TOKEN[:9]}", f"\x1b[01;31m{TOKEN[9:20]}\x1b[m{TOKEN[20:]}\n", "x" * 32_760 + TOKEN[:9], TOKEN[9:]]

    def answer(asked: Asked) -> bytes:
        if asked.path.split("?")[0].endswith("/log"):
            listed = [{"position": at, "chunk": chunk} for at, chunk in enumerate(chunks)]
            return answered({"log_chunks": listed, "generated_log_chunks_num": len(chunks)})
        return answered({"data": {"slug": "b", "status": 1, "build_number": 1}})

    done = bitrise(answer, tmp_path, operation="log")

    assert done.code == 0, done.log
    assert done.log.count("***") >= 2
    assert not [part for part in PARTS if part in told(done)]


@pytest.mark.parametrize("host", HOSTS)
def test_outputs_stay_whole_when_their_parts_are_passed_on(host: str, tmp_path: Path) -> None:
    passed_on = {"BITRISE_SITE": "https://app.bitrise.io", "TARGET_ENV": "production", "SHA": "deadbeefdeadbeef"}
    started = {"build_slug": "b", "build_number": 7, "triggered_workflow": "deploy-production", "status": "ok"}
    started["build_url"] = "https://app.bitrise.io/build/b"

    def answer(asked: Asked) -> bytes:
        return answered(started, "201 Created") if asked.method == "POST" else answered({"data": []})

    inputs = {"workflow": "deploy-production", "commit": passed_on["SHA"], "build_id": "", "reattach": "never"}
    environment = "\n".join(passed_on)
    done = bitrise(answer, tmp_path, host, operation="create-build", environment=environment, env=passed_on, **inputs)

    assert done.code == 0, done.log
    assert "***" not in told(done)
    if not HOSTS[host].logs_to_stdout:
        outputs = json.loads((tmp_path / "outputs.json").read_text())
        assert outputs["build-url"] == started["build_url"]
        assert outputs["result"]["commit"] == passed_on["SHA"]
        assert outputs["result"]["builds"][0]["workflow"] == "deploy-production"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
def test_an_unwritable_log_does_not_fail_the_run(tmp_path: Path) -> None:
    build = {"slug": "b", "status": 1, "build_number": 1}
    given = {"service": "bitrise", "operation": "status", "api-token": TOKEN, "app-id": "a", "build-id": "b"}
    with hostile(lambda _: answered({"data": build})) as server, Path("/dev/full").open("w") as full:
        env = {**clean_environment(), **variables("plain", {**given, "service-url": server.url})}
        done = subprocess.run(
            command("run"), cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=full, timeout=30, check=False
        )

    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "succeeded"
