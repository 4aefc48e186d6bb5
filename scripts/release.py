"""What a release needs besides its files: the notes, which are the changelog's section, and the major tag moved.

`python scripts/release.py notes vX.Y.Z` checks the tag against the version and CHANGELOG.md, and prints the section.
`python scripts/release.py move-major vX.Y.Z` moves vX at origin to that tag, unless a newer vX.*.* exists. Needs git
and a Python alone, as release.yml runs it before anything is installed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TAG = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)
NOT_YET = "not released yet"


class ReleaseError(Exception):
    """This cannot be released: what is wrong, and what to do."""


def notes(tag: str, version: str, changelog: str) -> str:
    """Return the section of `changelog` that describes the release `tag`, without its heading.

    Raises ReleaseError.
    """
    if not TAG.fullmatch(tag):
        raise ReleaseError(f"{tag} is not a release's tag: write it as v1.2.3")
    if tag != f"v{version}":
        raise ReleaseError(f"the tag is {tag}, but plugin/__init__.py says {version}: change one of them")
    sections = re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]
    found = [section.partition("\n") for section in sections if re.match(rf"{re.escape(version)}(?![\w.])", section)]
    if len(found) != 1:
        raise ReleaseError(f"CHANGELOG.md has {len(found)} sections `## {version}`, and needs one")
    ((heading, _, body),) = found
    if NOT_YET in heading:
        raise ReleaseError(f"CHANGELOG.md says that {version} is {NOT_YET}: write the date there")
    if not body.strip():
        raise ReleaseError(f"CHANGELOG.md says nothing about {version}")
    return body.strip() + "\n"


def is_newest(tag: str, tags: Iterable[str]) -> bool:
    """Return whether `tag` is the newest release of its major version among `tags`."""
    major, *rest = _numbers(tag)
    return all([major, *rest] >= numbers for numbers in map(_numbers, tags) if numbers[:1] == [major])


def _numbers(tag: str) -> list[int]:
    match = TAG.fullmatch(tag)
    return [int(number) for number in match.groups()] if match else []


def move_major(tag: str, folder: Path) -> str:
    """Move the major tag at origin to the commit of `tag`, which the clone in `folder` has; say what was done.

    Raises ReleaseError, CalledProcessError.
    """
    if not TAG.fullmatch(tag):
        raise ReleaseError(f"{tag} is not a release's tag: write it as v1.2.3")
    major = tag.partition(".")[0]
    listed = _git(folder, "ls-remote", "--tags", "--refs", "origin", f"{major}.*")
    if not is_newest(tag, (line.rpartition("/")[2] for line in listed.splitlines())):
        return f"{major} stays: there is a newer release than {tag}"
    _git(folder, "push", "--force", "origin", f"{tag}^{{commit}}:refs/tags/{major}")
    return f"{major} is {tag} now"


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def main(arguments: Sequence[str]) -> int:
    """Print the notes or move the tag; exit code 2 says what is wrong."""
    try:
        match arguments:
            case ["notes", tag]:
                (version,) = VERSION.findall((ROOT / "plugin" / "__init__.py").read_text(encoding="utf-8"))
                sys.stdout.write(notes(tag, version, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")))
            case ["move-major", tag]:
                print(move_major(tag, ROOT))
            case _:
                raise ReleaseError("usage: python scripts/release.py notes|move-major vX.Y.Z")
    except ReleaseError as error:
        print(f"release.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
