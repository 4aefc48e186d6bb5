"""Who may send requests to the sandbox: a browser or a program of this machine, and no website by way of a browser.

A website can make a browser send requests to this machine, under a foreign Origin; and by a name of its own that leads
to 127.0.0.1 (DNS rebinding), under a foreign Host. Programs such as curl send neither Origin nor Sec-Fetch-Site.
"""

from __future__ import annotations

from flask import Flask, Request, Response, request

from plugin.sandbox.own import is_own
from plugin.sandbox.service import refuse

LOOPBACK = ("127.0.0.1", "localhost")  # names of the one address at which it listens
OWN_SITE = ("same-origin", "none")  # none: typed, or from a bookmark
READING = ("GET", "HEAD")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def guard(app: Flask) -> None:
    """Refuse requests of other websites: at every address what writes, at those of the sandbox itself everything.

    A foreign Host is refused at every address: under one, a website could read what the services answer.
    """

    @app.before_request
    def check() -> None:
        if _name(request.host) not in LOOPBACK:
            refuse(403, {"error": f"open the sandbox as http://{LOOPBACK[0]}, not under the name {request.host}"})
        if (is_own(request.path) or request.method not in READING) and _is_foreign(request):
            refuse(403, {"error": "another website may not do this: open the sandbox's own page"})

    @app.after_request
    def protect(answer: Response) -> Response:
        if is_own(request.path):
            answer.headers.update(HEADERS)
        return answer


def _name(host: str) -> str:
    """Return the name in a Host header, without the port: a tunnel may have another."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()


def _is_foreign(asked: Request) -> bool:
    """Whether a browser sends this for another website; links may lead here, but only to be read."""
    site = asked.headers.get("Sec-Fetch-Site", "none")
    if asked.method in READING:
        return site not in OWN_SITE and asked.headers.get("Sec-Fetch-Mode") != "navigate"
    origin = asked.headers.get("Origin")
    return site not in OWN_SITE or (origin is not None and origin != asked.host_url.rstrip("/"))
