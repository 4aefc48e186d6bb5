"""The bundle of an update: a folder as a zip, the same bytes for the same files whenever and wherever it is made."""

from __future__ import annotations

import shutil
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from plugin.errors import InputError, Problem
from plugin.files.artifacts import Artifact

FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold
MODE = 0o100644 << 16  # of a plain file on Unix


def bundle_of(given: str, folder: Path) -> Artifact:
    """Return the zip that the input `bundle` names, or the zip of the folder that it names, made in `folder`.

    Raises InputError for anything else.
    """
    path = Path(given)
    try:
        if path.is_dir():
            made = folder / f"{path.resolve().name or 'bundle'}.zip"
            _zip(path, made)
            return Artifact(made, made.stat().st_size, given)
        size = path.stat().st_size
        with path.open("rb") as file:
            is_zip = file.read(4) == b"PK\x03\x04"
    except OSError as error:
        raise InputError(Problem("bundle", f"cannot read {given!r}: {error.strerror}")) from None
    except UnicodeEncodeError:
        raise InputError(Problem("bundle", f"{given!r} has a file whose name is not valid UTF-8")) from None
    if not is_zip:
        raise InputError(Problem("bundle", f"{given!r} is neither a folder nor a zip"))
    return Artifact(path, size, given)


def _zip(folder: Path, target: Path) -> None:
    found = sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).parts)
    if links := [str(path) for path in found if path.is_symlink()]:
        raise InputError(Problem("bundle", f"{links[0]!r} is a symbolic link: replace it with the file itself"))
    files = [path for path in found if path.is_file()]
    if not files:
        raise InputError(Problem("bundle", f"{str(folder)!r} holds no files"))
    with ZipFile(target, "w") as archive:
        for path in files:
            info = ZipInfo(path.relative_to(folder).as_posix(), FIRST_DAY)
            info.compress_type, info.external_attr, info.create_system = ZIP_DEFLATED, MODE, 3
            with path.open("rb") as source, archive.open(info, "w", force_zip64=True) as packed:
                shutil.copyfileobj(source, packed)
