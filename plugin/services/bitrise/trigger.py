"""Reading what Bitrise answers to a trigger.

Source: "Known beyond this document", section "Trigger": its answer, and what an empty slug in it means.
"""

from __future__ import annotations

from typing import Any

from plugin.services.bitrise.build import SITE, Build
from plugin.services.service import QUEUED

APPROVAL = (
    "the answer has no build, which means that it waits for a manual approval."
    " Approve it on the app's page, or let builds of this token start without approval"
)


def read_answer(answer: Any) -> tuple[list[Build], str, bool]:
    """Return the builds that a trigger's answer names, what it says of those not started, and whether that is all."""
    told = answer if isinstance(answer, dict) else {}
    results = told.get("results")
    builds, refused, is_clear = [], "", True
    for given in results if isinstance(results, list) and results else [told]:
        result = given if isinstance(given, dict) else {}
        slug, number, link = (result.get(f"build_{key}") for key in ("slug", "number", "url"))
        status = result.get("status", told.get("status"))
        if isinstance(status, str) and status != "ok":
            refused = f"no build was started: {result.get('message') or 'the answer does not say why'}"
        elif slug == "":
            refused = f"no build was started ({result.get('message')}): {APPROVAL}"
        elif not isinstance(slug, str) or status != "ok":
            is_clear = False
        else:
            builds.append(
                Build(
                    slug=slug,
                    state=QUEUED,
                    word="triggered",
                    link=link if isinstance(link, str) and link else f"{SITE}/build/{slug}",
                    number=number if isinstance(number, int) else None,
                    workflow=result.get("triggered_pipeline") or result.get("triggered_workflow"),
                )
            )
    return builds, refused, is_clear
