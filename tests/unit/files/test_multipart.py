"""Forms: read back by a server as they were meant, whatever the names hold."""

from __future__ import annotations

import email
import email.policy
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.formparser import MultiPartParser

from plugin.files.multipart import multipart
from plugin.rest.exchange import Body
from tests.unit.files.sending import sent, upload

# HTML's own escape is ambiguous where a name holds %22 itself, and servers differ about backslashes.
NAMES = st.text(st.characters(exclude_characters="\\%", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)


def parsed(body: Body) -> tuple[dict[str, str], dict[str, tuple[str, bytes]]]:
    """The body as Werkzeug reads it: fields, and files with their names."""
    raw = sent(body)
    assert len(raw) == body.length
    boundary = (body.content_type or "").partition("boundary=")[2].encode()
    fields, files = MultiPartParser().parse(io.BytesIO(raw), boundary, len(raw))
    read = {name: (file.filename or "", file.read()) for name, file in files.items()}
    for file in files.values():
        file.close()
    return fields.to_dict(), read


@given(
    fields=st.dictionaries(NAMES, st.text(st.characters(exclude_categories=["Cs"]))),
    name=NAMES,
    data=st.binary(min_size=1),
)
def test_a_form_is_read_back_by_a_server(
    tmp_path_factory: pytest.TempPathFactory, fields: dict[str, str], name: str, data: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    body = multipart(fields, {name: upload(folder / "data", data)})
    read_fields, read_files = parsed(body)
    assert read_fields == fields
    assert read_files == {name: ("data", data)}


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("app.apk", "app.apk"),
        ("übung 你好.apk", "übung 你好.apk"),
        ('a "quoted" name.apk', "a %22quoted%22 name.apk"),
        ("line\r\nContent-Type: text/html", "line%0D%0AContent-Type: text/html"),
        ("semi;colon=1.apk", "semi;colon=1.apk"),
    ],
)
def test_a_name_cannot_leave_its_quotes(name: str, read: str) -> None:
    body = multipart({name: "value"})
    message = email.message_from_bytes(
        f"Content-Type: {body.content_type}\r\n\r\n".encode() + sent(body), policy=email.policy.HTTP
    )
    (part,) = message.iter_parts()
    assert part.keys() == ["Content-Disposition"]
    assert part.get_param("name", header="Content-Disposition") == read


def test_a_form_names_its_fields_and_files_for_a_dry_run(tmp_path: Path) -> None:
    body = multipart({"build_id": "7"}, {"file": upload(tmp_path / "app.apk", b"abc")})
    assert body.describe == ("field build_id = 7", "part file = file app.apk (3 bytes)")
