"""The place of a file that is arriving: hidden until it is whole, and kept for the next run when it can be continued.

It is a folder beside the target, which only this user may enter, with a lock beside it. Of what was not continued,
nothing stays for longer than a week, nor when the disk is full, nor when another file of the same name is fetched.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from plugin.errors import RefusedError
from plugin.files.lock import OLD, HeldError, held, remove_old, remove_unheld
from plugin.files.owned import REACHABLE, why_not_own
from plugin.files.part import FULL, JOURNAL, PART, Part
from plugin.log import Log
from plugin.rest.client import Rest
from plugin.units import size_text

PLACE = re.compile(r"\.buildferry\.[0-9a-f]{24}")  # names.py lets no download be called so
LOCK = re.compile(rf"{PLACE.pattern}\.lock")
PASSING = re.compile(r"\.buildferry-\w{8}")  # a folder that serves one run only


@contextmanager
def arriving(folder: Path, name: str, path: str | None, rest: Rest) -> Iterator[Part]:
    """Give the place for a file that is to be moved into `folder`, where messages call it `name`.

    It is the same place for the same `path` at the service, which no other file there has, and holds what an earlier
    run has left there; without a `path` it serves this run only. A live run has it for itself; what is not safe to use
    is left alone. What is there stays if the block raises, unless the service refuses the file or the disk is full.
    Raises OSError.
    """
    remove_left(folder)
    with ExitStack() as stack:
        part = _kept(stack, folder, name, path, rest) if path else None
        if not part:
            part = Part(folder / name, Path(tempfile.mkdtemp(prefix=".buildferry-", dir=folder), PART))
        try:
            yield part
            part.forget()
        except BaseException as error:
            if isinstance(error, RefusedError) or _is_full(error):
                part.forget()
            raise
        finally:
            part.close()
            part.leave(rest.log)


def abandon(part: Part, log: Log) -> None:
    """Leave a part whose transfer may still run, on a thread that is not waited for: it opens nothing there any more.

    What stays is locked until the process ends.
    """
    if not part.leave(log):
        _lock_of(part.file.parent).unlink(missing_ok=True)


def remove_left(folder: Path, now: Callable[[], float] = time.time) -> None:
    """Remove what earlier runs left in `folder` long ago and no run has continued; `now` gives Unix time."""
    for path in _places(folder):
        remove_old(path, _lock_of(path), now())
    for path in folder.glob(".buildferry*"):
        with suppress(OSError):
            if LOCK.fullmatch(path.name):
                remove_old(path, path, now())
            is_ours = PASSING.fullmatch(path.name) and not why_not_own(path.lstat(), REACHABLE, is_folder=True)
            if is_ours and now() - path.lstat().st_mtime > OLD:
                shutil.rmtree(path, ignore_errors=True)


def _kept(stack: ExitStack, folder: Path, name: str, path: str, rest: Rest) -> Part | None:
    """Lock the place that a later run finds again, and take up what is there; None if it cannot be used."""
    same_name = _digest(f"{rest.connection.url}\n{name}")
    place = folder / f".buildferry.{same_name}{_digest(path)}"
    if why := _why_not_ours(stack, place):
        rest.log.debug(f"{name}: nothing of it is kept for a later run: {place} {why}")
        return None
    others = [other for other in _places(folder) if other != place]
    for other in others:
        if other.name.startswith(f".buildferry.{same_name}"):
            remove_unheld(other, _lock_of(other))

    def make_room() -> bool:
        return any(remove_unheld(other, _lock_of(other)) for other in _places(folder) if other != place)

    part = Part(folder / name, place / PART, place / JOURNAL, make_room)
    why = part.take_up()
    if part.done:
        rest.log.line(f"{name}: continuing after {size_text(part.done)} that an earlier run fetched")
        return part
    if why:
        rest.log.line(f"{name}: what an earlier run fetched of it is not used: {why}")
    shutil.rmtree(place)  # what is there may be anything, a link that leads elsewhere for one
    place.mkdir(mode=0o700)
    return part


def _why_not_ours(stack: ExitStack, place: Path) -> str | None:
    """Lock `place` and make it a folder that nobody else may enter; return why that did not work."""
    try:
        if not stack.enter_context(held(_lock_of(place), f"process {os.getpid()}")):
            return "is on a file system without locks"
        with suppress(FileExistsError):
            place.mkdir(mode=0o700)
        if why := why_not_own(place.lstat(), REACHABLE, is_folder=True):
            place.rmdir()  # if it was made just now, where modes are not kept; else it has something in it, or fails
            return why
    except HeldError as error:
        return f"is used by {error}"
    except OSError as error:
        return f"cannot be used: {error.strerror}"
    return None


def _places(folder: Path) -> list[Path]:
    """The folders of ours in `folder` that hold what runs have left, or are fetching."""
    found = []
    for path in folder.glob(".buildferry.*"):
        with suppress(OSError):
            if PLACE.fullmatch(path.name) and not why_not_own(path.lstat(), REACHABLE, is_folder=True):
                found.append(path)
    return found


def _lock_of(place: Path) -> Path:
    return place.with_name(f"{place.name}.lock")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _is_full(error: BaseException) -> bool:
    """Whether there is no room for the file: what has arrived of it takes the room that something else needs."""
    cause = error.__cause__ or error
    return isinstance(cause, OSError) and cause.errno in FULL
