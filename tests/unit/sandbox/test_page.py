"""The page of the sandbox, without a browser: what it shows of each service, what it hides, and how its events end."""

from __future__ import annotations

import io
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from plugin.sandbox import SERVICES, Sandbox, app_distribution
from plugin.sandbox.bitrise_release_management.shelf import made_id
from plugin.sandbox.faults import FAULTS
from plugin.sandbox.page import _faults, board
from plugin.sandbox.page.board import Board
from plugin.sandbox.page.commands import attempt_of
from plugin.sandbox.page.events import TICK, stream
from plugin.sandbox.rules import Rules, parse
from plugin.sandbox.server import Body
from plugin.sandbox.service import Shown
from plugin.sandbox.state import MOST_REQUESTS, State
from tests.end_to_end.browser import may_be_skipped
from tests.unit.rules.tree import ROOT
from tests.unit.sandbox.calls import DISTRIBUTION, ask, create_build, form, has_ended, steer, until_last, upload_spec

ENVIRON: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": "", "sandbox.header_names": []}
ENVIRON["wsgi.input"] = Body(io.BufferedReader(io.BytesIO()), 0, None)
HOSTILE = '</script><img src=x onerror="alert(1)">.ipa'


@pytest.fixture
def state() -> Iterator[State]:
    made = State()
    yield made
    made.close()


def rows(sandbox: Sandbox, part: str) -> Any:
    """The rows of a part, as the first events have them."""
    with socket.create_connection((urlsplit(sandbox.url).hostname, urlsplit(sandbox.url).port), timeout=5) as browser:
        browser.sendall(b"GET /_sandbox/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        heard = b""
        while b"event: faults\ndata: " not in heard or not heard.endswith(b"\n\n\r\n"):
            heard += browser.recv(65536)
    return json.loads(heard.partition(f"event: {part}\ndata: ".encode())[2].partition(b"\n\n")[0])


def texts(row: Any) -> list[str]:
    return [" ".join(piece["text"] for piece in cell) for cell in row["cells"]]


def upload(sandbox: Sandbox, name: str = "app.ipa") -> None:
    build = create_build(sandbox).json["id"]
    body, headers = form(build_id=str(build), file=(name.replace('"', "%22"), b"12345"))
    assert ask(sandbox.url, "POST", "/api/v2/resource_files", body, headers | DISTRIBUTION).status == 201


def test_a_delivery_shows_with_its_size_and_digest(sandbox: Sandbox) -> None:
    upload(sandbox)
    file, build = rows(sandbox, "service-app-distribution")
    assert texts(build)[:2] == ["1001", "build"]
    digest = "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5"
    assert texts(file) == ["app.ipa", "file", "stored", "5 bytes", digest, "build: 1001", "Install page"]
    assert file["said"] == "app-distribution: file app.ipa stored"


def test_requests_show_the_latest_first_and_without_secrets(sandbox: Sandbox) -> None:
    upload_spec(sandbox)
    ask(sandbox.storage_url, "GET", "/x?X-Goog-Signature=abcdef&page=2&api_token=a%20b&%74oken=c")
    ask(sandbox.url, "GET", f"/{app_distribution.TOKEN}")
    by_path, signed, create = rows(sandbox, "requests")
    assert create["cells"][0][0]["at"] == pytest.approx(time.time(), abs=60)
    assert texts(by_path)[1:4] == ["GET", "/***", "404"]
    assert texts(signed)[2] == "/x?X-Goog-Signature=***&page=2&api_token=***&token=*** storage"
    assert texts(create)[3] == "200" and texts(create)[-1] == "Authorization: ***"


def test_half_a_character_from_json_breaks_no_page(state: State) -> None:
    assert Board(state, Rules(), SERVICES).masked("a\ud800b") == "a?b"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_shown_by_its_record(name: str, sandbox: Sandbox) -> None:
    page = ask(sandbox.url, "GET", "/_sandbox/").body.decode()
    assert f'data-part="service-{name}"' in page
    assert all(f"<option>{step.where}</option>" in page for trial in SERVICES[name].trials for step in trial.steps)
    assert attempt_of(name, SERVICES[name], sandbox.url).startswith("PLUGIN_")


def test_a_new_service_shows_without_a_change_to_the_page(state: State) -> None:
    things = [Shown("parcel", "p1", "a parcel", "sent", "done", {"to": "somebody", "via": None})]
    parts = Board(state, Rules(), {"parcels": replace(SERVICES["bitrise"], shown=lambda _: things)}).parts("http://x")
    (row,) = json.loads(parts["service-parcels"])
    assert texts(row) == ["a parcel", "parcel", "sent", "", "", "to: somebody", ""]


def test_the_page_shows_the_latest_alone_and_the_log_forgets_the_oldest(state: State) -> None:
    things = (Shown("build", str(n), str(n)) for n in range(10**9))
    service = replace(SERVICES["bitrise"], shown=lambda _: things, counts=lambda _: {"build": 1000, "run": 0})
    for _ in range(MOST_REQUESTS + 5):
        state.begin(ENVIRON, "api")
    parts = Board(state, Rules(), {"bitrise": service}).parts("http://x")
    assert len(json.loads(parts["service-bitrise"])) == board.MOST_THINGS
    assert json.loads(parts["more-bitrise"]) == "Older, and not shown: 940 more of kind build."
    assert json.loads(parts["more-requests"]) == "Older, and not shown: 19,900 more of kind request."
    requests = json.loads(parts["requests"])
    assert (len(requests), requests[0]["key"]) == (board.MOST_REQUESTS, str(MOST_REQUESTS + 5))
    assert len(state.requests) == MOST_REQUESTS


def test_many_browsers_have_the_board_made_once_a_tick(state: State) -> None:
    asked: list[int] = []

    def shown(_: State) -> list[Shown]:
        asked.append(1)
        return []

    service = replace(SERVICES["bitrise"], shown=shown)
    now = [0.0]
    shared = Board(state, Rules(), {"bitrise": service}, lambda: now[0])
    for moment in (0.0, 0.01, 0.02, 1.0):
        now[0] = moment
        shared.parts("http://x")
    assert len(asked) == 2


def test_events_are_sent_for_what_has_changed_until_the_browser_leaves() -> None:
    ours, browser = socket.socketpair()
    moments = iter([{"a": "1", "b": "1"}, {"a": "1", "b": "1"}, {"a": "1", "b": "2"}])
    with ours, browser:
        events = stream(ours, lambda: next(moments), tick=0.01)
        assert [next(events) for _ in range(3)] == [
            "event: a\ndata: 1\n\n", "event: b\ndata: 1\n\n", "event: b\ndata: 2\n\n",
        ]  # fmt: skip
        browser.close()
        assert list(events) == []


def test_a_stream_ends_so_that_other_pages_get_a_connection() -> None:
    ours, browser = socket.socketpair()
    with ours, browser:
        *_, last = stream(ours, lambda: {"a": "1"}, tick=0.01, longest=0.03)
    assert last == "retry: 300\nevent: end\ndata: .\n\n"


def test_a_thing_or_a_service_that_fails_hides_no_other(state: State) -> None:
    def fails(_: State) -> list[Shown]:
        raise ValueError("lost")

    odd: Any = 5
    services = {
        "good": replace(SERVICES["bitrise"], shown=lambda _: [Shown("app", "1", odd, odd, about={"a": {"b": 1}})]),
        "bad": replace(SERVICES["bitrise"], shown=fails),
    }
    parts = Board(state, Rules(), services).parts("http://x")
    (row,) = json.loads(parts["service-good"])
    assert texts(row)[:3] == ["5", "app", "5"]
    assert json.loads(parts["more-bad"]) == "This cannot be shown: ValueError: lost"


def test_an_answer_counts_as_done_when_all_of_it_was_sent(state: State) -> None:
    each = state.begin(ENVIRON, "api")
    shown = Board(state, Rules(), {})
    each.status = 200
    assert shown._request(each)["cells"][3] == [{"text": "200", "mark": "running"}]
    each.ended = each.started + 1
    assert shown._request(each)["cells"][3] == [{"text": "200, broke off", "mark": "failed"}]
    each.is_whole = True
    assert shown._request(each)["cells"][3] == [{"text": "200", "mark": "done"}]


def test_a_download_that_breaks_off_is_shown_as_such(sandbox: Sandbox) -> None:
    steer(sandbox, "PUT", "faults", ["GET /long huge"])
    with socket.create_connection((urlsplit(sandbox.url).hostname, urlsplit(sandbox.url).port), timeout=5) as client:
        client.sendall(b"GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.recv(4096)
        assert texts(rows(sandbox, "requests")[0])[3] == "200"
        assert rows(sandbox, "requests")[0]["cells"][3][0]["mark"] == "running"
    until_last(sandbox, has_ended)
    time.sleep(TICK)  # the board is made once a tick
    assert texts(rows(sandbox, "requests")[0])[3] == "200, broke off"


def test_every_fault_of_the_page_can_be_switched_on() -> None:
    written = _faults()
    assert {parse(f"* /x {text}").kind for text in written} == set(FAULTS)


def test_a_rules_row_stays_the_same_while_its_count_goes_down(state: State) -> None:
    rules = Rules(["GET /a 500", "GET /b 503x3"])
    shown = Board(state, rules, {})
    before = json.loads(shown.parts("http://x")["faults"])[1]
    rules.take("GET", "/a")
    rules.take("GET", "/b")
    (after,) = json.loads(shown.parts("http://x")["faults"])
    assert (texts(before)[0], texts(after)[0]) == ("GET /b 503x3", "GET /b 503x2")
    assert (before["key"], before["cells"][1:]) == (after["key"], after["cells"][1:])
    rules.remove([after["cells"][1][0]["rule"]])
    assert rules.texts() == []


def test_browsers_that_leave_and_a_sandbox_that_ends_leave_no_thread() -> None:
    def threads() -> int:
        return sum("process_request_thread" in thread.name for thread in threading.enumerate())

    before = threads()
    with Sandbox.start() as sandbox:
        address = (urlsplit(sandbox.url).hostname, urlsplit(sandbox.url).port)
        browsers = [socket.create_connection(address, timeout=5) for _ in range(8)]
        for browser in browsers:
            browser.sendall(b"GET /_sandbox/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"text/event-stream" in browser.recv(4096)
        assert threads() == before + 8
        for browser in browsers[:7]:
            browser.close()
        for _ in range(200):
            if threads() == before + 1:
                break
            time.sleep(0.02)
        assert threads() == before + 1
        begun = time.monotonic()
    browsers[7].close()
    assert threads() == before and time.monotonic() - begun < 2


def test_texts_of_requests_are_escaped_on_every_page(sandbox: Sandbox) -> None:
    upload(sandbox, HOSTILE)
    page = ask(sandbox.url, "GET", "/_sandbox/install/app-distribution/file-5001")
    assert page.status == 200
    assert b"<img src=x" not in page.body and b"&lt;/script&gt;" in page.body


@pytest.mark.parametrize("name", ["a\r\nX-Injected: 1.apk", '"a"; x=1.apk', "../../a.apk", "\u202e😀.apk", ".a.apk"])
def test_an_odd_name_breaks_no_page_and_no_header(sandbox: Sandbox, name: str) -> None:
    steer(sandbox, "PUT", "bitrise-release-management", {"from_ci": name})
    path = f"/release-management/v2/apps/v1/installable-artifacts/{made_id(name)}/public-install-page"
    token = SERVICES["bitrise-release-management"].inputs["api-token"]
    headers = {"Authorization": token, "Content-Type": "application/json"}
    assert ask(sandbox.url, "PATCH", path, b'{"with_public_page": true}', headers).status == 200
    page = f"/_sandbox/install/bitrise-release-management/{made_id(name)}"
    assert ask(sandbox.url, "GET", page).status == 200
    file = ask(sandbox.url, "GET", f"{page}/file")
    assert (file.status, file.headers["X-Injected"], file.body) == (200, None, b"PK\x03\x04")
    assert re.fullmatch(
        r"attachment; filename(=\"?[\w. -]+\"?|\*=UTF-8''[\w.%-]+)", file.headers["Content-Disposition"]
    )
    assert len(rows(sandbox, "service-bitrise-release-management")) == 1


def test_an_app_can_be_downloaded_from_its_install_page(sandbox: Sandbox) -> None:
    upload(sandbox, "a b.ipa")
    page = "/_sandbox/install/app-distribution/file-5001"
    assert b"5 bytes" in ask(sandbox.url, "GET", page).body
    assert ask(sandbox.url, "GET", f"{page}/qr.svg").body.startswith(b"<?xml")
    file = ask(sandbox.url, "GET", f"{page}/file")
    assert (file.body, file.headers["Content-Disposition"]) == (b"12345", 'attachment; filename="a b.ipa"')
    for other in ("app-distribution/1001", "app-distribution/9", "unknown/file-5001"):
        for page in (f"/_sandbox/install/{other}", f"/_sandbox/log/{other}"):
            missing = ask(sandbox.url, "GET", page)
            assert missing.status == 404 and b'<a href="/_sandbox/">' in missing.body


def test_a_rule_is_removed_whatever_is_left_of_its_count(sandbox: Sandbox) -> None:
    steer(sandbox, "PUT", "faults", ["POST /api/v2/builds 503x3", "* /api/* 500x*"])
    assert create_build(sandbox).status == 503
    assert steer(sandbox, "DELETE", "faults", ["* /other 500"]).json == ["POST /api/v2/builds 503x2", "* /api/* 500x*"]
    assert steer(sandbox, "DELETE", "faults", ["POST /api/v2/builds 503x3"]).json == ["* /api/* 500x*"]
    assert steer(sandbox, "DELETE", "faults", ["nonsense"]).status == 400


@pytest.mark.parametrize(
    ("system", "ci", "skipped"), [("linux", "true", False), ("linux", "", True), ("win32", "1", True)]
)
def test_ci_on_linux_does_not_skip_the_browsers_tests(system: str, ci: str, skipped: bool) -> None:
    assert may_be_skipped(system, {"CI": ci}) is skipped


def test_the_pages_icon_is_the_projects() -> None:
    icon = Path("plugin/sandbox/page/static/icon.svg")
    assert (ROOT / icon).read_bytes() == (ROOT / "assets" / "icon.svg").read_bytes()
