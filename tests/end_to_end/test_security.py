"""Attacks on the real program: by the service's answers, by the checkout, by what stands in the environment."""

from __future__ import annotations

import base64
import gzip
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from plugin.hosts import HOSTS
from tests.end_to_end.hostile import Answer, Asked, answered, hostile
from tests.end_to_end.program import MASKS, Done, clean_environment, command, run, variables
from tests.rendered import rendered
from tests.unit.hosts.test_hosts import read_like_the_runner

TOKEN = "t0ken-S3cr3t"
PASSWORD = "pä\"s's/w0rd+\\x S3cr3t"
COMMANDS = (
    "\n[a](https://a.example.com)\n::add-mask::e\n##[error]e\r::set-output name=a::b\u2028##vso[a]b\x1b[2J\x00\u202e"
    "##teamcity[c"
)
NOBODYS = "the text of an answer that nobody asked for"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    work, tools = tmp_path / "work", tmp_path / "tools"
    for each in (work, tools):
        each.mkdir()
    (work / "app.apk").write_bytes(b"x" * 10)
    for name, keeps in (("envman", 'cat >"$0-$3"'), ("bitrise", 'cat >"$0-summary"')):
        (tools / name).write_text(f"#!/bin/sh\n{keeps}\n")
        (tools / name).chmod(0o755)
    return work


def attack(answer: Answer, folder: Path, service: str, host: str = "plain", **inputs: Any) -> Done:
    """Run the program against a server of this answer, with everything on that a host can hand out."""
    own: dict[str, dict[str, str]] = {
        "app-distribution": {"api-token": TOKEN, "phase-id": "7", "artifacts": "app.apk"},
        "product-science": {"api-token": TOKEN, "project": "p", "artifacts": "app.apk"},
        "bitrise": {"api-token": TOKEN, "app-id": "a", "build-id": "b"},
        "phonegap-build": {"username": "u", "password": PASSWORD, "app-id": "1"},
    }
    env = {f"GITHUB_{name}": str(folder / name) for name in ("OUTPUT", "STEP_SUMMARY")}
    env |= {"PLUGIN_OUTPUT_FILE": str(folder / "outputs.json"), "BITRISE_BUILD_SLUG": "1"}
    env["PATH"] = f"{folder.parent / 'tools'}{os.pathsep}{os.environ['PATH']}"
    more = {name.replace("_", "-"): value for name, value in inputs.items()}
    with hostile(answer) as server:
        return run({"service": service, "service-url": server.url, **own[service], **more}, folder, host, env)


def everything(done: Done) -> str:
    """All that anybody gets to see or to keep, the hosts' own masks apart."""
    files = [path for path in (done.folder.parent).rglob("*") if path.is_file()]
    log = [line for line in done.log.split("\n") if not line.startswith(MASKS)]
    return "\n".join([*log, *(path.read_text(encoding="utf-8", errors="replace") for path in files)])


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("how", ["dry-run", "verbose"])
def test_no_secret_is_shown_when_the_service_echoes_them_all(how: str, host: str, folder: Path) -> None:
    def echo(asked: Asked) -> bytes:
        said = {"error": f"{asked.headers.get('authorization')} {PASSWORD} {PASSWORD!r} {asked.body.decode()}"}
        return answered({"android": []}) if asked.method == "GET" else answered(said, "400 Bad Request")

    keys = {"key_password": "k-S3cr3t-é", "keystore_password": 'k"s\\S3cr3t', "keystore_file": "app.apk"}
    names = {"operation": "add-key", "platform": "android", "title": "t", "key_alias": "a", how: "true"}
    done = attack(echo, folder, "phonegap-build", host, **keys, **names)

    assert done.code == (0 if how == "dry-run" else 4), done.log
    basic = base64.b64encode(f"u:{PASSWORD}".encode()).decode()
    told = everything(done)
    assert "***" in told
    assert not [part for part in ("S3cr3t", "w0rd", basic, basic[:12]) if part in told]


@pytest.mark.parametrize("host", HOSTS)
def test_secrets_and_signatures_stay_out_of_results_that_hold_them(host: str, folder: Path) -> None:
    url = "https://user:w0rd@storage.example.com/x?X-Amz-Signature=s1gnature"
    apps = [{"slug": TOKEN, "title": TOKEN, "avatar_url": url, TOKEN: 1}]
    done = attack(lambda _: answered({"data": apps}), folder, "bitrise", host, operation="list-apps")

    assert done.code == 0, done.log
    assert not [part for part in (TOKEN, "w0rd", "s1gnature") if part in everything(done)]


def repeat(asked: Asked) -> bytes:
    return answered({"message": asked.body.decode()[-400:]}, "400 Bad Request")


@pytest.mark.parametrize("host", HOSTS)
def test_a_passed_on_variable_is_hidden_when_bitrise_echoes_it(host: str, folder: Path) -> None:
    passed_on = {"environment": "PLUGIN_OUTPUT_FILE", "workflow": "w", "reattach": "never"}
    done = attack(repeat, folder, "bitrise", host, operation="create-build", build_id="", **passed_on)

    assert done.code == 4
    assert '"PLUGIN_OUTPUT_FILE", "value": "***"' in done.log.replace("\\", "")
    assert str(folder / "outputs.json") not in everything(done)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("where", ["word", "reason", "error", "title"])
def test_a_services_text_never_acts_as_a_command(where: str, host: str, folder: Path) -> None:
    text = f"{NOBODYS}{COMMANDS}\ud800"
    build = {"slug": "b", "status": 2, "status_text": text if where == "word" else "x", "build_number": 1}
    build |= {"abort_reason": text, "commit_message": text} if where == "reason" else {}
    listed = {"data": [{"slug": "s", "title": text, "file_size_bytes": -1}]}
    answers: dict[str, Answer] = {
        "error": lambda _: answered({"message": text}, "400 Bad"),
        "title": lambda _: answered(listed),
    }
    operation = {"error": "status", "title": "list-artifacts"}.get(where, "wait")
    answer = answers.get(where, lambda _: answered({"data": build}))
    done = attack(answer, folder, "bitrise", host, operation=operation, poll_interval="0.01")

    assert done.code == {"error": 4, "title": 0}.get(where, 6), done.log
    assert "Traceback" not in done.log
    assert NOBODYS in everything(done)
    lines = done.log.split("\n") if HOSTS[host].logs_to_stdout else done.stderr.split("\n")
    own = r"^##(vso\[task\.logissue type=\w+\]|vso\[task\.set.*|\[(end)?group\])"  # azure obeys a line's first one
    lines = [re.sub(own, "", line) for line in lines]
    assert not [line for line in lines if line.lstrip().startswith(("::add-mask::e", "::set-output"))]
    assert not [line for line in lines for command in ("##[", "##vso[", "##teamcity[") if command in line]
    assert not [char for char in "\x00\r\u2028\u202e" if char in "".join(lines)]
    if host == "github":
        outputs = read_like_the_runner((folder / "OUTPUT").read_bytes().decode())
        outputs.pop("result")
        assert not [value for value in outputs.values() if "\n" in value or value.startswith("::")]
        summary = rendered((folder / "STEP_SUMMARY").read_text(encoding="utf-8"))
        assert {address for _, address in summary.links} <= {"https://app.bitrise.io/build/b"}
    if host == "bitrise":
        kept = [path.read_bytes() for path in (folder.parent / "tools").iterdir() if "-" in path.name]
        assert kept
        assert not [data for data in kept if b"\x00" in data]


def bomb(_asked: Asked) -> bytes:
    """Zeros, packed twice."""
    return answered(gzip.compress(gzip.compress(bytes(100 << 20), 1)), Content_Encoding="gzip, gzip")


def drip(asked: Asked) -> bytes:
    asked.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        asked.write(b"x")
        time.sleep(0.05)


def promise(asked: Asked) -> bytes:
    while True:
        asked.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.05)


WITHOUT_END: dict[str, Answer] = {
    "100 MB in 3 kB": bomb,
    "a head that drips": drip,
    "one promise after another": promise,
    "a first line without end": lambda _: b"<" * 60_000 + b"\r\n\r\n",
    "brackets": lambda _: answered(b"[" * 200_000),
    "a number": lambda _: answered(b'{"id": ' + b"9" * 100_000 + b"}"),
    "no number": lambda _: answered(b'{"id": NaN}'),
    "titles": lambda _: answered(b"<title>" * 9000, "418 x"),
    "a reason": lambda _: answered(b"", "418 " + "x" * 60_000),
    "an address": lambda _: answered(b"", "302 x", Location="https://example.com/" + "x" * 60_000),
    "an id": lambda _: answered({"id": "x" * 1_000_000}),
    "an id of two lines": lambda _: answered({"id": "1\n2"}),
}


@pytest.mark.parametrize("answer", WITHOUT_END.values(), ids=WITHOUT_END)
def test_a_malicious_answer_costs_little_time_and_log_space(answer: Answer, folder: Path) -> None:
    started = time.monotonic()
    done = attack(answer, folder, "app-distribution", operation="create-build", stall_timeout="0.4")

    assert done.code in (4, 5), done.log
    assert "Traceback" not in done.log
    assert len(done.log) < 5000
    assert time.monotonic() - started < 5


SPECS = {
    "a method that uploads nothing": ({"method": "DELETE"}, {}),
    "a header that is two": ({}, {"X-A": "b\r\nX-C: d"}),
    "a name that is two": ({}, {"X-A\r\nX-B": "c"}),
    "a header that frames the body": ({}, {"transfer-encoding": "chunked"}),
    "a header in no alphabet of HTTP": ({}, {"X-A": "☃"}),
    "plain http": ({"url": "http://storage.example.com/x"}, {}),
    "a file": ({"url": "file:///etc/passwd"}, {}),
    "a password": ({"url": "https://user:word@storage.example.com/x"}, {}),
}


@pytest.mark.parametrize(("spec", "headers"), SPECS.values(), ids=SPECS)
def test_a_hostile_upload_spec_is_refused(spec: dict[str, str], headers: dict[str, str], folder: Path) -> None:
    asked_for: list[Asked] = []

    def answer(asked: Asked) -> bytes:
        asked_for.append(asked)
        if asked.path.endswith("/build-uploads"):
            return answered({"id": 7})
        url = f"http://{asked.headers['host']}/storage"
        return answered({"build": {"id": "1"}, "uploadSpec": {"method": "PUT", "url": url, "headers": headers, **spec}})

    done = attack(answer, folder, "product-science")

    assert done.code == 4, done.log
    assert not [value for value in headers.values() if f": {value}" in done.log]
    assert not [asked for asked in asked_for if asked.path == "/storage"]


def links(folder: Path) -> Path:
    victim = folder.parent / "victim"
    victim.write_text("kept")
    for name in ("build.log", "app.txt", "receipt.json"):
        (folder / name).symlink_to(victim)
    return victim


def bitrise_files(asked: Asked) -> bytes:
    if asked.path.endswith("/log"):
        return answered({"log_chunks": [{"position": 0, "chunk": NOBODYS}]})
    if "/artifacts?" in asked.path:
        return answered({"data": [{"slug": "s", "title": "app.txt", "file_size_bytes": len(NOBODYS)}]})
    if asked.path.endswith("/artifacts/s"):
        return answered({"data": {"expiring_download_url": f"http://{asked.headers['host']}/storage"}})
    return answered(NOBODYS.encode() if asked.path == "/storage" else {"data": {"slug": "b", "status": 1}})


@pytest.mark.parametrize(("operation", "name"), [("log", "build.log"), ("download", "app.txt")])
def test_a_link_in_the_checkout_is_replaced_and_not_followed(operation: str, name: str, folder: Path) -> None:
    victim = links(folder)
    more = {"output_directory": ".", "overwrite": "true"}
    more |= {"log_file": "build.log", "poll_interval": "0.01"} if operation == "log" else {}
    done = attack(bitrise_files, folder, "bitrise", operation=operation, **more)

    assert done.code == 0, done.log
    assert (victim.read_text(), (folder / name).read_text()) == ("kept", NOBODYS)


def test_a_checkout_file_of_equal_length_is_not_kept_as_the_artifact(folder: Path) -> None:
    (folder / "app.txt").write_text("x" * len(NOBODYS))
    more = {"operation": "download", "output_directory": "."}
    assert attack(bitrise_files, folder, "bitrise", **more).code == 2
    done = attack(bitrise_files, folder, "bitrise", overwrite="true", **more)

    assert done.code == 0, done.log
    assert (folder / "app.txt").read_text() == NOBODYS


@pytest.mark.skipif(os.name == "nt", reason="its variables are text")
@pytest.mark.parametrize("name", ["PASSWORD", "USERNAME", "TITLE"])
def test_a_variable_that_is_not_valid_utf_8_is_named_but_not_shown(name: str, tmp_path: Path) -> None:
    inputs = {"service": "phonegap-build", "operation": "update-app", "app-id": "1", "title": "t"}
    env = clean_environment() | variables("plain", {**inputs, "username": "u", "password": "p"})
    raw = {os.fsencode(key): os.fsencode(value) for key, value in env.items()} | {f"PLUGIN_{name}".encode(): b"s\xe9c"}
    done = subprocess.run(command("run"), env=raw, cwd=tmp_path, capture_output=True, timeout=20, check=False)

    assert (done.returncode, done.stderr.decode().strip()) == (2, f"error: PLUGIN_{name}: is not valid UTF-8")
