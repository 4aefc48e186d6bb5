"""What a run has running at a service: a file that exists for as long as the run, for `cleanup` to end what is left.

A killed run leaves its file behind. There is one for each run, in a folder that only this user may write to, outside of
what CI systems archive, except on Drone and Harness without a clone. An operating system's lock says whether the run
lives. A file never holds a secret, and one that cannot be written is a notice: it fails no run.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugin import __version__, foreign
from plugin.errors import Cancelled
from plugin.files.lock import HeldError, held, remove_old
from plugin.files.owned import open_own, why_not_own
from plugin.files.record import redacted
from plugin.files.whole import write_whole
from plugin.log import Log

FOLDER = "buildferry-running"
LARGEST = 1024 * 1024  # bytes of a file to read


@dataclass(frozen=True)
class Left:
    """What a killed run of this CI job may have left running."""

    path: Path  # of its file
    service_url: str
    facts: Mapping[str, Any]  # what the service needs to find it


def folders(scratch: Path | None, environment: Mapping[str, str]) -> list[Path]:
    """Return where files are kept: in the CI job's folder `scratch` if it is known, else in one of this user's."""
    temporary = Path(environment.get("TMPDIR") or tempfile.gettempdir())
    own = temporary / (f"{FOLDER}-{os.getuid()}" if sys.platform != "win32" else FOLDER)
    return [*([scratch / FOLDER] if scratch else []), own]


class Running:
    """What this run has running, and what earlier runs of the same CI job have left."""

    def __init__(
        self,
        folders: Sequence[Path],
        about: Mapping[str, Any],
        log: Log,
        wall: Callable[[], float] = time.time,
        is_dry: bool = False,
    ) -> None:
        """Keep the file in the first usable one of `folders`.

        `about` names the `service`, its `service-url` and the CI `job`. In a dry run nothing is written.
        """
        self._folders = folders
        self._about = about
        self._log = log
        self._wall = wall
        self._path: Path | None = None
        self._stack = ExitStack()
        self.is_complete = True  # whether all that may be left running was dealt with
        self._is_off = is_dry  # also once it is known that the file cannot be written

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Remove the file when the run ends by itself; after a cancel it stays as it was noted last."""
        try:
            yield
        except Cancelled:
            raise
        except BaseException:
            self.note(None)
            raise
        else:
            self.note(None)
        finally:
            with suppress(OSError):
                self._stack.close()

    def note(self, facts: Mapping[str, Any] | None) -> None:
        """Write what has to be aborted if this run is killed from here on; with None nothing has to be."""
        try:
            if facts and not self._is_off:
                self._write(facts)
            elif self._path and not facts:
                self._path.unlink(missing_ok=True)
        except (OSError, HeldError) as error:
            self._is_off = True
            why = getattr(error, "strerror", None) or error
            self._log.notice(f"what this run starts is not recorded for the operation cleanup: {why}")

    def _write(self, facts: Mapping[str, Any]) -> None:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._wall()))
        record = {"buildferry": __version__, **self._about, "since": moment, "facts": facts}
        text = json.dumps(record, indent=2) + "\n"
        if redacted(json.loads(text), self._log.redact.declared) != json.loads(text):
            raise OSError("it would contain a secret")
        if self._path:
            write_whole(self._path, text)
            return
        for place, folder in enumerate(self._folders):
            try:
                self._path = self._locked(folder)
                write_whole(self._path, text)
            except (OSError, HeldError) as error:
                self._log.debug(f"{folder} is not used: {error}")
                if place + 1 == len(self._folders):
                    raise
            else:
                return

    def _locked(self, folder: Path) -> Path:
        """Return a new path in `folder`, which this process holds from now on. Raises OSError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if why := why_not_own(folder.lstat(), is_folder=True):
            raise OSError(f"{folder} {why}")
        path = folder / f"{os.urandom(16).hex()}.json"
        if not self._stack.enter_context(held(path.with_suffix(".lock"), f"process {os.getpid()}")):
            raise OSError(f"{folder} is on a file system without locks")
        return path

    def left(self) -> Iterator[Left]:
        """Yield what killed runs of this CI job may have left at the service; each is locked until the next one."""
        others = 0
        for folder in self._folders:
            if why := _why_not_read(folder):
                self.ignore(f"{folder} {why}")
                continue
            for path in sorted(folder.glob("*.json")):
                record = self._read(path)
                if record and record["job"] == self._about["job"]:
                    yield from self._taken(path, record["service"])
                else:
                    others += record is not None
                    remove_old(path, _lock_of(path), self._wall())
            for path in [*folder.glob("*.lock"), *folder.glob(".*.json-*")]:  # of runs killed while they wrote
                remove_old(path, _lock_of(path), self._wall())
        if others:
            self._log.debug(f"files of other CI jobs, which are left alone: {others}")

    def _taken(self, path: Path, service: str) -> Iterator[Left]:
        """Lock the file of a run that has ended, and yield what it says."""
        if service != self._about["service"]:
            self._log.debug(f"{path} is of {service}")
            return
        try:
            with held(path.with_suffix(".lock"), f"process {os.getpid()}, cleanup") as is_locked:
                if not is_locked:
                    self.ignore(f"{path} is on a file system without locks, so its run may still live")
                elif path.exists() and (record := self._read(path)):  # the run has not removed it meanwhile
                    yield Left(path, record["service-url"], record["facts"])
        except HeldError as error:
            self.is_complete = False
            self._log.line(f"a run of this CI job is still in progress ({error}): its builds are left alone")
        except OSError as error:
            self.ignore(f"{path} cannot be used: {error.strerror}")

    def ignore(self, why: str) -> None:
        """Say that something stays out of account, so builds may be left running."""
        self.is_complete = False
        self._log.warning(f"{why}: it is ignored, so builds may be left running")

    def _read(self, path: Path) -> dict[str, Any] | None:
        """Return what a file says; None if it has gone, and after a warning if no run of ours wrote it."""
        try:
            with open_own(path) as file:
                record = foreign.parse(file.read(LARGEST))
            names = ("service", "service-url", "job", "since")
            if not isinstance(record, dict) or not all(isinstance(record.get(name), str) for name in names):
                raise ValueError("it is not a file of buildferry")
            if not isinstance(record.get("facts"), dict):
                raise ValueError("it does not say what is running")
        except FileNotFoundError:  # its run has just ended
            return None
        except (OSError, ValueError) as error:
            self.ignore(f"{path} cannot be used: {getattr(error, 'strerror', None) or error}")
            return None
        return record

    def forget(self, left: Left) -> None:
        """Remove the file: nothing of it is left running."""
        try:
            left.path.unlink(missing_ok=True)
        except OSError as error:
            self._log.warning(f"{left.path} cannot be removed: {error.strerror}")


def _why_not_read(folder: Path) -> str | None:
    try:
        return why_not_own(folder.lstat(), is_folder=True)
    except FileNotFoundError:
        return None
    except OSError as error:
        return error.strerror


def _lock_of(path: Path) -> Path:
    """The lock of the run that a file is of: also of one that it was writing, which begins with a dot."""
    return path.with_name(f"{path.name.lstrip('.').partition('.')[0]}.lock")
