"""Stands in for buildferry on the agent: records how it was started, and does what its `FAKE_*` variables say.

`FAKE_RECORD` is the JSON file to write. `FAKE_OUTPUTS` goes to `$PLUGIN_OUTPUT_FILE`, `FAKE_SAYS` to stderr, and
`FAKE_EXIT` is the exit code. With `FAKE_HANGS` it waits for SIGTERM and exits 143; the file of that name shows that it
waits.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> int:
    """Record, write, say, wait; returns the exit code."""
    record = {
        "arguments": sys.argv[1:],
        "folder": str(Path.cwd()),
        "environment": dict(os.environ),
        "sigint_ignored": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
        "requirements": Path(os.environ["BUILDFERRY_REQUIREMENTS"]).read_text(encoding="utf-8"),
    }
    Path(os.environ["FAKE_RECORD"]).write_text(json.dumps(record), encoding="utf-8")
    if "FAKE_OUTPUTS" in os.environ:
        Path(os.environ["PLUGIN_OUTPUT_FILE"]).write_text(os.environ["FAKE_OUTPUTS"], encoding="utf-8")
    print(os.environ.get("FAKE_SAYS", "done"), file=sys.stderr)
    if "FAKE_HANGS" in os.environ:
        signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
        Path(os.environ["FAKE_HANGS"]).touch()
        time.sleep(30)
    return int(os.environ.get("FAKE_EXIT", "0"))


if __name__ == "__main__":
    sys.exit(main())
