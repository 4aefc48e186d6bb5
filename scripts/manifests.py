"""Write everything that is generated: each host's manifest, the record of the inputs, the documents' tables and
examples, the picture of the rooms, and the page of the benchmarks.

All of it follows from plugin/schema.json, the classes in plugin/errors.py, the imports, the files in examples/ and
benchmarks/results.json.
`python scripts/manifests.py` writes, `--check` only names what is stale. A file's made parts are between the lines
`made: NAME` and `end of made`; the rest of such a file is its author's.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # started as a file: put the folder that holds this package on the path
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import page
from scripts import documents, hosts, picture, values

ROOT = Path(__file__).resolve().parent.parent


def contents(root: Path) -> dict[str, str]:
    """Every made file below `root`, as it must be."""
    found = {"plugin/inputs/values.py": values.module(), **picture.made(root)}
    for host in hosts.MODULES.values():
        found |= host.made(root)
    return found | documents.made(root) | page.made(root)


def stale(root: Path) -> list[str]:
    """The made files below `root` that are not, byte for byte, what they must be."""
    return [
        path
        for path, text in contents(root).items()
        if not (root / path).is_file() or (root / path).read_bytes() != text.encode()
    ]


def main(arguments: list[str]) -> int:
    """Write, or with `--check` name what is stale; the exit code is 1 if anything is."""
    if arguments == ["--check"]:
        found = stale(ROOT)
        for path in found:
            print(f"{path} is stale: run `make manifests`, and commit what it changes.")
        return 1 if found else 0
    for path, text in contents(ROOT).items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_bytes(text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
