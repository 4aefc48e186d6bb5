"""The tour: starts the sandbox, runs the main job on every service, prints what a CI log would show and the outputs."""

from __future__ import annotations

import json
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from plugin.sandbox import SERVICES, Sandbox
from plugin.sandbox.apps import apk, ipa
from plugin.sandbox.own import OWN
from plugin.units import size_text

Perform = Callable[[Mapping[str, str], Path], dict[str, Any]]  # raw inputs and the job's folder -> outputs
FILES: Mapping[str, Callable[[], bytes]] = {
    "app-release.apk": lambda: apk(size=3_000_000),
    "app.ipa": lambda: ipa(size=5_000_000),
    "release notes.txt": lambda: b"Faster, and with fewer errors.\n" * 20,
    "www.zip": lambda: bytes(range(250)) * 160,
}


def tour(out: TextIO, perform: Perform) -> None:
    """Run every step against a new sandbox, and compare the bytes sent with those received.

    Raises PluginError as the steps do, and RuntimeError when the sandbox received other bytes.
    """
    with Sandbox.start() as sandbox, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file_name, contents in FILES.items():
            (folder / file_name).write_bytes(contents())
        out.write(f"The sandbox listens on {sandbox.url}. You need no account, and nothing leaves this machine.\n")
        for service, record in SERVICES.items():
            outputs: dict[str, Any] = {}
            for step in record.tour:
                inputs = {"service": service, "service-url": sandbox.url, **sandbox.tokens[service], **step}
                inputs = {key: _filled(value, outputs, folder) for key, value in inputs.items()}
                out.write(f"\n=== {service}: {step['operation']}\n")
                outputs = perform(inputs, folder)
                _compare(out, outputs, sandbox.url)
                shown = {key: value for key, value in outputs.items() if key != "result"}
                out.write(f"outputs: {json.dumps(shown)}\n")
                if url := outputs.get("install-url"):
                    out.write(f"install link (of the sandbox: it leads to no real app): {url}\n")
        out.write("\nThe sandbox received everything that was sent.\n")


def _filled(value: str, outputs: Mapping[str, Any], folder: Path) -> str:
    return value.replace("BUILD-ID", outputs.get("build-id", "")).replace("FOLDER", str(folder))


def _compare(out: TextIO, outputs: Mapping[str, Any], url: str) -> None:
    """Compare the digests in the outputs with those of the bytes that the sandbox received."""
    with urllib.request.urlopen(f"{url}{OWN}/state", timeout=10) as answer:  # noqa: S310 - our own sandbox
        arrived = set(_digests(json.load(answer)))
    for artifact in outputs["result"]["artifacts"]:
        if artifact["name"] not in FILES:
            continue  # it was downloaded from the sandbox
        if artifact["sha256"] not in arrived:
            raise RuntimeError(f"the sandbox did not receive a file with the SHA-256 of {artifact['name']}")
        out.write(
            f"the sandbox received {artifact['name']}: {size_text(artifact['size'])}, sha256 {artifact['sha256']}\n"
        )


def _digests(data: Any) -> Iterator[str]:
    """Every value of a key `sha256` in parsed JSON."""
    if isinstance(data, dict):
        if isinstance(data.get("sha256"), str):
            yield data["sha256"]
        data = list(data.values())
    if isinstance(data, list):
        for item in data:
            yield from _digests(item)
