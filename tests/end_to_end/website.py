"""Another website, in a browser of the machine that the sandbox runs on."""

from __future__ import annotations

import urllib.parse
from http.server import BaseHTTPRequestHandler
from typing import Any


class Website(BaseHTTPRequestHandler):
    """Another website, whose page does what it can to switch a fault."""

    def do_GET(self) -> None:
        target = urllib.parse.unquote(urllib.parse.urlsplit(self.path).query)
        script = f"""<!doctype html><title>open</title><iframe name=hole></iframe>
        <form method=post enctype=text/plain target=hole action={target}><input name='["* * 503"' value=']'></form>
        <script>
        const send = (method, headers, mode) => fetch("{target}", {{method, headers, mode, body: '["* * 503"]'}});
        document.forms[0].submit();
        Promise.allSettled([
          send("POST", {{"Content-Type": "application/json"}}, "cors"), send("POST", {{}}, "no-cors"),
          send("PUT", {{"Content-Type": "application/json"}}, "cors"), send("DELETE", {{}}, "cors"),
          fetch("{target}").then((answer) => answer.text()),
        ]).then((all) => {{ document.title = "read: " + all.filter((one) => one.value?.length).length; }});
        </script>"""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(script.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Print nothing."""
