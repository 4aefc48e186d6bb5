"""What the sandbox's Bitrise builds leave behind, over real sockets: logs in awkward order, artifacts that expire."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest
import requests

from tests.unit.sandbox.bitrise_client import Client, client_of_an_empty_sandbox, fetch, pages, running_sandbox

pytestmark = pytest.mark.real_sockets
running = pytest.fixture(scope="module")(running_sandbox)
bitrise = pytest.fixture(client_of_an_empty_sandbox)


def follow(bitrise: Client, build: str, seconds: int) -> tuple[list[Any], Any]:
    """Poll as a client would, 1 s of the sandbox's clock apart; return all chunks and the last answer."""
    chunks: list[Any] = []
    query: dict[str, str] = {}
    for _ in range(seconds):
        bitrise.move(1)
        answer = bitrise.get(f"{build}/log", **query)
        chunks += answer["log_chunks"]
        if "next_after_timestamp" in answer:
            query = {"after_timestamp": answer["next_after_timestamp"]}
    return chunks, answer


@pytest.mark.parametrize(
    ("modes", "is_whole", "is_in_order", "repeats"),
    [
        ("plain", True, True, False),
        ("shuffled", True, False, True),
        ("late", False, False, False),
        ("commands,shuffled", True, False, True),
    ],
)
def test_a_log_is_served_in_awkward_ways_and_archived_whole(
    bitrise: Client, modes: str, is_whole: bool, is_in_order: bool, repeats: bool
) -> None:
    bitrise.stop_clock()
    build = bitrise.start(seconds=20, log=modes, log_lines=3000)
    bitrise.ask("GET", f"{build}/log", 404)
    bitrise.move(4)
    chunks, answer = follow(bitrise, build, 24)
    positions = [chunk["position"] for chunk in chunks]
    assert (positions == sorted(positions)) == is_in_order
    assert (len(positions) > len(set(positions))) == repeats
    archived = fetch(answer["expiring_raw_log_url"])
    by_position = {chunk["position"]: chunk["chunk"] for chunk in chunks}
    assert ("".join(by_position[position] for position in sorted(by_position)) == archived) == is_whole
    assert archived.count("\n") == 3000
    assert ("::error::x" in archived) == ("commands" in modes)


def test_the_archive_comes_after_the_end_and_takes_no_credentials(bitrise: Client) -> None:
    bitrise.stop_clock()
    build = bitrise.start(seconds=10, url_seconds=60)
    seen = []
    for seconds in (5, 5.5, 0.7, 0.4):
        bitrise.move(seconds)
        answer = bitrise.get(f"{build}/log")
        seen.append((bitrise.get(build)["data"]["status"], answer["is_archived"], answer["expiring_raw_log_url"]))
    assert seen[:3] == [(0, False, ""), (1, False, ""), (1, True, "null")]
    url = seen[3][2]
    assert bitrise.session.get(url, timeout=5).status_code == 400
    assert fetch(url) == "".join(chunk["chunk"] for chunk in answer["log_chunks"])
    bitrise.move(60)
    assert "expired" in fetch(url)


def test_an_aborted_log_ends_where_the_abort_came(bitrise: Client) -> None:
    bitrise.stop_clock()
    build = bitrise.start(seconds=20, log_lines=100)
    bitrise.move(10)
    written = bitrise.get(f"{build}/log")["log_chunks"]
    bitrise.ask("POST", f"{build}/abort", json={})
    bitrise.move(60)
    answer = bitrise.get(f"{build}/log")
    assert answer["log_chunks"] == written
    archived = fetch(answer["expiring_raw_log_url"])
    assert archived == "".join(chunk["chunk"] for chunk in written)
    assert 0 < archived.count("\n") < 100


def test_some_builds_have_no_log_and_some_no_archive(bitrise: Client) -> None:
    never, unarchived = bitrise.start(log="never"), bitrise.start(log="unarchived")
    queued = bitrise.start(hold_seconds=1000)
    bitrise.ask("POST", f"{queued}/abort", json={})
    bitrise.move(5000)
    bitrise.ask("GET", f"{never}/log", 404)
    bitrise.ask("GET", f"{queued}/log", 404)
    answer = bitrise.get(f"{unarchived}/log")
    assert (answer["is_archived"], answer["expiring_raw_log_url"]) == (False, None)
    assert answer["log_chunks"][0]["position"] == 1  # an even build number


def test_a_log_of_200_000_lines_is_there_in_a_moment(bitrise: Client) -> None:
    build = bitrise.start(log_lines=200_000, log="shuffled")
    bitrise.move(100)
    started = time.monotonic()
    log = bitrise.get(f"{build}/log")
    assert len(log["log_chunks"]) == 200  # the latest part
    assert "next_before_timestamp" in log
    assert fetch(log["expiring_raw_log_url"]).count("\n") == 200_000
    assert time.monotonic() - started < 5


def test_artifacts_come_at_the_end_in_pages_with_titles_that_clash(bitrise: Client) -> None:
    build = bitrise.start(artifacts=120, titles="../../evil\n../../evil", first_artifact_bytes=700_000, url_seconds=60)
    assert bitrise.get(f"{build}/artifacts")["data"] == []
    bitrise.move(5)
    answers = list(pages(lambda **query: bitrise.get(f"{build}/artifacts", **query)))
    assert [len(answer["data"]) for answer in answers] == [50, 50, 20]
    first, second = answers[0]["data"][:2]
    assert first["title"] == second["title"] == "../../evil"
    shown = bitrise.get(f"{build}/artifacts/{first['slug']}")["data"]
    assert shown.items() >= first.items()
    url = shown["expiring_download_url"]
    assert bitrise.session.get(url, timeout=5).status_code == 400
    answer = requests.get(url, timeout=5)
    digest = hashlib.md5(answer.content, usedforsecurity=False).hexdigest()
    assert (len(answer.content), answer.headers["ETag"]) == (first["file_size_bytes"], f'"{digest}"')
    assert any(name.startswith("x-amz-") for name in answer.headers)
    (download,) = bitrise.get("/_sandbox/state")["bitrise"]["downloads"]
    assert (download["title"], download["bytes"], download["size"]) == ("../../evil", 700_000, 700_000)
    bitrise.move(60)
    assert "expired" in fetch(url)


def test_the_install_page_is_switched_with_a_body_of_any_type(bitrise: Client) -> None:
    build = bitrise.start(seconds=0)
    slug = bitrise.get(f"{build}/artifacts")["data"][0]["slug"]
    path = f"{build}/artifacts/{slug}"
    assert bitrise.get(path)["data"]["public_install_page_url"]
    assert not bitrise.ask("PATCH", path, data='{"is_public_page_enabled": false}')["data"]["public_install_page_url"]
    assert bitrise.get(path)["data"]["is_public_page_enabled"] is False
    bitrise.ask("PATCH", path, 400, json={"is_public_page_enabled": "yes"})
    bitrise.ask("GET", f"{build}/artifacts/missing", 404)
