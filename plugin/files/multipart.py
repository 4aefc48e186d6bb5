"""Bodies of multipart/form-data (RFC 7578): a few fields, and files that are streamed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from urllib3.fields import RequestField

from plugin.files.upload import Upload
from plugin.rest.exchange import Body


def multipart(fields: Mapping[str, str], files: Mapping[str, Upload] | None = None) -> Body:
    """Return a multipart/form-data body: fields with a Content-Disposition alone, then files, streamed."""
    boundary = os.urandom(16).hex()
    parts: list[tuple[bytes, Body | None]] = [
        (_part_head(boundary, name) + value.encode() + b"\r\n", None) for name, value in fields.items()
    ]
    for name, upload in (files or {}).items():
        head = _part_head(boundary, name, upload.artifact.name, "application/octet-stream")
        parts += [(head, upload.body()), (b"\r\n", None)]
    parts.append((f"--{boundary}--\r\n".encode(), None))

    def blocks() -> Iterator[bytes | memoryview]:
        for text, file in parts:
            yield text
            if file:
                yield from file.open()

    return Body(
        length=sum(len(text) + (file.length if file else 0) for text, file in parts),
        open=blocks,
        content_type=f"multipart/form-data; boundary={boundary}",
        describe=(
            *(f"field {name} = {value}" for name, value in fields.items()),
            *(f"part {name} = {line}" for name, upload in (files or {}).items() for line in upload.body().describe),
        ),
    )


def _part_head(boundary: str, name: str, file_name: str | None = None, content_type: str | None = None) -> bytes:
    """The lines before a part's content; names are quoted as browsers quote them (HTML standard)."""
    field = RequestField(name, b"", file_name)
    field.make_multipart(content_type=content_type)
    return f"--{boundary}\r\n{field.render_headers()}".encode()
