"""What each service of the sandbox shows on the page: all kinds by time, each under an id of its own, found quickly."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from plugin.rest.exchange import basic as signed_in
from plugin.sandbox import SERVICES, Sandbox, app_distribution, phonegap_build
from plugin.sandbox.bitrise.artifacts import Artifacts, artifacts_of
from plugin.sandbox.bitrise.shelf import Shelf
from plugin.sandbox.page import board
from plugin.sandbox.page.board import Board
from plugin.sandbox.rules import Rules
from plugin.sandbox.service import Shown
from plugin.sandbox.state import State
from plugin.sandbox.uploads import QUICK, made_up
from tests.unit.sandbox.calls import DISTRIBUTION, PROJECT, ask, create_build, form, science, steer, upload_spec


@pytest.fixture
def state() -> Iterator[State]:
    made = State()
    yield made
    made.close()


def shown(state: State, service: str) -> list[Shown]:
    return list(SERVICES[service].shown(state))


def test_a_build_is_found_without_its_brothers_and_their_artifacts(state: State) -> None:
    app = state.part(Shelf).app("app1")
    app.fill(600, state.clock.now())
    oldest = next(iter(app.builds))
    found = Board(state, Rules(), SERVICES).find("bitrise", oldest)
    assert found and (found.id, found.kind) == (oldest, "build") and found.log
    assert state.part(Artifacts).by_build == {}


def test_the_artifacts_of_many_builds_take_little_memory(state: State) -> None:
    app = state.part(Shelf).app("app1")
    app.fill(300, state.clock.now())
    tracemalloc.start()
    made = [artifacts_of(state, build) for build in app.builds.values()]
    assert sum(map(len, made)) > 500
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()


def test_an_artifact_shows_its_digest_unless_it_is_large(state: State) -> None:
    state.part(Shelf).app("app1").fill(1, state.clock.now())
    (row,) = (row for row in rows(state, "bitrise") if row["cells"][0][0]["text"] == "artifact-1.apk")
    (artifact,) = (each for each in shown(state, "bitrise") if each.name == "artifact-1.apk")
    assert artifact.blob and row["cells"][4] == [{"text": artifact.blob.sha256, "code": True}]
    assert made_up("large", QUICK + 1).quick_sha256 is None


def rows(state: State, service: str) -> Any:
    return json.loads(Board(state, Rules(), SERVICES).parts("http://x")[f"service-{service}"])


def test_a_run_shows_by_its_time_and_not_before_all_builds(state: State) -> None:
    app = state.part(Shelf).app("app1")
    now = state.clock.now()
    app.fill(100, now)
    new = app.start({"branch": "main"}, None, now + 5).slug
    app.fill(1, now - 1000)  # an old one that arrives last
    names = [row["key"] for row in rows(state, "bitrise")]
    assert names[0] == new and len(names) == board.MOST_THINGS
    assert SERVICES["bitrise"].counts(state) == {"build": 102, "pipeline run": 0}


def test_files_builds_and_contexts_show_the_latest_first(sandbox: Sandbox) -> None:
    state = sandbox._state
    create_build(sandbox)
    body, headers = form(build_id="1001", file=("a.ipa", b"1"))
    ask(sandbox.url, "POST", "/api/v2/resource_files", body, headers | DISTRIBUTION)
    create_build(sandbox)
    assert [each.id for each in shown(state, "app-distribution")] == ["1002", "file-5001", "1001"]
    upload_spec(sandbox)
    science(sandbox, f"{PROJECT}/build-uploads")
    assert [each.kind for each in shown(state, "product-science")] == ["upload context", "build"]
    assert SERVICES["product-science"].counts(state) == {"build": 1, "upload context": 1}


def test_a_file_never_has_the_id_of_a_build(sandbox: Sandbox) -> None:
    sandbox._state.part(app_distribution.Shelf).build_ids = itertools.count(5001)
    create_build(sandbox)
    body, headers = form(build_id="5001", file=("a.ipa", b"1"))
    ask(sandbox.url, "POST", "/api/v2/resource_files", body, headers | DISTRIBUTION)
    assert len({each.id for each in shown(sandbox._state, "app-distribution")}) == 2
    found = Board(sandbox._state, Rules(), SERVICES).find("app-distribution", "file-5001")
    assert found and found.name == "a.ipa"


@pytest.mark.parametrize("wrong", [{"title": 5}, {"title": ["a"]}, {"title": None}, {"title": "a", "repo": {"a": 1}}])
def test_a_title_or_repository_that_is_not_text_is_refused(sandbox: Sandbox, wrong: dict[str, Any]) -> None:
    basic = {"Authorization": signed_in(phonegap_build.USERNAME, phonegap_build.PASSWORD)}

    def call(method: str, path: str, data: dict[str, Any], **files: tuple[str, bytes]) -> int:
        body, headers = form(data=json.dumps(data), **files)
        return ask(sandbox.url, method, f"/api/v0{path}", body, headers | basic).status

    made = {"title": "an app", "repo": "http://git.example.com/app.git"}
    assert call("POST", "/apps", made) == 201
    assert call("POST", "/keys/android", {"title": "a key"}, key_file=("k", b"1")) == 201
    assert call("POST", "/apps", made | wrong) == call("PUT", "/apps/50", wrong) == 400
    assert call("POST", "/keys/android", {"title": "a"} | wrong, key_file=("k", b"1")) == 400
    assert [each.kind for each in shown(sandbox._state, "phonegap-build")] == ["key", "app", "icon"]


def test_every_service_finds_what_has_a_page(sandbox: Sandbox) -> None:
    state = sandbox._state
    create_build(sandbox)
    state.part(Shelf).app("app1").fill(2, state.clock.now())
    steer(sandbox, "PUT", "bitrise-release-management", {"from_ci": "a.apk"})
    for name, service in SERVICES.items():
        for each in shown(state, name):
            if each.log or each.is_installable:
                found = service.find(state, each.id)
                assert found and (found.id, found.kind) == (each.id, each.kind)
