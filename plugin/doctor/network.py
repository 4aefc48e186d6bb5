"""The way to the service: proxy, certificates, name, connection, TLS, an answer, the clocks. Then its credentials.

What depends on a step that has failed is not tried.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import timezone
from email.utils import parsedate_to_datetime
from socket import socket
from typing import TYPE_CHECKING

from plugin.doctor import credentials
from plugin.doctor.finding import Finding, ok, problem, skipped, warn
from plugin.doctor.setup import Setup
from plugin.errors import InputError
from plugin.units import duration

if TYPE_CHECKING:
    from plugin.rest.probe import Head, Unreached, Way

STEP, WHOLE = 8.0, 25.0  # seconds for one step, and for all
LAST_DAYS = 14  # of a certificate
MOST_SHOWN, LONGEST = 3, 100  # IP addresses; characters of what a server says
APART, FAR_APART = 60, 300  # seconds between the clocks
RATE_LIMITED, BROKEN = 429, 500  # HTTP statuses; from BROKEN on the server has failed
SHORTEST = 0.5  # seconds: with less left, no step is begun
OUTAGE = {
    "dns": "check §service-url§, and that this machine has a network",
    "connection": "check §service-url§, and whether a firewall is between",
}
TIME_IS_UP = f"the {WHOLE:.0f} s for all steps are up"
FIX = "run this again when it is corrected"
STEPS = ("dns", "connection", "tls", "http", "clock", "credentials")


def check(setup: Setup) -> Iterator[Finding]:
    """Follow the way to the service."""
    if not setup.is_known:
        return
    values = setup.values
    if not values.service_url or "service-url" in setup.wrong:
        yield skipped("network", "§service-url§ is not set, or not valid")
    elif values.dry_run:
        yield skipped("network", "§dry-run§ is set, so nothing is sent")
    else:
        yield from _Journey(setup).findings()


class _TimeIsUp(Exception):  # noqa: N818 - says what it is
    """No step may begin."""


class _Journey:
    """One attempt to reach the service."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._clock = setup.around.clock
        self._log = setup.around.log
        self._ends = self._clock.now() + WHOLE

    def _left(self) -> float:
        """The seconds that a step may take; 0 if none may begin."""
        left = min(STEP, self._ends - self._clock.now())
        return left if left >= SHORTEST else 0

    def _seconds(self) -> float:
        if not (left := self._left()):
            raise _TimeIsUp
        return left

    def findings(self) -> Iterator[Finding]:
        """Take each step; name those that are left when one fails."""
        from plugin.rest.network import check_certificates, check_proxy
        from plugin.rest.probe import Unreached

        left = list(STEPS)
        url = self._setup.values.service_url
        connection = self._setup.connection(STEP)
        try:
            check_proxy(url)
        except InputError as error:
            yield problem("proxy", str(error), "correct the variable")
            yield skipped("network", "the proxy comes first")
            return
        try:
            check_certificates(connection, self._log.redact)
        except InputError as error:
            yield problem("certificates", str(error), "name a PEM file that exists")
            yield skipped("network", "the certificates come first")
            return
        yield from self._surroundings()
        try:
            for finding in self._steps():
                if finding.name in left:
                    del left[: left.index(finding.name) + 1]
                yield finding
        except Unreached as error:
            yield self._unreached(error, left[0])
            rest = left if error.is_by_proxy else left[1:]
            yield from (skipped(name, "a step before it has failed") for name in rest)
            return
        except _TimeIsUp:
            yield from (skipped(name, TIME_IS_UP) for name in left)
            return
        yield from credentials.check(self._setup, self._left, TIME_IS_UP)

    def _unreached(self, error: Unreached, step: str) -> Finding:
        """What to do about a step that has failed: without the proxy there is no way either."""
        from plugin.rest.probe import proxy_for

        proxy = proxy_for(self._setup.values.service_url)
        if proxy and (step in OUTAGE or (error.is_by_proxy and error.is_outage)):
            error.is_by_proxy = True
            do = f"check {proxy.variable} and NO_PROXY"
            return problem("proxy", str(error), do, is_outage=error.is_outage and step != "dns")
        do = OUTAGE.get(step, "try again later") if error.is_outage else FIX
        return problem("proxy" if error.is_by_proxy else step, str(error), do, error.is_outage)

    def _surroundings(self) -> Iterator[Finding]:
        """The proxy, and the authorities that are trusted."""
        from plugin.rest.probe import proxy_for

        setup, connection = self._setup, self._setup.connection(STEP)
        proxy = proxy_for(setup.values.service_url)
        signs_in = " with a user name" if proxy and proxy.headers else ""
        yield ok("proxy", f"{proxy.shown}{signs_in}, from {proxy.variable}" if proxy else "none for this address")
        if setup.values.service_url.startswith("https:"):
            by = connection.ca_variable or "§ca-bundle§"
            given = f"{connection.ca_bundle}, from {by}" if connection.ca_bundle else "those of the package certifi"
            yield ok("certificates", f"trusted authorities: {given}")

    def _steps(self) -> Generator[Finding, None, None]:
        """Each step up to an answer. Raises Unreached."""
        from plugin.rest.probe import Way, connect, context_of, proxy_for, resolve

        proxy = proxy_for(self._setup.values.service_url)
        way = Way(self._setup.values.service_url, proxy, self._log.redact)
        of_proxy = ", the proxy" if proxy else ""
        addresses = resolve(way.next_host, way.next_port, self._seconds())
        yield ok("dns", f"{way.next_host} is {', '.join(addresses[:MOST_SHOWN])}{of_proxy}")
        started = self._clock.now()
        plain = connect(way.next_host, addresses, way.next_port, self._seconds())
        with closing(plain):
            took = (self._clock.now() - started) * 1000
            yield ok("connection", f"{way.next_host}:{way.next_port} accepts, in {took:.0f} ms{of_proxy}")
            if proxy and proxy.parts.scheme == "https":
                yield from (skipped(name, "the proxy speaks https itself") for name in ("tls", "http", "clock"))
            elif way.scheme == "https":
                secured, certificate = way.secure(plain, context_of(self._setup.connection(STEP)), self._seconds())
                with closing(secured):
                    days = (certificate.ends - self._clock.wall()) / 86400
                    names = (
                        self._log.redact.brief(each, LONGEST) for each in (certificate.subject, certificate.issuer)
                    )
                    about = f"certificate for {' by '.join(names)}"
                    said = f"{secured.version()}, {about}, valid for {days:.0f} more days"
                    do = "have the service renew it"
                    yield warn("tls", said, do) if days < LAST_DAYS else ok("tls", said)
                    yield from self._answer(way, secured)
            else:
                yield skipped("tls", "the address is plain http")
                yield from self._answer(way, plain)

    def _answer(self, way: Way, connection: socket) -> Iterator[Finding]:
        started = self._clock.wall()
        head = way.ask(connection, self._seconds())
        said = f"GET {way.path} answers {head.status} {self._log.redact.brief(head.reason, LONGEST)}".rstrip()
        if head.elsewhere:
            there = self._log.redact.brief(head.elsewhere, LONGEST)
            yield warn("http", f"{said}: it redirects to {there}", "set §service-url§ to the service's own address")
        elif head.status >= BROKEN or head.status == RATE_LIMITED:
            do = "try again later"
            # Where the API can be read, that decides: what is at / may be another server's.
            yield warn("http", said, do) if self._setup.service.readings else problem("http", said, do, is_outage=True)
        else:
            yield ok("http", f"{said}: the server is there")
        yield self._clocks(head, (started + self._clock.wall()) / 2)

    def _clocks(self, head: Head, here: float) -> Finding:
        try:
            made = parsedate_to_datetime(head.date)
            there = (made if made.tzinfo else made.replace(tzinfo=timezone.utc)).timestamp() + int(head.age or 0)
            ahead = here - there
        except (ValueError, TypeError, OverflowError):
            return skipped("clock", "the server's answer has no date")
        if abs(ahead) <= APART:
            return ok("clock", f"{abs(ahead):.0f} s from the server's")
        said = f"this machine's clock is {duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} the server's"
        do = "set the clock: signed addresses and certificates fail when it is wrong"
        return problem("clock", said, do) if abs(ahead) > FAR_APART else warn("clock", said, do)
