"""What a row of the benchmark is: a record with a function, given a Bench, that returns figures."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.process import LIMIT, Command, run
from benchmarks.results import Result
from benchmarks.sink import Sink
from tests.end_to_end.program import ROOT, clean_environment, variables

MIB, GIB = 1024**2, 1024**3
TO_THE_INDEX = re.compile(r"SSL_CERT_(FILE|DIR)|(HTTPS?|NO|ALL)_PROXY", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """One comparison."""

    title: str
    measure: Callable[[Bench], Result]
    tools: tuple[str, ...] = ()  # programs without which it is skipped
    rounds: float = 1.0  # times as many as asked: more of short ones, fewer of long ones


@dataclass
class Bench:
    """What the rows share."""

    folder: Path  # for files that come and go; in memory where there is such a place
    sink: Sink
    size: int  # bytes of the artifact of "1 GiB"
    runs: int  # counted ones, of each contender
    _files: dict[int, Path] = field(default_factory=dict)

    def file(self, size: int) -> Path:
        """Return a file of `size` random bytes, made when it is first asked for."""
        if size not in self._files:
            self._files[size] = self.folder / f"{size}.bin"
            with self._files[size].open("wb") as file:
                for start in range(0, size, MIB):
                    file.write(os.urandom(min(MIB, size - start)))
        return self._files[size]

    def forget(self, size: int) -> None:
        """Remove the file of `size` bytes."""
        self._files.pop(size).unlink()

    @cached_property
    def environment(self) -> dict[str, str]:
        """The variables that every contender gets; programs beside this Python are on PATH too, after all others."""
        path = os.pathsep.join((os.environ.get("PATH", os.defpath), sysconfig.get_path("scripts")))
        return {**clean_environment(), "PATH": path, "HOME": str(self.folder), "TMPDIR": str(self.folder)}

    def installing(self, cache: Path) -> dict[str, str]:
        """The variables for what installs packages: the way to the index, and `cache` alone to keep anything in."""
        known = {name: value for name, value in os.environ.items() if TO_THE_INDEX.fullmatch(name)}
        return {**_index(), **self.environment, **known, "HOME": str(cache), "XDG_CACHE_HOME": str(cache)}

    def tool(self, name: str) -> str | None:
        """Return the path of a program, or None."""
        return shutil.which(name, path=self.environment["PATH"])

    @cached_property
    def start(self) -> list[str]:
        """The beginning of our command line: what launch.sh becomes, in the environment that it has made."""
        cache = self.folder / "cache"
        run(self.launch("--version", cache=cache, limit=300))
        python = next((cache / "buildferry").glob("*/bin/python"))
        pycache = python.parent.parent / "pycache"
        main = str(ROOT / "plugin" / "__main__.py")
        return [str(python), "-I", "-X", "utf8", "-u", "-X", f"pycache_prefix={pycache}", main]

    def launch(self, *arguments: str, cache: Path, limit: float = 60, **more: Any) -> Command:
        """The same through launch.sh, which keeps its environment in `cache`."""
        environment = {**self.installing(cache), **more}
        return Command(["sh", str(ROOT / "plugin" / "launch.sh"), *arguments], environment, ROOT, limit=limit)

    def program(
        self, *arguments: str, inputs: Mapping[str, Any] | None = None, code: int = 0, limit: float = LIMIT
    ) -> Command:
        """Our command, with the inputs as a plain host has them, warm: the bytecode is there."""
        environment = {**self.environment, **variables("plain", inputs or {})}
        return Command([*self.start, *arguments], environment, ROOT, code, limit)

    def ours(self, scheme: str, inputs: Mapping[str, Any], limit: float = LIMIT) -> Command:
        """Our `run` against the sink."""
        to = {"service-url": self.sink.urls[scheme], "api-token": "made-up-token", "ca-bundle": self.sink.authority}
        return self.program("run", inputs={**to, **inputs}, limit=limit)

    def curl(self, scheme: str, path: str, *options: str) -> Command:
        """A request of curl's to the sink."""
        trust = ("--cacert", str(self.sink.authority))
        return Command(["curl", "-sS", *trust, *options, f"{self.sink.urls[scheme]}{path}"], self.environment)


def _index() -> dict[str, str]:
    """Where pip finds packages, by its configuration, as variables."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    found = re.findall(
        r"^\S+\.(index-url|extra-index-url|find-links|no-index|cert)='(.*)'$", listed.stdout, re.MULTILINE
    )
    return {f"PIP_{name.replace('-', '_').upper()}": value.replace("\\n", " ") for name, value in found}
