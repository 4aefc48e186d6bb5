"""The sandbox's faults: each is met once, by the request that its rule names."""

from __future__ import annotations

import errno
import http.client
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from plugin.sandbox import Sandbox
from plugin.sandbox.faults import FAULTS
from plugin.sandbox.rules import Rules, parse, with_faults
from plugin.sandbox.server import Listener
from plugin.sandbox.storage import Storage, storage_app
from plugin.sandbox.uploads import made_up
from tests.unit.sandbox.calls import DISTRIBUTION, ask, create_build, follow, form, has_ended, steer, until_last


@dataclass(frozen=True)
class Meets:
    """What a client meets: a status with this in the answer (headers and body), or an exception; and what was done."""

    fault: str
    outcome: int | type[BaseException]
    builds: int
    says: str = ""


MEETINGS = [
    Meets("503", 503, 0, "a fault rule"),
    Meets("599", 599, 0),
    Meets("429;retry-after=7", 429, 0, "Retry-After: 7"),
    Meets("503;retry-after=date:+2", 503, 0, " GMT"),
    Meets("503;retry-after=Wed, 21 Oct 2065 07:28:00 GMT", 503, 0, "Retry-After: Wed, 21 Oct 2065 07:28:00 GMT"),
    Meets("403;code=page", 403, 0, "<h1>"),
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
    Meets("cut=5", http.client.IncompleteRead, 1),
    Meets("id-type", 201, 1, '{"id": {"value": 1001}}'),
    Meets("float-id", 201, 1, '{"id":1001.0}'),
    Meets("errors", 200, 0, '{"errors": ["'),
    Meets("empty", 204, 1),
    Meets("empty-201", 201, 1),
    Meets("unpacked", 201, 1, "x-goog-stored-content-encoding: gzip"),
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
    faults = [f"GET /storage/* {fault}" for fault in ("short", "expired", "412", "403;code=SignatureDoesNotMatch")]
    listener, rules = Listener(), Rules(faults)
    listener.start(with_faults(storage_app(storage.state), rules, storage.state, "storage", listener.url))
    url = storage.get_url("bitrise", "a.apk", made_up("x", 1 << 20)).replace(storage.url, listener.url)
    with pytest.raises(http.client.IncompleteRead) as cut:
        follow(url, "GET")
    assert (len(cut.value.partial), cut.value.expected) == (1 << 19, 1 << 19)
    assert b"<Message>Request has expired</Message>" in follow(url, "GET").body
    assert b"<Code>PreconditionFailed</Code>" in follow(url, "GET").body
    assert b"<Code>SignatureDoesNotMatch</Code>" in follow(url, "GET").body
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
        ("POST /builds 503x0", "at least 1"),
    ],
)
def test_a_wrong_rule_is_refused_in_a_sentence(sandbox: Sandbox, rule: str, says: str) -> None:
    with pytest.raises(ValueError, match="fault rule") as refusal:
        Sandbox.start(faults=[rule])
    assert says in str(refusal.value)
    answer = steer(sandbox, "POST", "faults", ["GET /fine 500", rule])
    assert (answer.status, says in answer.json["error"]) == (400, True)
    assert ask(sandbox.url, "GET", "/_sandbox/faults").json == [], "none is taken when one is wrong"
