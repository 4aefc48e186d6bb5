"""Signed URLs for the files of the sandbox's Bitrise builds, and the list of downloads through them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from plugin.sandbox.bitrise.builds import Build
from plugin.sandbox.state import State
from plugin.sandbox.storage import Storage
from plugin.sandbox.uploads import Blob


@dataclass
class Downloads:
    """Each download, as the state shows it: `bytes` of its `size` were sent, unless a fault cut them."""

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
    """Return a URL like those of S3 for bytes that a build left, valid for as long as the build's variables say."""

    def served() -> Iterator[bytes]:
        entry = {"build": build.slug, "title": title, "size": blob.size, "bytes": 0}
        state.part(Downloads).entries.append(entry)
        sent = 0
        for chunk in blob.chunks():
            sent += len(chunk)
            entry["bytes"] = sent  # before the client has it: it may check at once
            yield chunk

    if "etag" in digests:
        blob.digest("md5")  # now, so that this reading is not counted as a download
    sent = {"x-amz-request-id": f"{build.number:016X}", "x-amz-server-side-encryption": "AES256", **headers}
    lifetime = build.tuning.url_seconds
    counted = replace(blob, chunks=served)
    name = re.sub(r"^\.|[^\w. -]", "_", title)
    return storage.get_url("bitrise", name, counted, sent, digests, lifetime, vendor="Amz")
