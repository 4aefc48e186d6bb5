"""Signed URLs for what Bitrise builds of the sandbox leave behind, and the list of what was fetched through them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from plugin.sandbox.bitrise_builds import Build
from plugin.sandbox.state import State
from plugin.sandbox.storage import Storage
from plugin.sandbox.uploads import Blob


@dataclass
class Downloads:
    """Each download, as the state shows it; `bytes` counts what was handed to the connection."""

    entries: list[dict[str, object]] = field(default_factory=list)


def signed_url(
    state: State,
    storage: Storage,
    build: Build,
    title: str,
    blob: Blob,
    headers: Mapping[str, str],
    digests: Sequence[str],
) -> str:
    """Return a URL like those of S3 for bytes that a build left, good for as long as the build's variables say."""

    def served() -> Iterator[bytes]:
        sent = 0
        entry: dict[str, object] = {"build": build.slug, "title": title, "bytes": 0, "complete": not blob.size}
        state.part(Downloads).entries.append(entry)
        for chunk in blob.chunks():
            yield chunk
            sent += len(chunk)
            entry.update(bytes=sent, complete=sent == blob.size)

    if "etag" in digests:
        blob.digest("md5")  # now, so that this reading is not counted as a download
    sent = {"x-amz-request-id": f"{build.number:016X}", "x-amz-server-side-encryption": "AES256", **headers}
    lifetime = build.tuning.url_seconds
    counted = replace(blob, chunks=served)
    name = re.sub(r"^\.|[^\w. -]", "_", title)
    return storage.get_url("bitrise", name, counted, sent, digests, lifetime, vendor="Amz")
