"""The sandbox's Product Science, over real sockets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from plugin.sandbox import Sandbox, product_science
from tests.unit.sandbox.calls import CONTENT, PROJECT, ask, follow, science, state_of, upload_spec


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


def test_an_upload_that_may_only_be_created_is_stored_once(sandbox: Sandbox) -> None:
    spec = upload_spec(sandbox, "once")
    answers = [follow(spec["url"], "PUT", CONTENT, spec["headers"]) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 412]
    assert b"<Code>PreconditionFailed</Code>" in answers[1].body


def test_an_upload_may_have_its_headers_in_other_shapes(sandbox: Sandbox) -> None:
    assert upload_spec(sandbox, "bare")["headers"] is None
    shapes = upload_spec(sandbox, "shapes")["headers"]
    assert (shapes["Content-Type"], shapes["X-Goog-If-Generation-Match"]) == (["application/octet-stream"], 0)
