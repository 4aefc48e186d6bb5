"""Reads what an APK, AAB or IPA says about itself. The contents decide its kind, not its name.

Whatever the file holds, reading it takes less than a second and 64 MiB: every size, count and depth has a limit.
The door is `read`; it returns an App, or raises an UnreadableError that says why not. Nothing is verified: a signature
is reported as present, not as valid.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from plugin.files.apps import aab, apk, ipa
from plugin.files.apps.app import DAMAGE, App, UnreadableError
from plugin.files.apps.archive import Archive

__all__ = ["App", "UnreadableError", "read"]

# The entry by which a kind of app is recognized, and the function that reads it.
KINDS: tuple[tuple[str, Callable[[Archive, Path], App]], ...] = (
    (apk.MAIN, apk.read),
    (aab.MAIN, aab.read),
    (ipa.MAIN, ipa.read),
)
READ = re.compile(b"|".join((apk.READ, aab.READ, ipa.READ)))


def read(path: Path) -> App:
    """Return what the app at `path` says about itself. Raises UnreadableError, whatever is wrong with the file."""
    try:
        with path.open("rb") as file:
            archive = Archive(file, READ)
            for main, read_kind in KINDS:
                if any(re.fullmatch(main, name) for name in archive.entries):
                    return read_kind(archive, path)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror}") from None
    except UnreadableError:
        raise
    except DAMAGE:
        raise UnreadableError("is damaged: something in it lies outside the file") from None
    raise UnreadableError("is a ZIP file, but not an APK, AAB or IPA: it holds no app's manifest")
