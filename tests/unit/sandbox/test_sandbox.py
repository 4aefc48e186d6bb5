"""The sandbox itself, over real sockets: its services' statuses, its storage, its faults, its end."""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from plugin.sandbox import Sandbox, app_distribution, product_science
from plugin.sandbox.faults import FAULTS
from plugin.sandbox.rules import Rules, parse, with_faults
from plugin.sandbox.server import LINGER, Listener
from plugin.sandbox.state import State, page
from plugin.sandbox.storage import Storage, storage_app
from plugin.sandbox.uploads import given, made_up

DISTRIBUTION = {"Authorization": f'Token token="{app_distribution.TOKEN}"'}
SCIENCE = {"Authorization": f"Bearer {product_science.TOKEN}"}
PROJECT = "/api/v1/projects/demo"
BOUNDARY = "a-boundary-of-our-own"
CONTENT = b"\x00\r\n--" + bytes(range(256)) * 4096
MD5 = hashlib.md5(CONTENT, usedforsecurity=False)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start() as running:
        yield running


def ask(
    url: str,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    timeout: float = 10,
) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def follow(signed: str, method: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
    parts = urlsplit(signed)
    return ask(f"{parts.scheme}://{parts.netloc}", method, f"{parts.path}?{parts.query}", body, headers)


def steer(sandbox: Sandbox, method: str, what: str, value: object) -> Answer:
    return ask(
        sandbox.url, method, f"/_sandbox/{what}", json.dumps(value).encode(), {"Content-Type": "application/json"}
    )


def state_of(sandbox: Sandbox) -> Any:
    return ask(sandbox.url, "GET", "/_sandbox/state").json


def until_last(sandbox: Sandbox, true: Callable[[Any], bool]) -> Any:
    """Return the state once this is true of the last request; one that was just sent may not be there yet."""
    for _ in range(500):
        state = state_of(sandbox)
        if state["requests"] and true(state["requests"][-1]):
            return state
        time.sleep(0.02)
    raise AssertionError(f"this never came true: {state}")


def has_ended(request: Any) -> bool:
    return request["ended"] is not None


def form(**fields: str | tuple[str, bytes]) -> tuple[bytes, dict[str, str]]:
    parts = []
    for name, value in fields.items():
        file_name, content = value if isinstance(value, tuple) else ("", value.encode())
        named = f'; filename="{file_name}"' if file_name else ""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
        parts.append(head.encode() + content + b"\r\n")
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def create_build(sandbox: Sandbox, timeout: float = 10, **fields: str | tuple[str, bytes]) -> Answer:
    body, headers = form(**fields or {"phase_id": "7"})
    return ask(sandbox.url, "POST", "/api/v2/builds", body, headers | DISTRIBUTION, timeout)


def science(sandbox: Sandbox, path: str, value: object = None) -> Answer:
    headers = SCIENCE | {"Content-Type": "application/json"}
    return ask(sandbox.url, "POST", path, None if value is None else json.dumps(value).encode(), headers)


def upload_spec(sandbox: Sandbox, project: str = "demo") -> Any:
    build = {"buildType": "APK", "buildFileName": "app one.apk"}
    return science(sandbox, f"/api/v1/projects/{project}/builds", build).json["uploadSpec"]


# App Distribution


@pytest.mark.parametrize(
    ("path", "fields", "headers", "status", "says"),
    [
        ("builds", {"phase_id": "7"}, DISTRIBUTION, 201, b'{"id":1001}'),
        ("builds", {"phase_id": "7"}, {"Authorization": f"Token token={app_distribution.TOKEN}"}, 201, b"1001"),
        ("builds", {"phase_id": "7", "api_token": app_distribution.TOKEN}, {}, 201, b"1001"),
        ("builds", {"phase_id": "7"}, {}, 401, b"HTTP Token: Access denied."),
        ("builds", {"phase_id": "7"}, {"Authorization": 'Token token="wrong"'}, 401, b"denied"),
        ("builds", {"phase_id": "7"}, {"Authorization": f"Bearer {app_distribution.TOKEN}"}, 401, b"denied"),
        ("builds", {"phase_id": "7", "api_token": "wrong"}, {}, 401, b"denied"),
        ("builds", {"other": "7"}, DISTRIBUTION, 422, b"phase_id is missing"),
        ("builds", {"phase_id": "seven"}, DISTRIBUTION, 422, b"phase_id is not an integer"),
        ("builds", {"phase_id": "403"}, DISTRIBUTION, 403, b"may not"),
        ("builds", {"phase_id": "404"}, DISTRIBUTION, 404, b"no phase 404"),
        ("resource_files", {"build_id": "1", "file": ("a.ipa", b"x")}, {}, 401, b"denied"),
        ("resource_files", {"file": ("a.ipa", b"x")}, DISTRIBUTION, 422, b"build_id is missing"),
        ("resource_files", {"build_id": "1"}, DISTRIBUTION, 422, b"file is missing"),
        ("resource_files", {"build_id": "1", "file": "no file"}, DISTRIBUTION, 422, b"file is missing"),
        ("resource_files", {"build_id": "403", "file": ("a.ipa", b"x")}, DISTRIBUTION, 403, b"may not"),
        ("resource_files", {"build_id": "77", "file": ("a.ipa", b"x")}, DISTRIBUTION, 404, b"no build 77"),
        ("elsewhere", {"phase_id": "7"}, DISTRIBUTION, 404, b"error"),
    ],
)
def test_app_distribution_answers_as_its_document_says(
    sandbox: Sandbox, path: str, fields: Any, headers: dict[str, str], status: int, says: bytes
) -> None:
    body, kind = form(**fields)
    answer = ask(sandbox.url, "POST", f"/api/v2/{path}", body, kind | headers)
    assert (answer.status, says in answer.body) == (status, True), answer.body
    received = state_of(sandbox)["app-distribution"]
    assert received == {"builds": [{"id": 1001, "phase_id": 7}] if status == 201 else [], "files": []}


def test_a_file_attached_by_a_form_is_in_the_state_with_its_digest(sandbox: Sandbox) -> None:
    build_id = create_build(sandbox).json["id"]
    body, headers = form(file=("App µ.ipa", CONTENT), build_id=str(build_id))
    answer = ask(sandbox.url, "POST", "/api/v2/resource_files", body, headers | DISTRIBUTION)
    assert (answer.status, answer.json) == (201, {"id": 5001})
    digest = hashlib.sha256(CONTENT).hexdigest()
    file = {"id": 5001, "build_id": build_id, "name": "App µ.ipa", "size": len(CONTENT), "sha256": digest}
    assert state_of(sandbox)["app-distribution"]["files"] == [file]


def test_fields_may_be_urlencoded_and_a_broken_form_is_a_400(sandbox: Sandbox) -> None:
    headers = DISTRIBUTION | {"Content-Type": "application/x-www-form-urlencoded"}
    assert ask(sandbox.url, "POST", "/api/v2/builds", b"phase_id=7", headers).status == 201
    body, kind = form(phase_id="7")
    assert ask(sandbox.url, "POST", "/api/v2/builds", body[:-9], kind | DISTRIBUTION).status == 400


# Product Science


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        (f"{PROJECT}/build-uploads", None, 201, b'"id":28'),
        ("/api/v1/projects/forbidden/build-uploads", None, 403, b"no access"),
        ("/api/v1/projects/missing/build-uploads", None, 404, b"no such project"),
        (f"{PROJECT}/builds", {"buildType": "APK", "buildFileName": "a.apk"}, 200, b'"contextId":null'),
        (f"{PROJECT}/builds", {"buildType": "INSTRUMENTED_APK", "buildFileName": "a.apk"}, 200, b"UPLOADING"),
        (f"{PROJECT}/builds", [], 400, b"not a JSON object"),
        (f"{PROJECT}/builds", {"buildType": "IPA", "buildFileName": "a.ipa"}, 422, b"buildType"),
        (f"{PROJECT}/builds", {"buildType": "APK"}, 422, b"buildFileName"),
        (f"{PROJECT}/builds", {"buildType": "APK", "buildFileName": "a.apk", "name": 3}, 422, b"name"),
        (f"{PROJECT}/builds", {"buildType": "APK", "buildFileName": "a", "contextId": "x"}, 422, b"contextId"),
        (f"{PROJECT}/builds", {"buildType": "APK", "buildFileName": "a", "contextId": 99}, 404, b"context 99"),
    ],
)
def test_product_science_answers_as_its_document_says(
    sandbox: Sandbox, path: str, body: Any, status: int, says: bytes
) -> None:
    answer = science(sandbox, path, body)
    assert (answer.status, says in answer.body) == (status, True), answer.body


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", f"Token {product_science.TOKEN}"])
def test_product_science_wants_its_bearer_token(sandbox: Sandbox, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    answer = ask(sandbox.url, "POST", f"{PROJECT}/build-uploads", None, headers)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("as_sent", [int, str])
def test_a_build_is_uploading_until_the_storage_has_its_file(
    sandbox: Sandbox, as_sent: Callable[[int], object]
) -> None:
    context = science(sandbox, f"{PROJECT}/build-uploads").json
    assert context["dateCreated"].endswith("Z")
    wanted = {"buildType": "APK", "buildFileName": "a.apk", "name": "v1", "sourceControlId": "e3c0"}
    answer = science(sandbox, f"{PROJECT}/builds", wanted | {"contextId": as_sent(context["id"])}).json
    shown = answer["build"]
    assert shown == wanted | {
        "id": 70, "contextId": context["id"], "dateCreated": shown["dateCreated"], "uploadState": "UPLOADING"
    }  # fmt: skip
    spec = answer["uploadSpec"]
    assert follow(spec["url"], spec["method"], CONTENT, spec["headers"]).status == 200
    received = state_of(sandbox)["product-science"]
    assert received["contexts"] == [{"id": 28, "project": "demo"}]
    file = {"size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
    assert received["builds"] == [shown | {"project": "demo", "uploadState": "FINISHED", "file": file}]


# The storage


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({}, 200, None),
        ({"method": "POST"}, 403, "SignatureDoesNotMatch"),
        ({"method": "GET", "body": None}, 403, "SignatureDoesNotMatch"),
        ({"Content-Type": "text/plain"}, 403, "SignatureDoesNotMatch"),
        ({"X-Goog-Content-Length-Range": None}, 403, "SignatureDoesNotMatch"),
        ({"X-Goog-Content-Length-Range": "0,9999999999"}, 403, "SignatureDoesNotMatch"),
        ({"X-Goog-Meta-Extra": "1"}, 403, "AccessDenied"),
        ({"Authorization": "Bearer whatever"}, 400, "InvalidArgument"),
        ({"query": "&X-Goog-Expires=99999"}, 403, "SignatureDoesNotMatch"),
        ({"path": "/storage/product-science/9/a.apk"}, 404, "NoSuchKey"),
        ({"body": b"x" * 1025}, 400, "EntityTooLarge"),
    ],
)
def test_a_signed_url_is_good_for_exactly_what_was_signed(
    sandbox: Sandbox, change: dict[str, Any], status: int, code: str | None
) -> None:
    spec = upload_spec(sandbox, "small")
    url = spec["url"] + change.get("query", "")
    if "path" in change:
        url = url.replace(urlsplit(url).path, change["path"])
    headers = spec["headers"] | {name: value for name, value in change.items() if name[0].isupper()}
    kept = {name: value for name, value in headers.items() if value is not None}
    answer = follow(url, change.get("method", "PUT"), change.get("body", b"x" * 1024), kept)
    assert answer.status == status
    assert code is None or f"<Code>{code}</Code>".encode() in answer.body
    assert (state_of(sandbox)["product-science"]["builds"][0]["file"] is not None) == (status == 200)


def test_an_upload_without_a_length_is_refused(sandbox: Sandbox) -> None:
    spec = upload_spec(sandbox)
    headers = spec["headers"] | {"Transfer-Encoding": "chunked"}
    answer = follow(spec["url"], "PUT", b"3\r\nabc\r\n0\r\n\r\n", headers)
    assert (answer.status, b"MissingContentLength" in answer.body) == (411, True)


@pytest.mark.parametrize(
    "clock", [{"url-lifetime": 0}, {"advance": 901}, {"speed": 100_000}], ids=["lifetime", "advance", "speed"]
)
def test_a_signed_url_expires_when_the_clock_says_so(sandbox: Sandbox, clock: dict[str, float]) -> None:
    if "url-lifetime" in clock:
        steer(sandbox, "PUT", "clock", clock)
    spec = upload_spec(sandbox)
    steer(sandbox, "PUT", "clock", clock)
    time.sleep(0.02)
    answer = follow(spec["url"], "PUT", b"x", spec["headers"])
    assert (answer.status, b"Request has expired" in answer.body) == (403, True)


@pytest.fixture
def storage() -> Iterator[Storage]:
    state, listener = State(), Listener()
    listener.start(storage_app(state))
    yield Storage(state, listener.url)
    listener.close()
    state.close()


@pytest.mark.parametrize(
    ("way", "header", "value"),
    [
        ("etag", "ETag", f'"{MD5.hexdigest()}"'),
        ("etag-of-parts", "ETag", f'"{MD5.hexdigest()}-2"'),
        ("content-md5", "Content-MD5", base64.b64encode(MD5.digest()).decode()),
        ("x-goog-hash", "x-goog-hash", "md5=" + base64.b64encode(MD5.digest()).decode()),
    ],
)
def test_a_download_states_its_length_and_digest(storage: Storage, way: str, header: str, value: str) -> None:
    url = storage.get_url(
        "bitrise", "../../evil name?.apk", given(CONTENT), {"Content-Type": "x/y"}, [way], vendor="Amz"
    )
    answer = follow(url, "GET")
    assert (answer.status, answer.body) == (200, CONTENT)
    assert (answer.headers[header], answer.headers["Content-Length"]) == (value, str(len(CONTENT)))
    assert (answer.headers["Content-Type"], "X-Amz-Signature=" in url) == ("x/y", True)
    assert follow(url, "PUT", b"x").status == 403


@pytest.mark.parametrize("size", [0, 3, 300_000, 2 * 256 * 1024])
def test_made_up_content_has_its_size_its_start_and_is_always_the_same(storage: Storage, size: int) -> None:
    blob = made_up("a seed", size, b"PK\x03\x04")
    answer = follow(storage.get_url("bitrise", "a.apk", blob), "GET")
    assert (len(answer.body), answer.body[:4]) == (size, b"PK\x03\x04"[:size])
    assert hashlib.sha256(answer.body).hexdigest() == made_up("a seed", size, b"PK\x03\x04").sha256


def test_pages_are_walked_by_the_key_of_the_next() -> None:
    seen, cursor = [], None
    while True:
        items, cursor = page(["a", "b", "c", "d", "e"], str, cursor, 2)
        seen.append(list(items))
        if cursor is None:
            break
    assert seen == [["a", "b"], ["c", "d"], ["e"]]


# Faults


@dataclass(frozen=True)
class Meets:
    """What a client meets: a status with this in the answer (headers and body), or an exception; and what was done."""

    fault: str
    outcome: int | type[BaseException]
    builds: int
    says: str = ""


MEETINGS = [
    Meets("503", 503, 0, "told so"),
    Meets("599", 599, 0),
    Meets("429;retry-after=7", 429, 0, "Retry-After: 7"),
    Meets("503;retry-after=date:+2", 503, 0, " GMT"),
    Meets("503;retry-after=Wed, 21 Oct 2065 07:28:00 GMT", 503, 0, "Retry-After: Wed, 21 Oct 2065 07:28:00 GMT"),
    Meets("after:502", 502, 1),
    Meets("reset", ConnectionError, 0),
    Meets("reset-in-body", ConnectionError, 0),
    Meets("reset-after", ConnectionError, 1),
    Meets("stall", TimeoutError, 0),
    Meets("stall-in-body", TimeoutError, 0),
    Meets("stall-after", TimeoutError, 1),
    Meets("html", 200, 0, "<h1>"),
    Meets("truncated", 201, 1, '\n\n{"id"'),
    Meets("untold", 200, 1, "\n\n{}"),
    Meets("login", 302, 0, "Location: /login"),
    Meets("redirect", 302, 0, "Location: STORAGE/api/v2/builds?a=%20b"),
    Meets("loop", 302, 0, "Location: /api/v2/builds?a=%20b"),
    Meets("huge", 200, 0, '{"id": "000'),
    Meets("wrong-length", http.client.IncompleteRead, 1),
    Meets("short", http.client.IncompleteRead, 1),
    Meets("id-type", 201, 1, '{"id": {"value": 1001}}'),
    Meets("float-id", 201, 1, '{"id":1001.0}'),
    Meets("errors", 200, 0, '{"errors": ["'),
    Meets("empty", 204, 1),
    Meets("interim", 102, 1),  # which http.client takes for the answer
    Meets("not-http", http.client.BadStatusLine, 0),
    Meets("drip", 200, 0, "Transfer-Encoding: chunked"),
    Meets("expired", 403, 0, "Request has expired"),
    Meets("slow=0.2", 201, 1, '{"id":1001}'),
]


def test_every_fault_is_met_below() -> None:
    assert {parse(f"* * {meets.fault}").kind for meets in MEETINGS} == set(FAULTS)


@pytest.mark.parametrize("meets", MEETINGS, ids=lambda meets: meets.fault)
def test_a_fault_happens_once_to_the_request_it_names(sandbox: Sandbox, meets: Meets) -> None:
    assert steer(sandbox, "PUT", "faults", [f"POST /api/v2/bui* {meets.fault}"]).status == 200
    body, headers = form(phase_id="7", padding="x" * 300_000)
    patience = 0.5 if meets.outcome is TimeoutError else 10
    connection = http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=patience)
    begun = time.monotonic()
    try:
        connection.request("POST", "/api/v2/builds?a=%20b", body, headers | DISTRIBUTION)
        answer = connection.getresponse()
        content = b"" if meets.fault == "drip" else answer.read(1000) if meets.fault == "huge" else answer.read()
    except (ConnectionError, TimeoutError, http.client.IncompleteRead, http.client.BadStatusLine) as error:
        assert isinstance(meets.outcome, type) and isinstance(error, meets.outcome)
        if isinstance(error, ConnectionError):
            assert error.errno in (errno.ECONNRESET, errno.EPIPE), "a reset, not an orderly end"
    else:
        assert answer.status == meets.outcome
        told = f"{answer.headers}{content.decode()}".replace("\r\n", "\n")
        assert meets.says.replace("STORAGE", sandbox.storage_url) in told
        if meets.fault.startswith("slow"):
            assert time.monotonic() - begun > 0.2
    finally:
        connection.close()
    noticed = meets.fault != "stall-in-body"  # with bytes unread, the end of the connection is not seen
    state = until_last(sandbox, lambda request: not noticed or has_ended(request))
    assert len(state["app-distribution"]["builds"]) == meets.builds
    assert state["requests"][0]["fault"] == meets.fault
    assert create_build(sandbox).status == 201, "the rule is used up"


def test_a_download_is_cut_short_while_it_is_sent(storage: Storage) -> None:
    listener, rules = Listener(), Rules(["GET /storage/* short", "GET /storage/* expired", "GET /storage/* 412"])
    listener.start(with_faults(storage_app(storage.state), rules, storage.state, "storage", listener.url))
    url = storage.get_url("bitrise", "a.apk", made_up("x", 1 << 20)).replace(storage.url, listener.url)
    with pytest.raises(http.client.IncompleteRead) as cut:
        follow(url, "GET")
    assert (len(cut.value.partial), cut.value.expected) == (1 << 19, 1 << 19)
    assert b"<Message>Request has expired</Message>" in follow(url, "GET").body
    assert b"<Code>PreconditionFailed</Code>" in follow(url, "GET").body
    assert len(follow(url, "GET").body) == 1 << 20
    listener.close()


def test_rules_count_down_in_order_and_are_added_or_replaced(sandbox: Sandbox) -> None:
    steer(sandbox, "PUT", "faults", ["POST /api/v2/builds 503x2", "* /api/* 500x*"])
    assert steer(sandbox, "POST", "faults", ["* /never 404"]).json[-1] == "* /never 404x1"
    assert [create_build(sandbox).status for _ in range(4)] == [503, 503, 500, 500]
    assert ask(sandbox.url, "GET", "/_sandbox/faults").json == ["* /api/* 500x*", "* /never 404x1"]
    assert steer(sandbox, "PUT", "faults", []).json == []
    assert create_build(sandbox).status == 201


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("", "write METHOD PATH-GLOB FAULT"),
        ("POST 503", "write METHOD PATH-GLOB FAULT"),
        ("POST builds 503", "write METHOD PATH-GLOB FAULT"),
        ("POST /builds 99", "99 is not a status"),
        ("POST /builds after:600", "600 is not a status"),
        ("POST /builds explode", "there is no fault 'explode'; there are STATUS, after:STATUS, expired,"),
        ("POST /builds STATUS", "there is no fault 'STATUS'"),
        ("POST /builds slow=soon", "there is no fault 'slow=soon'"),
        ("POST /builds 503x0", "at least once"),
    ],
)
def test_a_wrong_rule_is_refused_in_a_sentence(sandbox: Sandbox, rule: str, says: str) -> None:
    with pytest.raises(ValueError, match="fault rule") as refusal:
        Sandbox.start(faults=[rule])
    assert says in str(refusal.value)
    answer = steer(sandbox, "POST", "faults", ["GET /fine 500", rule])
    assert (answer.status, says in answer.json["error"]) == (400, True)
    assert ask(sandbox.url, "GET", "/_sandbox/faults").json == [], "none is taken when one is wrong"


# The state, connections, the end


def test_every_request_is_logged_with_what_came_and_what_was_answered(sandbox: Sandbox) -> None:
    before = time.time()
    create_build(sandbox)
    ask(sandbox.storage_url, "PUT", "/no%20where?b=1", b"12345", {"X-Extra": "1"})
    first, second = state_of(sandbox)["requests"]
    assert (first["method"], first["path"], first["origin"], first["status"]) == ("POST", "/api/v2/builds", "api", 201)
    assert first["authorized"] and first["received"] == first["content_length"] > 0
    assert before <= first["started"] <= first["ended"] <= time.time()
    assert (second["path"], second["query"], second["origin"], second["status"]) == ("/no where", "b=1", "storage", 404)
    assert (second["authorized"], second["received"], second["fault"]) == (False, 5, None)
    assert "x-extra" in second["header_names"]


def test_a_reset_of_the_state_forgets_builds_faults_and_the_clock(sandbox: Sandbox) -> None:
    create_build(sandbox)
    steer(sandbox, "PUT", "faults", ["* /api/* 500x*"])
    steer(sandbox, "PUT", "clock", {"speed": 60, "url-lifetime": 1})
    assert ask(sandbox.url, "DELETE", "/_sandbox/state").status == 204
    assert create_build(sandbox).json == {"id": 1001}
    assert len(state_of(sandbox)["requests"]) == 1
    clock = ask(sandbox.url, "GET", "/_sandbox/clock").json
    assert (clock["speed"], clock["url-lifetime"]) == (1, None)


@pytest.mark.parametrize("clock", [[], {"pace": 1}, {"speed": "fast"}, {"advance": None}])
def test_a_clock_that_makes_no_sense_is_refused(sandbox: Sandbox, clock: object) -> None:
    assert steer(sandbox, "PUT", "clock", clock).status == 400


def test_one_connection_serves_many_requests_though_a_body_was_not_wanted(sandbox: Sandbox) -> None:
    connection = http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=10)
    body, headers = form(phase_id="7", padding="x" * 300_000)
    statuses, sockets = [], set()
    for authorization in ({}, DISTRIBUTION, {"Authorization": "Token token=wrong"}, DISTRIBUTION):
        connection.request("POST", "/api/v2/builds", body, headers | authorization)
        sockets.add(connection.sock.getsockname())
        answer = connection.getresponse()
        statuses.append(answer.status)
        answer.read()
    connection.close()
    assert (statuses, len(sockets)) == ([401, 201, 401, 201], 1)


def talk(url: str, *lines: str, body: str = "", last: bool = False) -> bytes:
    """Send a request's head and body, end our side if that was the `last` of it, and return all that comes."""
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=5) as connection:
        connection.sendall("\r\n".join([*lines, "Host: x", "", body]).encode())
        if last:
            connection.shutdown(socket.SHUT_WR)
        heard = b""
        while data := connection.recv(65536):
            heard += data
        return heard


def test_a_client_that_waits_for_leave_is_refused_before_it_sends(sandbox: Sandbox) -> None:
    heard = talk(sandbox.url, "POST /api/v2/builds HTTP/1.1", "Expect: 100-continue", "Content-Length: 9000000000",
                 "Authorization: Token token=wrong")  # fmt: skip
    assert heard.startswith(b"HTTP/1.1 401 ") and b"Connection: close" in heard


def test_a_client_that_waits_for_leave_gets_it_when_the_body_is_wanted(sandbox: Sandbox) -> None:
    heard = talk(sandbox.url, "POST /api/v2/builds HTTP/1.1", "Expect: 100-continue", "Content-Length: 10",
                 "Content-Type: application/x-www-form-urlencoded", "Connection: close",
                 f"Authorization: {DISTRIBUTION['Authorization']}", body="phase_id=7")  # fmt: skip
    assert heard.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 ")


@pytest.mark.parametrize("length", ["many", "-1"])
def test_a_length_that_is_none_is_a_400(sandbox: Sandbox, length: str) -> None:
    assert talk(sandbox.url, "POST /login HTTP/1.1", f"Content-Length: {length}").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("fault", [None, "huge"])
def test_a_client_that_leaves_stops_nothing_and_nothing_is_printed(
    sandbox: Sandbox, capfd: pytest.CaptureFixture[str], fault: str | None
) -> None:
    steer(sandbox, "PUT", "faults", [f"* * {fault}"] if fault else [])
    body, headers = form(build_id="1", file=("a.ipa", b"x" * 500_000))
    with contextlib.closing(http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=10)) as connection:
        connection.putrequest("POST", "/api/v2/resource_files")
        for name, value in (headers | DISTRIBUTION | {"Content-Length": str(len(body))}).items():
            connection.putheader(name, value)
        connection.endheaders(body if fault else body[:300_000])
        if fault:
            connection.getresponse().read(1)
        else:
            until_last(sandbox, lambda request: request["received"] > 200_000)
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    state = until_last(sandbox, has_ended)
    assert state["app-distribution"]["files"] == []
    assert create_build(sandbox).status == 201
    assert capfd.readouterr() == ("", "")


def test_an_upload_that_ends_early_is_not_stored(sandbox: Sandbox) -> None:
    spec = upload_spec(sandbox)
    parts = urlsplit(spec["url"])
    lines = [f"{name}: {value}" for name, value in spec["headers"].items()]
    talk(
        sandbox.storage_url,
        f"PUT {parts.path}?{parts.query} HTTP/1.1",
        "Content-Length: 9",
        *lines,
        body="half",
        last=True,
    )
    received = until_last(sandbox, has_ended)
    assert received["requests"][-1]["received"] == 4
    assert received["product-science"]["builds"][0]["uploadState"] == "UPLOADING"


@pytest.mark.parametrize("fault", ["stall", "stall-in-body", "slow=60"])
def test_closing_ends_stalled_requests_and_idle_connections_and_frees_the_port(fault: str) -> None:
    sandbox = Sandbox.start(faults=[f"* * {fault}"])
    address = (urlsplit(sandbox.url).hostname, urlsplit(sandbox.url).port)
    with socket.create_connection(address, timeout=5) as idle, socket.create_connection(address, timeout=5) as stalled:
        stalled.sendall(b"POST /api/v2/builds HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123456789")
        until_last(sandbox, lambda request: request["fault"] == fault)
        begun = time.monotonic()
        sandbox.close()
        assert time.monotonic() - begun < 2
        assert idle.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)


def test_a_port_that_is_taken_is_named(sandbox: Sandbox) -> None:
    port = urlsplit(sandbox.url).port
    assert port is not None
    with pytest.raises(OSError, match=f"cannot listen on port {port}"):
        Sandbox.start(port)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send")
def test_serve_prints_where_it_is_and_a_signal_ends_it_with_nothing_left(tmp_path: Path) -> None:
    program = (
        "import signal, sys, threading\n"
        "from plugin.sandbox import serve\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "serve(0, ['* /login 503'], sys.stdout, threading.Event())\n"
    )
    environment = os.environ | {
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "PYTHONUNBUFFERED": "",
    }
    with subprocess.Popen([sys.executable, "-X", "dev", "-W", "error", "-c", program], env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdout is not None
        watchdog = threading.Timer(20, process.kill)  # so that a line that never comes fails the test
        watchdog.start()
        lines = dict(process.stdout.readline().strip().split(": ", 1) for _ in range(3))
        assert lines["app-distribution"] == f"api-token={app_distribution.TOKEN}"
        assert ask(lines["sandbox"], "GET", "/login").status == 503
        assert ask(lines["storage"], "GET", "/").status == 404
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
        watchdog.cancel()
    assert (process.returncode, errors, list(tmp_path.iterdir())) == (143, "", [])
