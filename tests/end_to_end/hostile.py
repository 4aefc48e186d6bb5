"""A server that answers whatever a test wants, down to the bytes: what no sandbox and no honest service would."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    write: Callable[[bytes], object]  # for answers that have no end


Answer = Callable[[Asked], bytes]


@dataclass
class Hostile:
    """The server while it runs."""

    url: str
    seen: list[Asked] = field(default_factory=list)


def answered(data: Any, status: str = "200 OK", **headers: str) -> bytes:
    """An HTTP answer: `data` as it is if bytes, else as JSON."""
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode("latin-1") + body


@contextlib.contextmanager
def hostile(answer: Answer) -> Iterator[Hostile]:
    """Serve `answer` on the loopback."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):  # the program hung up, as it should
                method, path, _ = self.rfile.readline().decode("latin-1").split(" ", 2)
                headers = {}
                while (line := self.rfile.readline().decode("latin-1").strip()) != "":
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                body = self.rfile.read(int(headers.get("content-length", "0")))
                asked = Asked(method, path, headers, body, self.wfile.write)
                server.seen.append(asked)
                self.wfile.write(answer(asked))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as listening:
        server = Hostile(f"http://127.0.0.1:{listening.server_address[1]}")
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        listening.shutdown()
        thread.join()
