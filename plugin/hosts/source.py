"""What was built: commit, branch, tag and pull request, from the inputs, the CI system's variables, then git.

The commit is the one the author pushed: on a pull request the head's, never the merge commit that the CI system made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from plugin import inputs
from plugin.hosts import checkout
from plugin.hosts.host import Env
from plugin.source import Source, of_ref, short


def find(read: Callable[[Env, Path], Source], env: Env, folder: Path, given: Mapping[str, Any]) -> Source:
    """Return what was built: what the inputs in `given` say, else the host (by `read`), else git in `folder`.

    `given` holds inputs by name, those without a value left out.
    """
    source = short(read(env, folder))
    if not source.branch and not source.tag and not source.pull_request_id:
        source = replace(source, branch=checkout.ask(env, folder, "symbolic-ref", "--quiet", "--short", "HEAD"))
    own = {inputs.attribute(name): value for name, value in given.items()}
    own = {name: value for name, value in own.items() if name in Source.__dataclass_fields__}
    if "commit" in own and own["commit"] != source.commit:
        source = replace(source, commit_timestamp=None)
    is_other = any(own.get(name) not in (None, getattr(source, name)) for name in ("branch", "tag"))
    source = replace(source, **own, is_elsewhere=is_other and bool(source.branch or source.tag))
    commit = source.commit or checkout.ask(env, folder, "rev-parse", "--verify", "--quiet", "HEAD")
    timestamp = source.commit_timestamp
    if commit and not timestamp and re.fullmatch(r"[0-9a-fA-F]{4,64}", commit):
        timestamp = checkout.ask(env, folder, "show", "-s", "--format=%cI", f"{commit}^{{commit}}")
    ours, theirs = _without_password(source.repository_url), _without_password(source.head_repository_url)
    known = replace(source, commit=commit, commit_timestamp=timestamp)
    return replace(known, repository_url=ours, head_repository_url=theirs)


def with_short_refs(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return raw inputs in which a full ref is the short name that git shows: refs/heads/main is the branch main.

    A ref of another kind (`branch: refs/tags/v1`) goes to the input of its kind, where the operation has that.
    """
    made = dict(raw)
    used = inputs.used_by(*inputs.chosen(raw))
    for name in ("branch", "tag"):
        kind, value = of_ref(str(raw.get(name) or "").strip()) or (name, None)
        if value and kind == name:
            made[name] = value
        elif value and kind in used:
            del made[name]
            made.setdefault(kind, value)
    return made


def _without_password(url: str | None) -> str | None:
    """The repository's address without a token for this CI system, which the service must not see."""
    return url and re.sub(r"^(https?://)[^/?#]*@|^(\w[\w+.-]*://[^/?#:@]*):[^/?#]*(?=@)", r"\1\2", url)
