"""The storage origin: signed URLs as in cloud storages.

A signed URL is valid for one method, with exactly the signed headers, until it expires, and never with other
credentials. What has an ETag is also served in part, by Range and If-Range (RFC 9110, 13.1.5 and 14.2). Errors are XML,
as S3 and Google Cloud Storage write them.
"""

from __future__ import annotations

import base64
import itertools
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from flask import Flask, Response, request
from werkzeug.http import parse_etags

from plugin.sandbox.state import State
from plugin.sandbox.uploads import Blob, receive_file

METHODS = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"]
RANGE = "X-Goog-Content-Length-Range"
CREATE_ONLY = "X-Goog-If-Generation-Match"
ALGORITHMS = {"Goog": "GOOG4-HMAC-SHA256", "Amz": "AWS4-HMAC-SHA256"}

# How storages send a file's digest: the name of the way -> the headers.
DIGESTS: dict[str, Callable[[Blob], dict[str, str]]] = {
    "etag": lambda blob: {"ETag": f'"{blob.digest("md5").hex()}"'},
    "etag-of-parts": lambda blob: {"ETag": f'"{blob.digest("md5").hex()}-2"'},  # S3 multipart: no digest of the file
    "content-md5": lambda blob: {"Content-MD5": _base64(blob.digest("md5"))},
    "x-goog-hash": lambda blob: {"x-goog-hash": f"md5={_base64(blob.digest('md5'))}"},
}


@dataclass(frozen=True)
class Grant:
    """What one signed URL allows: a method and its signed headers, until when; what it stores, or serves and how."""

    method: str
    signed: Mapping[str, str] = field(default_factory=dict)
    stored: Callable[[Blob], None] | None = None
    blob: Blob | None = None
    sent: Mapping[str, str] = field(default_factory=dict)
    counted: Callable[[Iterator[bytes]], Iterator[bytes]] = iter  # passes on what is served
    query: Mapping[str, str] = field(default_factory=dict)
    expires: float = 0


@dataclass
class Grants:
    """All signed URLs by path; deleted at a reset."""

    by_path: dict[str, list[Grant]] = field(default_factory=dict)
    filled: set[str] = field(default_factory=set)  # the paths to which a file was stored
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    places: dict[str, int] = field(default_factory=dict)  # the numbers of files whose path stays the same


class Storage:
    """Signs URLs for the services."""

    def __init__(self, state: State, url: str) -> None:
        """Sign for the storage at `url`, an origin."""
        self.state = state
        self.url = url

    def put_url(
        self,
        service: str,
        name: str,
        headers: Mapping[str, str],
        stored: Callable[[Blob], None],
        lifetime: float = 900,
        vendor: str = "Goog",
    ) -> str:
        """Return a URL for one upload, valid for `lifetime` seconds; `stored` gets the bytes once all have arrived.

        `headers` are signed: they must come with these values, and no other X-Goog or X-Amz header may. A signed
        Content-Length is the exact length; a signed X-Goog-Content-Length-Range bounds it.
        """
        return self._sign(service, name, lifetime, vendor, Grant("PUT", signed=headers, stored=stored))

    def get_url(
        self,
        service: str,
        name: str,
        blob: Blob,
        headers: Mapping[str, str] | None = None,
        digests: Sequence[str] = ("x-goog-hash",),
        lifetime: float = 600,
        vendor: str = "Goog",
        place: str | None = None,
        counted: Callable[[Iterator[bytes]], Iterator[bytes]] = iter,
    ) -> str:
        """Return a URL to download `blob`, valid for `lifetime` seconds.

        `headers` are those of the answer; `digests` names the ways of DIGESTS in which it states the bytes' digest.
        URLs with the same `place` differ in their query only. `counted` passes on the bytes of each answer.
        """
        sent = dict(headers or {})
        for way in digests:
            sent |= DIGESTS[way](blob)
        return self._sign(service, name, lifetime, vendor, Grant("GET", blob=blob, sent=sent, counted=counted), place)

    def _sign(
        self, service: str, name: str, lifetime: float, vendor: str, grant: Grant, place: str | None = None
    ) -> str:
        clock = self.state.clock
        seconds = lifetime if clock.url_lifetime is None else clock.url_lifetime
        signed = sorted(["host", *(header.lower() for header in grant.signed)])
        query = {
            f"X-{vendor}-Algorithm": ALGORITHMS[vendor],
            f"X-{vendor}-Credential": f"sandbox/{clock.iso(timespec='seconds')[:10]}/auto/storage/request",
            f"X-{vendor}-Date": clock.iso(timespec="seconds").replace("-", "").replace(":", ""),
            f"X-{vendor}-Expires": f"{seconds:g}",
            f"X-{vendor}-SignedHeaders": ";".join(signed),
            f"X-{vendor}-Signature": secrets.token_hex(32),
        }
        with self.state.lock:
            grants = self.state.part(Grants)
            # a name's own slashes and double dots would lead elsewhere
            number = grants.places.get(f"{service} {place}") if place else None
            number = number or next(grants.numbers)
            if place:
                grants.places[f"{service} {place}"] = number
            path = f"/storage/{service}/{number}/{name.replace('/', '_').replace('..', '__')}"
            grants.by_path.setdefault(path, []).append(replace(grant, query=query, expires=clock.now() + seconds))
        return f"{self.url}{quote(path)}?{urlencode(query)}"


def storage_app(state: State) -> Flask:
    """Make the storage origin."""
    app = Flask(__name__, static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @app.route("/", methods=METHODS, provide_automatic_options=False)
    @app.route("/<path:_path>", methods=METHODS, provide_automatic_options=False)
    def transfer(_path: str = "") -> Response:
        if "Authorization" in request.headers:
            message = "Only one auth mechanism allowed; send the signed URL without an Authorization header"
            return error_xml(400, "InvalidArgument", message)
        grants = state.part(Grants)
        signed = grants.by_path.get(request.path)
        if not signed:
            return error_xml(404, "NoSuchKey", "The specified key does not exist.")
        grant = next((each for each in signed if each.query == request.args.to_dict()), signed[-1])
        refused = _not_signed(grant) or _expired(state, grant) or _is_there(grants)
        if refused:
            return refused
        return _store(state, grant) if grant.blob is None else _serve(grant.blob, grant)

    return app


def error_xml(status: int, code: str, message: str, **details: object) -> Response:
    """Return an error as storages write it."""
    parts = {"Code": code, "Message": message} | details
    inner = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in parts.items())
    return Response(f"<?xml version='1.0' encoding='UTF-8'?><Error>{inner}</Error>", status, mimetype="application/xml")


def _not_signed(grant: Grant) -> Response | None:
    """Refuse a request that differs from the one that was signed."""
    code = "SignatureDoesNotMatch"
    if sorted(request.args.items(multi=True)) != sorted(grant.query.items()):
        return error_xml(403, code, "The query is not the one that was signed.")
    if request.method != grant.method:
        return error_xml(403, code, f"The URL was signed for {grant.method}, not for {request.method}.")
    signed = {name.lower(): value for name, value in grant.signed.items()}
    for name, value in signed.items():
        if request.headers.get(name) != value:
            return error_xml(403, code, f"The header {name} was signed as: {value}")
    vendor = [name for name, _ in request.headers if name.lower().startswith(("x-goog-", "x-amz-"))]
    unsigned = [name for name in vendor if name.lower() not in signed]
    if unsigned:
        return error_xml(403, "AccessDenied", f"There were headers present which were not signed: {unsigned[0]}")
    return None


def _expired(state: State, grant: Grant) -> Response | None:
    if state.clock.now() < grant.expires:
        return None
    ended, now = state.clock.iso(grant.expires), state.clock.iso()
    return error_xml(403, "AccessDenied", "Request has expired", Expires=ended, ServerTime=now)


def _is_there(grants: Grants) -> Response | None:
    """Refuse to replace a file with one that may only be created."""
    if request.headers.get(CREATE_ONLY) != "0" or request.path not in grants.filled:
        return None
    return error_xml(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.")


def _store(state: State, grant: Grant) -> Response:
    length = request.content_length
    if length is None:
        return error_xml(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    least, most = (int(bound) for bound in grant.signed.get(RANGE, f"0,{length}").split(","))
    if length > most:
        message = "Your proposed upload is larger than the maximum object size."
        return error_xml(400, "EntityTooLarge", message, ProposedSize=length, MaxSizeAllowed=most)
    if length < least:
        return error_xml(400, "EntityTooSmall", "Your proposed upload is too small.", MinSizeAllowed=least)
    blob = receive_file(state, request.environ["wsgi.input"])
    if grant.stored:
        with state.lock:
            grant.stored(blob)
            state.part(Grants).filled.add(request.path)
    return Response(status=200, headers={"x-goog-stored-content-length": str(blob.size)})


def _serve(blob: Blob, grant: Grant) -> Response:
    """Send a file, or the part of it that is requested; all of it if If-Range names another version."""
    first, end, status = 0, blob.size, 200
    tag = parse_etags(grant.sent.get("ETag"))
    is_same = "If-Range" not in request.headers or (request.if_range.etag or "") in tag
    is_one = request.range is not None and request.range.units == "bytes" and len(request.range.ranges) == 1
    if request.range and is_one and tag and is_same:  # RFC 9110, 14.2: another unit is ignored, and others may be
        found = request.range.range_for_length(blob.size)
        if not found:
            return error_xml(416, "InvalidRange", "The requested range is not satisfiable", ActualObjectSize=blob.size)
        (first, end), status = found, 206
    served = grant.counted(_part(blob.chunks(), first, end))
    answer = Response(served, status, {"Content-Length": str(end - first)}, mimetype="application/octet-stream")
    answer.headers.update(grant.sent)
    if tag:
        answer.headers["Accept-Ranges"] = "bytes"
    if status == 206:
        answer.headers["Content-Range"] = f"bytes {first}-{end - 1}/{blob.size}"
    return answer


def _part(chunks: Iterator[bytes], first: int, end: int) -> Iterator[bytes]:
    """Yield the bytes from `first` to before `end`."""
    at = 0
    for chunk in chunks:
        if part := chunk[max(0, first - at) : max(0, end - at)]:
            yield part
        at += len(chunk)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
