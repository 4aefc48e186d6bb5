"""The receipt: written as it happens, read again only when it is of the same run."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plugin.errors import Cancelled, InputError, RefusedError, UnavailableError
from plugin.files.receipt import Receipt
from plugin.files.record import Delivery, Intent, fingerprint
from plugin.files.whole import write_whole

IDENTITY = {"service": "app-distribution", "commit": "abc"}
DELIVERY = Delivery("out/app.ipa", "app.ipa", 3, "00ff", 0.1, "9", "7")


def receipt(path: Path | None, identity: dict[str, Any] | None = None, published: list[Any] | None = None) -> Receipt:
    seen: list[Any] = [] if published is None else published
    return Receipt(
        identity or IDENTITY, {"branch": "main", "tag": None}, path, write_whole, lambda new: seen.append(dict(new))
    )


def test_everything_is_on_disk_and_published_as_soon_as_it_is_known(tmp_path: Path) -> None:
    published: list[Any] = []
    path = tmp_path / "new" / "receipt.json"
    made = receipt(path, published=published)

    made.note(build_id="7")
    assert json.loads(path.read_text())["build-id"] == "7"
    made.delivered(0, DELIVERY)
    made.note(status="succeeded", build_url=None)

    assert [entry.get("status") for entry in published] == [None, "succeeded"]
    record = json.loads(path.read_text())
    assert record["artifacts"] == [
        {
            "path": "out/app.ipa",
            "name": "app.ipa",
            "size": 3,
            "sha256": "00ff",
            "seconds": 0.1,
            "id": "9",
            "build-id": "7",
        }
    ]
    assert "build-url" not in record
    assert "tag" not in record
    assert record == made.as_json()


def test_what_a_service_says_passes_the_redaction_and_our_own_paths_do_not(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    made = Receipt(IDENTITY, {}, path, write_whole, redact=lambda text: text.replace("s3cret", "***"))
    made.note(build_id="s3cret", build_ids=["s3cret"], downloaded_files=["s3cret/app.apk"])
    made.add("apps", [{"title": "x", "owner": {"s3cret": ["a s3cret", 1, None, True]}}])
    made.delivered(0, replace(DELIVERY, id="s3cret"))

    record = json.loads(path.read_text())
    assert (record["build-id"], record["build-ids"]) == ("***", ["***"])
    assert record["downloaded-files"] == ["s3cret/app.apk"]
    assert record["apps"] == [{"title": "x", "owner": {"***": ["a ***", 1, None, True]}}]
    assert record["artifacts"][0]["id"] == "***"


def test_a_later_run_of_the_same_identity_takes_over_its_record(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    first = receipt(path)
    first.note(build_id="7")
    first.delivered(0, DELIVERY)

    again = receipt(path)
    with again.opened([("out/app.ipa", lambda: "00ff"), ("out/other.ipa", lambda: "11")]):
        assert again.earlier["build-id"] == "7"
        assert again.deliveries == {0: DELIVERY}
        again.add("more", 1)

    assert json.loads(path.read_text())["build-id"] == "7"  # a run that ends here has lost nothing


@pytest.mark.parametrize(
    ("identity", "sha256"),
    [({**IDENTITY, "commit": "def"}, "00ff"), (IDENTITY, "changed")],
    ids=["another commit", "a changed file"],
)
def test_another_delivery_takes_nothing_over(tmp_path: Path, identity: dict[str, Any], sha256: str) -> None:
    path = tmp_path / "receipt.json"
    first = receipt(path)
    first.note(build_id="7")
    first.delivered(0, DELIVERY)
    entry = lost(first)

    again = receipt(path, identity)

    with again.opened([("out/app.ipa", lambda: sha256)]):
        assert (again.earlier, again.deliveries, again.unconfirmed) == ({}, {}, [])
        assert [intent.what for intent in again.abandoned] == [entry.what]


def lost(made: Receipt) -> Intent:
    """Leave an intent without an outcome in a receipt."""
    with pytest.raises(Cancelled), made.intent("creating the build", marker="m1") as entry:
        entry.begin()
        raise Cancelled(15)
    (intent,) = made.unconfirmed
    return intent


def test_an_intent_is_on_disk_before_its_outcome_and_gone_with_it(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    made = receipt(path)

    with made.intent("creating the build", marker="m1") as entry:
        assert not path.exists()
        entry.begin()
        (kept,) = json.loads(path.read_text())["unconfirmed"]
        assert (kept["what"], kept["facts"]) == ("creating the build", {"marker": "m1"})
        entry.done(build_id="7")

    record = json.loads(path.read_text())
    assert "unconfirmed" not in record
    assert record["build-id"] == "7"


def test_an_outcome_and_its_intent_are_never_on_disk_together(tmp_path: Path) -> None:
    seen = []
    made = Receipt(IDENTITY, {}, tmp_path / "receipt.json", lambda _path, text: seen.append(json.loads(text)))

    with made.intent("uploading app.ipa") as entry:
        entry.begin()
        entry.delivered(0, DELIVERY)

    assert [("unconfirmed" in record, len(record["artifacts"])) for record in seen] == [(True, 0), (False, 1)]


def doubted() -> UnavailableError:
    error = UnavailableError("lost")
    error.is_in_doubt = True
    return error


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (RefusedError("400"), False),
        (UnavailableError("503"), False),
        (doubted(), True),
        (Cancelled(15), True),
        (ZeroDivisionError(), True),
    ],
    ids=lambda value: str(value),
)
def test_only_an_error_without_doubt_strikes_the_intent(error: BaseException, stays: bool, tmp_path: Path) -> None:
    made = receipt(tmp_path / "receipt.json")

    with pytest.raises(type(error)), made.intent("creating the build") as entry:
        entry.begin()
        raise error

    assert bool(made.unconfirmed) == stays
    assert ("unconfirmed" in json.loads((tmp_path / "receipt.json").read_text())) == stays


def test_what_an_earlier_run_left_unconfirmed_stays_until_it_is_settled(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    intent = lost(receipt(path))

    again = receipt(path)
    with again.opened([]):
        again.note(status="unknown")
        assert again.unconfirmed == [intent]
        assert "unconfirmed" in json.loads(path.read_text())
        again.settle()
    assert "unconfirmed" not in json.loads(path.read_text())


def test_a_receipt_that_is_open_refuses_a_second_run(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    first, second = receipt(path), receipt(path)

    told = pytest.raises(InputError, match=rf"in use by another run \(process {os.getpid()}, ")
    with first.opened([]), told as caught, second.opened([]):
        pass
    assert str(caught.value).startswith("§receipt§: ")
    with second.opened([]):
        pass
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"name": "package.json of somebody"}', "\xff"])
def test_a_file_that_is_not_a_receipt_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "precious.json"
    path.write_bytes(content.encode("latin-1"))

    with pytest.raises(InputError, match="is not a receipt; name another file"), receipt(path).opened([]):
        pass
    assert path.read_bytes() == content.encode("latin-1")


WHOLE = {"buildferry": "1", **IDENTITY, "artifacts": [DELIVERY.as_json()]}


@pytest.mark.parametrize(
    "change",
    [
        {"artifacts": "all"},
        {"artifacts": None},
        {"artifacts": [1]},
        {"artifacts": [{"evil": 1}]},
        {"artifacts": [{**DELIVERY.as_json(), "id": {"a": 1}}]},
        {"artifacts": [{**DELIVERY.as_json(), "size": "<b>"}]},
        {"build-id": ["7"]},
        {"upload-context-id": 7},
        {"status": None},
        {"build-ids": [7]},
        {"unconfirmed": 5},
        {"unconfirmed": [{}]},
        {"unconfirmed": [{"what": 1, "since": "", "facts": {}}]},
        {"unconfirmed": [{"what": "", "since": "", "facts": []}]},
    ],
    ids=str,
)
def test_a_receipt_that_no_run_has_written_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps({**WHOLE, **change}))

    with pytest.raises(InputError, match="is not a receipt"), receipt(path).opened([("out/app.ipa", lambda: "00ff")]):
        pass


def test_unknown_keys_in_a_receipt_do_not_discard_it(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps({**WHOLE, "new": [], "artifacts": [{**DELIVERY.as_json(), "new": 1}]}))
    again = receipt(path)

    with again.opened([("out/app.ipa", lambda: "00ff")]):
        assert again.deliveries == {0: DELIVERY}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files there")
def test_a_receipt_that_would_never_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    os.mkfifo(path)

    with pytest.raises(InputError, match="is not a receipt"), receipt(path).opened([]):
        pass


def test_a_receipt_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InputError, match="cannot write"):
        receipt(tmp_path / "file" / "receipt.json").note(build_id="7")


def test_the_fingerprint_depends_on_values_and_not_on_their_order() -> None:
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
