"""Server-sent events: what has changed, until the browser leaves."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Iterator, Mapping
from socket import socket

TICK = 0.3  # seconds from one comparison to the next
# Seconds of a stream, after which the browser opens the next: browsers have six connections to a server, so that
# streams without an end would leave a seventh page, and the switches of all, without any.
LONGEST = 2.0
GAP = 300  # milliseconds to the next


def stream(
    connection: socket, parts: Callable[[], Mapping[str, str]], tick: float = TICK, longest: float = LONGEST
) -> Iterator[str]:
    """Yield an event for each part whose text (JSON, on one line) has changed; end when the connection does.

    A browser sends nothing while it listens: what can be read is its end, or the end of the sandbox.
    """
    sent: Mapping[str, str] = {}
    ends = time.monotonic() + longest
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        while time.monotonic() < ends:
            latest = parts()
            for name, text in latest.items():
                if sent.get(name) != text:
                    yield f"event: {name}\ndata: {text}\n\n"
            sent = latest
            if selector.select(tick):
                return
    yield f"retry: {GAP}\nevent: end\ndata: .\n\n"
