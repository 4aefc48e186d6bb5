"""PhoneGap Build in the sandbox, over real sockets: statuses, bodies, keys, and what the words in a title do."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from plugin.rest.exchange import basic
from plugin.sandbox import Sandbox
from plugin.sandbox.phonegap_build import PASSWORD, USERNAME

pytestmark = pytest.mark.real_sockets
SIGNED_IN = (USERNAME, PASSWORD)
PNG = b"\x89PNG\r\n\x1a\n..."
REPOSITORY = "http://git.example.com/app.git"


class Client:
    """Asks the API, and moves the sandbox's clock."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str, status: int = 200, **more: Any) -> requests.Response:
        answer = requests.request(
            method, f"{self.url}/api/v0{path}", auth=SIGNED_IN, timeout=5, allow_redirects=False, **more
        )
        assert answer.status_code == status, answer.text
        return answer

    def make(self, title: str, **more: str) -> Any:
        data = json.dumps({"title": title, "repo": REPOSITORY, **more})
        return self.ask("POST", "/apps", 201, data={"data": data}).json()

    def move(self, seconds: float) -> None:
        requests.put(f"{self.url}/_sandbox/clock", json={"speed": 0, "advance": seconds}, timeout=5)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox.start() as sandbox:
        yield sandbox


@pytest.fixture
def client(running: Sandbox) -> Client:
    requests.delete(f"{running.url}/_sandbox/state", timeout=5)
    client = Client(running.url)
    client.move(0)
    return client


def phrases(client: Client, platform: str, app: Any, seconds: float, looks: int) -> list[Any]:
    """What the app says of a platform, with so many seconds between two looks."""
    seen = []
    for _ in range(looks):
        seen.append(client.ask("GET", f"/apps/{app['id']}").json()[f"{platform}_status"])
        client.move(seconds)
    return seen


@pytest.mark.parametrize("auth", [None, (USERNAME, "wrong"), ("somebody", PASSWORD)])
def test_a_request_without_valid_credentials_gets_401(auth: Any, client: Client) -> None:
    answer = requests.get(f"{client.url}/api/v0/me", auth=auth, timeout=5)
    assert (answer.status_code, answer.headers["WWW-Authenticate"][:5]) == (401, "Basic")
    assert requests.get(f"{client.url}/api/v0/me", headers={"Authorization": "token x"}, timeout=5).status_code == 401


def test_a_write_needs_a_content_length(client: Client) -> None:
    connection = http.client.HTTPConnection(urlsplit(client.url).netloc, timeout=5)
    connection.putrequest("POST", "/api/v0/apps/50/push")
    connection.putheader("Authorization", basic(*SIGNED_IN))
    connection.endheaders()
    assert connection.getresponse().status == 411
    connection.close()


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"data": "{"}, "data is not a JSON object"),
        ({"data": "[]"}, "data is not a JSON object"),
        ({"data": "{}"}, "title is missing"),
        ({"data": '{"title": "New App"}'}, "Need either a repo url or a file"),
    ],
)
def test_an_app_that_lacks_something_is_refused(form: dict[str, str], says: str, client: Client) -> None:
    assert client.ask("POST", "/apps", 400, data=form).json() == {"error": says}
    assert client.ask("GET", "/apps").json() == []


def test_a_file_must_be_a_page_or_an_archive(client: Client) -> None:
    form = {"data": '{"title": "An app"}'}
    assert (
        client.ask("POST", "/apps", 201, data=form, files={"file": ("index.html", b"<p>")}).json()["repo_url"] is None
    )
    says = client.ask("POST", "/apps", 400, data=form, files={"file": ("app.apk", b"")}).json()["error"]
    assert says == "app.apk is neither an index.html nor a zip file"


def test_the_version_is_text_after_a_create_and_a_number_afterwards(client: Client) -> None:
    app = client.make("New App", repo="http://git.example.com/own-title.git")
    assert (app["title"], app["version"]) == ("Example's Amazing App", "99.999")
    assert client.ask("GET", "/apps/50").json()["version"] == 99.999


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/apps/54"),
        ("PUT", "/apps/54"),
        ("DELETE", "/apps/54"),
        ("POST", "/apps/54/push"),
        ("GET", "/apps/54/icon"),
        ("POST", "/apps/54/icon"),
        ("GET", "/apps/54/android"),
    ],
)
def test_a_missing_app_gets_404(method: str, path: str, client: Client) -> None:
    assert client.ask(method, path, 404).json() == {"error": "app #54 not available"}


@pytest.mark.parametrize(
    ("title", "platform", "seen"),
    [
        ("An app", "android", ["pending", "compiling android project", "complete"]),
        ("An app", "blackberry", ["blackberry pending", "compiling blackberry project", "complete"]),
        ("An app", "symbian", ["pending", "compiling symbian project", "symbian complete"]),
        ("failing-webos", "webos", ["pending", "compiling webos project", "error"]),
        ("failing-ios", "ios", ["pending", "compiling ios project", "error"]),
        ("odd-android", "android", ["pending", "handed to the night shift", "complete"]),
        ("pending-android", "android", ["pending", "pending", "pending"]),
        ("pending-android", "symbian", ["pending", "compiling symbian project", "symbian complete"]),
        ("for ever pending", "webos", ["pending", "pending", "pending"]),
        ("no-key-ios", "ios", [None, None, None]),
    ],
)
def test_the_title_decides_what_becomes_of_a_platform(
    title: str, platform: str, seen: list[Any], client: Client
) -> None:
    app = client.make(title)
    seconds = {"android": 0.7, "blackberry": 1.0, "symbian": 1.2}.get(platform, 1.5)
    assert phrases(client, platform, app, seconds, 3) == seen


def test_a_package_is_a_redirect_to_a_storage_that_refuses_credentials(client: Client, running: Sandbox) -> None:
    client.make("failing-webos sisx-symbian")
    assert client.ask("GET", "/apps/50/android", 404).json() == {"error": "App #50 for android pending"}
    client.move(60)
    assert client.ask("GET", "/apps/50/webos", 404).json() == {"error": "App #50 for webos error"}
    assert client.ask("GET", "/apps/50/hologram", 404).json() == {"error": "App #50 for hologram unavailable"}
    begins = {"android": b"PK\x03\x04", "blackberry": b"MIDlet-", "symbian": b"\x7a\x1a\x20\x10"}
    for platform, start in begins.items():
        target = client.ask("GET", f"/apps/50/{platform}", 302).headers["Location"]
        assert target.startswith(running.storage_url)
        assert requests.get(target, auth=SIGNED_IN, timeout=5).status_code == 400
        assert requests.get(target, timeout=5).content.startswith(start)


def test_icons_come_from_the_repository_or_are_set(client: Client) -> None:
    client.make("An app")
    assert client.ask("GET", "/apps/50/icon").headers["Content-Type"] == "image/png"
    client.ask("POST", "/apps", 201, data={"data": '{"title": "x"}'}, files={"file": ("index.html", b"<p>")})
    assert client.ask("GET", "/apps/51/icon", 404).json() == {"error": "No icon available for app #51"}
    client.ask("POST", "/apps/51/icon", 400, files={"file": ("icon.png", b"GIF8")})
    assert client.ask("POST", "/apps/51/icon", 201, files={"file": ("my.png", PNG)}).json()["icon"] == "my.png"
    assert client.ask("GET", "/apps/51/icon").content == PNG


def test_a_push_or_an_update_begins_a_new_build(client: Client) -> None:
    app = client.make("failing-android")
    client.move(60)
    assert phrases(client, "android", app, 0, 1) == ["error"]
    assert client.ask("POST", "/apps/50/push", 202, data={"data": "dummy"}).json()["android_status"] == "pending"
    client.move(60)
    title = {"data": '{"title": "Better"}'}
    assert client.ask("PUT", "/apps/50", data=title).json()["android_status"] == "pending"
    client.move(60)
    assert phrases(client, "android", app, 0, 1) == ["complete"]
    client.ask("PUT", "/apps/50", 400, data={"data": "{"})


def test_an_app_from_a_file_cannot_be_pushed(client: Client) -> None:
    client.ask("POST", "/apps", 201, data={"data": '{"title": "x"}'}, files={"file": ("index.html", b"<p>")})
    assert client.ask("POST", "/apps/50/push", 400, data={}).json() == {"error": "app #50 is not repo backed"}


def test_keys_need_their_files_and_are_listed_without_passwords(client: Client) -> None:
    assert client.ask("GET", "/keys/").json() == {"ios": [], "blackberry": [], "android": []}
    data = {"data": '{"title": "A key", "password": "test"}'}
    assert client.ask("POST", "/keys/ios/", 400, data=data).json() == {"error": "cert_file is missing"}
    assert client.ask("POST", "/keys/webos", 404, data=data).json() == {"error": "there are no keys for webos"}
    files = {"profile_file": ("example.mobileprovision", b"1"), "cert_file": ("example.p12", b"2")}
    key = client.ask("POST", "/keys/ios/", 201, data=data, files=files).json()
    assert (key["cert_name"], key["mobile_provision"]) == ("example.p12", "example.mobileprovision")
    assert client.ask("GET", "/keys/ios").json() == {"ios": [key]}
    assert "password" not in key


def test_a_platform_without_a_key_is_built_once_it_gets_one(client: Client) -> None:
    app = client.make("no-key-ios")
    client.ask("POST", "/keys/blackberry", 201, data={"data": '{"title": "x"}'}, files={"csk_file": ("x", b"1")})
    files = {"profile_file": ("x", b"1"), "cert_file": ("x", b"2")}
    client.ask("POST", "/keys/ios", 201, data={"data": '{"title": "x"}'}, files=files)
    assert phrases(client, "ios", app, 60, 2) == [None, None]
    client.ask("POST", "/apps/50/push", 202, data={})
    assert phrases(client, "ios", app, 60, 2) == ["pending", "complete"]
    target = client.ask("GET", "/apps/50/blackberry", 302).headers["Location"]
    assert requests.get(target, timeout=5).content.startswith(b"PK")


def test_a_deleted_app_is_gone(client: Client) -> None:
    client.make("An app")
    assert client.ask("DELETE", "/apps/50").json() == {"success": "app #50 destroyed"}
    assert client.ask("GET", "/apps").json() == []
