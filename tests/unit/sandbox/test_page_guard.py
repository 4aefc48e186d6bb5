"""Who may open the sandbox's page and switch its faults: this machine, and no website by way of a browser here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest

from plugin.sandbox import Sandbox
from tests.unit.rules.tree import ROOT
from tests.unit.sandbox.calls import DISTRIBUTION, ask, create_build, form

JSON = {"Content-Type": "application/json"}
RULES = b'["* /api/* 503"]'
FOREIGN: Mapping[str, Mapping[str, str]] = {
    "another website": {"Origin": "https://evil.example.com", "Sec-Fetch-Site": "cross-site"},
    "another server of this machine": {"Origin": "http://127.0.0.1:3000", "Sec-Fetch-Site": "same-site"},
    "an old browser": {"Origin": "http://evil.example.com"},
    "a file or a sandboxed frame": {"Origin": "null"},
    "a browser that sends no origin": {"Sec-Fetch-Site": "cross-site"},
}


@pytest.fixture(scope="module")
def _running() -> Iterator[Sandbox]:
    with Sandbox.start() as running:
        yield running


@pytest.fixture
def sandbox(_running: Sandbox) -> Sandbox:
    ask(_running.url, "DELETE", "/_sandbox/state")
    return _running


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_another_website_cannot_switch_faults(sandbox: Sandbox, headers: Mapping[str, str]) -> None:
    for kind in ("application/json", "text/plain"):
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            answer = ask(sandbox.url, method, "/_sandbox/faults", RULES, {**headers, "Content-Type": kind})
            assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (403, None)
    assert ask(sandbox.url, "GET", "/_sandbox/faults").json == []


@pytest.mark.parametrize("path", ["state", "clock", "bitrise", "bitrise-release-management"])
def test_another_website_cannot_use_any_switch(sandbox: Sandbox, path: str) -> None:
    create_build(sandbox)
    method = "DELETE" if path == "state" else "PUT"
    assert ask(sandbox.url, method, f"/_sandbox/{path}", b"{}", {**JSON, "Origin": "http://x"}).status == 403
    assert len(ask(sandbox.url, "GET", "/_sandbox/state").json["app-distribution"]["builds"]) == 1


def test_another_website_cannot_pretend_a_delivery(sandbox: Sandbox) -> None:
    body, headers = form(phase_id="7")
    answer = ask(sandbox.url, "POST", "/api/v2/builds", body, headers | DISTRIBUTION | {"Origin": "http://x"})
    assert (answer.status, answer.json) == (
        403,
        {"error": "another website may not do this: open the sandbox's own page"},
    )


@pytest.mark.parametrize(
    "host", ["evil.example.com", "evil.example.com:80", "127.0.0.1.example.com", "192.168.0.7", "x]"]
)
@pytest.mark.parametrize(
    "path", ["_sandbox/", "_sandbox/events", "_sandbox/state", "_sandbox/log/bitrise/x", "v0.1/me"]
)
def test_a_name_of_another_owner_for_this_machine_is_refused(sandbox: Sandbox, host: str, path: str) -> None:
    for origin in (sandbox.url, sandbox.storage_url):
        for method in ("GET", "POST"):
            headers = {"Host": host, "Origin": f"http://{host}"}
            answer = ask(origin, method, f"/{path}", headers=headers)
            assert answer.status == 403 and b"open the sandbox as http://127.0.0.1" in answer.body


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9000", "LOCALHOST"])
def test_the_loopback_is_served_under_each_of_its_names(sandbox: Sandbox, host: str) -> None:
    assert ask(sandbox.url, "GET", "/_sandbox/", headers={"Host": host}).status == 200


@pytest.mark.parametrize(("mode", "status"), [("navigate", 200), ("no-cors", 403), ("cors", 403), (None, 403)], ids=str)
def test_a_link_from_a_website_may_lead_here_but_not_embed(sandbox: Sandbox, mode: str | None, status: int) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"} | ({"Sec-Fetch-Mode": mode} if mode else {})
    assert ask(sandbox.url, "GET", "/_sandbox/", headers=headers).status == status


def test_the_page_itself_and_programs_switch_faults(sandbox: Sandbox) -> None:
    page = {"Origin": sandbox.url, "Sec-Fetch-Site": "same-origin"}
    assert ask(sandbox.url, "POST", "/_sandbox/faults", RULES, JSON | page).status == 200
    assert ask(sandbox.url, "POST", "/_sandbox/faults", RULES, JSON).json == ["* /api/* 503x1"] * 2


@pytest.mark.parametrize("path", ["", "state", "static/page.js", "install/bitrise/none"])
def test_nothing_of_another_address_is_loaded_or_embeds_the_page(sandbox: Sandbox, path: str) -> None:
    headers = ask(sandbox.url, "GET", f"/_sandbox/{path}").headers
    assert headers["Content-Security-Policy"].startswith("default-src 'self'; ")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Access-Control-Allow-Origin"] is None


@pytest.mark.parametrize("path", ["/_sandbox", "/_sandbox/", "/_sandbox/state"])
def test_no_fault_breaks_the_page_itself(sandbox: Sandbox, path: str) -> None:
    ask(sandbox.url, "PUT", "/_sandbox/faults", b'["* * 503x*"]', JSON)
    assert ask(sandbox.url, "GET", path).status in (200, 308)
    assert ask(sandbox.url, "GET", "/_sandboxes").status == 503


def test_the_address_of_the_sandbox_itself_is_in_one_place() -> None:
    written = [path for path in (ROOT / "plugin").rglob("*.py") if re.search(r"[\"}]/_sandbox", path.read_text())]
    assert [path.name for path in written] == ["own.py"]


def test_no_page_has_a_script_or_a_style_of_its_own(sandbox: Sandbox) -> None:
    page = ask(sandbox.url, "GET", "/_sandbox/").body
    assert b"<script>" not in page and b"style=" not in page and b"onclick" not in page
    assert b"//" not in page.replace(sandbox.url.encode(), b"").replace(b"http://127.0.0.1", b"")
