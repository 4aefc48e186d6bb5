"""Which addresses may be talked to."""

from __future__ import annotations

import pytest

from plugin.address import problem

PLAIN = "is plain http, which would send secrets unprotected"


@pytest.mark.parametrize(
    "url",
    [
        "https://service.example",
        "https://service.example:8443/prefix?x=1",
        "https://storage.example/a file",  # some servers leave spaces in a Location
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://127.9.9.9:1",
        "http://[::1]:1",
    ],
)
def test_https_and_this_machine_are_allowed(url: str) -> None:
    assert problem(url) is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://service.example", PLAIN),
        ("http://10.0.0.1", PLAIN),
        ("http://0.0.0.0", PLAIN),
        ("http://127.0.0.1.example.com", PLAIN),
        ("http://localhost.example.com", PLAIN),
        ("http://app.localhost", PLAIN),  # not every resolver keeps such names on this machine
        ("https://user:secret@service.example", "must not contain a user name or password"),
        ("https://user@service.example", "must not contain a user name or password"),
        ("ftp://service.example", "must be a URL that starts with https://"),
        ("file:///etc/passwd", "must be a URL that starts with https://"),
        ("service.example", "must be a URL that starts with https://"),
        ("https://", "must be a URL that starts with https://"),
        ("", "must be a URL that starts with https://"),
        ("https://[::1", "is not a URL"),
        ("https://service.example:99999", "is not a URL"),
        ("https://serv ice.example", "is not a URL"),
        ("https://service.example\\.other.example", "is not a URL"),
    ],
)
def test_other_addresses_are_rejected_with_the_reason(url: str, said: str) -> None:
    assert (problem(url) or "").startswith(said)


def test_allowing_plain_http_allows_nothing_else() -> None:
    assert problem("http://service.example", allow_http=True) is None
    assert problem("http://user@service.example", allow_http=True)
