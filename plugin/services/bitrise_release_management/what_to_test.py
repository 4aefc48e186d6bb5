"""What testers are to test: a given text, a file's text, or the commits since the last tag."""

from __future__ import annotations

import re
from pathlib import Path

from plugin.errors import InputError, Problem
from plugin.rest.exchange import Request, json_body
from plugin.services.bitrise_release_management.api import ARTIFACTS, path, send
from plugin.services.service import Job

LONGEST = 4000  # characters, of the service
FILE, GIT = "file:", "git"
MOST_COMMITS = 300
LARGEST_FILE = 1024 * 1024  # bytes
CUT = "\n…"


def text_of(job: Job) -> str | None:
    """Return the text that `what-to-test` means, None if it is not given.

    Raises InputError for a file that cannot be read, and for `git` without a checkout.
    """
    given = job.values.what_to_test
    if not given:
        return None
    text = given
    if given == GIT:
        text = _commits(job)
    elif given.startswith(FILE):
        text = _read(given.removeprefix(FILE).strip())
    return shortened(job, text.strip())


def shortened(job: Job, text: str) -> str:
    """Return a text that the service takes: a longer one ends at the end of a line, with a notice."""
    if len(text) <= LONGEST:
        return text
    kept = text[: LONGEST - len(CUT)]
    kept = kept.rpartition("\n")[0].rstrip() or kept
    job.log.notice(
        f"§what-to-test§ has {len(text)} characters, but the service accepts {LONGEST}: the first {len(kept)} are sent"
    )
    return kept + CUT


def set_text(job: Job, uid: str, text: str) -> None:
    """Give an artifact its text."""
    body = json_body({"what_to_test": text})
    send(job, Request("PATCH", path(ARTIFACTS, uid, "what-to-test"), body=body, dry={}))
    lines = len(text.splitlines())
    job.say(f"artifact {uid}: what to test is set ({lines} line{'s' if lines != 1 else ''})")


def set_what_to_test(job: Job) -> None:
    """Give an artifact its text; `none` removes it."""
    text = "" if job.values.what_to_test == "none" else text_of(job)
    set_text(job, job.values.artifact_id, text or "")
    job.receipt.note(artifact_ids=[job.values.artifact_id])


def _read(name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            data = file.read(LARGEST_FILE)
        return data.decode("utf-8", "strict" if len(data) < LARGEST_FILE else "ignore")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not valid UTF-8"
        raise InputError(Problem("what-to-test", f"cannot read {name!r}: {reason}")) from None


def _commits(job: Job) -> str:
    """The commits since the last tag before this one, the newest first; all, if there was no tag."""
    if not job.ask_git("rev-parse", "--verify", "--quiet", "HEAD^{commit}"):
        text = "`git` needs a checkout with commits, and git finds none here: check the code out first, or give a text"
        raise InputError(Problem("what-to-test", text))
    commit = job.source.commit or "HEAD"
    if not re.fullmatch("[0-9a-fA-F]{4,64}|HEAD", commit) or not job.ask_git(
        "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"
    ):
        commit = "HEAD"
    tag = job.ask_git("describe", "--tags", "--abbrev=0", f"{commit}^")
    span = f"refs/tags/{tag}..{commit}" if tag else commit
    found = job.ask_git("log", "--no-merges", f"--max-count={MOST_COMMITS}", "--format=- %s", span, "--")
    if not tag and job.ask_git("rev-parse", "--is-shallow-repository") == "true":
        job.log.notice("§what-to-test§: this clone is shallow and has no earlier tag: check out with fetch-depth: 0")
    if not found:
        job.log.notice("§what-to-test§: git found no commits since the last tag: what to test is left empty")
    return found or ""
