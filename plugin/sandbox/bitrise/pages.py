"""The pages of Bitrise's site that answers link to: a build's, a run's, and an artifact's public install page."""

from __future__ import annotations

from html import escape

from flask import Blueprint, Response, redirect
from werkzeug.wrappers import Response as AnyResponse

from plugin.sandbox.bitrise.artifacts import Artifacts, install_path
from plugin.sandbox.bitrise.shelf import Shelf
from plugin.sandbox.own import OWN
from plugin.sandbox.service import refuse
from plugin.sandbox.state import State


def pages(state: State) -> Blueprint:
    """Make the pages, at the sandbox's own origin."""
    site = Blueprint("bitrise-pages", __name__)

    @site.get("/build/<build>")
    def show_build(build: str) -> Response:
        with state.lock:
            known = any(build in app.builds for app in state.part(Shelf).apps.values())
        return _page(f"build {build}") if known else refuse(404, {"message": "Not Found"})

    @site.get("/app/<app>/pipelines/<run>")
    def show_run(app: str, run: str) -> Response:
        with state.lock:
            known = run in state.part(Shelf).app(app).runs
        return _page(f"pipeline run {run}") if known else refuse(404, {"message": "Not Found"})

    @site.get("/artifact/<artifact>/p/<token>")
    def show_install_page(artifact: str, token: str) -> AnyResponse:
        with state.lock:
            _, found = state.part(Artifacts).by_slug.get(artifact, (None, None))
        is_there = found and found.is_public and install_path(artifact) == f"{artifact}/p/{token}"
        return redirect(f"{OWN}/install/bitrise/{artifact}") if is_there else refuse(404, {"message": "Not Found"})

    return site


def _page(title: str) -> Response:
    return Response(f"<!doctype html><title>{escape(title)}</title>", mimetype="text/html")
