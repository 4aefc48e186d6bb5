"""The pages of Bitrise's site that Release Management links to: public install pages, and access links."""

from __future__ import annotations

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from plugin.sandbox.bitrise_release_management.facts import SITE, shown
from plugin.sandbox.bitrise_release_management.shelf import Shelf
from plugin.sandbox.own import OWN
from plugin.sandbox.service import refuse
from plugin.sandbox.state import State


def add_to(site: Blueprint, state: State) -> None:
    """Add the pages, at the sandbox's own origin."""

    @site.get("/installable-artifacts/<_id>/public-install-page/<_token>")
    @site.get("/app-install/<_id>")
    def show_page(**_parts: str) -> Response:
        with state.lock:
            artifacts = state.part(Shelf).artifacts.values()
            pages = {shown(state, each)["public_install_page_url"]: each.id for each in artifacts}
            pages |= {link["url"]: each.id for each in artifacts for link in each.links}
        id_ = pages.get(f"{SITE}{request.path}") or refuse(404, {"message": "Not Found"})
        return redirect(f"{OWN}/install/bitrise-release-management/{id_}")
