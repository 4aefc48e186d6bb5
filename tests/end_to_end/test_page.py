"""The page of the sandbox in a real Chromium: a delivery by the real program, faults, keyboard, both themes.

`PICTURES=docs python -m pytest tests/end_to_end/test_page.py` takes docs/sandbox-light.png and -dark.png.
"""

from __future__ import annotations

import os
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from plugin.sandbox.apps import apk, ipa
from tests.end_to_end.browser import CONTRASTS, NAMELESS, browsers, needs_chromium
from tests.end_to_end.program import SandboxProcess, run, wait_for
from tests.unit.sandbox.calls import DISTRIBUTION, ask, form

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = needs_chromium
TOKEN = "sandbox-token-app-distribution"
DISTRIBUTE = {"service": "app-distribution", "operation": "deliver", "api-token": TOKEN, "phase-id": 7}
RELEASE = {"service": "bitrise-release-management", "operation": "deliver", "workspace": "workspace1"}
RELEASE |= {"api-token": "sandbox-token-bitrise-release-management", "app-package": "com.example.app"}
BUILD = {"service": "bitrise", "operation": "create-build", "api-token": "sandbox-token-bitrise", "app-id": "app1"}
# What a screen reader would read from now on.
LISTEN = """() => {
  window.heard = [];
  const said = document.getElementById("said");
  new MutationObserver(() => heard.push(said.textContent)).observe(said, { childList: true });
}"""
HOSTILE = '</script><img src=x onerror="window.hit=1"><svg onload="window.hit=1">.ipa'
EXPECTED = ("400 (BAD REQUEST)", "/events: net::ERR_ABORTED")  # an invalid rule; a page that was left
WIDTH, HEIGHT = 1280, 1440


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

    page.get_by_role("button", name="Forget everything").click()
    page.wait_for_selector("[data-part='requests'] tbody:empty", state="attached")


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
    tab_to("button[aria-label^='Switch off']")
    page.keyboard.press("Space")
    page.wait_for_selector("[data-part='faults'] tbody:empty", state="attached")
    assert sandbox.control("GET", "faults") == []


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
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.screenshot(path=folder / f"sandbox-{theme}.png")
        check(page)
    page.set_viewport_size({"width": 360, "height": 640})
    check(page)
    page.get_by_role("link", name="Log: primary").click()
    page.wait_for_selector("[data-part='log']:text('DEPLOY=***')")
    assert "hunter-22" not in page.content()
    check(page)
    page.goto(f"{sandbox.url}/_sandbox/")
    page.get_by_role("link", name="Install page: app-release.apk").click()
    page.wait_for_selector("img[alt^='QR code of http://127.0.0.1']")
    wait_for(lambda: page.evaluate("document.images[0].naturalWidth") > 200, seconds=60)
    check(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download app-release.apk").click()
    assert download.value.path().read_bytes() == (tmp_path / "app-release.apk").read_bytes()


def check(page: Page) -> None:
    """Every control has a name, every text a contrast of 4.5 to 1, and nothing is wider than the window."""
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate(CONTRASTS) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("main").count() == page.locator("h1").count() == 1


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


class Website(BaseHTTPRequestHandler):
    """Another website, whose page does what it can to switch a fault."""

    def do_GET(self) -> None:
        target = urllib.parse.unquote(urllib.parse.urlsplit(self.path).query)
        script = f"""<!doctype html><title>open</title><iframe name=hole></iframe>
        <form method=post enctype=text/plain target=hole action={target}><input name='["* * 503"' value=']'></form>
        <script>
        const send = (method, headers, mode) => fetch("{target}", {{method, headers, mode, body: '["* * 503"]'}});
        document.forms[0].submit();
        Promise.allSettled([
          send("POST", {{"Content-Type": "application/json"}}, "cors"), send("POST", {{}}, "no-cors"),
          send("PUT", {{"Content-Type": "application/json"}}, "cors"), send("DELETE", {{}}, "cors"),
          fetch("{target}").then((answer) => answer.text()),
        ]).then((all) => {{ document.title = "read: " + all.filter((one) => one.value?.length).length; }});
        </script>"""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(script.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Print nothing."""


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


def test_two_browsers_show_the_same_and_notice_that_the_sandbox_ends(browser: Browser, tmp_path: Path) -> None:
    own = SandboxProcess()
    contexts = [browser.new_context() for _ in range(2)]
    pages = [context.new_page() for context in contexts]
    for each in pages:
        each.goto(f"{own.url}/_sandbox/")
    (tmp_path / "a.ipa").write_bytes(ipa())
    deliver(own, tmp_path, DISTRIBUTE, artifacts="a.ipa")
    shown = [line(each, "service-app-distribution", "a.ipa") for each in pages]
    assert shown[0] == shown[1]
    contexts[1].close()
    assert own.close() == 0
    pages[0].wait_for_selector("#connection:text('not connected')")
    contexts[0].close()
