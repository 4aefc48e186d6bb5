"""The machine: buildferry and Python, where their environment is, and how much room its disks have."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from plugin import __version__
from plugin.doctor.finding import Finding, ok, problem, skipped, warn
from plugin.doctor.setup import Setup
from plugin.units import size_text

# The launcher's folder, in a cache or as its last resort in a temporary folder, and a file in it that no other has.
CACHE, LAST_RESORT, START = "buildferry", r"buildferry-\d+", "start-*"
FULL, LITTLE = 16 * 1024 * 1024, 256 * 1024 * 1024  # bytes


def check(_setup: Setup) -> Iterator[Finding]:
    """Name what runs, and where it is."""
    yield ok("buildferry", f"{__version__}, in {Path(__file__).parents[1]}")
    yield ok("python", f"{platform.python_version()} ({platform.python_implementation()}), {sys.executable}")
    yield _environment(Path(sys.prefix))


def _environment(environment: Path) -> Finding:
    """Where the packages are: in the launcher's cache, or an environment that people made."""
    if sys.prefix == sys.base_prefix:
        return ok("environment", f"none of its own: the packages are those of {environment}")
    folder = environment.parent
    if not any(folder.glob(START)):
        return ok("environment", str(environment))
    if re.fullmatch(LAST_RESORT, folder.name):
        said = f"{environment} is in a temporary folder, as no cache can be written: each job may create it again"
        return warn(
            "environment", said, "set XDG_CACHE_HOME to a folder that is kept, and that this user alone can write"
        )
    if folder.name == CACHE and not os.access(folder, os.W_OK):
        said = f"{environment}, in a cache that this user cannot write: it serves until the packages or Python change"
        return warn("environment", said, "let this user write it, or set XDG_CACHE_HOME to another folder")
    return ok("environment", str(environment))


def disks(setup: Setup) -> Iterator[Finding]:
    """Measure the free space where files are written, once for each disk."""
    folder = setup.around.folder
    places = {"the working folder": folder}
    if temporary := _temporary():
        places["the temporary folder"] = temporary
    else:
        yield problem("place", "no temporary folder can be written", "make room in one, or set TMPDIR to another")
    written = {f"§{place.name}§": place.path for place in setup.preflight.places if place.is_input}
    places |= written
    if sys.prefix != sys.base_prefix:
        places["the Python environment"] = Path(sys.prefix)
    by_disk: dict[int, tuple[Path, list[str]]] = {}
    for name, place in places.items():
        there = _existing(place)
        by_disk.setdefault(there.stat().st_dev, (there, []))[1].append(name)
    for there, names in by_disk.values():
        yield _room(there, ", ".join(names), is_written=not written.keys().isdisjoint(names))


def _temporary() -> Path | None:
    """The temporary folder; None if none can be written, which creating a file for a moment has shown."""
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        return None


def _existing(path: Path) -> Path:
    """The path, or the first folder above it that exists."""
    # Path.exists raises for closed places.
    return next(each for each in (path, *path.absolute().parents) if os.path.exists(each))  # noqa: PTH110


def _room(place: Path, names: str, is_written: bool) -> Finding:
    """The free space; too little of it fails a run that writes there."""
    try:
        usage = shutil.disk_usage(place)
    except OSError as error:
        return warn("disk", f"{place} ({names}): the free space is not known: {error.strerror}")
    if not usage.total:  # as /proc and /sys report
        return skipped("disk", f"{place} ({names}) has no size")
    said = f"{size_text(usage.free)} of {size_text(usage.total)} free at {place}: {names}"
    if usage.free < FULL and is_written:
        return problem("disk", said, "make room, or name another place")
    return warn("disk", said, "make room before a large download") if usage.free < LITTLE else ok("disk", said)
