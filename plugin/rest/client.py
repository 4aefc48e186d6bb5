"""The one client of a run: sends requests, and decides which ones to retry.

A failed attempt is one of three: not sent (the service cannot have the whole request), rejected (it answered), or
unknown (sent, no usable answer). What may be retried depends on that, and on whether the request is idempotent (`send`,
`fetch`) or may create a duplicate (`create`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urljoin

from requests import Response

from plugin import address
from plugin.clock import Clock
from plugin.errors import PluginError, RefusedError, UnavailableError
from plugin.log import Log
from plugin.rest.attempt import Attempts
from plugin.rest.exchange import Again, Answer, Connection, Download, Request
from plugin.rest.failure import Failure, Kind, in_doubt
from plugin.rest.network import check_certificates, check_proxy, proxy_secrets

TRIES = 5
LONGEST_BACKOFF = 60.0  # seconds
MOST_REDIRECTS = 5
CONFLICT, PRECONDITION_FAILED = 409, 412
T = TypeVar("T")


class DryRunEnds(Exception):  # noqa: N818 - not an error: the dry run has printed every request it can know
    """What would follow depends on an answer."""


class Rest:
    """The one client of a run, safe to use from several threads."""

    def __init__(self, connection: Connection, log: Log, clock: Clock | None = None) -> None:
        """Connect to the service at `connection`; write retries to `log`.

        Raises InputError for unusable certificates and proxies.
        """
        for secret in proxy_secrets():
            log.mask(secret)
        check_proxy(connection.url)
        check_certificates(connection, log.redact)
        self.connection = connection
        self.log = log
        self.clock = clock or Clock()
        self._attempts = Attempts(connection, log, self.clock)

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Let no request that this thread sends in the block last longer than `seconds` from now, retries included."""
        return self._attempts.within(seconds)

    def get(self, path: str, query: Mapping[str, str | int] | None = None) -> Any:
        """Read JSON from the service."""
        return self.send(Request("GET", path, query=query or {})).data

    def send(self, request: Request) -> Answer:
        """Send `request`, which is idempotent, until it succeeds.

        Raises AuthError (401, 403 of the service), RefusedError (another 3xx or 4xx), UnavailableError (the rest).
        """
        if self.connection.dry_run:
            return self._show(request)
        is_in_doubt = False

        def once() -> Answer:
            nonlocal is_in_doubt
            try:
                return self._attempts.answer(request)
            except Failure as failure:
                if is_in_doubt and request.is_create_only and failure.error.status == PRECONDITION_FAILED:
                    self.log.line(f"{failure.error}: an earlier attempt stored the file; its answer was lost")
                    return Answer(PRECONDITION_FAILED, {}, None)
                if is_in_doubt and request.is_create_only and failure.error.status == CONFLICT:
                    text = f"{failure.error}; the storage is still processing an earlier attempt"
                    raise Failure(UnavailableError(text), Kind.UNKNOWN) from None
                is_in_doubt |= failure.kind is Kind.UNKNOWN
                raise

        return self._until_it_works(request, once)

    def create(self, request: Request, parse: Callable[[Answer], T], look: Callable[[], T | None] | None = None) -> T:
        """Send `request`, which may create a duplicate if it is sent twice; return what it created.

        `parse` reads that from the answer, and raises UnavailableError if the answer does not say. After such an
        answer, or a 2xx one that is not JSON, `look` is called, but the request is not sent again. It is also called
        before each retry of an attempt whose body was sent whole, and before giving up on one that may have taken
        effect. It returns what it found, or None if nothing was created. It may wait, and raises a PluginError when it
        cannot know. Without `look`, an attempt with an unknown outcome is the last one.
        Raises as `send` does, with `is_in_doubt` if something may have been created.
        """
        if self.connection.dry_run:
            return parse(self._show(request))

        def once() -> T:
            try:
                answer = self._attempts.answer(request)
            except Failure as failure:
                failure.is_final |= 200 <= (failure.error.status or 0) < 300
                raise
            try:
                return parse(answer)
            except UnavailableError as error:
                raise Failure(error, Kind.UNKNOWN, is_final=True) from None

        return self._until_it_works(request, once, look, may_duplicate=True)

    def fetch(self, what: str, locate: Callable[[], Request], take: Callable[[Download], T]) -> T:
        """GET a file: `locate` it on every attempt, follow redirects without credentials, let `take` read it.

        A refusal at a signed address is retried with a new one; a failure that `take` marks as `came_further` counts as
        the first one. When `take` raises Again, a few times at most, the file is located again at once. Raises as
        `send` does, each error with `what` in front.
        """
        if self.connection.dry_run:
            self._show(locate())
            raise DryRunEnds

        def once() -> T:
            request = locate()
            for _ in range(MOST_REDIRECTS + 1):
                with self._attempts.open(request, is_download=True) as response:
                    if not response.is_redirect:
                        blocks = self._attempts.blocks(request, response)
                        address = self._attempts.url(request)
                        return take(Download(response.status_code, address, response.headers, blocks))
                    request = self._redirected(request, response)
            raise RefusedError(f"{request.name}: more than {MOST_REDIRECTS} redirects")

        def named() -> T:
            try:
                while True:
                    with suppress(Again):
                        return once()
            except (Failure, RefusedError, UnavailableError) as caught:
                error = caught.error if isinstance(caught, Failure) else caught
                if not str(error).startswith(f"{what}: "):
                    error.args = (f"{what}: {error}",)
                raise

        return self._until_it_works(Request("GET", what), named)

    def _until_it_works(
        self,
        request: Request,
        once: Callable[[], T],
        look: Callable[[], T | None] | None = None,
        may_duplicate: bool = False,
    ) -> T:
        """Call `once` until it succeeds or may not be retried: the one place that decides about retries."""
        attempt = 0
        may_be_done = False  # whether any attempt may have taken effect: later answers do not change that
        while True:
            attempt += 1
            try:
                return once()
            except Failure as caught:
                failure = caught
            attempt = 1 if failure.came_further else attempt
            may_be_done |= failure.kind is Kind.UNKNOWN
            is_in_doubt = may_duplicate and may_be_done
            is_last = failure.is_final or attempt == TRIES or bool(request.patience) or (is_in_doubt and not look)
            is_last = is_last or not self._pause(failure, attempt)
            if may_duplicate and not look and failure.came_after_all and not is_last:
                self.log.warning(f"{request.makes} may have gone through: check the service for a duplicate")
            if look and (is_in_doubt or failure.came_after_all):
                found = _found(request, failure, look)
                if found is not None:
                    return found
            if is_last:
                failure.error.is_in_doubt = may_be_done
                raise in_doubt(request, failure) if is_in_doubt else failure.error

    def _pause(self, failure: Failure, attempt: int) -> bool:
        """Wait before the next attempt; return whether there is time for one."""
        seconds = failure.retry_after
        if seconds is None:
            seconds = self.clock.jitter(min(2.0 ** (attempt - 1), LONGEST_BACKOFF))
        if seconds >= self._attempts.left():
            return False
        self.log.line(f"{failure.error}; retrying in {seconds:.1f} s (attempt {attempt + 1} of {TRIES})")
        self.clock.sleep(seconds)
        return True

    def presigned(self, method: str, url: str, about: str, **more: Any) -> Request:
        """Return the request for a signed address that the service gave; `about` is what messages call the address.

        Raises RefusedError when requests to it are not allowed.
        """
        if said := address.problem(url, self.connection.allow_http):
            raise RefusedError(f"{about} {said}")
        return Request(method, url, has_credentials=False, is_signed=True, **more)

    def _redirected(self, request: Request, response: Response) -> Request:
        """The request that follows a redirect: to an allowed address, and without credentials."""
        try:
            target = urljoin(response.url, response.headers["Location"])
            said = address.problem(target, self.connection.allow_http)
        except ValueError:
            said = "is not a URL"
        if said:
            raise RefusedError(f"{request.name}: redirects to an address that {said}")
        return replace(request, url=target, query={}, has_credentials=False, is_signed=True)

    def _show(self, request: Request) -> Answer:
        """Dry run: print the request instead of sending it."""
        self.log.line(f"would send {request.method} {self._attempts.url(request)}")
        for line in request.body.describe if request.body else ():
            self.log.line(f"  {line}")
        if request.dry is None:
            raise DryRunEnds
        return Answer(200, {}, request.dry)


def _found(request: Request, failure: Failure, look: Callable[[], T | None]) -> T | None:
    """Call `look` to find what a request in doubt created; if it fails, the request stays in doubt."""
    try:
        return look()
    except PluginError as error:
        raise in_doubt(request, failure, f" ({error})") from None
