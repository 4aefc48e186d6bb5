"""Signed URLs for the files of the sandbox's Bitrise builds, and the list of downloads through them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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

    def counted(chunks: Iterator[bytes]) -> Iterator[bytes]:
        entry = {"build": build.slug, "title": title, "size": blob.size, "bytes": 0}
        state.part(Downloads).entries.append(entry)
        sent = 0
        for chunk in chunks:
            sent += len(chunk)
            entry["bytes"] = sent  # before the client has it: it may check at once
            yield chunk

    sent = {"x-amz-request-id": f"{build.number:016X}", "x-amz-server-side-encryption": "AES256", **headers}
    lifetime = build.tuning.url_seconds
    name = re.sub(r"^\.|[^\w. -]", "_", title)
    place = f"{build.slug} {title}"
    return storage.get_url("bitrise", name, blob, sent, digests, lifetime, "Amz", place, counted)
