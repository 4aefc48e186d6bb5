"""Signing keys of a PhoneGap Build account: list them, add one. They travel in a form over TLS, and are never shown.

Source: the service's page on version 0, "GET …/keys/" and "POST …/keys/:platform".
"""

from __future__ import annotations

from functools import partial

from plugin.inputs import attribute
from plugin.rest.exchange import Request
from plugin.services.creation import Creation, Record, create
from plugin.services.phonegap_build.api import API, call, file_part, form, read, strange
from plugin.services.service import Job, identifier

# What a key of each platform is made of: the inputs of its files by part, and of its texts by key in the part `data`.
FILES = {
    "ios": {"profile_file": "profile-file", "cert_file": "certificate-file"},
    "android": {"key_file": "keystore-file"},
    "blackberry": {"csk_file": "csk-file", "db_file": "db-file"},
}
WORDS = {
    "ios": {"password": "key-password"},
    "android": {"alias": "key-alias", "key_pw": "key-password", "keystore_pw": "keystore-password"},
    "blackberry": {"password": "key-password"},
}
ALL = {name for parts in (*FILES.values(), *WORDS.values()) for name in parts.values()}


def list_keys(job: Job) -> None:
    """List the keys of all platforms, or those of `platform`."""
    keys = _read(job, job.values.platform)
    for platform, entries in keys.items():
        for key in entries:
            job.log.line(f"{platform} key {key.get('id')}: {key.get('title')}")
    if not any(keys.values()):
        job.log.line("there are no keys")
    job.receipt.add("keys", keys)


def add_key(job: Job) -> None:
    """Add a signing key for `platform`."""
    platform, title = job.values.platform, job.values.title
    for name in sorted(_given(job) - {*FILES[platform].values(), *WORDS[platform].values()}):
        job.log.notice(f"§{name}§ is ignored: a key for {platform} does not have one")
    data = {"title": title} | {
        key: getattr(job.values, attribute(name)) for key, name in WORDS[platform].items() if name in _given(job)
    }
    files = {part: file_part(job, name) for part, name in FILES[platform].items() if name in _given(job)}
    creation = Creation(
        "the key",
        list_all=lambda: _read(job).get(platform, []),
        is_ours=lambda entry: entry.get("title") == title,
        read=partial(read, job),
    )
    with create(job, f"{API}/keys/{platform}", form(data, files), creation) as (key, entry):
        entry.done()
    job.say(f"added {platform} key {identifier(job, key, 'the key', 'id')}: {title}")
    job.receipt.add("key", key)


def _given(job: Job) -> set[str]:
    return {name for name in ALL if getattr(job.values, attribute(name))}


def _read(job: Job, platform: str | None = None) -> dict[str, list[Record]]:
    """Read the keys by platform. The page documents the answer for all platforms; for one, accept a bare list too."""
    request = Request("GET", f"{API}/keys/{platform or ''}", dry={})
    answer = call(job, request)
    keys = {platform: answer} if platform and isinstance(answer, list) else answer
    if not isinstance(keys, dict) or not all(isinstance(entries, list) for entries in keys.values()):
        raise strange(request)
    return keys
