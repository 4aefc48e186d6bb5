"""The machine's network settings: proxies and authorities that are wrong, addresses that lead back to the machine."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import requests_mock
import trustme

from plugin import address
from plugin.errors import InputError, RefusedError
from plugin.rest.exchange import Connection, Request
from plugin.rest.network import Peers, ca_bundle
from tests.end_to_end.program import wait_for
from tests.unit.rest import servers
from tests.unit.rest.calls import URL, client, read_all

SECRET = "Zx9%sSecret77"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            f"http://user:{SECRET % '/'}@proxy:3128",
            "_PROXY is not a valid URL: in its user name and password write / as",
        ),
        (f"http://user:{SECRET % '#'}@proxy:3128", "_PROXY is not a valid URL: in its user name and password write"),
        (f"http://user:{SECRET % '?'}@proxy:3128", "# as %23, ? as %3F"),
        (f"user:{SECRET % '/'}@proxy:3128", "_PROXY is not a valid URL: in its user name and password write"),
        (f"user:{SECRET % ''}@proxy:3128", "_PROXY is not a valid URL: write it as http://HOST:PORT"),
        (f"//user:{SECRET % ''}@proxy:3128", "_PROXY is not a valid URL: "),
        (f"http://user:{SECRET % ''}@proxy:port", "_PROXY is not a valid URL: write it as http://HOST:PORT"),
        (f"http://user:{SECRET % ''}@[proxy:3128", "_PROXY is not a valid URL: write it as http://HOST:PORT"),
        (f"http://user:{SECRET % ''}@proxy:99999", "_PROXY is not a valid URL"),
        (f"socks5://user:{SECRET % ''}@proxy:1080", "_PROXY names a SOCKS proxy, which is not supported: use one"),
        ("socks4a://proxy:1080", "or add service.example to NO_PROXY"),
        ("ftp://proxy:21", "_PROXY must be a URL that starts with http://"),
    ],
)
def test_an_invalid_proxy_is_an_input_error(
    variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError) as caught:
        client()
    assert said in str(caught.value)
    assert str(caught.value).startswith(variable.upper())
    assert not [part for part in ("Zx9", "Secret77", "user:") if part in str(caught.value)]


@pytest.mark.parametrize(
    "value",
    ["http://proxy:3128", "proxy:3128", "https://us%2Fer:pa%23ss@proxy", "http://u:p@ss@proxy", "http://[::1]:8"],
)
def test_a_valid_proxy_is_accepted(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    assert client()


def test_an_unused_proxy_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy:1080")
    monkeypatch.setenv("NO_PROXY", "service.example")
    assert client()


def test_an_invalid_proxy_for_the_storage_is_reported_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy:1080")
    monkeypatch.setenv("NO_PROXY", "service.example")
    rest = client().rest
    with pytest.raises(InputError, match="ALL_PROXY names a SOCKS proxy"):
        rest.send(rest.presigned("PUT", "https://storage.example/f", "the address"))


def test_the_password_of_a_proxy_is_hidden_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:Zx9%2FSecret77@proxy:3128")
    seen = client()
    seen.rest.log.line("it fails at Zx9%2FSecret77 and Zx9/Secret77")
    assert seen.log.getvalue() == "it fails at *** and ***\n"


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        ("own.pem", {"SSL_CERT_FILE": "c.pem"}, ("own.pem", None)),
        (None, {"SSL_CERT_FILE": "c.pem"}, ("c.pem", "SSL_CERT_FILE")),
        (None, {"SSL_CERT_FILE": "c.pem", "REQUESTS_CA_BUNDLE": "r.pem"}, ("r.pem", "REQUESTS_CA_BUNDLE")),
        (None, {"CURL_CA_BUNDLE": "u.pem", "SSL_CERT_FILE": ""}, ("u.pem", "CURL_CA_BUNDLE")),
        (None, {}, (None, None)),
    ],
)
def test_the_first_named_authorities_count(given: str | None, environment: dict[str, str], expected: Any) -> None:
    assert ca_bundle(given, environment) == expected


def test_a_variable_that_names_no_certificates_is_named() -> None:
    with pytest.raises(
        InputError, match=r"^SSL_CERT_FILE: missing.pem is not a PEM file with certificates: No such file"
    ):
        client(ca_bundle="missing.pem", ca_variable="SSL_CERT_FILE")


def test_a_folder_of_authorities_is_accepted(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "company.pem"))
    assert client(ca_bundle=str(tmp_path))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.9.1", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "loopback"),  # noqa: S104 - nobody binds it
        ("::", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("localhost", "loopback"),
        ("app.LOCALHOST.", "loopback"),
        ("169.254.169.254", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("2130706433", "loopback"),
        ("0x7f.1", "loopback"),
        ("127.0.0.1.", "loopback"),
        ("127\uff0e0\uff0e0\uff0e1", "loopback"),
        ("\uff4cocalhost", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("::127.0.0.1", "loopback"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("64:ff9b::c000:201", None),
        ("3221225985", None),
        ("10.0.0.1", None),
        ("192.0.2.1", None),
        ("2001:db8::1", None),
        ("storage.example", None),
        ("127.0.0.1.example.com", None),
    ],
)
def test_an_address_of_this_machine_is_known_however_it_is_written(host: str, expected: str | None) -> None:
    assert address.nearness(host) == expected


NEAR = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.169.254", "fe80::1"]  # noqa: S104 - nobody binds it


@pytest.mark.parametrize("peer", NEAR)
def test_a_remote_service_cannot_redirect_to_this_machine(peer: str) -> None:
    with pytest.raises(
        RefusedError, match=r"storage.example \(.*\) is a \S+ address of this machine, but the service is"
    ):
        Peers(Connection(URL)).check("storage.example", 443, peer)


@pytest.mark.parametrize("peer", NEAR)
def test_a_local_service_may_name_other_local_addresses(peer: str) -> None:
    peers = Peers(Connection("https://service.test:8443"))
    peers.check("service.test", 8443, peer)  # a name that the machine resolves to itself
    peers.check("storage.test", 443, peer)


def test_a_loopback_service_cannot_name_a_link_local_address() -> None:
    with pytest.raises(RefusedError, match=r"169\.254\.169\.254 is a link-local address"):
        Peers(Connection("http://127.0.0.1:8901")).check_name("169.254.169.254", "http://169.254.169.254/")


@pytest.mark.parametrize("location", ["http://127.0.0.1:9/f", "https://[::ffff:7f00:1]/f", "https://2130706433/f"])
def test_a_redirect_back_to_the_machine_is_refused(http: requests_mock.Mocker, location: str) -> None:
    http.get(f"{URL}/file", status_code=302, headers={"Location": location})
    with pytest.raises(RefusedError, match="a loopback address of this machine, but the service is elsewhere"):
        client().rest.fetch("app.apk", lambda: Request("GET", "/file"), read_all)
    assert http.call_count == 1


def _outward() -> str | None:
    """An address of this machine that is not its loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        found: str = probe.getsockname()[0]
        return None if address.nearness(found) else found


@pytest.mark.real_sockets
@pytest.mark.parametrize("name", ["storage.test", "127.0.0.1.nip.test"])
def test_the_connected_address_is_checked_not_the_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []
    resolve = socket.getaddrinfo
    names = {name: "127.0.0.1", "service.test": _outward()}
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more, **options: resolve(names.get(host, host), *more, **options)
    )
    if not names["service.test"]:
        pytest.skip("this machine has no address but its loopback")
    with servers.server(lambda connection: heard.append(connection.recv(1))) as (url, connections):
        rest, _ = servers.client("http://service.test:9", allow_http=True)
        with pytest.raises(RefusedError, match=rf"{name} \(127\.0\.0\.1\) is a loopback address of this machine"):
            rest.fetch(
                "app.apk", lambda: rest.presigned("GET", url.replace("127.0.0.1", name), "the address"), read_all
            )
        wait_for(lambda: connections)
    assert b"".join(heard) == b""
