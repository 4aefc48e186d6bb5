"""The page of the sandbox in a real Chromium: a delivery by the real program, faults, keyboard, both themes.

`PICTURES=docs python -m pytest tests/end_to_end/test_page.py` takes the pictures docs/sandbox*.png.
"""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.parse
from collections.abc import Iterator
from datetime import datetime
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from plugin.rest.exchange import basic
from plugin.sandbox.apps import apk, ipa
from plugin.sandbox.phonegap_build import PASSWORD, USERNAME
from tests.end_to_end.browser import CONTRASTS, LISTEN, NAMELESS, SUBMIT, WATCH, browsers, needs_chromium
from tests.end_to_end.program import SandboxProcess, run, wait_for
from tests.end_to_end.website import Website
from tests.unit.sandbox.calls import DISTRIBUTION, ask, form

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = needs_chromium
TOKEN = "sandbox-token-app-distribution"
DISTRIBUTE = {"service": "app-distribution", "operation": "deliver", "api-token": TOKEN, "phase-id": 7}
RELEASE = {"service": "bitrise-release-management", "operation": "deliver", "workspace": "workspace1"}
RELEASE |= {"api-token": "sandbox-token-bitrise-release-management", "app-package": "com.example.app"}
BUILD = {"service": "bitrise", "operation": "create-build", "api-token": "sandbox-token-bitrise", "app-id": "app1"}
HOSTILE = '</script><img src=x onerror="window.hit=1"><svg onload="window.hit=1">.ipa'
# An invalid rule; a page that was left; an error that a test makes.
EXPECTED = ("400 (BAD REQUEST)", "/events: net::ERR_ABORTED", "500 (Internal Server Error)")
WIDTH, HEIGHT = 1280, 1960
CONNECTIONS = 6  # of a browser to one server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from browsers()


@pytest.fixture
def page(browser: Browser, sandbox: SandboxProcess) -> Iterator[Page]:
    """The open page, which loaded everything from the sandbox and reported no error."""
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
    opened = context.new_page()
    opened.set_default_timeout(60_000)  # for a machine that is busy
    problems: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    opened.on("requestfailed", lambda request: problems.append(f"{request.url}: {request.failure}"))
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(f"{sandbox.url}/_sandbox/")
    opened.wait_for_selector("#connection:text-is('live')")
    yield opened
    context.close()
    assert [text for text in problems if not any(each in text for each in EXPECTED)] == []
    assert {urllib.parse.urlsplit(url).netloc for url in asked} == {urllib.parse.urlsplit(sandbox.url).netloc}


def deliver(sandbox: SandboxProcess, folder: Path, inputs: dict[str, Any], **more: Any) -> Any:
    done = run({"service-url": sandbox.url, "poll-interval": 0.1, **inputs, **more}, folder)
    assert done.code == 0, done.log
    return done


def line(page: Page, part: str, *texts: str) -> str:
    """Wait for a row of a part that has all these texts, and return its text."""
    row = page.locator(f"[data-part='{part}'] tbody tr")
    for text in texts:
        row = row.filter(has_text=text)
    return row.first.inner_text()


def test_a_delivery_its_fault_and_its_retry_show_live(page: Page, sandbox: SandboxProcess, tmp_path: Path) -> None:
    (tmp_path / "app.ipa").write_bytes(ipa(size=300_000))
    sent = deliver(sandbox, tmp_path, DISTRIBUTE, artifacts="app.ipa").result["result"]["artifacts"][0]
    assert f"{sent['size']:,} bytes" in line(page, "service-app-distribution", "app.ipa", sent["sha256"])
    assert "201" in line(page, "requests", "POST", "/api/v2/resource_files", "Authorization: ***")
    ask(sandbox.url, "GET", f"/{TOKEN}?token=abc&page={TOKEN}&next=https%3A%2F%2Fu%3A{TOKEN}%40h%2F%3Fpwd%3Dopen")
    assert "/***?token=***&page=***&next=https://***@h/?pwd=***" in line(page, "requests", "/***")
    login = {"Authorization": basic(USERNAME, PASSWORD)}
    body, headers = form(data=json.dumps({"title": "an app", "repo": f"https://bot:{TOKEN}@example.com/a.git"}))
    assert ask(sandbox.url, "POST", "/api/v0/apps", body, headers | login).status == 201
    assert "repository: https://***@example.com/a.git" in line(page, "service-phonegap-build", "an app")
    assert TOKEN not in " ".join(page.locator("[data-part]").all_inner_texts())

    page.select_option("#where", "POST /api/v2/builds")
    assert page.locator("#does").inner_text() == "Answer with a status; nothing is processed."
    command = page.locator("#by-curl").inner_text()
    page.get_by_role("button", name="Switch on").click()
    assert "POST /api/v2/builds 503;retry-after=2x1" in line(page, "faults", "Switch off")
    assert command.endswith(f"""-d '["POST /api/v2/builds 503;retry-after=2"]' {sandbox.url}/_sandbox/faults""")
    page.evaluate(LISTEN)
    assert "retrying in 2" in deliver(sandbox, tmp_path, DISTRIBUTE, artifacts="app.ipa").log
    assert line(page, "requests", "POST", "503;retry-after=2", "/api/v2/builds")
    assert line(page, "service-app-distribution", "1002", "build")
    page.wait_for_selector("[data-part='faults'] tbody:empty", state="attached")
    for announced in ("Fault 503;retry-after=2: POST /api/v2/builds", "app-distribution: build 1002"):
        wait_for(lambda text=announced: text in " ".join(page.evaluate("heard")), seconds=60)
    assert TOKEN not in " ".join(page.locator("[data-part]").all_inner_texts())
    body, headers = form(phase_id="7")
    for _ in range(5):
        assert ask(sandbox.url, "POST", "/api/v2/builds", body, headers | DISTRIBUTION).status == 201
    wait_for(lambda: page.evaluate("heard.some((each) => each.startsWith('app-distribution: build 1007'))"), seconds=60)
    moment = page.locator("[data-part='requests'] time").first.get_attribute("datetime") or ""
    assert abs(datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp() - time.time()) < 3600

    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Forget everything").click()
    assert len(sandbox.state()["app-distribution"]["builds"]) == 7
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Forget everything").click()
    page.wait_for_selector("[data-part='requests'] tbody:empty", state="attached")
    wait_for(lambda: "Everything is forgotten" in " ".join(page.evaluate("heard")), seconds=60)


def test_the_page_is_used_by_the_keyboard_alone(page: Page, sandbox: SandboxProcess) -> None:
    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            focused = "document.activeElement"
            outline = page.evaluate(f"getComputedStyle({focused}).outlineStyle")
            assert outline != "none", page.evaluate(f"{focused}.outerHTML")
            if page.evaluate(f"{focused}.matches({selector!r})"):
                return
        raise AssertionError(f"the keyboard does not reach {selector}")

    tab_to("#what")
    page.keyboard.press("End")  # the last of the faults; typed letters would have to come quickly
    tab_to("#rule")
    assert page.input_value("#rule") == "POST /api/v2/builds slow=5"
    page.keyboard.press("End")
    page.keyboard.type("x2x")
    page.keyboard.press("Enter")
    page.wait_for_selector("#problem:text('there is no fault')")
    page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    assert "slow=5x2" in line(page, "faults", "Switch off")
    assert sandbox.control("GET", "faults") == ["POST /api/v2/builds slow=5x2"]
    sandbox.faults("GET /a 500", "GET /b 503x3", "GET /c 404")
    line(page, "faults", "GET /c 404x1")
    tab_to("button[aria-label='Switch off: GET /b 503']")
    assert (ask(sandbox.url, "GET", "/a").status, ask(sandbox.url, "GET", "/b").status) == (500, 503)
    line(page, "faults", "GET /b 503x2")
    page.wait_for_selector("[aria-label='Switch off: GET /b 503']:focus")
    for after in ("[aria-label='Switch off: GET /c 404']", "#rule"):
        page.keyboard.press("Space")
        page.wait_for_selector(f"{after}:focus")
    page.wait_for_selector("[data-part='faults'] tbody:empty", state="attached")
    assert sandbox.control("GET", "faults") == []


def test_every_fault_is_switched_on_and_all_are_switched_off(page: Page, sandbox: SandboxProcess) -> None:
    texts = page.locator("#what option").all_inner_texts()
    page.select_option("#where", "* *")
    page.evaluate(SUBMIT)
    page.wait_for_selector(f"[data-part='faults'] tbody tr:nth-child({len(texts)})")
    assert sorted(sandbox.control("GET", "faults")) == sorted(f"* * {text}x1" for text in texts)
    page.get_by_role("button", name="Switch all off").click()
    page.wait_for_selector("[data-part='faults'] tbody:empty", state="attached")

    page.route("**/events", lambda route: route.fulfill(status=500), times=1)
    page.wait_for_selector("#connection:text('answered with an error')")
    page.wait_for_selector("#connection:text-is('live')")


def test_a_log_and_an_install_page_are_legible_in_both_themes(
    page: Page, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    sandbox.control("PUT", "clock", {"speed": 4})
    (tmp_path / "app-release.apk").write_bytes(apk(size=400_000))
    (tmp_path / "app.ipa").write_bytes(ipa(size=300_000))
    deliver(sandbox, tmp_path, RELEASE, artifacts="*.apk", **{"public-page": True, "tester-groups": "QA"})
    hidden = {"environment": "SANDBOX_LOG=variables", "secrets": "DEPLOY=hunter-22"}
    deliver(sandbox, tmp_path, BUILD, workflow="primary\nfailing", branch="main", **hidden)
    sandbox.faults("POST /api/v2/builds 503;retry-after=1", "PUT /storage/* stallx2")
    deliver(sandbox, tmp_path, DISTRIBUTE, artifacts="*.ipa")
    line(page, "service-app-distribution", "app.ipa")
    line(page, "service-bitrise", "failing", "error")
    line(page, "service-bitrise", "primary", "success")

    folder = Path(os.environ.get("PICTURES") or tmp_path).resolve()
    check(page, folder / "sandbox")
    page.set_viewport_size({"width": WIDTH, "height": 560})
    page.get_by_role("link", name="Log: primary").click()
    page.wait_for_selector("[data-part='log']:text('DEPLOY=***')")
    page.locator("[data-part='log']").evaluate("(log) => { log.scrollTop = 0; }")
    check(page, folder / "sandbox-log")
    page.goto(f"{sandbox.url}/_sandbox/")
    page.get_by_role("link", name="Install page: app-release.apk").click()
    page.wait_for_selector("img[alt^='QR code of http://127.0.0.1']")
    wait_for(lambda: page.evaluate("document.images[0].naturalWidth") > 200, seconds=60)
    check(page, folder / "sandbox-install")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download app-release.apk").click()
    assert download.value.path().read_bytes() == (tmp_path / "app-release.apk").read_bytes()


def check(page: Page, picture: Path) -> None:
    """Every control has a name, every text a contrast of 4.5 to 1, and nothing is wider than the window, or a phone."""
    size = page.viewport_size or {"width": WIDTH, "height": HEIGHT}
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.screenshot(path=picture.with_name(f"{picture.name}-{theme}.png"))
        assert page.evaluate(CONTRASTS) == []
    assert page.evaluate(NAMELESS) == []
    assert page.locator("main").count() == page.locator("h1").count() == 1
    for width in (WIDTH, 360):
        page.set_viewport_size({"width": width, "height": size["height"]})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size(size)


def test_a_log_that_is_being_written_shows_no_part_of_a_secret(page: Page, sandbox: SandboxProcess) -> None:
    variables = {"SANDBOX_LOG": "variables", "SANDBOX_SECONDS": "3", "SANDBOX_LOG_LINES": "60"}
    params = {"branch": "main", "environments": [{"mapped_to": name, "value": variables[name]} for name in variables]}
    params["secrets"] = [{"key": "DEPLOY", "value": "hunter-22"}, {"key": "KEY", "value": TOKEN}]
    asked = json.dumps({"hook_info": {"type": "bitrise"}, "build_params": params}).encode()
    started = ask(sandbox.url, "POST", "/v0.1/apps/app1/builds", asked, {"Authorization": BUILD["api-token"]})
    page.goto(f"{sandbox.url}/_sandbox/log/bitrise/{started.json['results'][0]['build_slug']}")
    page.evaluate(WATCH)
    page.wait_for_selector("[data-part='log']:text('DEPLOY=***')")
    held = page.evaluate_handle("document.querySelector(\"[data-part='log']\").firstChild")
    page.wait_for_selector("[data-part='state']:text('success')")
    seen = page.evaluate("seen")
    assert len(set(seen)) > 3 and "KEY=***" in seen[-1]
    assert not any(part in text for text in seen for part in ("DEPLOY=h", "KEY=s"))
    assert held.evaluate("(each) => each.isConnected")  # what was selected stays so
    assert "DEPLOY=***" in ask(sandbox.url, "GET", urllib.parse.urlsplit(page.url).path + "/text").body.decode()
    sandbox.reset()
    page.wait_for_selector("[data-part='state']:text('forgotten')")


def test_hostile_names_and_paths_are_shown_as_texts(page: Page, sandbox: SandboxProcess) -> None:
    body, headers = form(phase_id="7")
    build = ask(sandbox.url, "POST", "/api/v2/builds", body, headers | DISTRIBUTION).json["id"]
    body, headers = form(build_id=str(build), file=(HOSTILE.replace('"', "%22"), b"12345"))
    assert ask(sandbox.url, "POST", "/api/v2/resource_files", body, headers | DISTRIBUTION).status == 201
    ask(sandbox.url, "GET", "/" + urllib.parse.quote(HOSTILE) + "?" + urllib.parse.quote(HOSTILE))
    sandbox.faults("GET /<img/src=x/onerror=window.hit=1> 503")
    assert "<img src=x" in line(page, "service-app-distribution", "</script>")
    assert "<svg onload" in line(page, "requests", "/</script>")
    assert "<img/src=x" in line(page, "faults", "Switch off")
    page.get_by_role("link", name="Install page").click()
    page.wait_for_selector("h1:text('<svg onload')")
    assert page.evaluate("window.hit") is None
    assert page.locator("main svg, main img:not([alt^=QR]), script:not([src])").count() == 0


def test_a_foreign_website_cannot_switch_a_fault(browser: Browser, sandbox: SandboxProcess) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Website) as website:
        thread = threading.Thread(target=website.serve_forever)
        thread.start()
        context = browser.new_context()
        opened = context.new_page()
        for name in ("127.0.0.1", "localhost"):  # another port of the same site, and another site
            opened.goto(f"http://{name}:{website.server_port}/?{urllib.parse.quote(sandbox.url + '/_sandbox/faults')}")
            opened.wait_for_function("document.title == 'read: 0'")
        context.close()
        website.shutdown()
        thread.join()
    assert sandbox.control("GET", "faults") == []


def test_many_pages_show_the_same_and_notice_that_the_sandbox_ends(browser: Browser, tmp_path: Path) -> None:
    own = SandboxProcess()
    context = browser.new_context()
    pages = [context.new_page() for _ in range(CONNECTIONS + 1)]
    for each in pages:
        each.goto(f"{own.url}/_sandbox/")
    (tmp_path / "a.ipa").write_bytes(ipa())
    deliver(own, tmp_path, DISTRIBUTE, artifacts="a.ipa")
    assert len({line(each, "service-app-distribution", "a.ipa") for each in pages}) == 1
    pages[0].get_by_role("button", name="Switch on").click()
    assert all(line(each, "faults", "Switch off") for each in pages)
    assert own.close() == 0
    pages[0].wait_for_selector("#connection:text('not connected')")
    pages[0].once("dialog", lambda dialog: dialog.accept())
    pages[0].get_by_role("button", name="Forget everything").click()
    pages[0].wait_for_selector("#not-forgotten:text('The sandbox does not answer')")
    context.close()
