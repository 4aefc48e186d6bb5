"""Slugs of apps, builds and artifacts as users write them: by themselves, or as the address of a page on the site."""

from __future__ import annotations

import re
from itertools import pairwise

from plugin.errors import InputError, Problem
from plugin.services.service import Job

_APP = ("app",)
_BUILD = ("build", "builds", "pipelines")
_ARTIFACT = ("artifact", "artifacts")


def app_slug(job: Job) -> str:
    """Return the slug that `app-id` names. Raises InputError."""
    return slug_of_app(job.values.app_id)


def slug_of_app(app_id: str) -> str:
    """Return the slug in a value of `app-id`. Raises InputError."""
    return _slug("app-id", app_id, _APP, "an app")


def build_slugs(job: Job) -> list[str]:
    """Return the slugs that `build-id` names, each once. Raises InputError."""
    return list(dict.fromkeys(_slug("build-id", text, _BUILD, "a build") for text in job.values.build_id))


def artifact_slug(job: Job) -> str:
    """Return the slug that `artifact-id` names. Raises InputError."""
    return _slug("artifact-id", job.values.artifact_id, _ARTIFACT, "an artifact")


def _slug(name: str, text: str, kinds: tuple[str, ...], what: str) -> str:
    """What follows one of `kinds` in an address; a text without a slash is a slug already.

    What follows `#` or `?` is ignored: `https://app.bitrise.io/app/SLUG#/builds`.
    """
    if "/" not in text:
        return text
    parts: list[str] = [part for part in re.split("[?#]", text.strip())[0].split("/") if part]
    for kind, slug in reversed(list(pairwise(parts))):
        if kind in kinds:
            return slug
    raise InputError(Problem(name, f"{text!r} is not the address of {what}'s page; write that, or only the slug"))
